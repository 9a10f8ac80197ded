/** Makes roles: nobody hands out what he does not hold (design.md §7, invariant 14). */
import { write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { claimAccount } from './accounts.ts'
import type { Caller } from './caller.ts'
import { change, Lost } from './change.ts'
import { counted } from './population.ts'
import { admitGroups, groupsAmong, groupsChanged } from './role-groups.ts'
import { admit, findMembers, memberships } from './role-members.ts'
import { permissionsWrites, refusePermissions } from './role-permissions.ts'
import { type Audience, applicationOf, type Role, type RoleRefusal, refuseName } from './roles.ts'

export interface NewRole {
  readonly name: string
  readonly audience: Audience
  readonly permissions: readonly string[]
  readonly users: readonly string[]
  readonly groups: readonly string[]
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
  const groups = [...new Set(asked.groups)]
  if ((await groupsAmong(db, caller, groups)).size !== groups.length) return { refused: 'unknown-group' }
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
  const outcome = await change(db, caller, now, {
    claims: users.includes(caller.accountId) ? claimAccount(db, caller.accountId) : undefined,
    writes: [
      write(db.insertInto('role').values(row)),
      ...permissionsWrites(db, id, { added: permissions, removed: [] }),
      ...admit(db, id, users),
      ...memberships(db, caller, users),
      ...admitGroups(db, id, groups),
      ...groupsChanged(db, caller, groups),
      ...counted(db, 'role', caller.organizationId, [id], 1),
    ],
    events: [
      {
        event: 'role-created',
        target: id,
        data: { name, audience, permissions, users, ...(groups.length > 0 ? { groups } : {}) },
        outcome: 'Success',
        applicationId: caller.application?.id,
      },
    ],
    administrative: true,
  })
  if (outcome === 'conflict') {
    if (await refuseName(db, audience, name)) return { refused: 'exists' }
    throw new Lost('what the role refers to has changed')
  }
  const role = { id, name, audience: { ...audience, name: audienceName }, edition: 1 }
  return { role: { ...role, createdAt: at, modifiedAt: at } }
}
