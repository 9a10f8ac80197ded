/** The OAuth settings of an application: read with their secret, replaced whole, revoked, removed. */
import { timingSafeEqual } from 'node:crypto'
import { Hono } from 'hono'
import type { ApplicationRecord } from '../../directory/application-records.ts'
import { replaceOAuth } from '../../directory/application-registry.ts'
import { removeOAuth } from '../../directory/application-removal.ts'
import { regenerateSecret, revokeApplication } from '../../directory/application-secret.ts'
import type { Caller } from '../../directory/caller.ts'
import { lacksToChange } from '../../directory/impersonation-power.ts'
import type { ApiNeeds } from '../api.ts'
import { parse, readJson } from '../body.ts'
import { answerTagged, requireCurrent } from '../conditional.ts'
import { gate } from '../gate.ts'
import { parameter } from '../parameter.ts'
import { finder, requireOrdinary, tagOf } from './find.ts'
import { withoutNulls } from './model.ts'
import { oauthSchema } from './oauth-schema.ts'
import { newCredential, renderOAuth, settingsOf } from './oauth-settings.ts'
import * as describe from './oidc-operations.ts'
import { invalidOAuth, lacking, notSupported, refusal } from './problem.ts'

const path = '/:id/inbound-protocols/oidc'

const isSame = (one: string, other: string): boolean => {
  const [a, b] = [Buffer.from(one), Buffer.from(other)]
  return a.length === b.length && timingSafeEqual(a, b)
}

/** The secret, for who may change the application: looking is not enough to become a client that has power. */
export const readableSecret = async (
  { db, vault }: Pick<ApiNeeds, 'db' | 'vault'>,
  caller: Caller,
  { id, oidc, sealedSecret }: Pick<ApplicationRecord, 'id' | 'oidc' | 'sealedSecret'>,
) => {
  const lacks = await lacksToChange(db, caller, { id, settings: [oidc] })
  return lacks.length > 0 ? { secret: undefined, lacks } : { secret: vault.openText(sealedSecret, id), lacks }
}

export const oidcRoutes = (needs: ApiNeeds) => {
  const { db, vault, oauthRules } = needs
  const guarded = gate(needs)
  const find = finder(needs)
  const noSecrets = async () => {
    throw notSupported('An application has one secret: see regenerate-secret.', 'APP-65003')
  }
  return new Hono()
    .get(
      path,
      guarded(
        'internal_application_mgt_view',
        async (caller, c) => {
          const application = await find.client(caller, parameter(c, 'id'))
          const { clientId, revokedAt, oidc } = application
          const { secret: clientSecret } = await readableSecret(needs, caller, application)
          const shown = renderOAuth(oidc, { clientId, clientSecret, revoked: revokedAt !== null })
          return answerTagged(c, tagOf(application), shown)
        },
        describe.read,
      ),
    )
    .put(
      path,
      guarded(
        'internal_application_mgt_update',
        async (caller, c) => {
          const { clientId, clientSecret, settings } = settingsOf(
            parse(oauthSchema, withoutNulls(await readJson(c))),
            oauthRules,
          )
          const application = await find.application(caller, parameter(c, 'id'))
          requireCurrent(c, tagOf(application))
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
        },
        describe.replace,
      ),
    )
    .delete(
      path,
      guarded(
        'internal_application_mgt_delete',
        async (caller, c) => {
          const application = await find.client(caller, parameter(c, 'id'))
          requireCurrent(c, tagOf(application))
          requireOrdinary(application)
          const next = {
            clientId: newCredential(),
            sealedSecret: vault.seal(newCredential(), application.id),
          }
          const refused = await removeOAuth(db, caller, new Date(), application, next)
          if (refused) throw lacking(refused.lacking)
          return c.body(null, 204)
        },
        describe.remove,
      ),
    )
    .post(
      `${path}/regenerate-secret`,
      guarded(
        'internal_application_mgt_create',
        async (caller, c) => {
          const application = await find.client(caller, parameter(c, 'id'))
          requireCurrent(c, tagOf(application))
          const { id, clientId, oidc } = application
          const clientSecret = newCredential()
          const sealed = vault.seal(clientSecret, id)
          const refused = await regenerateSecret(db, caller, new Date(), application, sealed)
          if (refused) throw lacking(refused.lacking)
          return c.json(renderOAuth(oidc, { clientId, clientSecret, revoked: false }))
        },
        describe.regenerate,
      ),
    )
    .post(
      `${path}/revoke`,
      guarded(
        'internal_application_mgt_create',
        async (caller, c) => {
          const application = await find.client(caller, parameter(c, 'id'))
          requireCurrent(c, tagOf(application))
          requireOrdinary(application)
          const refused = await revokeApplication(db, caller, new Date(), application)
          if (refused) throw lacking(refused.lacking)
          return c.body(null, 200)
        },
        describe.revoke,
      ),
    )
    .get(`${path}/secrets`, guarded('internal_application_mgt_client_secret_view', noSecrets))
    .post(`${path}/secrets`, guarded('internal_application_mgt_client_secret_create', noSecrets))
    .delete(`${path}/secrets/:secretId`, guarded('internal_application_mgt_client_secret_delete', noSecrets))
}
