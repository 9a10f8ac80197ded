/** A receiver of webhooks and of security event tokens, each path answering as it was told to. */
import { createHmac, timingSafeEqual } from 'node:crypto'

export interface Told {
  readonly path: string
  readonly headers: Headers
  readonly body: string
  readonly at: number
}

type Answer = (told: Told) => Response | Promise<Response>

export const newReceiver = () => {
  const told: Told[] = []
  const answers = new Map<string, Answer>()
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    idleTimeout: 20,
    async fetch(request) {
      const path = new URL(request.url).pathname
      const one = { path, headers: request.headers, body: await request.text(), at: performance.now() }
      told.push(one)
      return answers.get(path)?.(one) ?? new Response(null, { status: 202 })
    },
  })
  return {
    told,
    answers,
    at: (path: string) => told.filter((one) => one.path === path),
    url: (path: string) => `http://127.0.0.1:${server.port}${path}`,
    stop: () => server.stop(true),
  }
}

export type Receiver = ReturnType<typeof newReceiver>

/** Whether the message is signed with the secret, as the specification of Standard Webhooks tells receivers to check. */
export const isSigned = ({ headers, body }: Pick<Told, 'headers' | 'body'>, secret: string): boolean => {
  const [id, timestamp, signatures] = ['webhook-id', 'webhook-timestamp', 'webhook-signature'].map(
    (name) => headers.get(name) ?? '',
  )
  if (Math.abs(Date.now() / 1000 - Number(timestamp)) > 300) return false
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64')
  const expected = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest()
  return (signatures ?? '').split(' ').some((signature) => {
    const [version, value = ''] = signature.split(',')
    const given = Buffer.from(value, 'base64')
    return version === 'v1' && given.length === expected.length && timingSafeEqual(given, expected)
  })
}

export const eventually = async (holds: () => boolean | Promise<boolean>, milliseconds = 5_000) => {
  const until = performance.now() + milliseconds
  while (!(await holds())) {
    if (performance.now() > until) throw new Error('it never came to that')
    await Bun.sleep(10)
  }
}
