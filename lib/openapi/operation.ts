/** One operation of the document: what its route is, in the words of OpenAPI. */
import * as z from 'zod'
import type { Rule } from '../access/guard.ts'
import type { Answer, Operation } from '../access/operation.ts'
import { bodyOf } from './body.ts'
import type { Components } from './components.ts'
import { wordOfCondition, wordOfHeader, wordOfPath, wordOfQuery } from './words.ts'

type Json = Readonly<Record<string, unknown>>

/** A route that the document speaks of. */
export interface Documented {
  readonly method: string
  /** With `{name}` for a parameter. */
  readonly path: string
  readonly rule: Rule
  readonly operation: Operation
}

const toSchema = (schema: z.ZodType, io: 'input' | 'output'): Json => {
  const { $schema: _, ...json } = z.toJSONSchema(schema, {
    target: 'draft-2020-12',
    io,
    unrepresentable: 'any',
  })
  return json
}

const text = { type: 'string' }
const reference = (name: string) => ({ $ref: `#/components/schemas/${name}` })

const isScim = (path: string) => path.startsWith('/scim2')

/** What the gate says and what the API says, of a path; registration has the errors of RFC 7591, too. */
const errorOf = (path: string) => {
  if (isScim(path)) return reference('ScimError')
  const names = ['Problem', 'GateError', ...(path.includes('/dcr/') ? ['RegistrationError'] : [])]
  return { anyOf: names.map(reference) }
}

const scimType = 'application/scim+json'

const content = (type: string, schema: Json) => ({ content: { [type]: { schema } } })

const answerOf = (path: string, status: number, answer: Answer, { lift }: Components) => {
  const fallback = status >= 400 && !answer.empty ? errorOf(path) : undefined
  const schema = answer.schema ? lift(toSchema(answer.schema, 'output')) : fallback
  const type = answer.type ?? (isScim(path) ? scimType : 'application/json')
  const headers = answer.headers?.map((name) => [name, { description: wordOfHeader(name), schema: text }])
  return {
    description: answer.description,
    ...(headers ? { headers: Object.fromEntries(headers) } : {}),
    ...(schema ? content(type, schema) : {}),
  }
}

/** What every route answers that has such a rule or such a request, beside its own answers. */
const common = ({ method, path, rule, operation }: Documented): Readonly<Record<number, Answer>> => ({
  ...(operation.body ? { 400: { description: 'The body cannot be read.' } } : {}),
  ...(rule.open
    ? {}
    : {
        401: { description: 'Nobody is signed in.', headers: ['WWW-Authenticate'] },
        403: { description: 'The caller may not do that.' },
        ...(method === 'GET'
          ? {}
          : {
              503: { description: 'Overtaken by others too often; send it again.', headers: ['Retry-After'] },
            }),
      }),
  431: { description: 'The request line and its headers are too long; without a body.', empty: true },
  ...(isScim(path) ? { 406: { description: 'The media type is not spoken here.' } } : {}),
  ...(operation.body ? { 413: { description: 'The body is too large.' } } : {}),
  ...(operation.body && !isScim(path) ? { 415: { description: 'The media type is not spoken here.' } } : {}),
  ...(operation.conditional && method !== 'GET'
    ? { 412: { description: 'If-Match names another edition.' } }
    : {}),
  ...(operation.conditional && method === 'GET'
    ? { 304: { description: 'The client has it already.', headers: ['ETag'] } }
    : {}),
})

interface Parameter {
  readonly name: string
  readonly in: 'path' | 'query' | 'header'
  readonly required: boolean
  readonly description: string
  readonly schema: Json
}

const parameter = (
  name: string,
  place: Parameter['in'],
  required: boolean,
  { description, ...schema }: Json,
  otherwise: string,
): Parameter => ({
  name,
  in: place,
  required,
  description: typeof description === 'string' ? description : otherwise,
  schema,
})

const parametersOf = ({ method, path, operation }: Documented): readonly Parameter[] => {
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) =>
    parameter(name, 'path', true, { ...text, minLength: 1 }, wordOfPath(name)),
  )
  const { properties = {}, required = [] } = operation.query
    ? (toSchema(operation.query, 'input') as { properties?: Record<string, Json>; required?: string[] })
    : {}
  const inQuery = Object.entries(properties).map(([name, schema]) =>
    parameter(name, 'query', required.includes(name), schema, wordOfQuery(name)),
  )
  const condition = method === 'GET' ? 'If-None-Match' : 'If-Match'
  const conditional = operation.conditional
    ? [parameter(condition, 'header', false, text, wordOfCondition[condition])]
    : []
  return [...inPath, ...inQuery, ...conditional]
}

/** The operation object; schemas that have a title go to the components. */
export const operationOf = (one: Documented, named: Components): Json => {
  const { path, rule, operation } = one
  const type = operation.type ?? (isScim(path) ? scimType : 'application/json')
  const answers = Object.entries({ ...common(one), ...operation.answers })
  const scopes = rule.permission === undefined ? [] : [rule.permission]
  return {
    operationId: operation.id,
    summary: operation.summary,
    tags: [operation.tag],
    security: rule.open ? [] : [{ basic: [] }, { oauth2: scopes }],
    parameters: parametersOf(one),
    ...(operation.body
      ? {
          requestBody: {
            required: !(operation.body instanceof z.ZodOptional),
            ...content(type, named.lift(bodyOf(operation, toSchema))),
          },
        }
      : {}),
    responses: Object.fromEntries(
      answers.map(([status, answer]) => [status, answerOf(path, Number(status), answer, named)]),
    ),
    'x-actor-allowed': rule.actor,
  }
}

/** What a reader is shown of it. */
export const readable = (one: Documented) => {
  const { method, path, rule, operation } = one
  const answers = Object.entries({ ...common(one), ...operation.answers })
  return {
    method,
    path,
    summary: operation.summary,
    tag: operation.tag,
    id: operation.id,
    permission: rule.permission,
    open: rule.open === true,
    actor: rule.actor,
    parameters: parametersOf(one),
    answers: answers.map(([status, { description }]) => ({ status, description })),
    body: operation.body ? JSON.stringify(bodyOf(operation, toSchema), null, 2) : undefined,
  }
}
