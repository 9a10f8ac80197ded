/** `/scim2/Groups` (RFC 7644 §3, facts/rest-apis.md §5.3). */
import { type Context, Hono } from 'hono'
import type { Caller } from '../directory/caller.ts'
import { createGroup } from '../directory/group-creation.ts'
import { deleteGroup } from '../directory/group-deletion.ts'
import { hasMoreMembers } from '../directory/group-members.ts'
import { listGroups } from '../directory/group-search.ts'
import { type GroupEdit, updateGroup } from '../directory/group-update.ts'
import { findGroup, type Group, type GroupRefusal } from '../directory/groups.ts'
import { entityTag } from '../entity-tag.ts'
import { answerTagged, requireCurrent } from './conditional.ts'
import { actingError, bad, ScimError } from './error.ts'
import { readGroup, readGroupEdit, readReplacement } from './group-body.ts'
import { groupResource, groupResources } from './group-resource.ts'
import { type ListRequest, readList, readSearch } from './list.ts'
import { idOf, readBody } from './media.ts'
import { parsePatch } from './patch.ts'
import { selectionIn } from './projection.ts'
import { groupLocation } from './representation.ts'
import { groupOperations } from './resource-operations.ts'
import type { Route } from './route.ts'
import { answerList, rangeOf } from './search-answer.ts'
import { isChosen, largeSet } from './shown.ts'
import type { UsersNeeds } from './users.ts'

const refusalError = (refusal: GroupRefusal, name: string): ScimError => {
  switch (refusal.refused) {
    case 'acting':
      return actingError()
    case 'beyond':
      return new ScimError(
        403,
        'The group has roles: its members are the matter of those who have all of their permissions.',
      )
    case 'exists':
      return new ScimError(409, `Group with name: ${name} already exists in the system.`, 'uniqueness')
    case 'name':
      return bad('invalidValue', 'The name of a group has 255 characters at most and no slash.')
    case 'nested':
      return bad('invalidValue', 'Members have to be users: groups in groups are not supported.')
    case 'unknown-user':
      return bad('invalidValue', `There is no user with the id ${refusal.id}.`)
    case 'last-administrator':
      return new ScimError(403, 'The last active administrator cannot lose Administrator.')
  }
}

const requireGroup = async ({ db }: UsersNeeds, caller: Caller, c: Context): Promise<Group> => {
  const id = idOf(c)
  const group = await findGroup(db, caller, id)
  if (!group) throw new ScimError(404, `No group exists with the given id: ${id}`)
  return group
}

const show = async (c: Context, { db, baseUrl }: UsersNeeds, group: Group, status = 200) =>
  answerTagged(c, entityTag(group.edition), await groupResource(db, baseUrl, group, selectionIn(c)), {
    status,
    location: groupLocation(baseUrl, group.id),
  })

const create = (needs: UsersNeeds) => async (caller: Caller, c: Context) => {
  const asked = readGroup(await readBody(c))
  const result = await createGroup(needs.db, caller, asked, new Date())
  if ('refused' in result) throw refusalError(result, asked.name)
  return show(c, needs, result.group, 201)
}

const list = async (c: Context, { db, baseUrl }: UsersNeeds, caller: Caller, asked: ListRequest) =>
  answerList(c, asked, async () => {
    const { groups, ...found } = await listGroups(db, caller, rangeOf(asked))
    return { ...found, resources: await groupResources(db, baseUrl, groups, asked.selection) }
  })

const update = async (c: Context, needs: UsersNeeds, caller: Caller, edit: GroupEdit): Promise<Group> => {
  const group = await requireGroup(needs, caller, c)
  requireCurrent(c, entityTag(group.edition))
  const exact = c.req.header('if-match') !== undefined
  const result = await updateGroup(needs.db, caller, group, { ...edit, exact }, new Date())
  if ('refused' in result) throw refusalError(result, edit.name ?? group.name)
  return result.group
}

const patch = (needs: UsersNeeds) => async (caller: Caller, c: Context) => {
  const edit = readGroupEdit(parsePatch(await readBody(c)), idOf(c))
  const group = await update(c, needs, caller, edit)
  // nobody adds one to 50,000 to hear of all of them (RFC 7644 §3.5.2 leaves it to the server)
  if (!isChosen(selectionIn(c)) && (await hasMoreMembers(needs.db, group.id, largeSet))) {
    return new Response(null, {
      status: 204,
      headers: { ETag: entityTag(group.edition), Location: groupLocation(needs.baseUrl, group.id) },
    })
  }
  return show(c, needs, group)
}

const remove = (needs: UsersNeeds) => async (caller: Caller, c: Context) => {
  const group = await requireGroup(needs, caller, c)
  requireCurrent(c, entityTag(group.edition))
  const result = await deleteGroup(needs.db, caller, group, new Date())
  if (result !== 'deleted') throw refusalError(result, group.name)
  return new Response(null, { status: 204 })
}

export const groups = (needs: UsersNeeds, route: Route) =>
  new Hono()
    .post(
      '/',
      route(
        { permission: 'internal_group_mgt_create', actor: true, describe: groupOperations.create },
        create(needs),
      ),
    )
    .get(
      '/',
      route(
        { permission: 'internal_group_mgt_view', actor: true, describe: groupOperations.list },
        async (caller, c) => list(c, needs, caller, readList(c)),
      ),
    )
    .post(
      '/.search',
      route(
        { permission: 'internal_group_mgt_view', actor: true, describe: groupOperations.search },
        async (caller, c) => list(c, needs, caller, await readSearch(c)),
      ),
    )
    .get(
      '/:id',
      route(
        { permission: 'internal_group_mgt_view', actor: true, describe: groupOperations.get },
        async (caller, c) => show(c, needs, await requireGroup(needs, caller, c)),
      ),
    )
    .put(
      '/:id',
      route(
        { permission: 'internal_group_mgt_update', actor: true, describe: groupOperations.replace },
        async (caller, c) =>
          show(c, needs, await update(c, needs, caller, readReplacement(await readBody(c)))),
      ),
    )
    .patch(
      '/:id',
      route(
        { permission: 'internal_group_mgt_update', actor: true, describe: groupOperations.patch },
        patch(needs),
      ),
    )
    .delete(
      '/:id',
      route(
        { permission: 'internal_group_mgt_delete', actor: true, describe: groupOperations.remove },
        remove(needs),
      ),
    )
