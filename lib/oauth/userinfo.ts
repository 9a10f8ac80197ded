/**
 * GET and POST /oauth2/userinfo (OpenID Connect Core §5.3): what the access token's scopes and its request's `claims`
 * tell of the user. `sub` is what the client knows him by. While somebody acts for him `act` says who, and a POST
 * of his leaves the row of its use, as everywhere. A token for other resources alone is none for us (RFC 8707). Credentials come in the header, or in the form of a
 * POST (RFC 6750 §2), never in the query string.
 */
import { type Context, Hono } from 'hono'
import { record, type Trace, useEvent } from '../audit.ts'
import { commit } from '../database/commit.ts'
import { userClaims } from '../directory/user-claims.ts'
import { type AcceptanceNeeds, type AcceptedToken, acceptToken, isForUs } from '../tokens/acceptance.ts'
import type { ProofNeeds, TokenScheme } from '../tokens/dpop.ts'
import type { Issuer } from '../tokens/issuer.ts'
import { subOf } from '../tokens/subject-identifier.ts'
import { certificateThumbprint, readCertificate } from './client-certificate.ts'
import { requireHeld } from './dpop.ts'
import { OAuthError, type OAuthErrorCode } from './error.ts'
import { requireForm } from './required-form.ts'

export interface UserinfoNeeds extends AcceptanceNeeds {
  readonly issuer: Issuer
  readonly proofs: ProofNeeds
  readonly hostname: string
  /** The client's certificate as a trusted proxy's header has it. */
  certificateOf(request: Request): string | undefined
  traceOf(request: Request): Trace
}

/** RFC 6750 §3: what was wrong, in the header as in the body. */
const refuse = (code: OAuthErrorCode, description: string, cause: string, attributes = '') =>
  new OAuthError(code, description, {
    cause,
    headers: {
      'WWW-Authenticate': `Bearer error="${code}", error_description="${description}"${attributes}`,
    },
  })

interface Presented {
  readonly scheme: TokenScheme
  readonly value: string
}

const isForm = (request: Request): boolean =>
  (request.headers.get('content-type') ?? '').split(';')[0]?.trim().toLowerCase() ===
  'application/x-www-form-urlencoded'

const formToken = async (request: Request): Promise<string | undefined> => {
  if (request.method !== 'POST' || !isForm(request)) return undefined
  try {
    return (await requireForm(request)).get('access_token')
  } catch (error) {
    if (!(error instanceof OAuthError)) throw error
    throw refuse('invalid_request', error.message, 'malformed form')
  }
}

/** What the request presents; undefined when it has no credentials at all. */
const presented = async (request: Request): Promise<Presented | undefined> => {
  const authorization = request.headers.get('authorization')
  const inForm = await formToken(request)
  if (authorization === null) return inForm === undefined ? undefined : { scheme: 'Bearer', value: inForm }
  if (inForm !== undefined) {
    throw refuse('invalid_request', 'The access token must come in one way only.', 'header and form')
  }
  const [, name = '', value] = /^(bearer|dpop) +([\x21-\x7e]+) *$/i.exec(authorization) ?? []
  if (value === undefined) return undefined
  return { scheme: name.toLowerCase() === 'dpop' ? 'DPoP' : 'Bearer', value }
}

const insufficient = () =>
  refuse(
    'insufficient_scope',
    'The access token lacks the scope openid.',
    'without openid',
    ', scope="openid"',
  )

/** The one row of a request other than GET and HEAD in which somebody acts (design.md §7, invariant 12). */
const leaveUse = async (needs: UserinfoNeeds, c: Context, { token }: AcceptedToken, outcome: string) => {
  const { actorId, impersonationId } = token
  if (['GET', 'HEAD'].includes(c.req.method) || actorId === null) return
  const row = record(needs.db, new Date(), needs.traceOf(c.req.raw), {
    event: useEvent(c.req.method),
    initiator: actorId,
    target: token.subjectId,
    data: {
      ResourcePath: c.req.path,
      clientId: token.clientId,
      subject: token.subjectId,
      scope: token.scopes.join(' '),
      impersonator: actorId,
      httpMethod: c.req.method,
    },
    outcome,
    actorId,
    subjectId: token.subjectId,
    applicationId: token.applicationId,
    organizationId: token.organizationId,
    impersonationId: impersonationId ?? undefined,
  })
  await commit(needs.db, [row])
}

const answer = async (needs: UserinfoNeeds, c: Context): Promise<Response> => {
  const { raw } = c.req
  const credentials = await presented(raw)
  const noStore = { 'Cache-Control': 'no-store', Pragma: 'no-cache' }
  // RFC 6750 §3.1: who shows nothing is told nothing but how
  if (!credentials) {
    return c.body(null, 401, { ...noStore, 'WWW-Authenticate': `Bearer realm="${needs.hostname}"` })
  }
  const now = new Date()
  const accepted = await acceptToken(needs, credentials.value, ['access'], now)
  if (!accepted.token) throw refuse('invalid_token', 'The access token is not valid.', accepted.why)
  const { db, issuer } = needs
  const { token, revision, application, subject } = accepted
  const certificate = readCertificate(needs.certificateOf(raw) ?? '')
  const held = await requireHeld(
    needs.proofs,
    raw,
    token,
    { ...credentials, certificate: certificate && certificateThumbprint(certificate) },
    now,
  )
  if (!isForUs(token, needs.proofs.baseUrl))
    throw refuse('invalid_token', 'The access token is not valid.', 'for other resources')
  if (!subject) throw refuse('invalid_token', 'The access token is not valid.', 'a token of a client')
  if (!token.scopes.includes('openid')) {
    await leaveUse(needs, c, accepted, '403')
    throw insufficient()
  }
  const [sub, claims] = await Promise.all([
    subOf(db, application, token),
    userClaims(db, revision, application, subject.id, token.scopes, token.context.claims?.userinfo),
  ])
  await leaveUse(needs, c, accepted, 'AUTHORIZED')
  const said = { ...claims, sub, ...(token.actor === null ? {} : { act: token.actor }) }
  const headers = { ...noStore, ...held }
  const algorithm = application.oidc.mayact.userinfoSignedResponseAlg
  if (algorithm === undefined) return c.json(said, 200, headers)
  const signed = await issuer.sign(
    { ...said, iss: issuer.issuer, aud: application.clientId },
    undefined,
    algorithm,
  )
  return c.body(signed, 200, { ...headers, 'Content-Type': 'application/jwt' })
}

export const userinfo = (needs: UserinfoNeeds) =>
  new Hono()
    .get('/oauth2/userinfo', (c) => answer(needs, c))
    .post('/oauth2/userinfo', (c) => answer(needs, c))
