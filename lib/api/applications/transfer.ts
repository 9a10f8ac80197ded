/** Applications as files: the body that POST /applications takes, JSON, its secret only where it is asked for. */
import { type Context, Hono } from 'hono'
import { replaceApplication } from '../../directory/application-import.ts'
import { type ApplicationRecord, findApplicationByName } from '../../directory/application-records.ts'
import type { Caller } from '../../directory/caller.ts'
import type { ApiNeeds } from '../api.ts'
import { readJson } from '../body.ts'
import { requireCurrent } from '../conditional.ts'
import { gate } from '../gate.ts'
import { parameter } from '../parameter.ts'
import { finder, tagOf } from './find.ts'
import { readableSecret } from './oidc.ts'
import * as describe from './operations.ts'
import { invalidApplication, keyTaken, lacking, notFound, refusal } from './problem.ts'
import { readApplication, register } from './registration.ts'

/** An export that asks for secrets takes the permission to see them, and whatever the application can do. */
const secretPermission = 'internal_application_mgt_client_secret_view'

const readFlag = (c: Context): boolean => {
  const text = c.req.query('exportSecrets')
  if (text === undefined || text === 'false') return false
  if (text === 'true') return true
  throw invalidApplication('exportSecrets is true or false.')
}

export const transferRoutes = (needs: ApiNeeds) => {
  const { db, baseUrl, vault, oauthRules } = needs
  const guarded = gate(needs)
  const find = finder(needs)

  const secretOf = async (caller: Caller, application: ApplicationRecord): Promise<string | undefined> => {
    if (!caller.may(secretPermission)) throw lacking([secretPermission])
    const { secret, lacks } = await readableSecret(needs, caller, application)
    if (secret === undefined) throw lacking(lacks)
    return secret
  }

  const exported = async (caller: Caller, c: Context) => {
    const withSecrets = readFlag(c)
    const application = await find.application(caller, parameter(c, 'id'))
    const { name, disabledAt, model, oidc, clientId } = application
    const { owner: _, ...settings } = model
    const clientSecret = withSecrets && oidc ? await secretOf(caller, application) : undefined
    return {
      name,
      applicationEnabled: disabledAt === null,
      ...settings,
      ...(oidc
        ? {
            inboundProtocolConfiguration: {
              oidc: { ...oidc, clientId, ...(clientSecret === undefined ? {} : { clientSecret }) },
            },
          }
        : {}),
    }
  }

  const locationOf = (id: string) => `${baseUrl}/api/server/v1/applications/${id}`

  return new Hono()
    .post(
      '/import',
      guarded(
        'internal_application_mgt_create',
        async (caller, c) => {
          const written = readApplication(await readJson(c), oauthRules)
          const { id, clientId, refused } = await register(needs, caller, written)
          if (refused?.refused === 'client-id-taken') throw keyTaken(clientId)
          if (refused) throw refusal(refused, { name: written.name, clientId })
          return c.body(null, 201, { Location: locationOf(id) })
        },
        describe.importNew,
      ),
    )
    .put(
      '/import',
      guarded(
        'internal_application_mgt_update',
        async (caller, c) => {
          const { name, enabled, model, oauth } = readApplication(await readJson(c), oauthRules)
          const application = await findApplicationByName(db, caller.organizationId, name)
          if (!application) throw notFound(name)
          requireCurrent(c, tagOf(application))
          const clientId = oauth?.clientId ?? application.clientId
          const { clientSecret } = oauth ?? {}
          const same =
            clientSecret !== undefined &&
            clientId === application.clientId &&
            clientSecret === vault.openText(application.sealedSecret, application.id)
          const sealedSecret =
            clientSecret === undefined || same ? undefined : vault.seal(clientSecret, application.id)
          const refused = await replaceApplication(db, caller, new Date(), application, {
            enabled,
            model,
            oauth: oauth && { clientId, settings: oauth.settings, sealedSecret },
          })
          if (refused?.refused === 'client-id-taken') throw keyTaken(clientId)
          if (refused) throw refusal(refused, { name, clientId })
          return c.body(null, 200, { Location: locationOf(application.id) })
        },
        describe.importOver,
      ),
    )
    .get(
      '/:id/export',
      guarded(
        'internal_application_mgt_view',
        async (caller, c) => c.json(await exported(caller, c)),
        describe.exportApplication,
      ),
    )
    .get(
      '/:id/exportFile',
      guarded(
        'internal_application_mgt_view',
        async (caller, c) => {
          const text = JSON.stringify(await exported(caller, c), null, 2)
          return c.body(`${text}\n`, 200, {
            'Content-Type': 'application/json',
            'Content-Disposition': `attachment; filename="application-${parameter(c, 'id')}.json"`,
          })
        },
        describe.exportFile,
      ),
    )
}
