/** What users are found by: a row for each value of their attributes, written in the commit that writes the attributes. */
import { type Write, write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import type { AccountValueTable, AccountWithoutTable } from '../database/schema.ts'
import { type Attribute, type Attributes, attributeOf, isObject } from './attributes.ts'
import { indexable } from './search.ts'

/** Whose values they are. */
export interface Described {
  readonly id: string
  readonly organizationId: string
  readonly attributes: Attributes
}

/** The name of a value's place in the table: the attribute's full name in small letters, with its sub-attribute. */
export const valuePath = ({ name }: Attribute, sub?: string): string =>
  (sub === undefined ? name : `${name}.${sub}`).toLowerCase()

const caseExact: ReadonlySet<string> = new Set([
  'id',
  'externalid',
  'profileurl',
  'photos.value',
  'x509certificates.value',
  'groups.value',
  'groups.$ref',
  'roles.value',
  'roles.$ref',
  'urn:ietf:params:scim:schemas:extension:enterprise:2.0:user:manager.value',
  'urn:ietf:params:scim:schemas:extension:enterprise:2.0:user:manager.$ref',
])

/** Whether case counts where values of that place are compared (RFC 7643 §7, `caseExact`). */
export const isCaseExact = (path: string): boolean => caseExact.has(path)

/** A value of that place as it is compared. */
export const valueKey = (path: string, text: string): string =>
  indexable(isCaseExact(path) ? text : text.normalize('NFC').toLowerCase())

/** The primary one first, since lists are sorted by the first (RFC 7644 §3.4.2.3). */
const primaryFirst = (entries: readonly unknown[]): readonly unknown[] => {
  const primary = entries.find((entry) => isObject(entry) && entry.primary === true)
  return primary === undefined ? entries : [primary, ...entries.filter((entry) => entry !== primary)]
}

/** From the place of each text in an attribute to the text. */
const textsOf = function* (
  attribute: Attribute,
  value: unknown,
): Generator<readonly [string, number, string]> {
  const parts = function* (entry: unknown, item: number): Generator<readonly [string, number, string]> {
    if (isObject(entry)) {
      for (const [sub, part] of Object.entries(entry)) yield* one(valuePath(attribute, sub), item, part)
    } else yield* one(valuePath(attribute, attribute.kind === 'multi' ? 'value' : undefined), item, entry)
  }
  const one = function* (path: string, item: number, part: unknown) {
    if (typeof part === 'string' && part !== '') yield [path, item, part] as const
    else if (typeof part === 'boolean' || typeof part === 'number') yield [path, item, String(part)] as const
  }
  if (!Array.isArray(value)) yield* parts(value, 0)
  else for (const [item, entry] of primaryFirst(value).entries()) yield* parts(entry, item)
}

/** The rows of an account; `names` restricts them to those attributes. They belong into the commit that makes it. */
export const valueRows = (
  { id, organizationId, attributes }: Described,
  names: Iterable<string> = attributes.keys(),
): readonly AccountValueTable[] =>
  [...names].flatMap((name) => {
    const attribute = attributeOf(name)
    if (!attribute) return []
    return [...textsOf(attribute, attributes.get(name))].map(([path, item, text]) => ({
      account_id: id,
      organization_id: organizationId,
      path,
      item,
      value_key: valueKey(path, text),
    }))
  })

/** What nearly everybody has, where lists are sorted by it: those who lack it have a row that says so. */
const usual: ReadonlyMap<string, readonly string[]> = new Map([
  ['name', ['name.givenname', 'name.familyname']],
  ['displayname', ['displayname']],
  ['emails', ['emails.value']],
])

/** Whether there is a row in `account_without` for everybody who has no first value of that place. */
export const isUsual = (path: string): boolean => usual.get(path.split('.')[0] ?? '')?.includes(path) === true

/** The rows of what an account lacks; `names` restricts them to those attributes. */
export const lackRows = (
  described: Described,
  names: Iterable<string> = usual.keys(),
): readonly AccountWithoutTable[] => {
  const asked = [...names].filter((name) => usual.has(name.toLowerCase()))
  const first = valueRows(
    described,
    asked.length === 0
      ? []
      : [...described.attributes.keys()].filter((name) => usual.has(name.toLowerCase())),
  ).filter(({ item }) => item === 0)
  const there = new Set(first.map(({ path }) => path))
  return asked
    .flatMap((name) => usual.get(name.toLowerCase()) ?? [])
    .filter((path) => !there.has(path))
    .map((path) => ({ organization_id: described.organizationId, path, account_id: described.id }))
}

const lacking = (db: Db, rows: readonly AccountWithoutTable[]): readonly Write[] =>
  rows.length === 0 ? [] : [write(db.insertInto('account_without').values(rows))]

/** Rows in one statement: both databases bound the number of its parameters. */
const together = 1_000

const inserts = (db: Db, rows: readonly AccountValueTable[]): readonly Write[] =>
  Array.from({ length: Math.ceil(rows.length / together) }, (_, index) =>
    write(db.insertInto('account_value').values(rows.slice(index * together, (index + 1) * together))),
  )

/** The writes of a new account's rows. */
export const addValues = (db: Db, described: Described): readonly Write[] => [
  ...inserts(db, valueRows(described)),
  ...lacking(db, lackRows(described)),
]

/** The writes that bring the rows of an account up to date after `changed` attributes became `after`. */
export const replaceValues = (
  db: Db,
  before: Attributes,
  after: Described,
  changed: readonly string[],
): readonly Write[] => {
  const old = valueRows({ ...after, attributes: before }, changed)
  const paths = [...new Set(old.map(({ path }) => path))]
  const gone =
    paths.length === 0
      ? []
      : [write(db.deleteFrom('account_value').where('account_id', '=', after.id).where('path', 'in', paths))]
  const lacked = lackRows({ ...after, attributes: before }, changed).map(({ path }) => path)
  const lacks = lackRows(after, changed)
  const found = lacked.filter((path) => !lacks.some((row) => row.path === path))
  const had =
    found.length === 0
      ? []
      : [
          write(
            db.deleteFrom('account_without').where('account_id', '=', after.id).where('path', 'in', found),
          ),
        ]
  return [
    ...gone,
    ...inserts(db, valueRows(after, changed)),
    ...had,
    ...lacking(
      db,
      lacks.filter(({ path }) => !lacked.includes(path)),
    ),
  ]
}
