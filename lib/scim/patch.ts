/** The body of a PATCH (RFC 7644 §3.5.2), before anybody looks at what its paths mean. */
import { isObject } from '../directory/attributes.ts'
import { bad } from './error.ts'

const patchSchema = 'urn:ietf:params:scim:api:messages:2.0:patchop'
const mostOperations = 1_000
const verbs = ['add', 'replace', 'remove'] as const

export interface Operation {
  readonly op: (typeof verbs)[number]
  readonly path: string | undefined
  readonly value: unknown
}

/** The member of that name, whatever the case of its letters (RFC 7643 §2.1). */
const member = (object: Readonly<Record<string, unknown>>, name: string): unknown =>
  Object.entries(object).find(([key]) => key.toLowerCase() === name)?.[1]

const parseOperation = (item: unknown): Operation => {
  if (!isObject(item)) throw bad('invalidSyntax', 'Each of Operations has to be an object.')
  const [word, path, value] = [member(item, 'op'), member(item, 'path'), member(item, 'value')]
  const op = verbs.find((verb) => typeof word === 'string' && verb === word.toLowerCase())
  if (!op) throw bad('invalidSyntax', 'op has to be add, replace or remove.')
  if (path !== undefined && path !== null && typeof path !== 'string') {
    throw bad('invalidPath', 'path has to be a string.')
  }
  const named = path?.trim() || undefined
  if (op === 'remove' && named === undefined) throw bad('noTarget', 'remove needs a path.')
  if (op !== 'remove' && value === undefined) throw bad('invalidValue', `${op} needs a value.`)
  return { op, path: named, value }
}

/** The operations of a PATCH's body, in their order. */
export const parsePatch = (body: Readonly<Record<string, unknown>>): readonly Operation[] => {
  const schemas = member(body, 'schemas')
  const speaks =
    schemas === undefined ||
    (Array.isArray(schemas) &&
      schemas.some((urn) => typeof urn === 'string' && urn.toLowerCase() === patchSchema))
  if (!speaks)
    throw bad('invalidSyntax', 'schemas has to name urn:ietf:params:scim:api:messages:2.0:PatchOp.')
  const operations = member(body, 'operations')
  if (!Array.isArray(operations) || operations.length === 0 || operations.length > mostOperations) {
    throw bad('invalidSyntax', `Operations has to be a list of 1 to ${mostOperations} operations.`)
  }
  return operations.map(parseOperation)
}
