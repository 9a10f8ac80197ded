/**
 * Makes many users at once. What is decided is what `createUser` decides for one; what is written for each is the same,
 * in fewer statements, and together with the progress of the file that they come from.
 */
import { type AuditEntry, mask } from '../audit.ts'
import { exactly, type Write, write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { insertingMany } from '../database/prepared.ts'
import { userNameKey } from './accounts.ts'
import { parseAttributes, primaryEmail } from './attributes.ts'
import type { Caller } from './caller.ts'
import { change, Lost } from './change.ts'
import { join } from './group-members.ts'
import { groupNameKey } from './groups.ts'
import { advance, importProgress } from './import-progress.ts'
import { counted } from './population.ts'
import { lackRows, valueRows } from './user-values.ts'
import { aboutUser } from './users.ts'

/** A user as he is written; what he may be like is looked at before. */
export interface ImportedUser {
  readonly line: number
  readonly userName: string
  /** The JSON that is stored. */
  readonly attributes: string
  readonly locked: boolean
  readonly disabled: boolean
  readonly passwordHash: string
  /** Names of groups that there are. */
  readonly groups: readonly string[]
}

export interface ImportPart {
  /** The file's SHA-256. */
  readonly file: string
  /** Lines behind `from` up to `to`. */
  readonly from: number
  readonly to: number
  readonly isLast: boolean
  /** By their lines. */
  readonly users: readonly ImportedUser[]
  /** Lines of this part that were refused before they came here. */
  readonly refusedLines: readonly number[]
}

export interface RefusedLine {
  readonly line: number
  readonly reason: string
}

export type ImportOutcome =
  | { readonly made: number; readonly refused: readonly RefusedLine[] }
  /** Somebody else imports the same file, and is at another line. */
  | { readonly overtaken: number }

interface GroupRow {
  readonly id: string
  readonly name: string
}

/** Who of `users` can be made, with his groups, and why the others cannot. */
const judge = async (db: Db, { organizationId }: Caller, users: readonly ImportedUser[]) => {
  const keys = new Map(users.map((user) => [user, userNameKey(user.userName)]))
  const groupKeys = [...new Set(users.flatMap(({ groups }) => groups.map(groupNameKey)))]
  const [taken, groups] = await Promise.all([
    users.length === 0
      ? []
      : db
          .selectFrom('account')
          .select('user_name_key')
          .where('organization_id', '=', organizationId)
          .where('user_name_key', 'in', [...keys.values()])
          .execute(),
    groupKeys.length === 0
      ? []
      : db
          .selectFrom('user_group')
          .select(['id', 'name', 'name_key'])
          .where('organization_id', '=', organizationId)
          .where('name_key', 'in', groupKeys)
          .execute(),
  ])
  const names = new Set(taken.map((row) => row.user_name_key))
  const groupOf = new Map<string, GroupRow>(groups.map((row) => [row.name_key, row]))
  const refused: RefusedLine[] = []
  const accepted: { readonly user: ImportedUser; readonly groups: ReadonlySet<GroupRow> }[] = []
  for (const user of users) {
    const key = keys.get(user) ?? ''
    const unknown = user.groups.find((name) => !groupOf.has(groupNameKey(name)))
    if (names.has(key)) refused.push({ line: user.line, reason: 'A user of that name exists.' })
    else if (unknown !== undefined) {
      refused.push({ line: user.line, reason: `There is no group ${JSON.stringify(unknown)}.` })
    } else {
      names.add(key)
      const own = user.groups.flatMap((name) => groupOf.get(groupNameKey(name)) ?? [])
      accepted.push({ user, groups: new Set(own) })
    }
  }
  return { accepted, refused }
}

/** What an import of these users would refuse; writes nothing. */
export const refusedUsers = async (
  db: Db,
  caller: Caller,
  users: readonly ImportedUser[],
): Promise<readonly RefusedLine[]> => (await judge(db, caller, users)).refused

const insertAccounts = insertingMany('account', [
  'id',
  'organization_id',
  'user_name',
  'user_name_key',
  'password_hash',
  'version',
  'locked_at',
  'disabled_at',
  'email',
  'attributes',
  'created_at',
  'modified_at',
])
const insertValues = insertingMany('account_value', [
  'account_id',
  'organization_id',
  'path',
  'item',
  'value_key',
])
const insertLacks = insertingMany('account_without', ['organization_id', 'path', 'account_id'])

/** The writes and events of those who join groups; in one order, so that two imports never wait for each other. */
const joining = (
  db: Db,
  caller: Caller,
  members: ReadonlyMap<GroupRow, readonly string[]>,
  now: Date,
): { readonly writes: readonly Write[]; readonly events: readonly AuditOf[] } => {
  const groups = [...members].sort(([one], [other]) => (one.id < other.id ? -1 : 1))
  return {
    writes: groups.flatMap(([{ id, name }, ids]) => [
      exactly(
        1,
        db
          .updateTable('user_group')
          .set((eb) => ({ edition: eb('edition', '+', 1), modified_at: now.toISOString() }))
          .where('id', '=', id)
          .where('name', '=', name),
      ),
      ...join(db, id, ids),
    ]),
    events: groups.map(([{ id, name }, ids]) => ({
      event: 'group-updated',
      target: id,
      data: { name, addedMembers: ids },
      outcome: 'Success',
      applicationId: caller.application?.id,
    })),
  }
}

type AuditOf = Omit<AuditEntry, 'initiator' | 'actorId' | 'impersonationId' | 'organizationId'>

/** How often a part is decided anew when a group of it changes meanwhile. */
const mostTries = 5

/** One commit; a part that a unique key refuses is done in halves, so that one line costs nobody else's. */
const importPart = async (
  db: Db,
  caller: Caller,
  part: ImportPart,
  now: Date,
  tries = 1,
): Promise<ImportOutcome> => {
  const { organizationId } = caller
  const { accepted, refused } = await judge(db, caller, part.users)
  const at = now.toISOString()
  const members = new Map<GroupRow, string[]>()
  const made = accepted.map(({ user, groups }) => {
    const id = Bun.randomUUIDv7()
    for (const group of groups) members.set(group, [...(members.get(group) ?? []), id])
    return { id, user, organizationId, attributes: parseAttributes(user.attributes) }
  })
  const accounts = made.map(({ id, user, attributes }) => ({
    id,
    organization_id: organizationId,
    user_name: user.userName,
    user_name_key: userNameKey(user.userName),
    password_hash: user.passwordHash,
    version: 1,
    locked_at: user.locked ? at : null,
    disabled_at: user.disabled ? at : null,
    email: primaryEmail(attributes),
    attributes: user.attributes,
    created_at: at,
    modified_at: at,
  }))
  const joins = joining(db, caller, members, now)
  const done = {
    to: part.to,
    made: made.length,
    refused: refused.length + part.refusedLines.length,
    isLast: part.isLast,
  }
  const ids = made.map(({ id }) => id)
  try {
    const outcome = await change(db, caller, now, {
      writes: [
        advance(db, part.file, part.from, done, now),
        ...insertAccounts(db, accounts).map(write),
        ...insertValues(
          db,
          made.flatMap((one) => valueRows(one)),
        ).map(write),
        ...insertLacks(
          db,
          made.flatMap((one) => lackRows(one)),
        ).map(write),
        ...joins.writes,
        ...counted(db, 'account', organizationId, ids, 1),
      ],
      events: [
        ...made.map(({ id, user: { userName, line } }) => ({
          event: 'user-created' as const,
          ...aboutUser(caller, id),
          data: { userName: mask(userName), file: part.file, line },
        })),
        ...joins.events,
      ],
      administrative: false,
    })
    if (outcome === 'committed') return { made: made.length, refused }
  } catch (error) {
    if (!(error instanceof Lost)) throw error
    const { line, finishedAt } = await importProgress(db, part.file)
    if (line !== part.from || finishedAt !== null) return { overtaken: line }
    if (tries >= mostTries) throw error
    return importPart(db, caller, part, now, tries + 1)
  }
  const [first, ...others] = part.users
  if (first && others.length === 0) {
    const reason = 'Somebody else made a user of that name, or ended a group of his, at the same time.'
    const rest = { ...part, users: [], refusedLines: [...part.refusedLines, first.line] }
    const outcome = await importPart(db, caller, rest, now)
    return 'overtaken' in outcome ? outcome : { made: 0, refused: [{ line: first.line, reason }] }
  }
  return importUsers(db, caller, part, Math.ceil(part.users.length / 2), () => now)
}

/** Splits a part into some of at most `size` users. */
const pieces = function* (part: ImportPart, size: number): Generator<ImportPart> {
  let { from } = part
  for (let begin = 0; ; begin += size) {
    const users = part.users.slice(begin, begin + size)
    const ends = begin + size >= part.users.length
    const start = from
    const to = ends ? part.to : (users.at(-1)?.line ?? part.to)
    const refusedLines = part.refusedLines.filter((line) => line > start && line <= to)
    yield { ...part, from, to, isLast: ends && part.isLast, users, refusedLines }
    if (ends) return
    from = to
  }
}

/**
 * Makes the users of a part, at most `size` in a commit, and writes how far that came. What was made stays when a later
 * commit fails.
 */
export const importUsers = async (
  db: Db,
  caller: Caller,
  part: ImportPart,
  size: number,
  clock: () => Date,
): Promise<ImportOutcome> => {
  let made = 0
  const refused: RefusedLine[] = []
  for (const piece of pieces(part, size)) {
    const outcome = await importPart(db, caller, piece, clock())
    if ('overtaken' in outcome) return outcome
    made += outcome.made
    refused.push(...outcome.refused)
  }
  return { made, refused }
}
