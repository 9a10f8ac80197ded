/**
 * POST /oauth2/revoke (RFC 7009). Revoking a token ends its lineage: of a refresh token its whole family, of an
 * impersonated one the impersonation with everything derived from it. What hangs on a browser session itself is ended
 * alone: a client never signs anybody out here. An unknown, ended or expired token is answered as a revoked one (§2.2).
 * Another client's token is refused (§2.1), and so is an ID token: nobody accepts those for anything that could end.
 */
import { Hono } from 'hono'
import { record, type Trace } from '../audit.ts'
import { commit, revisionIs, type Write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import type { Application } from '../directory/applications.ts'
import { type Revocation, revocationOf } from '../tokens/revocation.ts'
import { type FoundToken, findToken, isIssuedTo } from '../tokens/token.ts'
import { authenticateClient, type ClientNeeds } from './client-authentication.ts'
import { OAuthError } from './error.ts'
import { requireForm } from './required-form.ts'

/** Lost because somebody else revoked it, or because the client changed: look again. */
const tries = 5

interface Verdict {
  readonly writes: readonly Write[]
  readonly refused?: OAuthError
}

const auditRow = (
  db: Db,
  client: Application,
  token: FoundToken,
  outcome: { readonly revoked: Revocation['reach'] } | { readonly refused: string },
  trace: Trace,
  now: Date,
): Write =>
  record(db, now, trace, {
    event: 'revoked' in outcome ? 'token-revoked' : 'token-refused',
    initiator: client.clientId,
    target: token.subjectId,
    data: {
      clientId: client.clientId,
      tokenId: token.id,
      tokenClass: token.class,
      ...('revoked' in outcome
        ? { ended: outcome.revoked }
        : { reason: outcome.refused, issuedTo: token.clientId, endpoint: '/oauth2/revoke' }),
    },
    outcome: 'revoked' in outcome ? 'Success' : 'Refused',
    actorId: token.actorId ?? undefined,
    subjectId: token.subjectId,
    applicationId: client.id,
    organizationId: token.organizationId,
    impersonationId: token.impersonationId ?? undefined,
  })

const judge = async (
  db: Db,
  client: Application,
  value: string,
  trace: Trace,
  now: Date,
): Promise<Verdict> => {
  const token = await findToken(db, value, now)
  if (!token) return { writes: [] }
  if (!isIssuedTo(token, client)) {
    const row = auditRow(db, client, token, { refused: 'another client' }, trace, now)
    const description = 'The token was issued to another client.'
    return { writes: [row], refused: new OAuthError('unauthorized_client', description) }
  }
  if (token.class === 'id') {
    const row = auditRow(db, client, token, { refused: 'ID token' }, trace, now)
    const description = 'Access, refresh and subject tokens can be revoked.'
    return { writes: [row], refused: new OAuthError('unsupported_token_type', description) }
  }
  const revocation = await revocationOf(db, { value, token }, client.clientId, now)
  if (!revocation) return { writes: [] }
  const row = auditRow(db, client, token, { revoked: revocation.reach }, trace, now)
  return { writes: [revocation.write, row] }
}

export const revoke = (needs: ClientNeeds) =>
  new Hono().post('/oauth2/revoke', async (c) => {
    const { db } = needs
    const { raw } = c.req
    const form = await requireForm(raw)
    for (let attempt = 1; ; attempt += 1) {
      const { client, revision, writes } = await authenticateClient(needs, raw, form)
      const value = form.get('token')
      if (value === undefined) throw new OAuthError('invalid_request', 'Invalid revocation request')
      const verdict = await judge(db, client, value, needs.traceOf(raw), new Date())
      const all = [...writes, ...verdict.writes]
      if (all.length === 0 || (await commit(db, [revisionIs(revision), ...all])) === 'committed') {
        if (verdict.refused) throw verdict.refused
        const headers = { 'Cache-Control': 'no-store', Pragma: 'no-cache' }
        return c.body(null, 200, { ...headers, 'Content-Type': 'application/json', 'Content-Length': '0' })
      }
      if (attempt < tries) continue
      throw new OAuthError('temporarily_unavailable', 'The request was overtaken by changes; try again.')
    }
  })
