/** What a receiver's answer means: of a message (Standard Webhooks), and of a security event token (RFC 8935 §2). */
import { type Failure, passing, permanent } from '../delivery/sender.ts'

const largest = 4_096
const longestText = 200
const longestWait = 3_600_000

/** Nothing more of it is for us, however much it is. */
const leave = (response: Response) => {
  response.body?.cancel().catch(() => {})
}

/** `Retry-After` in seconds, of those who say that they are busy. */
const waitOf = ({ status, headers }: Response): number | undefined => {
  const seconds = headers.get('retry-after') ?? ''
  const isBusy = status === 429 || status === 503
  return isBusy && /^\d{1,9}$/.test(seconds) ? Math.min(Number(seconds) * 1000, longestWait) : undefined
}

const answered = (response: Response, what = ''): Failure => ({
  ...passing(`the receiver answered ${response.status}${what}`),
  wait: waitOf(response),
})

/** Any 2xx; whatever else may be different another time, but for "gone". */
export const judgeMessage = (response: Response): Failure | undefined => {
  leave(response)
  if (response.ok) return undefined
  return response.status === 410 ? permanent('the receiver answered 410') : answered(response)
}

const beginning = async (response: Response): Promise<string> => {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength
    if (size > largest) return ''
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

const printable = (value: unknown): string =>
  typeof value === 'string' ? value.replace(/[^\x20-\x7e]/g, '?').slice(0, longestText) : ''

/** `{err, description}` (RFC 8935 §2.3), as far as it can be read. */
const errorOf = async (response: Response) => {
  try {
    const body: unknown = JSON.parse(await beginning(response))
    if (typeof body !== 'object' || body === null) return undefined
    const { err, description } = body as { err?: unknown; description?: unknown }
    return { err: printable(err), description: printable(description) }
  } catch {
    return undefined
  }
}

/** No other token will please it; its keys, its credentials and its permission may yet change. */
const final = new Set(['invalid_request', 'invalid_issuer', 'invalid_audience'])

/** 202 alone says that it was taken (§2.2). */
export const judgeToken = async (response: Response): Promise<Failure | undefined> => {
  if (response.status !== 400) leave(response)
  if (response.status === 202) return undefined
  if (response.ok) return answered(response, ' and not 202')
  if (response.status !== 400) return answered(response)
  const error = await errorOf(response)
  if (!error?.err) return answered(response)
  const reason = `the receiver answered 400 ${error.err}${error.description ? `: ${error.description}` : ''}`
  return final.has(error.err) ? permanent(reason) : passing(reason)
}
