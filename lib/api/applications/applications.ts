/** Applications, mounted at /api/server/v1/applications. */
import { Hono } from 'hono'
import { findApplication, listApplications } from '../../directory/application-records.ts'
import { createApplication, updateApplication } from '../../directory/application-registry.ts'
import type { Caller } from '../../directory/caller.ts'
import type { ApiNeeds } from '../api.ts'
import { parse, readJson } from '../body.ts'
import { gate } from '../gate.ts'
import { parameter } from '../parameter.ts'
import { authorizedApisRoutes } from './authorized-apis.ts'
import { readListQuery, renderList } from './list.ts'
import {
  checkName,
  checkProtocols,
  modelOf,
  newApplicationSchema,
  newModelOf,
  patchSchema,
  renderApplication,
  withoutNulls,
} from './model.ts'
import { oauthSchema } from './oauth-schema.ts'
import { newCredential, settingsOf } from './oauth-settings.ts'
import { oidcRoutes } from './oidc.ts'
import { invalidApplication, notFound, notSupported, refusal } from './problem.ts'

const accessOf = (caller: Caller) => (caller.may('internal_application_mgt_update') ? 'WRITE' : 'READ')

export const applications = (needs: ApiNeeds) => {
  const { db, baseUrl, vault, oauthRules } = needs
  const guarded = gate(needs)
  return new Hono()
    .get(
      '/',
      guarded('internal_application_mgt_view', async (caller, c) => {
        const query = readListQuery(new URL(c.req.url).searchParams)
        const list = await listApplications(db, caller.organizationId, query.filter, query)
        return c.json(renderList(query, list, accessOf(caller)))
      }),
    )
    .post(
      '/',
      guarded('internal_application_mgt_create', async (caller, c) => {
        if (new URL(c.req.url).searchParams.has('template'))
          throw notSupported('Applications cannot be made from templates.', 'APP-65501')
        const written = parse(newApplicationSchema, withoutNulls(await readJson(c)))
        checkName(written.name)
        checkProtocols(written.inboundProtocolConfiguration)
        const oidc = written.inboundProtocolConfiguration?.oidc
        const oauth = oidc === undefined ? undefined : settingsOf(parse(oauthSchema, oidc), oauthRules)
        const id = Bun.randomUUIDv7()
        const clientId = oauth?.clientId ?? newCredential()
        const refused = await createApplication(db, caller, new Date(), {
          id,
          name: written.name,
          enabled: written.applicationEnabled ?? true,
          model: newModelOf(written),
          oauth: {
            clientId,
            sealedSecret: vault.seal(oauth?.clientSecret ?? newCredential(), id),
            settings: oauth?.settings,
          },
        })
        if (refused) throw refusal(refused, { name: written.name, clientId })
        c.header('Location', `${baseUrl}/api/server/v1/applications/${id}`)
        return c.body(null, 201)
      }),
    )
    .get(
      '/:id',
      guarded('internal_application_mgt_view', async (caller, c) => {
        const id = parameter(c, 'id')
        const application = await findApplication(db, caller.organizationId, id)
        if (!application) throw notFound(id)
        return c.json(renderApplication(application, accessOf(caller)))
      }),
    )
    .patch(
      '/:id',
      guarded('internal_application_mgt_update', async (caller, c) => {
        const id = parameter(c, 'id')
        const written = parse(patchSchema, withoutNulls(await readJson(c)))
        const application = await findApplication(db, caller.organizationId, id)
        if (!application) throw notFound(id)
        if ('inboundProtocolConfiguration' in written)
          throw invalidApplication('Change protocols at inbound-protocols/oidc, not by PATCH.')
        const { name, applicationEnabled: enabled } = written
        if (name !== undefined) checkName(name)
        const asked = { name, enabled, model: modelOf(written) }
        const refused = await updateApplication(db, caller, new Date(), application, asked)
        if (refused) throw refusal(refused, { name })
        return c.body(null, 200)
      }),
    )
    .route('/', oidcRoutes(needs))
    .route('/', authorizedApisRoutes(needs))
}
