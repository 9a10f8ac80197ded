/**
 * Dynamic client registration (RFC 7591, OpenID Connect Registration) at WSO2's path. Who registers holds a permission,
 * unless the deployment opens it to everybody. Nothing that acts for others can be registered.
 */
import { type Context, Hono } from 'hono'
import { besideGate } from '../../access/guard.ts'
import { readRevision, revisionIs } from '../../database/commit.ts'
import { createApplication } from '../../directory/application-registry.ts'
import { type Caller, clientCaller } from '../../directory/caller.ts'
import { hashOf, randomValue } from '../../tokens/token.ts'
import type { ApiNeeds } from '../api.ts'
import { checkName, newModelOf } from '../applications/model.ts'
import { newCredential, settingsOf } from '../applications/oauth-settings.ts'
import { gate } from '../gate.ts'
import { Problem } from '../problem.ts'
import { invalidMetadata, RegistrationError, renderError } from './error.ts'
import { takePlace } from './limit.ts'
import { manage } from './manage.ts'
import { registerClient } from './operations.ts'
import { nameBeside, renderRegistered } from './registered.ts'
import { again, metadataIn, type RegistrationRules, refusal, uncached } from './request.ts'
import { settingsOfMetadata } from './settings.ts'

/** Mounted at `registerPath` of /api. */
export const registration = (needs: ApiNeeds, rules: RegistrationRules) => {
  const { db, vault, oauthRules, organization, baseUrl, guard, mostApplications } = needs
  const guarded = gate(needs)

  const register = async (caller: Caller, c: Context, clientId: string): Promise<Response> => {
    const metadata = await metadataIn(c, db, caller, oauthRules, rules)
    const now = new Date()
    const stranger = caller.kind === 'client'
    const { ext_param_client_id: ownId, ext_param_client_secret: ownSecret } = metadata
    if (stranger && (ownId ?? ownSecret) !== undefined)
      throw invalidMetadata('ext_param_client_id and ext_param_client_secret need authentication.')
    const id = Bun.randomUUIDv7()
    const chosen = { clientId: ownId ?? clientId, clientSecret: ownSecret ?? newCredential() }
    const { settings } = settingsOf(settingsOfMetadata(metadata, undefined), oauthRules)
    const token = randomValue()
    // reading the sector identifier has taken one
    const needsPlace = stranger && metadata.sector_identifier_uri === undefined
    const writes = needsPlace ? [await takePlace(db, caller.trace.address, rules.perHour, now)] : []
    const create = (name: string) => {
      checkName(name)
      return createApplication(db, caller, now, {
        id,
        name,
        enabled: true,
        most: mostApplications,
        model: newModelOf({}),
        oauth: {
          clientId: chosen.clientId,
          sealedSecret: vault.seal(chosen.clientSecret, id),
          settings,
        },
        registration: { hash: hashOf(token), writes },
      })
    }
    let name = metadata.client_name ?? chosen.clientId
    let refused = await create(name)
    // which names there are is nothing for strangers, and none of theirs keeps a name from others' clients
    if (stranger && refused?.refused === 'name-taken') {
      name = nameBeside(name, chosen.clientId)
      refused = await create(name)
    }
    if (refused) throw refusal(refused, name)
    const registered = { ...chosen, name, createdAt: now, oidc: settings, registrationToken: token }
    return c.json(renderRegistered(baseUrl, registered), 201, uncached)
  }

  const registerByPermission = guarded(
    'internal_dcr_create',
    (caller, c: Context) => register(caller, c, newCredential()),
    registerClient,
  )

  const registerOpenly = async (c: Context): Promise<Response> => {
    if (rules.authenticationRequired || c.req.header('authorization') !== undefined)
      return registerByPermission(c)
    return again(async () => {
      const [clientId, revision] = [newCredential(), await readRevision(db)]
      const trace = guard.traceOf(c.req.raw)
      const guards = [revisionIs(revision)]
      return register(clientCaller(organization.id, clientId, revision, guards, trace), c, clientId)
    })
  }

  return new Hono()
    .post('/', besideGate(registerOpenly, registerByPermission))
    .route('/', manage(needs, rules))
    .onError((error, c) => {
      if (error instanceof RegistrationError || (error instanceof Problem && error.status < 500))
        return renderError(c, error, guard.traceOf(c.req.raw).id)
      throw error
    })
}
