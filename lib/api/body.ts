/** JSON bodies: read once, bounded, and harmless before a schema looks at them. */
import type { Context } from 'hono'
import type * as z from 'zod'
import { invalidRequest } from './problem.ts'

const largest = 1_048_576
const deepest = 32
const mostValues = 20_000
const mostViolations = 10
const notExpected = 'Provided request body content is not in the expected format.'

const tooLarge = () => invalidRequest('The request body is larger than 1 MiB.', { status: 413 })

/** A limit of bytes, and what is said of a body that has more. */
export interface BodyLimit {
  readonly largest: number
  tooLarge(): Error
}

const readBytes = async (request: Request, limit: BodyLimit): Promise<Uint8Array> => {
  if (Number(request.headers.get('content-length') ?? 0) > limit.largest) throw limit.tooLarge()
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of request.body ?? []) {
    size += chunk.byteLength
    if (size > limit.largest) throw limit.tooLarge()
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

// a request that lost its race is handled again, its body can be read only once
const bodies = new WeakMap<Request, Promise<Uint8Array>>()

/** The bytes of the request's body, read piece by piece and no further than the limit. Throws `Problem`. */
export const bytesOf = (request: Request, limit: BodyLimit = { largest, tooLarge }): Promise<Uint8Array> => {
  const known = bodies.get(request)
  if (known) return known
  const reading = readBytes(request, limit)
  bodies.set(request, reading)
  return reading
}

/** Whether brackets nest deeper than anything we store; such a value could not be written out again. */
const isTooDeep = (text: string): boolean => {
  let depth = 0
  let quoted = false
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at]
    if (quoted && character === '\\') at += 1
    else if (character === '"') quoted = !quoted
    else if (!quoted && (character === '{' || character === '[')) {
      depth += 1
      if (depth > deepest) return true
    } else if (!quoted && (character === '}' || character === ']')) depth -= 1
  }
  return false
}

/** Text that both databases store unchanged. */
export const isStorable = (text: string): boolean => !text.includes('\0') && text.isWellFormed()

const parseJson = (bytes: Uint8Array): unknown => {
  const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  if (isTooDeep(text)) throw new Error('nested too deeply')
  let values = 0
  return JSON.parse(text, (key, value: unknown) => {
    values += 1
    if (values > mostValues) throw new Error('has more values than anything we store')
    if (!isStorable(key) || (typeof value === 'string' && !isStorable(value)))
      throw new Error('contains NUL or a broken surrogate')
    // it would become a prototype on the first careless copy
    return key === '__proto__' ? undefined : value
  })
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
    return parseJson(bytes)
  } catch (cause) {
    throw invalidRequest(notExpected, { cause })
  }
}

/** The request's JSON body by a schema. Throws `Problem`. */
export const readBody = async <Schema extends z.ZodType>(c: Context, schema: Schema) =>
  parse(schema, await readJson(c))
