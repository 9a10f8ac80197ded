/** Makes groups. A new one has no roles, so whoever is in it gains nothing by it yet. */
import { write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { claimAccount } from './accounts.ts'
import type { Caller } from './caller.ts'
import { change, Lost } from './change.ts'
import { join } from './group-members.ts'
import { refuseMembers } from './group-update.ts'
import { type Group, type GroupRefusal, groupNameKey, refuseGroupName } from './groups.ts'
import { counted } from './population.ts'
import { memberships } from './role-members.ts'

export interface NewGroup {
  readonly name: string
  readonly externalId: string | null
  readonly members: readonly string[]
}

/** Makes a group of these users. */
export const createGroup = async (
  db: Db,
  caller: Caller,
  asked: NewGroup,
  now: Date,
): Promise<{ readonly group: Group } | GroupRefusal> => {
  const { name, externalId } = asked
  const members = [...new Set(asked.members)]
  // who acts for somebody else gains nothing for himself by it
  if (caller.acting && members.includes(caller.acting.impersonatorId)) return { refused: 'acting' }
  const refusal = (await refuseGroupName(db, caller, name)) ?? (await refuseMembers(db, caller, members))
  if (refusal) return refusal
  const id = crypto.randomUUID()
  const at = now.toISOString()
  const outcome = await change(db, caller, now, {
    claims: members.includes(caller.accountId) ? claimAccount(db, caller.accountId) : undefined,
    writes: [
      write(
        db.insertInto('user_group').values({
          id,
          organization_id: caller.organizationId,
          name,
          name_key: groupNameKey(name),
          external_id: externalId,
          created_at: at,
          modified_at: at,
        }),
      ),
      ...join(db, id, members),
      ...memberships(db, caller, members),
      ...counted(db, 'user_group', caller.organizationId, [id], 1),
    ],
    events: [
      {
        event: 'group-created',
        target: id,
        data: { name, members },
        outcome: 'Success',
        applicationId: caller.application?.id,
      },
    ],
    administrative: false,
  })
  if (outcome === 'conflict') {
    if (await refuseGroupName(db, caller, name)) return { refused: 'exists' }
    throw new Lost('what the group refers to has changed')
  }
  return { group: { id, name, externalId, edition: 1, createdAt: at, modifiedAt: at } }
}
