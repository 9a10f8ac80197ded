/** The OpenAPI document: it is one, it speaks of every route as the gate judges it, and what it promises is kept. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import Ajv2020, { type ValidateFunction } from 'ajv/dist/2020'
import addFormats from 'ajv-formats'
import fc from 'fast-check'
import { findTargetHandler } from 'hono/utils/handler'
import * as z from 'zod'
import { ruleOf } from '../lib/access/guard.ts'
import { hasUnseen, seenPattern } from '../lib/directory/readable-name.ts'
import { bodyOf } from '../lib/openapi/body.ts'
import { once } from '../lib/openapi/parts.ts'
import { admin, type Booted, boot } from './boot.ts'
import { databases } from './databases.ts'
import { createApplication, createPerson, createRole } from './scenario.ts'

type Json = Readonly<Record<string, unknown>>

interface Parameter {
  readonly name: string
  readonly in: 'path' | 'query' | 'header'
  readonly required: boolean
  readonly description: string
  readonly schema: Json
}
interface Content {
  readonly [type: string]: { readonly schema: Json }
}
interface Answer {
  readonly description: string
  readonly headers?: Json
  readonly content?: Content
}
interface Operation {
  readonly operationId: string
  readonly summary: string
  readonly tags: readonly string[]
  readonly security: readonly Readonly<Record<string, readonly string[]>>[]
  readonly parameters: readonly Parameter[]
  readonly requestBody?: { readonly required: boolean; readonly content: Content }
  readonly responses: Readonly<Record<string, Answer>>
}
interface Document {
  readonly openapi: string
  readonly tags: readonly { readonly name: string; readonly description: string }[]
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: { readonly schemas: Readonly<Record<string, Json>>; readonly securitySchemes: Json }
}

/** What always answers that it is not supported or not there: routes, so that clients hear it, and nothing to call. */
const unsupported = [
  'GET /api/server/v1/notification/sms/template-types/{type}',
  'DELETE /api/server/v1/notification/sms/template-types/{type}',
  'GET /api/server/v1/notification/sms/template-types/{type}/{rest}',
  'POST /api/server/v1/notification/sms/template-types/{type}/{rest}',
  'PUT /api/server/v1/notification/sms/template-types/{type}/{rest}',
  'DELETE /api/server/v1/notification/sms/template-types/{type}/{rest}',
  'GET /api/server/v1/notification-senders/email',
  'POST /api/server/v1/notification-senders/email',
  'GET /api/server/v1/notification-senders/email/{name}',
  'PUT /api/server/v1/notification-senders/email/{name}',
  'DELETE /api/server/v1/notification-senders/email/{name}',
  'GET /api/server/v2/notification-senders/email',
  'POST /api/server/v2/notification-senders/email',
  'GET /api/server/v2/notification-senders/email/{name}',
  'PUT /api/server/v2/notification-senders/email/{name}',
  'DELETE /api/server/v2/notification-senders/email/{name}',
  'DELETE /api/server/v1/applications/{id}/inbound-protocols/oidc/secrets/{secretId}',
  'GET /api/server/v1/applications/{id}/inbound-protocols/oidc/secrets',
  'POST /api/server/v1/applications/{id}/inbound-protocols/oidc/secrets',
]
const pathOf = (path: string) => path.replace(/:(\w+)(?:\{[^}]*\})?/g, '{$1}').replace(/(?<=.)\/$/, '')

const all = (document: Document) =>
  Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      name: `${method.toUpperCase()} ${path}`,
      method: method.toUpperCase(),
      path,
      operation,
    })),
  )

type One = ReturnType<typeof all>[number]

/** How often the event loop turned, and thus could have answered others, until it was there. */
const turnsUntil = async <Value>(coming: Promise<Value>) => {
  let turns = 0
  let isThere = false
  const turn = () => {
    turns += 1
    if (!isThere) setImmediate(turn)
  }
  setImmediate(turn)
  const value = await coming
  isThere = true
  return { turns, value }
}

/** What becomes part of a path, and what a careless handler would stumble over there. */
const segments = fc.constantFrom('x', '0', '%00', '%F0%9F%8E%88', "'%20or%20'1'='1", '..%2f', 'a'.repeat(300))

const text = fc.oneof(
  fc.constantFrom(
    '',
    ' ',
    'x',
    '0',
    '-1',
    '10',
    'name eq x',
    'userName eq "x"',
    'a\0b',
    '\ud800',
    "'; --",
    'x'.repeat(2_000),
  ),
  fc.string(),
)

/** Values by a schema, not always what it wants. */
const anyOf = (schema: Json, document: Document, depth = 0): fc.Arbitrary<unknown> => {
  const inner = (part: unknown) => anyOf((part ?? {}) as Json, document, depth + 1) // parts of a schema are schemas
  const { $ref, enum: choices, anyOf: several, oneOf, type, properties, required, items } = schema
  if (typeof $ref === 'string') {
    return anyOf(document.components.schemas[$ref.split('/').at(-1) ?? ''] ?? {}, document, depth)
  }
  if ('const' in schema) return fc.constant(schema.const)
  if (Array.isArray(choices)) return fc.constantFrom(...choices)
  const alternatives = several ?? oneOf
  if (Array.isArray(alternatives)) return fc.oneof(...alternatives.map(inner))
  if (type === 'boolean') return fc.boolean()
  if (type === 'integer' || type === 'number') return fc.constantFrom(0, 1, -1, 3_600, 2 ** 31, 1e308, 0.5)
  if (type === 'null') return fc.constant(null)
  if (type === 'array') return depth > 5 ? fc.constant([]) : fc.array(inner(items), { maxLength: 2 })
  if (type === 'object' || properties) {
    if (depth > 5) return fc.constant({})
    const parts = Object.entries((properties ?? {}) as Record<string, Json>)
    const keys = Array.isArray(required) ? required : []
    return fc.record(Object.fromEntries(parts.map(([name, part]) => [name, inner(part)])), {
      requiredKeys: keys,
    })
  }
  return type === 'string' ? text : fc.jsonValue({ maxDepth: 2 })
}

/** The value with something broken in it. */
const broken = (value: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> =>
  fc.oneof(
    fc.jsonValue({ maxDepth: 3 }),
    fc.tuple(value, fc.jsonValue({ maxDepth: 1 }), fc.nat()).map(([whole, other, at]) => {
      if (typeof whole !== 'object' || whole === null || Array.isArray(whole)) return [whole, other]
      const names = Object.keys(whole)
      return { ...whole, [names[at % (names.length + 1)] ?? 'stranger']: other }
    }),
  )

const requestOf = ({ path, operation }: One, document: Document, known: string | undefined) => {
  const query = operation.parameters.filter((parameter) => parameter.in === 'query')
  const [[type, content] = []] = Object.entries(operation.requestBody?.content ?? {})
  const body = content ? anyOf(content.schema, document) : fc.constant(undefined)
  return fc.record({
    path: fc
      .array(segments, { minLength: 6, maxLength: 6 })
      .chain((parts) => fc.constantFrom(...(known === undefined ? [parts] : [parts, [...parts, known]])))
      .map((parts) => path.replace(/\{\w+\}/g, () => parts.pop() ?? 'x')),
    query: fc.record(
      Object.fromEntries(query.map(({ name, schema }) => [name, fc.oneof(anyOf(schema, document), text)])),
      { requiredKeys: [] },
    ),
    match: fc.constantFrom(undefined, undefined, undefined, '*', 'W/"1"', '"', 'x'),
    type: fc.constant(type),
    body: content ? fc.oneof({ weight: 3, arbitrary: body }, broken(body)) : body,
  })
}

test('the pattern of texts without unseen characters is the rule that the names are held against', () => {
  const pattern = new RegExp(seenPattern, 'u')
  const differs = Array.from({ length: 0x11_0000 }, (_, point) => point)
    .filter((point) => point < 0xd8_00 || point > 0xdf_ff)
    .map((point) => String.fromCodePoint(point))
    .filter((text) => pattern.test(text) === hasUnseen(text))
  expect(differs).toEqual([])
})

test('what takes long is made once for all who ask, and again when it failed', async () => {
  let made = 0
  const make = once(async () => {
    made += 1
    await Bun.sleep(0)
    if (made === 1) throw new Error('not this time')
    return made
  })
  const failed = await Promise.allSettled([make(), make()])
  expect(failed.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  expect(await Promise.all([make(), make()])).toEqual([2, 2])
  expect(await make()).toBe(2)
})

test('a member that may be left out may be null where nulls are left out', () => {
  const part = z.object({
    name: z.string(),
    nick: z.string().optional(),
    of: z.array(z.object({ a: z.int().optional() })),
  })
  const operation = { id: 'x', summary: 'x', tag: 'x', answers: {}, body: part, nulls: 'absent' as const }
  const schema = bodyOf(operation, (of, io) => z.toJSONSchema(of, { io }))
  const validate = new Ajv2020({ strict: false }).compile(schema)
  expect(validate({ name: 'x', nick: null, of: [{ a: null }] })).toBe(true)
  expect(validate({ name: null, of: [] })).toBe(false)
  expect(validate({ name: 'x', of: [null] })).toBe(false)
})

describe.each(databases)('the OpenAPI document on $name', (database) => {
  let server: Booted
  let document: Document
  let turns: number
  let ajv: Ajv2020
  const validators = new Map<string, ValidateFunction>()

  beforeAll(async () => {
    server = await boot(database)
    const made = await turnsUntil(server.request('/api/openapi.json'))
    document = (await made.value.json()) as Document
    turns = made.turns
    ajv = new Ajv2020({ strict: false, allErrors: false })
    addFormats(ajv)
    ajv.addSchema({ $id: 'document', components: document.components })
  })
  afterAll(() => server.stop())

  const pointing = (schema: Json) =>
    JSON.parse(JSON.stringify(schema).replaceAll('"#/components/', '"document#/components/')) as Json

  const validatorOf = (schema: Json): ValidateFunction => {
    const key = JSON.stringify(schema)
    const known = validators.get(key) ?? ajv.compile(pointing(schema))
    validators.set(key, known)
    return known
  }

  test('is a document of OpenAPI 3.1 whose every schema is one', () => {
    expect(document.openapi).toBe('3.1.0')
    const operations = all(document)
    expect(operations.length).toBeGreaterThan(120)
    const ids = operations.map(({ operation }) => operation.operationId)
    expect(ids.filter((id, at) => ids.indexOf(id) !== at)).toEqual([])
    for (const schema of Object.values(document.components.schemas)) validatorOf(schema)
    for (const { name, path, operation } of operations) {
      const { operationId, summary, tags, security, parameters, responses, requestBody } = operation
      expect({ name, operationId }).toEqual({ name, operationId: expect.stringMatching(/^[a-z]\w+$/) })
      expect({ name, summary }).toEqual({ name, summary: expect.stringMatching(/\S{2}/) })
      expect({ name, tags: tags.length }).toEqual({ name, tags: 1 })
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, of]) => of)
      const named = parameters.filter((one) => one.in === 'path' && one.required).map((one) => one.name)
      expect({ name, inPath: named }).toEqual({ name, inPath: inPath as string[] })
      for (const { name: of, description, schema } of parameters) {
        expect({ name, of, description }).toEqual({ name, of, description: expect.stringMatching(/\S{2}/) })
        validatorOf(schema)
      }
      for (const { schema } of Object.values(requestBody?.content ?? {})) validatorOf(schema)
      for (const [status, answer] of Object.entries(responses)) {
        expect({ name, status }).toEqual({ name, status: expect.stringMatching(/^[2-5]\d\d$/) })
        expect({ name, status, says: answer.description }).toEqual({
          name,
          status,
          says: expect.stringMatching(/\S{2}/),
        })
        for (const { schema } of Object.values(answer.content ?? {})) validatorOf(schema)
      }
      expect({
        name,
        promises: Object.keys(responses).filter((status) => /^50[0124]$/.test(status)),
      }).toEqual({
        name,
        promises: [],
      })
      for (const scheme of security.flatMap((one) => Object.keys(one)))
        expect(Object.keys(document.components.securitySchemes)).toContain(scheme)
    }
  })

  test('is made operation by operation, and others are answered between', async () => {
    expect(turns).toBeGreaterThan(all(document).length)
    const page = await turnsUntil(server.request('/api/docs'))
    expect(page.value.status).toBe(200)
    expect(page.turns).toBeGreaterThan(all(document).length)
    const again = await turnsUntil(server.request('/api/openapi.json'))
    expect(again.turns).toBeLessThan(10)
  })

  test('has a strong tag, and is not sent to who has it', async () => {
    const first = await server.request('/api/openapi.json')
    const tag = first.headers.get('etag') ?? ''
    expect(tag).toMatch(/^"[\w-]{43}"$/)
    expect(first.headers.get('content-type')).toBe('application/json')
    expect(await first.json()).toEqual(document)
    const known = await server.request('/api/openapi.json', { headers: { 'If-None-Match': tag } })
    expect([known.status, known.headers.get('etag'), await known.text()]).toEqual([304, tag, ''])
    const other = await server.request('/api/openapi.json', { headers: { 'If-None-Match': '"other"' } })
    expect([other.status, other.headers.get('cache-control')]).toEqual([200, 'no-cache'])
  })

  test('says what every chapter is about', () => {
    const said = new Map(document.tags.map(({ name, description }) => [name, description]))
    const used = new Set(all(document).flatMap(({ operation }) => operation.tags))
    expect([...said.keys()].sort()).toEqual([...used].sort())
    for (const [name, description] of said)
      expect({ name, description }).toEqual({ name, description: expect.stringMatching(/\S \S+.*\.$/) })
  })

  test('says which bodies may be left out', async () => {
    const optional: string[] = []
    for (const { name, method, path, operation } of all(document)) {
      const { requestBody } = operation
      if (!requestBody) continue
      if (!requestBody.required) optional.push(name)
      const response = await server.request(path.replace(/\{\w+\}/g, 'x'), {
        method,
        headers: { Authorization: admin },
      })
      // 401, 404: whose body it would be is looked for first
      const expected = requestBody.required ? [400, 401, 404, 406, 415] : [404]
      expect({ name, expected: expected.includes(response.status) }).toEqual({ name, expected: true })
    }
    expect(optional).toEqual([
      'POST /api/server/v1/applications/{id}/impersonation',
      'POST /api/server/v1/impersonations/{impersonationId}/end',
      'POST /api/server/v1/webhooks/{id}/rotate-secret',
      'POST /api/users/v1/me/impersonations/{impersonationId}/end',
    ])
  })

  test('speaks of every guarded route, with the permission that the gate asks for', () => {
    const described = new Map(all(document).map((one) => [one.name, one.operation]))
    const silent: string[] = []
    for (const { method, path, handler } of server.app.routes) {
      const rule = ruleOf(findTargetHandler(handler))
      if (!rule || method === 'ALL' || !/^\/(?:api|scim2)\//.test(path)) continue
      const name = `${method} ${pathOf(path)}`
      const operation = described.get(name)
      described.delete(name)
      if (!operation) silent.push(name)
      else
        expect({ name, security: operation.security }).toEqual({
          name,
          security: rule.open
            ? []
            : [{ basic: [] }, { oauth2: rule.permission === undefined ? [] : [rule.permission] }],
        })
    }
    const ours = ['GET /api/docs', 'GET /api/openapi.json']
    expect(silent.sort()).toEqual([...ours, ...unsupported].sort())
    expect([...described.keys()]).toEqual([])
  })

  test('heeds If-Match wherever something that has an entity tag is changed', () => {
    // none of these has one: files never change, details types are none, registrations are RFC 7592's, the others only end
    const untagged =
      /^\/api\/(?:identity\/config-mgt\/v1\.0\/resource\/\{type\}\/\{name\}\/file|users\/)|authorization-details-types|^\/api\/identity\/oauth2\/dcr\/|^\/scim2\/(?:Bulk|Me\/)/
    const careless = all(document)
      .filter(({ name, path }) => /^(?:PUT|PATCH|DELETE) /.test(name) && !untagged.test(path))
      .filter(({ operation: { responses } }) => Object.keys(responses).some((status) => status < '300'))
      .filter(({ operation }) => !operation.responses['412'])
    expect(careless.map(({ name }) => name)).toEqual([])
  })

  test('promises a 304 wherever a GET answers with an entity tag', () => {
    const gets = all(document).filter(({ method }) => method === 'GET')
    const tagged = gets.filter(({ operation: { responses } }) => responses['200']?.headers?.ETag)
    const conditional = gets.filter(({ operation: { responses } }) => responses['304'])
    // who is subscribed to an API resource changes without a new edition
    const always = ['GET /api/server/v1/api-resources/{id}']
    const names = (of: readonly One[]) => of.map(({ name }) => name).sort()
    expect(names(tagged).filter((name) => !always.includes(name))).toEqual(names(conditional))
  })

  test('is what Allow says of every path', async () => {
    for (const [path, operations] of Object.entries(document.paths)) {
      const response = await server.request(path.replace(/\{\w+\}/g, 'x'), {
        method: 'OPTIONS',
        headers: { Authorization: admin },
      })
      const allowed = (response.headers.get('allow') ?? '').split(', ').sort()
      const described = Object.keys(operations).map((method) => method.toUpperCase())
      expect({ path, status: response.status, allowed }).toEqual({
        path,
        status: 405,
        allowed: described.sort(),
      })
    }
  })

  test('is there to be read, without a script and without anybody else’s server', async () => {
    const response = await server.request('/api/docs')
    const policy = response.headers.get('content-security-policy') ?? ''
    expect(policy).toStartWith("default-src 'none'")
    expect(policy).not.toContain('script-src')
    const page = await response.text()
    expect(page).not.toMatch(/<script|(?:src|href)="(?:https?:)?\/\//)
    for (const { operation } of all(document)) expect(page).toContain(`id="${operation.operationId}"`)
  })

  test('says to strangers what they hear', async () => {
    for (const { name, method, path, operation } of all(document)) {
      const response = await server.request(path.replace(/\{\w+\}/g, 'x'), { method })
      const expected = operation.security.length === 0 ? [200, 404] : [401]
      expect({ name, expected: expected.includes(response.status) }).toEqual({ name, expected: true })
    }
  })

  test('keeps what it promises, whatever it is asked', async () => {
    // what would end the caller himself
    const deadly = /^(?:DELETE|PUT|PATCH) \/scim2\/Me$|^DELETE \/api\/users\/v\d\/me\//
    const operations = all(document).filter(({ name }) => !deadly.test(name))
    const person = await createPerson(server, 'Fuzzed')
    const { applicationId } = await createApplication(server, { name: 'FUZZED' })
    const role = await createRole(server, {
      name: 'Fuzzed',
      applicationId,
      permissions: [],
      member: person.id,
    })
    const group = (await (
      await server.send('POST', '/scim2/Groups', { displayName: 'Fuzzed' })
    ).json()) as Json
    const api = (await (
      await server.send('POST', '/api/server/v1/api-resources', { name: 'Fuzzed', identifier: 'fuzzed' })
    ).json()) as Json
    const known: readonly (readonly [RegExp, unknown])[] = [
      [/^\/scim2\/Users\/|^\/api\/users\/v\d\/\{userId/, person.id],
      [/^\/api\/server\/v1\/applications\//, applicationId],
      [/^\/scim2\/v2\/Roles\//, role],
      [/^\/scim2\/Groups\//, group.id],
      [/^\/api\/server\/v1\/api-resources\//, api.id],
      [/^\/api\/server\/v1\/oidc\/scopes\//, 'profile'],
      [/^\/api\/identity\/config-mgt/, 'IMPERSONATION_CONFIGURATION'],
    ]
    const knownIn = (path: string) => {
      const [, id] = known.find(([pattern]) => pattern.test(path)) ?? []
      return id === undefined ? undefined : String(id)
    }
    const ends = performance.now() + 4_000
    const seed = Date.now() % 2 ** 31
    const isLast = ({ method }: One) => method === 'DELETE'
    const ordered = [...operations.filter((one) => !isLast(one)), ...operations.filter(isLast)]
    const streams = ordered.map((one) => ({
      one,
      requests: fc.sample(requestOf(one, document, knownIn(one.path)), { numRuns: 12, seed }),
    }))
    let asked = 0
    for (let round = 0; round < 12 && performance.now() < ends; round += 1) {
      // what is there stays there for a while
      for (const { one, requests } of streams.filter((of) => round % 4 === 3 || !isLast(of.one))) {
        const request = requests[round]
        if (!request) continue
        const query = new URLSearchParams(
          Object.entries(request.query).map(([name, value]): [string, string] => [
            name,
            String(value).toWellFormed(),
          ]),
        )
        const url = `${request.path}${query.size > 0 ? `?${query}` : ''}`
        const multipart = request.type === 'multipart/form-data'
        const response = await server.request(url, {
          method: one.method,
          headers: {
            Authorization: admin,
            ...(request.type === undefined || multipart ? {} : { 'Content-Type': request.type }),
            ...(request.match === undefined
              ? {}
              : { 'If-Match': request.match, 'If-None-Match': request.match }),
          },
          ...(request.type === undefined ? {} : { body: JSON.stringify(request.body) ?? '' }),
        })
        asked += 1
        const told = await response.text()
        const about = {
          seed,
          name: one.name,
          url,
          match: request.match,
          body: request.body,
          status: response.status,
          told,
        }
        const answer = one.operation.responses[String(response.status)]
        if (response.status >= 500 || !answer)
          throw new Error(`not promised: ${JSON.stringify(about).slice(0, 3_000)}`)
        const [[, content] = []] = Object.entries(answer.content ?? {})
        if (!content || told === '') continue
        if (!/json/.test(response.headers.get('content-type') ?? '')) continue
        const validate = validatorOf(content.schema)
        if (!validate(JSON.parse(told)))
          throw new Error(`not what it promised: ${JSON.stringify({ ...about, errors: validate.errors })}`)
        for (const header of Object.keys(answer.headers ?? {}))
          if (response.status < 300)
            expect({ ...about, has: response.headers.has(header) }).toEqual({ ...about, has: true })
      }
    }
    expect(asked).toBeGreaterThan(operations.length)
  }, 30_000)
})
