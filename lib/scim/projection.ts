/** `attributes` and `excludedAttributes`: which parts of a resource a client wants to see (RFC 7644 §3.9). */
import type { Context } from 'hono'
import { coreSchema, extensionSchemas, isObject } from '../directory/attributes.ts'

type Resource = Readonly<Record<string, unknown>>

/** Shown whatever is asked for. */
const always = new Set(['id', 'schemas'])

/** The schemas whose attributes stand at the top of a resource. */
const cores = [
  coreSchema,
  'urn:ietf:params:scim:schemas:core:2.0:Group',
  'urn:ietf:params:scim:schemas:extension:2.0:Role',
]

const segments = (name: string): readonly string[] => {
  const lower = name.trim().toLowerCase()
  for (const schema of [...cores, ...extensionSchemas]) {
    const urn = schema.toLowerCase()
    const inner = lower.startsWith(`${urn}:`) ? lower.slice(urn.length + 1).split('.') : undefined
    if (inner) return cores.includes(schema) ? inner : [urn, ...inner]
    if (lower === urn) return [urn]
  }
  return lower.split('.')
}

/** Paths that are wanted, and paths that are not; each by its segments in small letters. */
export interface Selection {
  readonly wanted: readonly (readonly string[])[]
  readonly unwanted: readonly (readonly string[])[]
}

const named = (values: readonly string[] = []): readonly (readonly string[])[] =>
  values.flatMap((value) => value.split(',')).flatMap((name) => (name.trim() ? [segments(name)] : []))

/** What the values of `attributes` and `excludedAttributes` select. */
export const selectionOf = (
  attributes: readonly string[] | undefined,
  excluded: readonly string[] | undefined,
): Selection => ({
  wanted: named(attributes),
  unwanted: named(excluded).filter(([first = '']) => !always.has(first)),
})

export const selectionIn = (c: Context): Selection =>
  selectionOf(c.req.queries('attributes'), c.req.queries('excludedAttributes'))

/** Those of `paths` that go on below `name`, without it. */
const below = (paths: readonly (readonly string[])[], name: string) =>
  paths.flatMap(([first, ...rest]) => (first === name.toLowerCase() ? [rest] : []))

const inside = (value: unknown, work: (part: Resource) => Resource): unknown => {
  if (Array.isArray(value)) return value.map((item) => (isObject(item) ? work(item) : item))
  return isObject(value) ? work(value) : value
}

const only = (resource: Resource, paths: readonly (readonly string[])[]): Resource =>
  Object.fromEntries(
    Object.entries(resource).flatMap(([name, value]) => {
      const rests = below(paths, name)
      if (rests.length === 0) return []
      return [
        [name, rests.some((rest) => rest.length === 0) ? value : inside(value, (part) => only(part, rests))],
      ]
    }),
  )

const except = (resource: Resource, paths: readonly (readonly string[])[]): Resource =>
  Object.fromEntries(
    Object.entries(resource).flatMap(([name, value]) => {
      const rests = below(paths, name)
      if (rests.some((rest) => rest.length === 0)) return []
      return [[name, rests.length === 0 ? value : inside(value, (part) => except(part, rests))]]
    }),
  )

/** Whether a part of a resource will be seen at all: what is not need not be looked up. */
export const isSelected = ({ wanted, unwanted }: Selection, name: string): boolean =>
  wanted.length > 0
    ? below(wanted, name).length > 0
    : !below(unwanted, name).some((rest) => rest.length === 0)

/** What is selected of the resource. */
export const select = ({ wanted, unwanted }: Selection, resource: Resource): Resource => {
  if (wanted.length > 0) return only(resource, [...wanted, ...[...always].map((name) => [name])])
  return unwanted.length > 0 ? except(resource, unwanted) : resource
}

/** Whether `attributes` names that part of a resource. */
export const asksFor = (c: Context, name: string): boolean => below(selectionIn(c).wanted, name).length > 0

/** The resource as the request wants to see it. */
export const project = (c: Context, resource: Resource): Resource => select(selectionIn(c), resource)

/** Whether the request wants to see that part of a resource. */
export const shows = (c: Context, name: string): boolean => isSelected(selectionIn(c), name)
