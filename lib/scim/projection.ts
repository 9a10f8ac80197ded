/** `attributes` and `excludedAttributes`: which parts of a resource a client wants to see (RFC 7644 §3.9). */
import type { Context } from 'hono'
import { coreSchema, extensionSchemas, isObject } from '../directory/attributes.ts'

type Resource = Readonly<Record<string, unknown>>

/** Shown whatever is asked for. */
const always = new Set(['id', 'schemas'])

const segments = (name: string): readonly string[] => {
  const lower = name.trim().toLowerCase()
  for (const schema of [coreSchema, ...extensionSchemas]) {
    const urn = schema.toLowerCase()
    const inner = lower.startsWith(`${urn}:`) ? lower.slice(urn.length + 1).split('.') : undefined
    if (inner) return schema === coreSchema ? inner : [urn, ...inner]
    if (lower === urn) return [urn]
  }
  return lower.split('.')
}

const named = (c: Context, parameter: string): readonly (readonly string[])[] =>
  (c.req.queries(parameter) ?? [])
    .flatMap((value) => value.split(','))
    .flatMap((name) => (name.trim() ? [segments(name)] : []))

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

/** Whether `attributes` names that part of a resource. */
export const asksFor = (c: Context, name: string): boolean => below(named(c, 'attributes'), name).length > 0

/** The resource as the request wants to see it. */
export const project = (c: Context, resource: Resource): Resource => {
  const wanted = named(c, 'attributes')
  const unwanted = named(c, 'excludedAttributes').filter(([first = '']) => !always.has(first))
  if (wanted.length > 0) return only(resource, [...wanted, ...[...always].map((name) => [name])])
  return unwanted.length > 0 ? except(resource, unwanted) : resource
}
