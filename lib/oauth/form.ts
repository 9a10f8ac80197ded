/** Strict application/x-www-form-urlencoded: UTF-8, no name twice, an empty value counts as omitted (RFC 6749 §3.1). */
import { readBounded } from '../bounded-body.ts'

/** Parameters that may come several times (RFC 8707 §2, RFC 8693 §2.1), where an endpoint says so. */
export type Repeatable = ReadonlySet<string>

const nothing: Repeatable = new Set()

export type Form =
  | { readonly parameters: ReadonlyMap<string, string> }
  | { readonly parameters: undefined; readonly repeated?: string; readonly problem: string }

/** Nothing of ours needs more. */
export const longestForm = 65_536

/** A name or a value. Throws URIError for what is not percent-encoded UTF-8. Most have nothing to decode, long tokens above all. */
export const decodePart = (text: string): string =>
  /[%+]/.test(text) ? decodeURIComponent(text.replaceAll('+', ' ')) : text

/**
 * Parses a query or a body. A repeated name is a problem even when its values are equal or empty; the values of one that
 * is `repeatable` are joined by a space, which neither a URI nor an audience of ours has.
 */
export const parseForm = (text: string, repeatable: Repeatable = nothing): Form => {
  if (text.length > longestForm) return { parameters: undefined, problem: 'the request is too long' }
  const seen = new Set<string>()
  const parameters = new Map<string, string>()
  for (const pair of text.split('&')) {
    if (pair === '') continue
    const at = pair.indexOf('=')
    let name: string
    let value: string
    try {
      name = decodePart(at < 0 ? pair : pair.slice(0, at))
      value = at < 0 ? '' : decodePart(pair.slice(at + 1))
    } catch {
      return { parameters: undefined, problem: 'a parameter is not percent-encoded UTF-8' }
    }
    // no value of ours has one, and Postgres takes it in no text
    if (name.includes('\0') || value.includes('\0')) {
      return { parameters: undefined, problem: 'a parameter has a NUL character' }
    }
    const former = parameters.get(name)
    if (seen.has(name) && !repeatable.has(name)) {
      return { parameters: undefined, repeated: name, problem: 'a parameter is repeated' }
    }
    seen.add(name)
    if (value !== '') parameters.set(name, former === undefined ? value : `${former} ${value}`)
  }
  return { parameters }
}

/** The body of a POST as a form; anything else than a form is a problem. Reads no more than is allowed. */
export const readForm = async (request: Request, repeatable: Repeatable = nothing): Promise<Form> => {
  const type = request.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase()
  if (type !== 'application/x-www-form-urlencoded') {
    return { parameters: undefined, problem: 'the body must be application/x-www-form-urlencoded' }
  }
  const bytes = await readBounded(request, longestForm)
  if (!bytes) return { parameters: undefined, problem: 'the request is too long' }
  try {
    return parseForm(new TextDecoder('utf-8', { fatal: true }).decode(bytes), repeatable)
  } catch {
    return { parameters: undefined, problem: 'the body is not UTF-8' }
  }
}
