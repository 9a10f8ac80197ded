/** Media types, and the body of a request: JSON of at most a mebibyte. */
import type { Context } from 'hono'
import { isObject } from '../directory/attributes.ts'
import { bad, ScimError, scimContentType } from './error.ts'

const largestBody = 1_048_576

const essence = (type: string) => type.split(';', 1)[0]?.trim().toLowerCase() ?? ''

const isUtf8 = (type: string) => {
  const charset = /;\s*charset\s*=\s*"?([^\s;"]+)/i.exec(type)?.[1]
  return charset === undefined || charset.toLowerCase() === 'utf-8'
}

const spoken = new Set(['application/scim+json', 'application/json'])
const accepted = new Set([...spoken, 'application/*', '*/*'])

const ranges = (c: Context) => (c.req.header('accept') ?? '*/*').split(',').map(essence)

/** Refuses a client that takes none of the types spoken here, or sends another. */
export const requireMediaTypes = (c: Context): void => {
  const accept = c.req.header('accept')
  if (accept !== undefined && !ranges(c).some((range) => accepted.has(range))) {
    throw new ScimError(406, `${accept} is not supported.`)
  }
  if (!['POST', 'PUT', 'PATCH'].includes(c.req.method)) return
  const type = c.req.header('content-type')
  if (type === undefined || !spoken.has(essence(type)) || !isUtf8(type)) {
    throw new ScimError(406, `${type ?? 'A request without a Content-Type'} is not supported.`)
  }
}

/** Kept because the gate may run a handler again, and a body can be read only once. */
const bodies = new WeakMap<Request, Promise<Uint8Array>>()

const tooLarge = () => new ScimError(413, `The request is larger than ${largestBody} bytes.`)

const read = async (request: Request): Promise<Uint8Array> => {
  if (Number(request.headers.get('content-length') ?? 0) > largestBody) throw tooLarge()
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of request.body ?? []) {
    size += chunk.byteLength
    if (size > largestBody) throw tooLarge()
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** Text that both databases can hold: well-formed, and without NUL. */
export const isStorable = (text: string): boolean => text.isWellFormed() && !text.includes('\0')

const parseJson = (bytes: Uint8Array): unknown =>
  JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes), (key, value: unknown) => {
    if (!isStorable(key) || (typeof value === 'string' && !isStorable(value))) {
      throw new Error('contains NUL or a broken surrogate')
    }
    return value
  })

/** The request's body, which must be a JSON object. */
export const readBody = async (c: Context): Promise<Readonly<Record<string, unknown>>> => {
  const { raw } = c.req
  const reading = bodies.get(raw) ?? read(raw)
  bodies.set(raw, reading)
  const bytes = await reading
  let value: unknown
  try {
    value = parseJson(bytes)
  } catch (cause) {
    throw bad('invalidSyntax', 'Request is unparsable, syntactically incorrect, or violates schema.', {
      cause,
    })
  }
  if (!isObject(value)) throw bad('invalidSyntax', 'The request body has to be a JSON object.')
  return value
}

/** The id in the path; one that no row can have is as good as none. */
export const idOf = (c: Context): string => {
  const id = c.req.param('id') ?? ''
  return isStorable(id) ? id : ''
}

/** An answer in the type that the client prefers: `application/scim+json` unless it takes plain JSON only. */
export const answer = (
  c: Context,
  status: number,
  resource: Readonly<Record<string, unknown>>,
  headers: Readonly<Record<string, string>> = {},
): Response => {
  const plain = !ranges(c).some((range) => range !== 'application/json' && accepted.has(range))
  return new Response(JSON.stringify(resource), {
    status,
    headers: {
      'Content-Type': plain ? 'application/json;charset=UTF-8' : scimContentType,
      'Cache-Control': 'no-store',
      ...headers,
    },
  })
}
