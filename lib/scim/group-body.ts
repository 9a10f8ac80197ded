/** What the bodies of `/scim2/Groups` say. */
import type { NewGroup } from '../directory/group-creation.ts'
import type { GroupEdit } from '../directory/group-update.ts'
import type { Operation } from './patch.ts'
import { groupSchema } from './schema-attribute.ts'
import { readChanges, readExternalId, readName, readReferences, readResource } from './set-resource.ts'

/** There is one user store; it may be named, and is left out. */
const withoutStore = (name: string) => name.replace(/^PRIMARY\//i, '')

/** A new group, or what one is replaced with. */
export const readGroup = (body: Readonly<Record<string, unknown>>): NewGroup => {
  const said = readResource(groupSchema, body)
  return {
    name: withoutStore(readName(said.get('displayName'))),
    externalId: readExternalId(said.get('externalId')),
    members: readReferences(groupSchema, 'members', said.get('members')),
  }
}

/** The change by which a group becomes what the body of a PUT says. */
export const readReplacement = (body: Readonly<Record<string, unknown>>): GroupEdit => {
  const { name, externalId, members } = readGroup(body)
  return {
    name,
    externalId,
    members: { replaceWith: new Set(members), add: new Set(), remove: new Set() },
  }
}

/** The change that the operations of a PATCH make together. */
export const readGroupEdit = (operations: readonly Operation[], id: string): GroupEdit => {
  const { name, externalId, sets } = readChanges(groupSchema, operations, id)
  return {
    name: name === undefined ? undefined : withoutStore(name),
    externalId,
    members: sets.get('members'),
  }
}
