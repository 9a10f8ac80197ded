/**
 * The OpenAPI 3.1 document of our own APIs. It is made of what the routes are: path and method from the router, the
 * permission from the rule that the gate checks, the schemas that validate. Nothing is written a second time.
 * All of it takes a few hundred milliseconds, so it is made operation by operation: others are answered between.
 */
import { type Rule, ruleOf } from './access/guard.ts'
import type { Describe } from './access/operation.ts'
import { components } from './openapi/components.ts'
import { errors } from './openapi/errors.ts'
import { type Documented, operationOf } from './openapi/operation.ts'
import { inParts } from './openapi/parts.ts'
import { wordOfTag } from './openapi/words.ts'

interface Route {
  readonly method: string
  readonly path: string
  readonly handler: object
}

export interface DocumentNeeds {
  readonly operations: readonly Documented[]
  /** Absolute, without a trailing slash. */
  readonly baseUrl: string
  readonly version: string
}

const pathOf = (path: string) => path.replace(/:(\w+)(?:\{[^}]*\})?/g, '{$1}').replace(/(?<=.)\/$/, '')

const describedBy = (rule: Rule | undefined): rule is Rule & { readonly describe: Describe } =>
  rule?.describe !== undefined

/** The routes with a description, in the order of the document. */
export const documented = (routes: readonly Route[]): Promise<readonly Documented[]> => {
  const described = routes.flatMap(({ method, path, handler }) => {
    const rule = ruleOf(handler)
    return describedBy(rule) ? [{ method, path: pathOf(path), rule }] : []
  })
  return inParts(described, (one) => ({ ...one, operation: one.rule.describe() }))
}

/** The JSON of an object whose members are JSON already. */
const objectOf = (members: Iterable<readonly [name: string, json: string]>): string =>
  `{${[...members].map(([name, json]) => `${JSON.stringify(name)}:${json}`).join(',')}}`

/** The document, as JSON. */
export const openApiDocument = async ({ operations, baseUrl, version }: DocumentNeeds): Promise<string> => {
  const permissions = [...new Set(operations.flatMap(({ rule }) => rule.permission ?? []))].sort()
  const named = components()
  const described = await inParts(operations, (one) => ({
    path: one.path,
    method: one.method.toLowerCase(),
    json: JSON.stringify(operationOf(one, named)),
  }))
  const paths = [...Map.groupBy(described, ({ path }) => path)]
  const schemas = await inParts(Object.entries({ ...errors, ...named.schemas }), ([name, schema]) => ({
    name,
    json: JSON.stringify(schema),
  }))
  const tags = [...new Set(operations.map(({ operation }) => operation.tag))]
  const securitySchemes = {
    basic: { type: 'http', scheme: 'basic', description: 'A user and his password.' },
    oauth2: {
      type: 'oauth2',
      description: 'An access token of this server, as Bearer or with a DPoP proof.',
      flows: {
        clientCredentials: {
          tokenUrl: `${baseUrl}/oauth2/token`,
          scopes: Object.fromEntries(permissions.map((name) => [name, name])),
        },
      },
    },
  }
  const info = {
    title: 'mayact',
    version,
    description: 'The management APIs and SCIM 2.0 of this server.',
    license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
  }
  return objectOf([
    ['openapi', JSON.stringify('3.1.0')],
    ['info', JSON.stringify(info)],
    ['servers', JSON.stringify([{ url: baseUrl }])],
    ['tags', JSON.stringify(tags.map((name) => ({ name, description: wordOfTag(name) })))],
    [
      'paths',
      objectOf(
        paths.map(([path, members]) => [path, objectOf(members.map(({ method, json }) => [method, json]))]),
      ),
    ],
    [
      'components',
      objectOf([
        ['schemas', objectOf(schemas.map(({ name, json }) => [name, json]))],
        ['securitySchemes', JSON.stringify(securitySchemes)],
      ]),
    ],
  ])
}
