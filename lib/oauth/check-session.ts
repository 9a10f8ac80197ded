/**
 * GET /oidc/checksession: the frame that applications ask whether the sign-in at this server is still the one they know
 * (OpenID Connect Session Management 1.0 §3.3). It reads the `opbs` cookie, computes `session_state` anew and answers
 * `changed`, `unchanged` or `error` to whoever asked. It is the only page of ours that others may frame; it tells no
 * more than whether a hash is right that the asking origin is part of.
 */
import { createHash } from 'node:crypto'
import { Hono } from 'hono'

// Old JavaScript on purpose, for old browsers; SHA-256 is written out since crypto.subtle is missing where the page
// around the frame came by http. The hash is that of session-state.ts.
const script = `
(function () {
  var first = [1779033703, 3144134277, 1013904242, 2773480762, 1359893119, 2600822924, 528734635, 1541459225]
  var constants = []
  for (var n = 2; constants.length < 64; n++) {
    var isPrime = true
    for (var d = 2; d * d <= n; d++) if (n % d === 0) isPrime = false
    if (isPrime) constants.push(Math.floor(Math.pow(n, 1 / 3) % 1 * 4294967296))
  }
  function rotate(word, by) { return (word >>> by) | (word << (32 - by)) }
  function sha256(text) {
    var bytes = unescape(encodeURIComponent(text))
    var count = ((bytes.length + 8) >> 6) + 1
    var words = []
    var i
    for (i = 0; i < count * 16; i++) words[i] = 0
    for (i = 0; i < bytes.length; i++) words[i >> 2] |= bytes.charCodeAt(i) << (24 - (i % 4) * 8)
    words[bytes.length >> 2] |= 0x80 << (24 - (bytes.length % 4) * 8)
    words[count * 16 - 1] = bytes.length * 8
    var hash = first.slice()
    for (var block = 0; block < count; block++) {
      var w = words.slice(block * 16, block * 16 + 16)
      var h = hash.slice()
      for (i = 0; i < 64; i++) {
        if (i > 15) {
          var a = w[i - 15]
          var b = w[i - 2]
          var low = rotate(a, 7) ^ rotate(a, 18) ^ (a >>> 3)
          var high = rotate(b, 17) ^ rotate(b, 19) ^ (b >>> 10)
          w[i] = (w[i - 16] + low + w[i - 7] + high) | 0
        }
        var choice = (h[4] & h[5]) ^ (~h[4] & h[6])
        var majority = (h[0] & h[1]) ^ (h[0] & h[2]) ^ (h[1] & h[2])
        var one = h[7] + (rotate(h[4], 6) ^ rotate(h[4], 11) ^ rotate(h[4], 25)) + choice + constants[i] + w[i]
        var two = (rotate(h[0], 2) ^ rotate(h[0], 13) ^ rotate(h[0], 22)) + majority
        h = [(one + two) | 0, h[0], h[1], h[2], (h[3] + one) | 0, h[4], h[5], h[6]]
      }
      for (i = 0; i < 8; i++) hash[i] = (hash[i] + h[i]) | 0
    }
    var hex = ''
    for (i = 0; i < 8; i++) hex += ('00000000' + (hash[i] >>> 0).toString(16)).slice(-8)
    return hex
  }
  function judge(message, origin) {
    if (typeof message !== 'string') return 'error'
    var space = message.lastIndexOf(' ')
    var state = /^([0-9a-f]{64})\\.([\\w-]+)$/.exec(message.slice(space + 1))
    if (space < 1 || !state) return 'error'
    var cookie = /(?:^|; )opbs=([^;]*)/.exec(document.cookie)
    var text = message.slice(0, space) + ' ' + origin + ' ' + (cookie ? cookie[1] : '') + ' ' + state[2]
    return sha256(text) === state[1] ? 'unchanged' : 'changed'
  }
  window.addEventListener('message', function (event) {
    // itself, and whoever has no origin to answer to
    if (!event.source || event.source === window || event.origin === 'null') return
    event.source.postMessage(judge(event.data, event.origin), event.origin)
  }, false)
})()`

const document = `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Session</title></head><body><script>${script}</script></body></html>`

const headers = {
  'Content-Type': 'text/html; charset=utf-8',
  // the same for everybody: the script is known by its hash
  'Content-Security-Policy': `default-src 'none'; script-src 'sha256-${createHash('sha256').update(script).digest('base64')}'; base-uri 'none'; form-action 'none'; frame-ancestors *`,
  'Cache-Control': 'public, max-age=300',
}

export const checkSession = () => new Hono().get('/oidc/checksession', (c) => c.body(document, 200, headers))
