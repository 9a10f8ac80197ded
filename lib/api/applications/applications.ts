/** Applications, mounted at /api/server/v1/applications. */
import { Hono } from 'hono'
import * as z from 'zod'
import {
  type ApplicationRecord,
  findApplication,
  listApplications,
  rolesOfApplication,
} from '../../directory/application-records.ts'
import { updateApplication } from '../../directory/application-registry.ts'
import { deleteApplication } from '../../directory/application-removal.ts'
import type { Caller } from '../../directory/caller.ts'
import { findMembers } from '../../directory/role-members.ts'
import type { ApiNeeds } from '../api.ts'
import { parse, readBody, readJson } from '../body.ts'
import { answerTagged, requireCurrent } from '../conditional.ts'
import { gate } from '../gate.ts'
import { parameter } from '../parameter.ts'
import { authorizedApisRoutes } from './authorized-apis.ts'
import { finder, requireOrdinary, residentId, tagOf } from './find.ts'
import { impersonationRoutes } from './impersonation.ts'
import { readListQuery, renderList } from './list.ts'
import { metaRoutes } from './meta.ts'
import { checkRename, patchedModel, renderApplication, renderProtocols, withoutNulls } from './model.ts'
import { patchSchema } from './model-schema.ts'
import { oidcRoutes } from './oidc.ts'
import * as describe from './operations.ts'
import { invalidApplication, lacking, notSupported, protectedApplication, refusal } from './problem.ts'
import { readApplication, register } from './registration.ts'
import { residentRoutes } from './resident.ts'
import { transferRoutes } from './transfer.ts'

const accessOf = (caller: Caller) => (caller.may('internal_application_mgt_update') ? 'WRITE' : 'READ')

/** The body of PUT …/owner. */
export const ownerBody = z.object({ id: z.string().min(1).max(255) })

export const applications = (needs: ApiNeeds) => {
  const { db, baseUrl, oauthRules } = needs
  const guarded = gate(needs)
  const find = finder(needs)
  const rolesOf = (application: ApplicationRecord) => rolesOfApplication(db, application.id)
  return new Hono()
    .get(
      '/',
      guarded(
        'internal_application_mgt_view',
        async (caller, c) => {
          const query = readListQuery(new URL(c.req.url).searchParams)
          const list = await listApplications(db, caller.organizationId, query.filter, query)
          return c.json(renderList(query, list, accessOf(caller)))
        },
        describe.list,
      ),
    )
    .post(
      '/',
      guarded(
        'internal_application_mgt_create',
        async (caller, c) => {
          if (new URL(c.req.url).searchParams.has('template'))
            throw notSupported('Applications cannot be made from templates.', 'APP-65501')
          const written = readApplication(await readJson(c), oauthRules)
          const { id, clientId, refused } = await register(needs, caller, written)
          if (refused) throw refusal(refused, { name: written.name, clientId })
          c.header('Location', `${baseUrl}/api/server/v1/applications/${id}`)
          return c.body(null, 201)
        },
        describe.create,
      ),
    )
    .route('/meta', metaRoutes(needs))
    .route(`/${residentId}`, residentRoutes(needs))
    .route('/', transferRoutes(needs))
    .get(
      '/:id',
      guarded(
        'internal_application_mgt_view',
        async (caller, c) => {
          const application = await find.application(caller, parameter(c, 'id'))
          const roles = await rolesOf(application)
          const shown = renderApplication(application, accessOf(caller), roles)
          return answerTagged(c, tagOf(application, roles), shown)
        },
        describe.read,
      ),
    )
    .patch(
      '/:id',
      guarded(
        'internal_application_mgt_update',
        async (caller, c) => {
          const written = parse(patchSchema, withoutNulls(await readJson(c)))
          const application = await find.application(caller, parameter(c, 'id'))
          requireCurrent(c, tagOf(application), tagOf(application, await rolesOf(application)))
          if ('inboundProtocolConfiguration' in written)
            throw invalidApplication('Change protocols at inbound-protocols/oidc, not by PATCH.')
          const { name, applicationEnabled: enabled } = written
          if (name !== undefined) checkRename(application.name, name)
          const asked = { name, enabled, model: patchedModel(application.model, written) }
          const refused = await updateApplication(db, caller, new Date(), application, asked)
          if (refused) throw refusal(refused, { name })
          return c.body(null, 200)
        },
        describe.update,
      ),
    )
    .delete(
      '/:id',
      guarded(
        'internal_application_mgt_delete',
        async (caller, c) => {
          const id = parameter(c, 'id')
          if (id === residentId) throw protectedApplication('The resident application')
          const application = await findApplication(db, caller.organizationId, id)
          // as WSO2 answers, one that is not there is deleted already
          if (!application) return c.body(null, 204)
          requireCurrent(c, tagOf(application), tagOf(application, await rolesOf(application)))
          requireOrdinary(application)
          const refused = await deleteApplication(db, caller, new Date(), application)
          if (refused) throw lacking(refused.lacking)
          return c.body(null, 204)
        },
        describe.remove,
      ),
    )
    .put(
      '/:id/owner',
      guarded(
        'internal_organization_admin',
        async (caller, c) => {
          const owner = await readBody(c, ownerBody)
          const application = await find.application(caller, parameter(c, 'id'))
          requireCurrent(c, tagOf(application), tagOf(application, await rolesOf(application)))
          if (!(await findMembers(db, caller, [owner.id])).has(owner.id))
            throw invalidApplication(`There is no user with the id: ${owner.id}.`)
          const asked = { model: { owner: { id: owner.id } } }
          const refused = await updateApplication(db, caller, new Date(), application, asked)
          if (refused) throw refusal(refused, {})
          return c.body(null, 200)
        },
        describe.changeOwner,
      ),
    )
    .get(
      '/:id/inbound-protocols',
      guarded(
        'internal_application_mgt_view',
        async (caller, c) => c.json(renderProtocols(await find.application(caller, parameter(c, 'id')))),
        describe.listProtocols,
      ),
    )
    .route('/', oidcRoutes(needs))
    .route('/', authorizedApisRoutes(needs))
    .route('/', impersonationRoutes(needs))
}
