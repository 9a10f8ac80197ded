/** JSON bodies: read once, bounded, and harmless before a schema looks at them. */
import type { Context } from 'hono'
import type * as z from 'zod'
import { bodyLimit, bodyOf } from '../bounded-body.ts'
import { isStorable, parseHarmless } from '../harmless-json.ts'
import { invalidRequest } from './problem.ts'

export { isStorable }

const mostViolations = 10
const notExpected = 'Provided request body content is not in the expected format.'

/** The bytes of the request's body, read no further than the limit. Throws `Problem`. */
export const bytesOf = async (
  request: Request,
  most = bodyLimit(request),
  tooLarge = `The request body is larger than ${most} bytes.`,
): Promise<Uint8Array> => {
  const bytes = await bodyOf(request, most)
  if (bytes) return bytes
  throw invalidRequest(tooLarge, { status: 413 })
}

const violation = ({ path, message }: z.core.$ZodIssue) => `${path.join('.')}: ${message}`

/** What a body says by the schema. Throws the `Problem` that says what is wrong with it. */
export const parse = <Schema extends z.ZodType>(schema: Schema, body: unknown): z.output<Schema> => {
  const parsed = schema.safeParse(body)
  if (parsed.success) return parsed.data
  const { issues } = parsed.error
  if (issues.some(({ path }) => path.length === 0)) throw invalidRequest(notExpected, { cause: parsed.error })
  const wrongType = issues.some(
    ({ code, message }) => code === 'invalid_type' && !message.endsWith('received undefined'),
  )
  const violations = issues.slice(0, mostViolations).map(violation).join('; ')
  throw invalidRequest(wrongType ? `${notExpected} ${violations}` : violations, { cause: parsed.error })
}

/** The request's JSON body, as yet of any shape. Throws `Problem`. */
export const readJson = async (c: Context): Promise<unknown> => {
  const [mediaType = ''] = (c.req.header('content-type') ?? '').split(';')
  if (mediaType.trim().toLowerCase() !== 'application/json')
    throw invalidRequest('The request body must be application/json.', { status: 415 })
  const bytes = await bytesOf(c.req.raw)
  try {
    return parseHarmless(bytes)
  } catch (cause) {
    throw invalidRequest(notExpected, { cause })
  }
}

/** The request's JSON body by a schema. Throws `Problem`. */
export const readBody = async <Schema extends z.ZodType>(c: Context, schema: Schema) =>
  parse(schema, await readJson(c))
