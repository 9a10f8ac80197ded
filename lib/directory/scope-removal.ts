/**
 * What goes with a scope that is removed. Roles and applications lose it by the tables' references; but tokens, codes and
 * consents have names. They lose it, too: whoever makes a scope of the same name later hands it to nobody who had the
 * old one (design.md §7, invariant 14). What an impersonation was given stays in its row, which is its record.
 */
import { type RawBuilder, sql } from 'kysely'
import { type Write, write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'

/** Names in one expression: it nests once for each, and neither database nests without end. */
const atOnce = 50

/** The list with a space around each name, so that a name is found whole. */
const padded = sql<string>`' ' || scopes || ' '`

const without = (names: readonly string[]): RawBuilder<string> =>
  names.reduce(
    (list, name) => sql<string>`replace(${list}, cast(${` ${name} `} as text), ' ')`,
    sql<string>`(${padded})`,
  )

/** What all of these begin with, often the name of their API; names that are sorted share it with their neighbours. */
const commonStart = (names: readonly string[]): string => {
  const [first = '', last = ''] = [names.at(0), names.at(-1)]
  let length = 0
  while (length < first.length && first[length] === last[length]) length += 1
  return first.slice(0, length)
}

const holders = ['token', 'authorization_code', 'device_authorization', 'consent'] as const

/** The writes that take these scopes from all tokens, codes and consents. */
export const scopesForgotten = (db: Db, names: readonly string[]): readonly Write[] => {
  const sorted = [...names].sort()
  const chunks = Array.from({ length: Math.ceil(sorted.length / atOnce) }, (_, index) =>
    sorted.slice(index * atOnce, (index + 1) * atOnce),
  )
  return chunks.flatMap((chunk) =>
    holders.map((table) => {
      const left = without(chunk)
      const start = sql`cast(${` ${commonStart(chunk)}`} as text)`
      return write(
        db
          .updateTable(table)
          .set({ scopes: sql<string>`trim(${left})` })
          // most have none of them, which this finds out fifty times as fast
          .where(sql<boolean>`replace(${padded}, ${start}, '') <> ${padded}`)
          .where(sql<boolean>`${left} <> ${padded}`),
      )
    }),
  )
}

/** The writes that go before the removal of scopes of API resources: whoever had them is another edition without. */
export const scopesGone = (db: Db, names: readonly string[], now: Date): readonly Write[] => {
  if (names.length === 0) return []
  const edition = sql<number>`edition + 1`
  const roles = db.selectFrom('role_permission').select('role_id').where('scope_name', 'in', names)
  const applications = db
    .selectFrom('application_scope')
    .select('application_id')
    .where('scope_name', 'in', names)
  return [
    ...scopesForgotten(db, names),
    write(db.updateTable('role').set({ edition, modified_at: now.toISOString() }).where('id', 'in', roles)),
    write(db.updateTable('application').set({ edition }).where('id', 'in', applications)),
  ]
}
