/** Groups as SCIM shows them. */
import type { Db } from '../database/connect.ts'
import { type MemberOfGroup, membersOfGroups } from '../directory/group-members.ts'
import { type RoleOfGroup, rolesOfGroups } from '../directory/group-roles.ts'
import type { Group } from '../directory/groups.ts'
import { entityTag } from '../entity-tag.ts'
import { isSelected, type Selection, select } from './projection.ts'
import { groupLocation, roleLocation, userLocation } from './representation.ts'
import { groupSchema } from './schema-attribute.ts'
import { bounded, isNamed } from './shown.ts'

type Resource = Readonly<Record<string, unknown>>

const render = (
  { id, name, externalId, edition, createdAt, modifiedAt }: Group,
  members: readonly MemberOfGroup[] | undefined,
  roles: readonly RoleOfGroup[],
  baseUrl: string,
): Resource => ({
  schemas: [groupSchema.id],
  id,
  ...(externalId === null ? {} : { externalId }),
  displayName: name,
  ...(members
    ? {
        members: members.map((member) => ({
          value: member.id,
          display: member.userName,
          $ref: userLocation(baseUrl, member.id),
          type: 'User',
        })),
      }
    : {}),
  ...(roles.length > 0
    ? {
        roles: roles.map((role) => ({
          value: role.id,
          display: role.name,
          $ref: roleLocation(baseUrl, role.id),
          audienceValue: role.audienceId,
          audienceDisplay: role.audienceName,
          audienceType: role.audienceType,
        })),
      }
    : {}),
  meta: {
    created: createdAt,
    lastModified: modifiedAt,
    location: groupLocation(baseUrl, id),
    resourceType: 'Group',
    version: entityTag(edition),
  },
})

/** One group with its members, or without them when they are not selected: then they are not read. */
export const groupResource = async (
  db: Db,
  baseUrl: string,
  group: Group,
  selection: Selection,
): Promise<Resource> => {
  const [members, roles] = await Promise.all([
    isSelected(selection, 'members') ? membersOfGroups(db, [group.id]) : undefined,
    isSelected(selection, 'roles') ? rolesOfGroups(db, [group.id]) : [],
  ])
  return select(selection, render(group, members, roles, baseUrl))
}

/** The groups of a list: their members only when they are named, since a page of large groups is very large. */
export const groupResources = async (
  db: Db,
  baseUrl: string,
  groups: readonly Group[],
  selection: Selection,
): Promise<readonly Resource[]> => {
  const ids = groups.map(({ id }) => id)
  const [members, roles] = await Promise.all([
    isNamed(selection, 'members') ? bounded((most) => membersOfGroups(db, ids, most), 'members') : undefined,
    isSelected(selection, 'roles') ? rolesOfGroups(db, ids) : [],
  ])
  const membersOf = members && Map.groupBy(members, ({ groupId }) => groupId)
  const rolesOf = Map.groupBy(roles, ({ groupId }) => groupId)
  return groups.map((group) =>
    select(
      selection,
      render(group, membersOf && (membersOf.get(group.id) ?? []), rolesOf.get(group.id) ?? [], baseUrl),
    ),
  )
}
