/**
 * Changes to a user. What a caller may not do to somebody else's account is refused here, so that it holds for every
 * door (design.md §7, invariants 9 and 14).
 */
import { type AuditEntry, mask } from '../audit.ts'
import { exactly, type Write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { claimAccount, findAccount } from './accounts.ts'
import {
  type Attributes,
  attributeOf,
  emailsAttribute,
  isSensitive,
  nestAttributes,
  primaryEmail,
} from './attributes.ts'
import type { Caller } from './caller.ts'
import { change, Lost } from './change.ts'
import { changedAttributes, claimsForAudit } from './claims.ts'
import { administratorBesides } from './last-administrator.ts'
import { administratorRole, allPermissions } from './permissions.ts'
import { withoutStaleProofs } from './proofs.ts'
import { replaceValues } from './user-values.ts'
import { aboutUser, type User } from './users.ts'

export interface UserEdit {
  readonly attributes: Attributes
  readonly locked: boolean
  readonly disabled: boolean
  /** Full names of all that the request speaks of, changed by it or not. */
  readonly touched: ReadonlySet<string>
  /** A new password's hash; asked only once nothing else speaks against it. */
  readonly hashPassword?: (() => Promise<string>) | undefined
  /** What ends the account's sessions and impersonations; done when password or status demand it. */
  readonly ending: () => Promise<readonly Write[]>
}

/** `acting`: for the account's owner in person. `beyond`: the account may more than the caller does. */
export type UserRefusal = 'acting' | 'beyond' | 'last-administrator'

/** Changes the user that was read as `user`; throws `Lost` when somebody else changed him meanwhile. */
export const updateUser = async (
  db: Db,
  caller: Caller,
  user: User,
  asked: UserEdit,
  now: Date,
): Promise<{ readonly user: User } | { readonly refused: UserRefusal }> => {
  const edit = { ...asked, attributes: withoutStaleProofs(user.attributes, asked.attributes, asked.touched) }
  const changed = changedAttributes(user.attributes, edit.attributes)
  const locks = edit.locked !== user.locked
  const disables = edit.disabled !== user.disabled
  const status = locks || disables
  const shutsOut = (locks && edit.locked) || (disables && edit.disabled)
  const sensitive =
    status ||
    edit.hashPassword !== undefined ||
    [...changed, ...edit.touched].some((name) => {
      const attribute = attributeOf(name)
      return !attribute || isSensitive(attribute)
    })
  const guards: Write[] = []
  if (sensitive) {
    if (caller.acting) return { refused: 'acting' }
    const account = await findAccount(db, user.id)
    if (account?.version !== user.version) throw new Lost('the user has changed')
    if (caller.kind !== 'user' || user.id !== caller.accountId) {
      const held = await allPermissions(db, caller.revision, account)
      if (![...held].every((permission) => caller.may(permission))) return { refused: 'beyond' }
    }
    if (shutsOut && account.roleIds.includes(administratorRole.id)) {
      const besides = await administratorBesides(db, [user.id])
      if (!besides.remains) return { refused: 'last-administrator' }
      guards.push(besides.guard)
    }
  }
  if (!status && edit.hashPassword === undefined && changed.length === 0) return { user }
  const passwordHash = await edit.hashPassword?.()
  const at = now.toISOString()
  const version = user.version + (status || passwordHash !== undefined ? 1 : 0)
  const update = db
    .updateTable('account')
    .set({
      version,
      edition: user.edition + 1,
      ...(changed.length > 0 ? { attributes: JSON.stringify(nestAttributes(edit.attributes)) } : {}),
      ...(changed.includes(emailsAttribute.name) ? { email: primaryEmail(edit.attributes) } : {}),
      modified_at: at,
      ...(passwordHash === undefined ? {} : { password_hash: passwordHash, password_shipped_at: null }),
      ...(locks ? { locked_at: edit.locked ? at : null } : {}),
      ...(disables ? { disabled_at: edit.disabled ? at : null } : {}),
    })
    .where('id', '=', user.id)
    .where('version', '=', user.version)
    .where('edition', '=', user.edition)
  const described = { id: user.id, organizationId: caller.organizationId, attributes: edit.attributes }
  const facts = aboutUser(caller, user.id)
  const event = (name: AuditEntry['event']) => ({ event: name, ...facts, data: {} })
  const outcome = await change(db, caller, now, {
    claims: user.id === caller.accountId ? claimAccount(db, user.id) : undefined,
    writes: [
      ...guards,
      exactly(1, update),
      ...replaceValues(db, user.attributes, described, changed),
      ...(shutsOut || passwordHash !== undefined ? await edit.ending() : []),
    ],
    events: [
      ...(locks ? [event(edit.locked ? 'user-locked' : 'user-unlocked')] : []),
      ...(disables ? [event(edit.disabled ? 'user-disabled' : 'user-enabled')] : []),
      ...(passwordHash === undefined ? [] : [event('password-changed')]),
      ...(changed.length === 0
        ? []
        : [
            {
              ...event('user-claims-changed'),
              target: mask(user.userName),
              data: {
                ServiceProviderName: caller.application?.name ?? 'mayact',
                Claims: claimsForAudit(user.attributes, edit.attributes, now),
              },
            },
          ]),
    ],
    administrative: false,
  })
  if (outcome === 'conflict') throw new Lost('the user has changed')
  const { attributes, locked, disabled } = edit
  const { edition } = user
  return { user: { ...user, version, edition: edition + 1, attributes, locked, disabled, modifiedAt: at } }
}
