import type * as z from 'zod'
import { suggestion } from './nearest-key.ts'
import { dotted, kindOf, type Path, type Problem } from './problems.ts'
import { parsedOnce, type Settings, schema } from './schema.ts'
import { spelledDifferently } from './stock-tables.ts'
import type { Substituted } from './substitute.ts'

type Tree = Record<PropertyKey, unknown>
type Issue = z.core.$ZodIssue

const at = (tree: unknown, path: Path): unknown =>
  path.reduce((value, step) => (value as Tree | undefined)?.[step], tree)

const wantedKinds: Readonly<Record<string, string>> = {
  string: 'a string',
  number: 'a whole number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a table',
}

/** A value may be shown when the operator typed it and its key is not one that holds a secret. */
const shown = (value: unknown, path: Path, touched: ReadonlySet<string>): string =>
  touched.has(dotted(path)) ||
  /password|key|url|secret/.test(String(path.at(-1))) ||
  typeof value === 'object'
    ? kindOf(value)
    : JSON.stringify(value)

const unknownKey = (path: Path): string =>
  `is not a known key; ${spelledDifferently.get(dotted(path)) ?? suggestion(schema, path)}`

const describe = (issue: Issue, tree: unknown, touched: ReadonlySet<string>): Problem[] => {
  const key = dotted(issue.path)
  const value = at(tree, issue.path)
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((name) => {
      const path = [...issue.path, name]
      return { key: dotted(path), message: unknownKey(path) }
    })
  if (issue.code === 'invalid_type') {
    const wanted = wantedKinds[issue.expected] ?? issue.expected
    return [
      {
        key,
        message:
          value === undefined ? `is missing; give it ${wanted}` : `found ${kindOf(value)}, wanted ${wanted}`,
      },
    ]
  }
  if (issue.code === 'invalid_value') {
    const options = issue.values.map((option) => JSON.stringify(option)).join(', ')
    const found = typeof value === 'string' ? shown(value, issue.path, touched) : kindOf(value)
    return [{ key, message: `found ${found}, wanted one of ${options}` }]
  }
  if (issue.code === 'too_small' || issue.code === 'too_big') {
    if (typeof value === 'string') return [{ key, message: 'is empty; give it a text or remove the line' }]
    const limit = issue.code === 'too_small' ? `at least ${issue.minimum}` : `at most ${issue.maximum}`
    return [{ key, message: `found ${shown(value, issue.path, touched)}, wanted ${limit}` }]
  }
  return [{ key, message: value === undefined ? 'is missing' : issue.message }]
}

/**
 * `"8443"` from `$env{PORT}` is the number and `"true"` the boolean that the key wants; anything else stays.
 */
const coerce = (value: unknown, expected: string): unknown => {
  if (typeof value !== 'string') return value
  if (expected === 'boolean') return value === 'true' || (value === 'false' ? false : value)
  const numeric = (expected === 'number' || expected === 'int') && /^-?\d{1,15}$/.test(value)
  return numeric ? Number(value) : value
}

/** Where to cut so that a refused value is gone: at the value, or at the table that misses it. */
const cutOf = (tree: unknown, path: Path): Path => {
  // Taking one element out of a list would renumber the others, so the whole list goes.
  const index = path.findIndex((step) => typeof step === 'number')
  if (index !== -1) return path.slice(0, index)
  return path.length > 1 && at(tree, path) === undefined ? path.slice(0, -1) : path
}

const remove = (tree: unknown, path: Path): void => {
  const parent = at(tree, path.slice(0, -1)) as Tree | undefined
  const name = path.at(-1)
  if (parent && name !== undefined) delete parent[name]
}

export interface Validated {
  readonly settings: Settings
  /** Keys whose value holds something substituted, which no message may show. */
  readonly touched: ReadonlySet<string>
  /** Keys left out of `settings` because something is wrong with them: what depends on them is not judged. */
  readonly broken: readonly string[]
  readonly problems: readonly Problem[]
}

/**
 * Checks the substituted file against the schema. Whatever is wrong becomes a problem and is left out of the
 * settings, so that the rest can still be judged and all problems are told at once.
 */
export const validate = ({ tree, touched, whole, problems: earlier }: Substituted): Validated => {
  const remaining: unknown = structuredClone(tree)
  const failed = new Set(earlier.map(({ key }) => key))

  let parsed = schema.safeParse(remaining, parsedOnce)
  let coerced = false
  for (const issue of parsed.error?.issues ?? []) {
    if (issue.code !== 'invalid_type' || !whole.has(dotted(issue.path))) continue
    const parent = at(remaining, issue.path.slice(0, -1)) as Tree
    const name = issue.path.at(-1) ?? ''
    parent[name] = coerce(parent[name], issue.expected)
    coerced = true
  }
  if (coerced) parsed = schema.safeParse(remaining, parsedOnce)

  const problems = (parsed.error?.issues ?? [])
    .filter((issue) => issue.code === 'unrecognized_keys' || !failed.has(dotted(issue.path)))
    .flatMap((issue) => describe(issue, remaining, touched))
  const broken = [...failed]
  while (!parsed.success) {
    const { issues } = parsed.error
    const unknown = issues.flatMap((issue) =>
      issue.code === 'unrecognized_keys' ? issue.keys.map((name) => [...issue.path, name]) : [],
    )
    const cuts = issues.flatMap((issue) =>
      issue.code === 'unrecognized_keys' ? [] : [cutOf(remaining, issue.path)],
    )
    for (const path of [...unknown, ...cuts]) remove(remaining, path)
    broken.push(...cuts.map(dotted))
    parsed = schema.safeParse(remaining, parsedOnce)
  }
  return { settings: parsed.data, touched, broken, problems: [...earlier, ...problems] }
}
