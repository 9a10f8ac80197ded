/** `/scim2/v2/Roles` (facts/rest-apis.md §5.4). */
import { type Context, Hono } from 'hono'
import type { Caller } from '../directory/caller.ts'
import { createRole } from '../directory/role-creation.ts'
import { deleteRole } from '../directory/role-deletion.ts'
import { hasMoreUsers } from '../directory/role-members.ts'
import { listRoles } from '../directory/role-search.ts'
import { type RoleEdit, updateRole } from '../directory/role-update.ts'
import { type Audience, findRole, type Role, type RoleRefusal } from '../directory/roles.ts'
import { entityTag } from '../entity-tag.ts'
import { answerTagged, requireCurrent } from './conditional.ts'
import { actingError, bad, ScimError } from './error.ts'
import { type ListRequest, readList, readSearch } from './list.ts'
import { idOf, readBody } from './media.ts'
import { parsePatch } from './patch.ts'
import { select, selectionIn } from './projection.ts'
import { roleLocation } from './representation.ts'
import { roleOperations } from './resource-operations.ts'
import { readNewRole, readRoleEdit, readRoleReplacement } from './role-body.ts'
import { renderRole, roleResource, roleResources } from './role-resource.ts'
import type { Route } from './route.ts'
import { answerList, rangeOf } from './search-answer.ts'
import { isChosen, largeSet } from './shown.ts'
import type { UsersNeeds } from './users.ts'

const tenantDomain = 'carbon.super'

const refusalError = (refusal: RoleRefusal, audience: Audience): ScimError => {
  switch (refusal.refused) {
    case 'acting':
      return actingError()
    case 'beyond':
      return new ScimError(403, 'A role can be given only by who has all of its permissions.')
    case 'exists':
      return new ScimError(409, 'A role of that name exists in its audience.', 'uniqueness')
    case 'name':
      return bad(
        'invalidValue',
        'A role may not begin with system_ nor contain a slash, and has 255 characters at most.',
      )
    case 'unknown-user':
      return bad('invalidValue', "User can't be resolved from the given user Id.")
    case 'unknown-group':
      return bad('invalidValue', "Group can't be resolved from the given group Id.")
    case 'unknown-organization':
      return bad('invalidValue', `Invalid audience. Given Organization id: ${audience.id} is invalid`)
    case 'unknown-application':
      return bad(
        'invalidValue',
        `Invalid audience. No application found with application id: ${audience.id} and tenant domain : ${tenantDomain}`,
      )
    case 'other-audience':
      return bad('invalidValue', `Application: ${audience.id} does not have Application role audience type`)
    case 'unknown-permission':
      return bad('invalidValue', `Permission: ${refusal.permission} not found`)
    case 'unauthorized-permission':
      return bad(
        'invalidValue',
        `Permission : ${refusal.permission} is not authorized for application with ID: ${audience.id}`,
      )
    case 'built-in':
      return new ScimError(
        403,
        'Administrator can be neither renamed nor deleted nor deprived of permissions.',
      )
    case 'last-administrator':
      return new ScimError(403, 'The last active administrator cannot lose Administrator.')
  }
}

const requireRole = async ({ db }: UsersNeeds, caller: Caller, c: Context): Promise<Role> => {
  const id = idOf(c)
  const role = await findRole(db, caller, id)
  if (!role) throw new ScimError(404, `A role doesn't exist with id: ${id}`)
  return role
}

const show = async (c: Context, { db, baseUrl }: UsersNeeds, role: Role) =>
  answerTagged(c, entityTag(role.edition), await roleResource(db, baseUrl, role, selectionIn(c)), {
    location: roleLocation(baseUrl, role.id),
  })

const create =
  ({ db, baseUrl }: UsersNeeds) =>
  async (caller: Caller, c: Context) => {
    const asked = readNewRole(await readBody(c), caller.organizationId)
    const result = await createRole(db, caller, asked, new Date())
    if ('refused' in result) throw refusalError(result, asked.audience)
    const { role } = result
    return answerTagged(c, entityTag(role.edition), select(selectionIn(c), renderRole(role, baseUrl)), {
      status: 201,
      location: roleLocation(baseUrl, role.id),
    })
  }

const list = async (c: Context, { db, baseUrl }: UsersNeeds, caller: Caller, asked: ListRequest) =>
  answerList(c, asked, async () => {
    const { roles: found, ...page } = await listRoles(db, caller, rangeOf(asked))
    return { ...page, resources: await roleResources(db, baseUrl, found, asked.selection) }
  })

const update = async (
  c: Context,
  { db }: UsersNeeds,
  caller: Caller,
  role: Role,
  edit: RoleEdit,
): Promise<Role> => {
  requireCurrent(c, entityTag(role.edition))
  const exact = c.req.header('if-match') !== undefined
  const result = await updateRole(db, caller, role, { ...edit, exact }, new Date())
  if ('refused' in result) throw refusalError(result, role.audience)
  return result.role
}

const put = (needs: UsersNeeds) => async (caller: Caller, c: Context) => {
  const body = await readBody(c)
  const role = await requireRole(needs, caller, c)
  const edit = readRoleReplacement(body, role.audience)
  return show(c, needs, await update(c, needs, caller, role, edit))
}

const patch = (needs: UsersNeeds) => async (caller: Caller, c: Context) => {
  const edit = readRoleEdit(parsePatch(await readBody(c)), idOf(c))
  const role = await update(c, needs, caller, await requireRole(needs, caller, c), edit)
  // nobody gives it to one of 50,000 to hear of all of them (RFC 7644 §3.5.2 leaves it to the server)
  if (!isChosen(selectionIn(c)) && (await hasMoreUsers(needs.db, role.id, largeSet))) {
    return new Response(null, {
      status: 204,
      headers: { ETag: entityTag(role.edition), Location: roleLocation(needs.baseUrl, role.id) },
    })
  }
  return show(c, needs, role)
}

const remove = (needs: UsersNeeds) => async (caller: Caller, c: Context) => {
  const role = await requireRole(needs, caller, c)
  requireCurrent(c, entityTag(role.edition))
  const result = await deleteRole(needs.db, caller, role, new Date())
  if (result !== 'deleted') throw refusalError(result, role.audience)
  return new Response(null, { status: 204 })
}

export const roles = (needs: UsersNeeds, route: Route) =>
  new Hono()
    .post(
      '/',
      route(
        { permission: 'internal_role_mgt_create', actor: false, describe: roleOperations.create },
        create(needs),
      ),
    )
    .get(
      '/',
      route(
        { permission: 'internal_role_mgt_view', actor: false, describe: roleOperations.list },
        async (caller, c) => list(c, needs, caller, readList(c)),
      ),
    )
    .post(
      '/.search',
      route(
        { permission: 'internal_role_mgt_view', actor: false, describe: roleOperations.search },
        async (caller, c) => list(c, needs, caller, await readSearch(c)),
      ),
    )
    .get(
      '/:id',
      route(
        { permission: 'internal_role_mgt_view', actor: false, describe: roleOperations.get },
        async (caller, c) => show(c, needs, await requireRole(needs, caller, c)),
      ),
    )
    .put(
      '/:id',
      route(
        { permission: 'internal_role_mgt_update', actor: false, describe: roleOperations.replace },
        put(needs),
      ),
    )
    .patch(
      '/:id',
      route(
        { permission: 'internal_role_mgt_update', actor: false, describe: roleOperations.patch },
        patch(needs),
      ),
    )
    .delete(
      '/:id',
      route(
        { permission: 'internal_role_mgt_delete', actor: false, describe: roleOperations.remove },
        remove(needs),
      ),
    )
