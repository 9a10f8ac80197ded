/** Makes roles: nobody hands out what he does not hold (design.md §7, invariant 14). */
import { type Write, write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { claimAccount } from './accounts.ts'
import type { Caller } from './caller.ts'
import { change, Lost } from './change.ts'
import { admit, findMembers, memberships } from './role-members.ts'
import { refusePermissions } from './role-permissions.ts'
import {
  type Audience,
  applicationOf,
  nameIsTaken,
  type Role,
  type RoleRefusal,
  refuseName,
} from './roles.ts'

export interface NewRole {
  readonly name: string
  readonly audience: Audience
  readonly permissions: readonly string[]
  readonly users: readonly string[]
}

/** Makes a role; the caller must hold every permission that it gives. */
export const createRole = async (
  db: Db,
  caller: Caller,
  asked: NewRole,
  now: Date,
): Promise<{ readonly role: Role } | RoleRefusal> => {
  if (caller.acting) return { refused: 'acting' }
  const { name, audience } = asked
  let audienceName = ''
  if (audience.type === 'application') {
    const application = await applicationOf(db, caller, audience.id)
    if (!application) return { refused: 'unknown-application' }
    if (application.allowedAudience !== 'APPLICATION') return { refused: 'other-audience' }
    audienceName = application.name
  } else {
    const organization = await db
      .selectFrom('organization')
      .select('name')
      .where('id', '=', audience.id)
      .executeTakeFirst()
    if (!organization || audience.id !== caller.organizationId) return { refused: 'unknown-organization' }
    audienceName = organization.name
  }
  const permissions = [...new Set(asked.permissions)]
  const refusal =
    (await refuseName(db, audience, name)) ?? (await refusePermissions(db, caller, audience, permissions))
  if (refusal) return refusal
  const users = [...new Set(asked.users)]
  const members = await findMembers(db, caller, users)
  if (members.size !== users.length) return { refused: 'unknown-user' }
  const id = crypto.randomUUID()
  const at = now.toISOString()
  const row = {
    id,
    organization_id: caller.organizationId,
    name,
    audience_type: audience.type,
    audience_id: audience.id,
    created_at: at,
    modified_at: at,
  }
  const writes: Write[] = [write(db.insertInto('role').values(row))]
  if (permissions.length > 0) {
    const rows = permissions.map((scope_name) => ({ role_id: id, scope_name }))
    writes.push(write(db.insertInto('role_permission').values(rows)))
  }
  const outcome = await change(db, caller, now, {
    claims: users.includes(caller.accountId) ? claimAccount(db, caller.accountId) : undefined,
    writes: [...writes, ...admit(db, id, users), ...memberships(db, caller, users)],
    events: [
      {
        event: 'role-created',
        target: id,
        data: { name, audience, permissions, users },
        outcome: 'Success',
        applicationId: caller.application?.id,
      },
    ],
    administrative: true,
  })
  if (outcome === 'conflict') {
    if (await nameIsTaken(db, audience, name)) return { refused: 'exists' }
    throw new Lost('what the role refers to has changed')
  }
  return { role: { id, name, audience: { ...audience, name: audienceName }, createdAt: at, modifiedAt: at } }
}
