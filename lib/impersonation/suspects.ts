/**
 * Whom the sweeper looks at between two looks at all: impersonators who are new or for whom something changed, and who
 * acts for somebody that became an administrator. A new revision, which it looks for as well, is a look at all.
 */
import type { Db } from '../database/connect.ts'
import { openImpersonations } from '../directory/living-lineages.ts'
import { administratorRole } from '../directory/permissions.ts'
import { idsFrom } from './ids.ts'

const page = 500
/** Ids are of when they were asked for, which is a while before they can be seen. */
const overlapMilliseconds = 2_000
/** And a long while where a validator was slow, the database was, or the clock of another server is. */
const latestMilliseconds = 60_000
const lateEveryMilliseconds = 500
/** A look at who is late takes at most this part of the time. */
const share = 40

/** Whose impersonations were looked at, and the version of the impersonator then. */
export type Versions = ReadonlyMap<string, number | undefined>

const begunSince = (db: Db, milliseconds: number) =>
  db
    .selectFrom('impersonation')
    .where('id', '>', idsFrom(new Date(milliseconds)))
    .where('lineage_id', 'is not', null)

/**
 * Impersonators who began since then and were not looked at yet. What those did who were looked at was decided at the
 * same revision and version, or one of these has changed.
 */
const newcomers = async (db: Db, milliseconds: number, known: Versions): Promise<readonly string[]> => {
  const rows = await begunSince(db, milliseconds - overlapMilliseconds)
    .select('impersonator_id as id')
    .distinct()
    .execute()
  return rows.flatMap(({ id }) => (known.has(id) ? [] : [id]))
}

/** When it was looked for those who are late, and how long that took, in milliseconds. */
export interface Late {
  at: number
  took: number
}

/** The same for those whose commit came long after their beginning, so that `newcomers` has passed them by. */
const latecomers = async (db: Db, late: Late, known: Versions, now: Date): Promise<readonly string[]> => {
  if (Math.abs(now.getTime() - late.at) < Math.max(lateEveryMilliseconds, share * late.took)) return []
  const began = performance.now()
  const found = new Set<string>()
  let query = begunSince(db, now.getTime() - latestMilliseconds)
  for (;;) {
    const rows = await query
      .select(['id', 'impersonator_id as impersonatorId'])
      .orderBy('id')
      .limit(page)
      .execute()
    for (const { impersonatorId } of rows) if (!known.has(impersonatorId)) found.add(impersonatorId)
    const last = rows.at(-1)
    if (!last || rows.length < page) break
    query = db.selectFrom('impersonation').where('id', '>', last.id).where('lineage_id', 'is not', null)
    await Bun.sleep(1)
  }
  late.at = now.getTime()
  late.took = performance.now() - began
  return [...found]
}

/** Impersonators whose roles, groups or status changed since they were looked at. */
const changed = async (db: Db, versions: Versions): Promise<readonly string[]> => {
  const ids = [...versions.keys()]
  const found = new Map<string, number>()
  for (let at = 0; at < ids.length; at += page) {
    const rows = await db
      .selectFrom('account')
      .select(['id', 'version'])
      .where('id', 'in', ids.slice(at, at + page))
      .execute()
    for (const { id, version } of rows) found.set(id, version)
  }
  return ids.filter((id) => found.get(id) !== versions.get(id))
}

/** Impersonators who act for an administrator and are none. */
const ofAdministrators = async (db: Db): Promise<readonly string[]> => {
  const administrators = db
    .selectFrom('account_role')
    .select('account_id as id')
    .where('role_id', '=', administratorRole.id)
    .union(
      db
        .selectFrom('group_role')
        .innerJoin('group_member', 'group_member.group_id', 'group_role.group_id')
        .select('group_member.account_id as id')
        .where('group_role.role_id', '=', administratorRole.id),
    )
  const rows = await openImpersonations(db)
    .clearSelect()
    .select('impersonation.impersonator_id as id')
    .distinct()
    .where('impersonation.subject_id', 'in', administrators)
    .where('impersonation.impersonator_id', 'not in', administrators)
    .execute()
  return rows.map(({ id }) => id)
}

/** The impersonators to look at; `seenAt` is when that was asked last, in milliseconds since the epoch. */
export const suspects = async (
  db: Db,
  versions: Versions,
  seenAt: number,
  late: Late,
  now: Date,
): Promise<readonly string[]> => [
  ...new Set([
    ...(await changed(db, versions)),
    ...(await newcomers(db, seenAt, versions)),
    ...(await latecomers(db, late, versions, now)),
    ...(await ofAdministrators(db)),
  ]),
]
