/** `/scim2/v2/Roles` (facts/rest-apis.md §5.4). */
import { type Context, Hono } from 'hono'
import type { Caller } from '../directory/caller.ts'
import { createRole } from '../directory/role-creation.ts'
import { membersOfRole } from '../directory/role-members.ts'
import { permissionsOfRole } from '../directory/role-permissions.ts'
import { updateRole } from '../directory/role-update.ts'
import { type Audience, findRole, listRoles, type Role, type RoleRefusal } from '../directory/roles.ts'
import { actingError, bad, ScimError } from './error.ts'
import { listResponse, readPage } from './list.ts'
import { answer, idOf, readBody } from './media.ts'
import { parsePatch } from './patch.ts'
import { asksFor, project } from './projection.ts'
import { renderRole, renderWholeRole, roleLocation } from './representation.ts'
import { readNewRole, readRoleEdit } from './role-body.ts'
import { roleConditions } from './role-filter.ts'
import type { Route } from './route.ts'
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
      return new ScimError(403, 'Administrator can be neither renamed nor deprived of permissions.')
    case 'last-administrator':
      return new ScimError(403, 'The last active administrator cannot leave Administrator.')
  }
}

const renderWhole = async ({ db, baseUrl }: UsersNeeds, role: Role) => {
  const [users, permissions] = await Promise.all([membersOfRole(db, role.id), permissionsOfRole(db, role.id)])
  return renderWholeRole(role, users, permissions, baseUrl)
}

const answerWhole = async (c: Context, needs: UsersNeeds, role: Role) =>
  answer(c, 200, project(c, await renderWhole(needs, role)), {
    Location: roleLocation(needs.baseUrl, role.id),
  })

const requireRole = async ({ db }: UsersNeeds, caller: Caller, c: Context): Promise<Role> => {
  const id = idOf(c)
  const role = await findRole(db, caller, id)
  if (!role) throw new ScimError(404, `A role doesn't exist with id: ${id}`)
  return role
}

const create =
  ({ db, baseUrl }: UsersNeeds) =>
  async (caller: Caller, c: Context) => {
    const asked = readNewRole(await readBody(c), caller.organizationId)
    const result = await createRole(db, caller, asked, new Date())
    if ('refused' in result) throw refusalError(result, asked.audience)
    const { role } = result
    return answer(c, 201, project(c, renderRole(role, baseUrl)), { Location: roleLocation(baseUrl, role.id) })
  }

const list = (needs: UsersNeeds) => async (caller: Caller, c: Context) => {
  const page = readPage(c)
  const { total, roles: found } = await listRoles(
    needs.db,
    caller,
    roleConditions(c.req.query('filter')),
    page,
  )
  // users and permissions cost a query for each role, so they are shown to who names them
  const whole = ['users', 'permissions', 'associatedApplications'].some((name) => asksFor(c, name))
  const resources = await Promise.all(
    found.map(async (role) =>
      project(c, whole ? await renderWhole(needs, role) : renderRole(role, needs.baseUrl)),
    ),
  )
  return answer(c, 200, listResponse(total, page, resources))
}

const patch = (needs: UsersNeeds) => async (caller: Caller, c: Context) => {
  const edit = readRoleEdit(parsePatch(await readBody(c)))
  const role = await requireRole(needs, caller, c)
  const result = await updateRole(needs.db, caller, role, edit, new Date())
  if ('refused' in result) throw refusalError(result, role.audience)
  return answerWhole(c, needs, result.role)
}

export const roles = (needs: UsersNeeds, route: Route) =>
  new Hono()
    .post('/', route({ permission: 'internal_role_mgt_create', actor: false }, create(needs)))
    .get('/', route({ permission: 'internal_role_mgt_view', actor: false }, list(needs)))
    .get(
      '/:id',
      route({ permission: 'internal_role_mgt_view', actor: false }, async (caller, c) =>
        answerWhole(c, needs, await requireRole(needs, caller, c)),
      ),
    )
    .patch('/:id', route({ permission: 'internal_role_mgt_update', actor: false }, patch(needs)))
