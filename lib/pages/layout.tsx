/** The frame of every page: one column, light and dark, nothing from another origin but what its page names, no script needed. */

import { raw } from 'hono/html'
import type { Child } from 'hono/jsx'

// Sizes are in rem, so that a reader's own text size counts; nothing moves, so that nobody has to ask for less motion.
// A button that was just clicked takes no second click (`button:focus:not(…)`): a double click on a form that is spent
// once would show that it is spent. Any click beside it, the second one included, makes it clickable again.
const style = `
:root{color-scheme:light dark;--ink:#17202e;--soft:#525e6f;--paper:#eef1f6;--card:#fff;--line:#dde2ea;--field:#76839a;--accent:#1d55b7;--accent-over:#17489d;--accent-ink:#fff;--alarm:#96191d;--alarm-paper:#fdeeee;--alarm-line:#e5b3b4;--notice:#5a3c00;--notice-paper:#fff5dd;--notice-line:#e3c076}
@media(prefers-color-scheme:dark){:root{--ink:#e9edf3;--soft:#a8b3c3;--paper:#0e1218;--card:#181e27;--line:#2c3542;--field:#77849a;--accent:#8db6ff;--accent-over:#a9c8ff;--accent-ink:#0b1730;--alarm:#ffb9b9;--alarm-paper:#35191c;--alarm-line:#6d3639;--notice:#ffdf9c;--notice-paper:#2f2612;--notice-line:#6b5421}}
*{box-sizing:border-box}
html{text-size-adjust:none;-webkit-text-size-adjust:none}
body{margin:0;min-height:100vh;display:flex;flex-direction:column;align-items:center;justify-content:center;padding:1.5rem 1rem;background:var(--paper);color:var(--ink);font:1rem/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Open Sans","Liberation Sans",sans-serif;overflow-wrap:anywhere}
.card{width:100%;max-width:27rem;padding:2rem;background:var(--card);border:1px solid var(--line);border-radius:1rem;box-shadow:0 1px 2px #0000000d,0 .75rem 2rem #0000000f}
.brand{display:flex;align-items:center;gap:.5rem;margin-bottom:1.5rem;color:var(--soft);font-size:.9375rem;font-weight:600;letter-spacing:.01em}
.brand svg{width:1.75rem;height:1.25rem;color:var(--accent)}
h1{margin:0 0 .25rem;font-size:1.5rem;line-height:1.25;font-weight:650;letter-spacing:-.01em}
h2{margin:1.5rem 0 .25rem;font-size:1rem;line-height:1.4;font-weight:650}
p{margin:.5rem 0}
.soft{color:var(--soft)}
.soft strong{color:var(--ink)}
.small{font-size:.875rem}
.alarm+.small{margin-top:1.5rem}
.small+dl{margin-top:.5rem}
label{display:block;margin:1.25rem 0 .375rem;font-weight:600}
input{width:100%;min-height:2.875rem;padding:.5rem .75rem;font:inherit;color:inherit;background:transparent;border:1px solid var(--field);border-radius:.5rem}
input[aria-invalid]{border-color:var(--alarm)}
.actions{display:flex;flex-direction:column;gap:.75rem;margin-top:1.5rem}
button{width:100%;min-height:2.875rem;padding:.5rem 1rem;font:inherit;font-weight:600;cursor:pointer;color:var(--accent-ink);background:var(--accent);border:1px solid var(--accent);border-radius:.5rem}
button:hover{background:var(--accent-over);border-color:var(--accent-over)}
button.quiet{color:var(--ink);background:transparent;border-color:var(--field)}
button.quiet:hover{border-color:var(--ink)}
button:focus:not(:active,:focus-visible){pointer-events:none}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
.alarm,.notice{margin:1rem 0 0;padding:.75rem .875rem;border:1px solid;border-radius:.5rem}
.alarm{color:var(--alarm);background:var(--alarm-paper);border-color:var(--alarm-line)}
.notice{color:var(--notice);background:var(--notice-paper);border-color:var(--notice-line)}
dl{margin:1rem 0 0;border:1px solid var(--line);border-radius:.5rem}
dl div{padding:.5rem .875rem}
dl div+div{border-top:1px solid var(--line)}
dt{color:var(--soft);font-size:.875rem}
dd{margin:0;font-weight:600}
code,.id{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace;font-size:.875rem;font-weight:400}
ul{margin:.5rem 0 0;padding:0;list-style:none}
li{display:flex;flex-wrap:wrap;align-items:baseline;justify-content:space-between;gap:0 1rem;padding:.375rem 0;border-top:1px solid var(--line)}
li:first-child{border-top:0}
li code{color:var(--soft);font-size:.8125rem}
@media(max-width:30rem){body{justify-content:flex-start;padding:0;background:var(--card)}.card{max-width:none;padding:1.5rem 1.25rem 2rem;border:0;border-radius:0;box-shadow:none}}
`

interface PageOptions {
  readonly title: string
  readonly status?: number
  /** Origins that a form of this page may lead to, beside our own; browsers check redirects, too. */
  readonly formTargets?: readonly string[]
  /** An inline script, allowed by its nonce; the page has to work without it. */
  readonly script?: string
  /** Origins that frames of this page may show. */
  readonly frames?: readonly string[]
  /** Origins that pictures of this page may come from. */
  readonly images?: readonly string[]
  /** Of this page alone, behind that of all. */
  readonly style?: string
  /** Where the browser goes by itself when it runs no script: a `script` has to lead there, too, and no browser goes twice. */
  readonly refresh?: { readonly seconds: number; readonly to: string }
}

/** Renders a page with its strict Content-Security-Policy. */
export const page = (
  {
    title,
    status = 200,
    formTargets = [],
    script,
    frames = [],
    images = [],
    style: own = '',
    refresh,
  }: PageOptions,
  content: Child,
): Response => {
  const nonce = Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString('base64')
  const document = (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="robots" content="noindex" />
        {refresh && (
          <noscript>
            <meta http-equiv="refresh" content={`${refresh.seconds};url=${refresh.to}`} />
          </noscript>
        )}
        <title>{title}</title>
        <style nonce={nonce}>{raw(`${style}${own}`)}</style>
      </head>
      <body>
        <div class="card">
          <header class="brand">
            <svg viewBox="0 0 28 20" aria-hidden="true">
              <circle cx="10" cy="10" r="8" fill="none" stroke="currentColor" stroke-width="2.5" />
              <circle cx="18" cy="10" r="8" fill="currentColor" fill-opacity=".35" />
            </svg>
            mayact
          </header>
          <main>{content}</main>
        </div>
        {script === undefined ? null : <script nonce={nonce}>{raw(script)}</script>}
      </body>
    </html>
  )
  const policy = [
    "default-src 'none'",
    `style-src 'nonce-${nonce}'`,
    ...(script === undefined ? [] : [`script-src 'nonce-${nonce}'`]),
    ...(frames.length > 0 ? [`frame-src ${frames.join(' ')}`] : []),
    ...(images.length > 0 ? [`img-src ${images.join(' ')}`] : []),
    `form-action ${["'self'", ...formTargets].join(' ')}`,
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ]
  return new Response(`<!doctype html>${document}`, {
    status,
    headers: {
      'Content-Type': 'text/html; charset=utf-8',
      'Content-Security-Policy': policy.join('; '),
      'X-Frame-Options': 'DENY',
      'Cache-Control': 'no-store',
    },
  })
}

/** Of two submits in a row one goes out; a page that comes back from the browser's memory may be sent again. */
export const submitOnce = `let sent=false
document.forms[0].addEventListener('submit',event=>{if(sent)event.preventDefault();sent=true})
addEventListener('pageshow',()=>{sent=false})`

/** What a form-action names for a redirect URI: its origin, or the scheme of an app's own. */
export const formTarget = (redirectUri: string): string => {
  const { origin, protocol } = new URL(redirectUri)
  return origin === 'null' ? protocol : origin
}
