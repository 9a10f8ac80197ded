/**
 * POST /oauth2/introspect (RFC 7662): whether a token counts, and what it says. A client asks about tokens that were
 * issued to it or name it as their audience; any other is as unknown as one that never was (§4). A user, or a Bearer
 * token, needs `internal_oauth2_introspect` and may ask about all. Nothing is written, so every answer is the
 * database's of that moment. On `Accept: application/token-introspection+jwt` the answer is signed (RFC 9701).
 */
import { type Context, Hono } from 'hono'
import { type GuardNeeds, guard, type Refusal } from '../access/guard.ts'
import { commit, readRevision, revisionIs } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { type Application, findClient } from '../directory/applications.ts'
import { type AcceptanceNeeds, type AcceptedToken, acceptToken } from '../tokens/acceptance.ts'
import { numericDate } from '../tokens/claims.ts'
import type { Issuer } from '../tokens/issuer.ts'
import { subOf } from '../tokens/subject-identifier.ts'
import { isMadeFor } from '../tokens/token.ts'
import {
  type AuthenticatedClient,
  authenticateClient,
  byCertificate,
  type ClientNeeds,
} from './client-authentication.ts'
import { tokenTypeOf } from './dpop.ts'
import { OAuthError, type OAuthErrorCode } from './error.ts'
import { failed } from './presented-client.ts'
import { requireForm } from './required-form.ts'

type Parameters = ReadonlyMap<string, string>

export interface IntrospectNeeds extends AcceptanceNeeds, ClientNeeds {
  readonly guard: GuardNeeds
  readonly hostname: string
  readonly issuer: Issuer
  readonly organization: { readonly id: string; readonly name: string }
}

/** Who asks: about which tokens he may hear, and who the signed answer is for. */
interface Asker {
  readonly id: string
  /** Undefined where he may ask about all. */
  readonly client: Application | undefined
  readonly algorithm?: string | undefined
}

type Answer = Readonly<Record<string, unknown>>

const inactive: Answer = { active: false }

/** The claims are those of the token itself (`tokens/access-token.ts`), and `username` beside them. */
const describe = async (
  { db, issuer, organization }: IntrospectNeeds,
  accepted: AcceptedToken,
): Promise<Answer> => {
  const { token, application, subject } = accepted
  const [only, ...more] = token.audience
  return {
    active: true,
    scope: token.scopes.join(' ') || undefined,
    client_id: token.clientId,
    username: subject?.userName,
    token_type: token.class === 'access' ? tokenTypeOf(token.confirmation) : undefined,
    exp: numericDate(token.expiresAt),
    iat: numericDate(token.issuedAt),
    nbf: numericDate(token.issuedAt),
    aut: subject ? 'APPLICATION_USER' : 'APPLICATION',
    sub: await subOf(db, application, token),
    aud: only === undefined ? token.clientId : more.length > 0 ? token.audience : only,
    iss: issuer.issuer,
    jti: token.id,
    org_id: token.organizationId,
    org_name: token.organizationId === organization.id ? organization.name : undefined,
    // a subject token says who may act, the others who does
    ...(token.class === 'subject'
      ? { may_act: token.actor ?? undefined }
      : { act: token.actor ?? undefined }),
    cnf: token.confirmation ?? undefined,
  }
}

// its acceptance has seen that who has its client id now is the client it was issued to
const mayHear = ({ client }: Asker, { token }: AcceptedToken): boolean =>
  client === undefined || token.clientId === client.clientId || isMadeFor(token, client)

const signedType = 'token-introspection+jwt'
const signedMediaType = `application/${signedType}`

const wantsSigned = (c: Context): boolean =>
  (c.req.header('accept') ?? '')
    .split(',')
    .some((range) => range.split(';')[0]?.trim().toLowerCase() === signedMediaType)

const answer = async (
  needs: IntrospectNeeds,
  asker: Asker,
  form: Parameters | undefined,
  c: Context,
): Promise<Response> => {
  const value = form?.get('token')
  if (value === undefined) throw new OAuthError('invalid_request', 'Missing parameters: token')
  const now = new Date()
  const accepted = await acceptToken(needs, value, ['access', 'refresh', 'subject'], now)
  const said =
    accepted.token !== undefined && mayHear(asker, accepted) ? await describe(needs, accepted) : inactive
  const headers = { 'Cache-Control': 'no-store', Pragma: 'no-cache' }
  if (!wantsSigned(c)) return c.json(said, 200, headers)
  const { issuer } = needs
  const claims = { iss: issuer.issuer, aud: asker.id, iat: numericDate(now), token_introspection: said }
  const signed = await issuer.sign(claims, signedType, asker.algorithm)
  return c.body(signed, 200, { ...headers, 'Content-Type': signedMediaType })
}

/** A client's id is nobody's user name: whether it is one tells which of the two a Basic header means. */
const namesClient = async (db: Db, authorization: string): Promise<boolean> => {
  const [, encoded] = /^basic +([a-z0-9+/=_-]+)$/i.exec(authorization) ?? []
  const [name = ''] = Buffer.from(encoded ?? '', 'base64')
    .toString('utf8')
    .split(':')
  if (!/^[\x21-\x7e]{1,255}$/.test(name)) return false
  return (await findClient(db, await readRevision(db), name)) !== undefined
}

/** Knowing a client's id is no authorization: tokens could be guessed at (RFC 7662 §2.1). */
const isUnproven = ({ client, method }: AuthenticatedClient): boolean =>
  method === 'none' && !byCertificate(client.oidc.clientAuthentication.tokenEndpointAuthMethod)

const askingClient = async (needs: IntrospectNeeds, request: Request, form: Parameters): Promise<Asker> => {
  const authenticated = await authenticateClient(needs, request, form)
  const { client, revision, writes } = authenticated
  if (isUnproven(authenticated)) throw failed('a public client')
  if (writes.length > 0 && (await commit(needs.db, [revisionIs(revision), ...writes])) !== 'committed') {
    throw failed('its assertion was used before, or it has changed')
  }
  return {
    id: client.clientId,
    client,
    algorithm: client.oidc.mayact.introspectionSignedResponseAlg,
  }
}

/** How the gate refuses a user or a Bearer token. */
const word =
  (hostname: string) =>
  (refusal: Refusal, request: Request): Response => {
    const basic = /^basic\b/i.test(request.headers.get('authorization') ?? '')
    const code = basic ? 'invalid_client' : 'invalid_token'
    const [error, status, challenge] = {
      unauthenticated: [code, 401, basic ? `Basic realm="${hostname}"` : `Bearer error="${code}"`],
      forbidden: ['insufficient_scope', 403, 'Bearer error="insufficient_scope"'],
      contended: ['temporarily_unavailable', 503, undefined],
    }[refusal] as [OAuthErrorCode, number, string | undefined]
    const body = new OAuthError(error, 'Introspection is not allowed with these credentials.')
    return Response.json(body, {
      status,
      headers: {
        'Cache-Control': 'no-store',
        Pragma: 'no-cache',
        ...(challenge === undefined ? {} : { 'WWW-Authenticate': challenge }),
      },
    })
  }

export const introspect = (needs: IntrospectNeeds) => {
  const forms = new WeakMap<Request, Parameters>()
  const byUser = guard(needs.guard, word(needs.hostname))<Context>(
    { permission: 'internal_oauth2_introspect', actor: false },
    (caller, c) => answer(needs, { id: caller.accountId, client: undefined }, forms.get(c.req.raw), c),
  )
  return new Hono().post('/oauth2/introspect', async (c) => {
    const { raw } = c.req
    const form = await requireForm(raw)
    const authorization = raw.headers.get('authorization')
    if (authorization === null || (await namesClient(needs.db, authorization))) {
      return answer(needs, await askingClient(needs, raw, form), form, c)
    }
    forms.set(raw, form)
    return byUser(c)
  })
}
