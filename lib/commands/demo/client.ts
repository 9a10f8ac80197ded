/** Speaks HTTP to the throw-away server and remembers what was said. */
import type { DemoServer } from './server.ts'

/** One request and its answer, as they are shown. */
export interface Exchange {
  readonly about: string
  readonly method: string
  readonly path: string
  /** The body, readable. */
  readonly sent?: string
  readonly status: number
  /** What matters of the answer, readable. */
  readonly answered?: string
}

export interface Asked {
  readonly about: string
  readonly path: string
  readonly method?: string
  readonly json?: unknown
  readonly form?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
  /** The status of success. */
  readonly expected: number
}

export interface Client {
  readonly exchanges: readonly Exchange[]
  /** Asks; throws `Unexpected` when the answer has another status. */
  ask(asked: Asked): Promise<{ readonly response: Response; readonly text: string }>
  /** The same, its answer being JSON. */
  askJson(asked: Asked): Promise<unknown>
}

/** The server answered something else than it should: the demo cannot go on. */
export class Unexpected extends Error {
  override readonly name = 'Unexpected'
}

const longest = 2_000

const shown = (response: Response, text: string): string | undefined => {
  const location = response.headers.get('location')
  if (location) return `Location: ${location}`
  if (response.headers.get('content-type')?.startsWith('text/html')) return `(a page of ${text.length} bytes)`
  return text === '' ? undefined : text.slice(0, longest)
}

const bodyOf = ({ json, form }: Asked) => {
  if (json !== undefined) return { sent: JSON.stringify(json), body: JSON.stringify(json) }
  if (!form) return undefined
  return { sent: new URLSearchParams(form).toString(), body: new URLSearchParams(form) }
}

/** A client of its own: the exchanges of all its requests, in their order. */
export const newClient = (server: Pick<DemoServer, 'request'>): Client => {
  const exchanges: Exchange[] = []
  const ask = async (asked: Asked) => {
    const { about, path, expected } = asked
    const content = bodyOf(asked)
    const method = asked.method ?? (content ? 'POST' : 'GET')
    const response = await server.request(path, {
      method,
      headers: {
        ...(asked.json === undefined ? {} : { 'Content-Type': 'application/json' }),
        ...asked.headers,
      },
      ...(content ? { body: content.body } : {}),
    })
    const text = await response.text()
    const answered = shown(response, text)
    exchanges.push({
      about,
      method,
      path,
      ...(content ? { sent: content.sent } : {}),
      status: response.status,
      ...(answered === undefined ? {} : { answered }),
    })
    if (response.status !== expected) {
      throw new Unexpected(
        `${method} ${path} answered ${response.status} instead of ${expected}: ${text.slice(0, longest)}`,
      )
    }
    return { response, text }
  }
  return {
    exchanges,
    ask,
    async askJson(asked) {
      return JSON.parse((await ask(asked)).text) as unknown
    },
  }
}

/** A member of a JSON answer that has to be text. */
export const textOf = (answer: unknown, ...path: readonly (string | number)[]): string => {
  let value = answer
  for (const name of path) {
    value = typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined
  }
  if (typeof value !== 'string') throw new Unexpected(`an answer has no ${path.join('.')}`)
  return value
}

/** Basic credentials. */
export const basic = (user: string, password: string): string =>
  `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
