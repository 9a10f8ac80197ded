/** The OAuth settings of an application: read with their secret, replaced whole. */
import { timingSafeEqual } from 'node:crypto'
import { Hono } from 'hono'
import { type ApplicationRecord, findApplication } from '../../directory/application-records.ts'
import { replaceOAuth } from '../../directory/application-registry.ts'
import type { Caller } from '../../directory/caller.ts'
import { lacksToChange } from '../../directory/impersonation-power.ts'
import type { ApiNeeds } from '../api.ts'
import { parse, readJson } from '../body.ts'
import { gate } from '../gate.ts'
import { parameter } from '../parameter.ts'
import { Problem } from '../problem.ts'
import { withoutNulls } from './model.ts'
import { oauthSchema } from './oauth-schema.ts'
import { newCredential, renderOAuth, settingsOf } from './oauth-settings.ts'
import { invalidOAuth, notFound, refusal } from './problem.ts'

const path = '/:id/inbound-protocols/oidc'

const notConfigured = (id: string) =>
  new Problem({
    status: 404,
    code: 'APP-60501',
    message: 'Inbound protocol not found.',
    description: `The inbound protocol oidc is not configured for the application with the id: ${id}.`,
  })

const isSame = (one: string, other: string): boolean => {
  const [a, b] = [Buffer.from(one), Buffer.from(other)]
  return a.length === b.length && timingSafeEqual(a, b)
}

export const oidcRoutes = (needs: ApiNeeds) => {
  const { db, vault, oauthRules } = needs
  const guarded = gate(needs)
  const requireApplication = async (caller: Caller, id: string): Promise<ApplicationRecord> => {
    const application = await findApplication(db, caller.organizationId, id)
    if (!application) throw notFound(id)
    return application
  }
  return new Hono()
    .get(
      path,
      guarded('internal_application_mgt_view', async (caller, c) => {
        const application = await requireApplication(caller, parameter(c, 'id'))
        const { id, clientId, sealedSecret, revokedAt, oidc } = application
        if (!oidc) throw notConfigured(id)
        // looking is not enough to become a client that may impersonate, or has scopes for itself
        const lacking = await lacksToChange(db, caller, { id, settings: [oidc] })
        const clientSecret = lacking.length > 0 ? undefined : vault.openText(sealedSecret, id)
        return c.json(renderOAuth(oidc, { clientId, clientSecret, revoked: revokedAt !== null }))
      }),
    )
    .put(
      path,
      guarded('internal_application_mgt_update', async (caller, c) => {
        const { clientId, clientSecret, settings } = settingsOf(
          parse(oauthSchema, withoutNulls(await readJson(c))),
          oauthRules,
        )
        const application = await requireApplication(caller, parameter(c, 'id'))
        const { id, oidc, sealedSecret } = application
        const known =
          clientId === application.clientId && isSame(clientSecret ?? '', vault.openText(sealedSecret, id))
        if (oidc && !known) throw invalidOAuth('Invalid ClientID/ClientSecret provided for update.')
        const asked = oidc
          ? { clientId: application.clientId, settings }
          : {
              clientId: clientId ?? application.clientId,
              settings,
              sealedSecret: vault.seal(clientSecret ?? newCredential(), id),
            }
        const refused = await replaceOAuth(db, caller, new Date(), application, asked)
        if (refused) throw refusal(refused, { clientId: asked.clientId })
        return c.body(null, 200)
      }),
    )
}
