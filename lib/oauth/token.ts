/** POST /oauth2/token: parse, authenticate the client, find the grant and whether it is the client's, decide, commit, answer. */
import { Hono } from 'hono'
import { record, type Trace } from '../audit.ts'
import { commit, revisionIs, type Write } from '../database/commit.ts'
import type { Application } from '../directory/applications.ts'
import { tokenGrants } from '../metrics.ts'
import type { ProofNeeds } from '../tokens/dpop.ts'
import { authenticateClient, type ClientNeeds } from './client-authentication.ts'
import { nonceHeader, proveClientKey } from './dpop.ts'
import { OAuthError } from './error.ts'
import { readForm } from './form.ts'
import type { Grant } from './grants/grant.ts'
import { leaveRefusal } from './refused-client.ts'
import { repeatableResource } from './resource.ts'

export interface TokenNeeds extends ClientNeeds {
  readonly proofs: ProofNeeds
  readonly grants: ReadonlyMap<string, Grant>
}

/** A lost guard means that something changed between decision and commit: decide again, up to three times. */
const tries = 3

const parse = async (request: Request): Promise<ReadonlyMap<string, string>> => {
  const form = await readForm(request, repeatableResource)
  if (form.parameters) return form.parameters
  const description =
    form.repeated === undefined
      ? `Invalid request: ${form.problem}.`
      : 'Invalid request with repeated parameters.'
  throw new OAuthError('invalid_request', description)
}

const grantFor = async (
  grants: TokenNeeds['grants'],
  type: string | undefined,
  client: Application,
): Promise<Grant> => {
  if (type === undefined) throw new OAuthError('invalid_request', 'Missing parameters: grant_type')
  const grant = grants.get(type)
  if (!grant) throw new OAuthError('unsupported_grant_type', 'Unsupported grant_type value')
  if (!client.oidc.grantTypes.includes(type)) {
    const description = 'The authenticated client is not authorized to use this authorization grant type'
    throw new OAuthError('unauthorized_client', description)
  }
  return grant
}

/** Who asks, whether he may, and what for: all of it decided at once, and anew when something of it has changed. */
const settle = async (
  needs: TokenNeeds,
  request: Request,
  parameters: ReadonlyMap<string, string>,
  trace: Trace,
) => {
  const { db, proofs, grants } = needs
  for (let attempt = 1; ; attempt += 1) {
    const authenticated = await authenticateClient(needs, request, parameters)
    const { client, revision } = authenticated
    const now = new Date()
    const grantType = parameters.get('grant_type')
    const leaving = (writes: readonly Write[]) => async (error: unknown) => {
      await leaveRefusal(db, client, error, { grantType, writes }, trace, now)
      throw error
    }
    const grant = await grantFor(grants, grantType, client).catch(leaving(authenticated.writes))
    const bound = client.oidc.mayact.dpopBoundAccessTokens
    const proven = await proveClientKey(proofs, request, authenticated, bound, trace, now)
    const { confirmation } = proven
    const answer = await grant
      .decide({ parameters, client, revision, confirmation, trace, now })
      .catch(leaving(proven.writes))
    if ((await commit(db, [revisionIs(revision), ...proven.writes, ...answer.writes])) === 'committed') {
      if ('refused' in answer) throw answer.refused
      tokenGrants.add(grant.type)
      return { response: answer.response, headers: nonceHeader(proven.nonce) }
    }
    if (attempt < tries) continue
    const abandoned = record(db, new Date(), trace, {
      event: 'request-abandoned',
      initiator: client.clientId,
      target: client.clientId,
      data: { clientId: client.clientId, grantType: grant.type },
      outcome: 'Refused',
      applicationId: client.id,
      organizationId: client.organizationId,
    })
    await commit(db, [abandoned])
    throw new OAuthError('temporarily_unavailable', 'The request was overtaken by changes; try again.')
  }
}

export const token = (needs: TokenNeeds) =>
  new Hono().post('/oauth2/token', async (c) => {
    const { raw } = c.req
    const parameters = await parse(raw)
    const { response, headers } = await settle(needs, raw, parameters, needs.traceOf(raw))
    return c.json(response, 200, { 'Cache-Control': 'no-store', Pragma: 'no-cache', ...headers })
  })
