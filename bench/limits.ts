/** What this machine can do at all: signatures of the same key, and HTTP with nothing behind it. */
import { closedLoop, type Measured } from './measure.ts'

const algorithms = {
  RS256: {
    generate: {
      name: 'RSASSA-PKCS1-v1_5',
      modulusLength: 2048,
      publicExponent: new Uint8Array([1, 0, 1]),
      hash: 'SHA-256',
    },
    sign: { name: 'RSASSA-PKCS1-v1_5' },
  },
  ES256: { generate: { name: 'ECDSA', namedCurve: 'P-256' }, sign: { name: 'ECDSA', hash: 'SHA-256' } },
} as const

/** Signatures a second, 32 under way at a time, in a process that does nothing else. */
export const rawSignatures = async (algorithm: 'RS256' | 'ES256', seconds: number): Promise<Measured> => {
  const { generate, sign } = algorithms[algorithm]
  const { privateKey } = await crypto.subtle.generateKey(generate, false, ['sign', 'verify'])
  const data = new TextEncoder().encode('x'.repeat(800))
  return closedLoop(32, seconds, async () => {
    await crypto.subtle.sign(sign, privateKey, data)
  })
}

/** Requests a second that an empty server in another process answers, 32 clients unless said. */
export const rawHttp = async (seconds: number, clients = 32): Promise<Measured> => {
  const code =
    "const s = Bun.serve({ port: 0, hostname: '127.0.0.1', async fetch(r) { return new Response(await r.text()) } }); console.log(s.port)"
  const child = Bun.spawn([process.execPath, '-e', code], { stdout: 'pipe' })
  const first = await child.stdout.getReader().read()
  const port = Number(new TextDecoder().decode(first.value))
  const body = 'x'.repeat(1800)
  const measured = await closedLoop(clients, seconds, async () => {
    await (await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body })).text()
  })
  child.kill()
  return measured
}
