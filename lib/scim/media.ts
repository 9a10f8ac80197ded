/** Media types, and the body of a request: JSON, no larger than the deployment says. */
import type { Context } from 'hono'
import { bodyLimit, bodyOf } from '../bounded-body.ts'
import { isObject } from '../directory/attributes.ts'
import { isStorable, parseHarmless } from '../harmless-json.ts'
import { bad, ScimError, scimContentType } from './error.ts'

export { isStorable }

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

/** The request's body, which must be a JSON object. */
export const readBody = async (c: Context): Promise<Readonly<Record<string, unknown>>> => {
  const bytes = await bodyOf(c.req.raw)
  if (!bytes) throw new ScimError(413, `The request is larger than ${bodyLimit(c.req.raw)} bytes.`)
  let value: unknown
  try {
    value = parseHarmless(bytes)
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
