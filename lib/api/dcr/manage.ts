/**
 * The client configuration endpoint (RFC 7592): a client reads, replaces and deletes its own registration by its
 * registration access token; others by a permission.
 */
import { timingSafeEqual } from 'node:crypto'
import { type Context, Hono } from 'hono'
import { besideGate } from '../../access/guard.ts'
import type { Describe } from '../../access/operation.ts'
import { readRevision, revisionIs } from '../../database/commit.ts'
import { type Caller, clientCaller } from '../../directory/caller.ts'
import {
  deleteRegistration,
  findRegistration,
  lacksToManage,
  type Registration,
  registrationIs,
  replaceRegistration,
} from '../../directory/client-registration.ts'
import { hashOf } from '../../tokens/token.ts'
import type { ApiNeeds } from '../api.ts'
import { checkName } from '../applications/model.ts'
import { settingsOf } from '../applications/oauth-settings.ts'
import { gate } from '../gate.ts'
import { parameter, queried } from '../parameter.ts'
import { invalidMetadata, invalidToken } from './error.ts'
import { deleteClient, findClient, readClient, replaceClient } from './operations.ts'
import { nameBeside, renderRegistered } from './registered.ts'
import { again, metadataIn, type RegistrationRules, refusal, uncached } from './request.ts'
import { settingsOfMetadata } from './settings.ts'

export const manage = (needs: ApiNeeds, rules: RegistrationRules) => {
  const { db, vault, oauthRules, organization, baseUrl, guard } = needs
  const guarded = gate(needs)

  const answer = async (c: Context, caller: Caller, found: Registration, token?: string) => {
    const { clientId, name, createdAt, oidc = {}, sealedSecret, id } = found
    // looking is not enough to become a client that may impersonate
    const lacking = await lacksToManage(db, caller, found)
    const clientSecret = lacking.length > 0 ? undefined : vault.openText(sealedSecret, id)
    const registered = { clientId, clientSecret, name, createdAt, oidc, registrationToken: token }
    return c.json(renderRegistered(baseUrl, registered), 200, uncached)
  }

  const require = async (by: Parameters<typeof findRegistration>[2]): Promise<Registration> => {
    const found = await findRegistration(db, organization.id, by)
    if (!found) throw invalidToken()
    return found
  }

  const replace = async (c: Context, caller: Caller, found: Registration, token?: string) => {
    const metadata = await metadataIn(c, db, caller, oauthRules, rules)
    const { client_id: named, client_secret: secret } = metadata
    if (named === undefined ? caller.kind === 'client' : named !== found.clientId)
      throw invalidMetadata('client_id must be the id of the client that is changed.')
    if (secret !== undefined && hashOf(secret) !== hashOf(vault.openText(found.sealedSecret, found.id)))
      throw invalidMetadata('client_secret must be the one that the client has.')
    const { settings } = settingsOf(settingsOfMetadata(metadata, found.oidc), oauthRules)
    const before = found.name
    const asked = metadata.client_name ?? found.clientId
    const kept = before === nameBeside(asked, found.clientId) ? before : asked
    if (kept !== before) checkName(kept)
    const put = (name: string) => replaceRegistration(db, caller, new Date(), found, { name, settings })
    let name = kept
    let refused = await put(name)
    if (caller.kind === 'client' && refused?.refused === 'name-taken') {
      name = nameBeside(asked, found.clientId)
      refused = await put(name)
    }
    if (refused) throw refusal(refused, name)
    return answer(c, caller, { ...found, name, oidc: settings }, token)
  }

  const remove = async (c: Context, caller: Caller, found: Registration) => {
    const refused = await deleteRegistration(db, caller, new Date(), found)
    if (refused) throw refusal(refused, found.name)
    return c.body(null, 204, uncached)
  }

  /** The client itself, by its registration access token; undefined when somebody else calls. */
  const clientItself = async (c: Context) => {
    const [, token] = /^bearer +(\S+)$/i.exec(c.req.header('authorization') ?? '') ?? []
    if (token === undefined) return undefined
    const revision = await readRevision(db)
    const found = await findRegistration(db, organization.id, { clientId: parameter(c, 'client') })
    if (!found || found.registrationHash === null) return undefined
    if (!timingSafeEqual(Buffer.from(hashOf(token)), Buffer.from(found.registrationHash))) return undefined
    // a client that was switched off does not switch itself to something else
    if (found.disabledAt !== null || found.revokedAt !== null) throw invalidToken()
    const guards = [revisionIs(revision), registrationIs(db, found)]
    const trace = guard.traceOf(c.req.raw)
    return { found, token, caller: clientCaller(organization.id, found.clientId, revision, guards, trace) }
  }

  /** One operation on a client, for itself and for those who hold the permission. */
  const managed = (
    permission: string,
    work: (c: Context, caller: Caller, found: Registration, token?: string) => Promise<Response>,
    describe: Describe,
  ) => {
    const byPermission = guarded(
      permission,
      async (caller, c: Context) => work(c, caller, await require({ clientId: parameter(c, 'client') })),
      describe,
    )
    const own = (c: Context): Promise<Response> =>
      again(async () => {
        const itself = await clientItself(c)
        return itself ? work(c, itself.caller, itself.found, itself.token) : byPermission(c)
      })
    return besideGate(own, byPermission)
  }

  return new Hono()
    .get(
      '/',
      guarded(
        'internal_dcr_view',
        async (caller, c) => answer(c, caller, await require({ name: queried(c, 'client_name') })),
        findClient,
      ),
    )
    .get('/:client', managed('internal_dcr_view', answer, readClient))
    .put('/:client', managed('internal_dcr_update', replace, replaceClient))
    .delete('/:client', managed('internal_dcr_delete', remove, deleteClient))
}
