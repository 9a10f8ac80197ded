/**
 * Who calls our own APIs: Basic with a user's password, or an access token of ours, as Bearer or, bound to a key, with
 * that key's proof (RFC 9449 §7).
 */
import { record, type Trace, useEvent } from '../audit.ts'
import { readRevision, revisionIs } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { accountIs } from '../directory/accounts.ts'
import type { Acting, Caller } from '../directory/caller.ts'
import { impersonationScopes, loginScope, ownPermissions } from '../directory/permissions.ts'
import { verifyBasic } from '../sign-in/credentials.ts'
import { acceptToken, isForUs } from '../tokens/acceptance.ts'
import { type Held, notHeld, type ProofNeeds, type TokenScheme } from '../tokens/dpop.ts'
import { lineageAlive } from '../tokens/lineage.ts'
import { type FoundToken, notRevoked } from '../tokens/token.ts'

export interface AccessNeeds {
  readonly db: Db
  /** How DPoP proofs are verified. */
  readonly proofs: ProofNeeds
  readonly organizationId: string
  /** False when no custom response type is configured: then impersonated tokens are dead. */
  readonly impersonationEnabled: boolean
}

export interface ApiRequest {
  readonly authorization: string | null
  /** The key of its valid DPoP proof for exactly this request and its token, and its TLS certificate. */
  readonly held: Held
  readonly method: string
  readonly path: string
  readonly trace: Trace
}

export type Authentication =
  | { readonly caller: Caller }
  /** `scheme` is what the caller tried; `why` is for the log. */
  | { readonly caller: undefined; readonly why: string }

const no = (why: string): Authentication => ({ caller: undefined, why })

const basic = async (
  needs: AccessNeeds,
  request: ApiRequest,
  encoded: string,
  now: Date,
): Promise<Authentication> => {
  const { db, organizationId } = needs
  const decoded = Buffer.from(encoded, 'base64').toString('utf8')
  const colon = decoded.indexOf(':')
  if (colon < 1) return no('malformed Basic credentials')
  const credentials = {
    organizationId,
    userName: decoded.slice(0, colon),
    password: decoded.slice(colon + 1),
  }
  const revision = await readRevision(db)
  const verdict = await verifyBasic(db, credentials, request.trace, now)
  if (!verdict.account) return no(`Basic: ${verdict.why}`)
  const { account } = verdict
  const permissions = await ownPermissions(db, revision, account)
  return {
    caller: {
      kind: 'user',
      accountId: account.id,
      organizationId,
      trace: request.trace,
      revision,
      guards: [revisionIs(revision), accountIs(db, account)],
      may: (permission) => permissions.has(permission),
    },
  }
}

/** The audit row of a request made with an impersonated token: one, other than for GET and HEAD. */
const useOf = (
  db: Db,
  request: ApiRequest,
  token: FoundToken,
  actorId: string,
  now: Date,
): Acting['use'] => ({
  taken: ['GET', 'HEAD'].includes(request.method),
  row: (outcome) =>
    record(db, now, request.trace, {
      event: useEvent(request.method),
      initiator: actorId,
      target: token.subjectId,
      data: {
        ResourcePath: request.path,
        clientId: token.clientId,
        subject: token.subjectId,
        scope: token.scopes.join(' '),
        impersonator: actorId,
        httpMethod: request.method,
      },
      outcome,
      actorId,
      subjectId: token.subjectId,
      applicationId: token.applicationId,
      organizationId: token.organizationId,
      impersonationId: token.impersonationId ?? undefined,
    }),
})

const byToken = async (
  needs: AccessNeeds,
  request: ApiRequest,
  scheme: TokenScheme,
  value: string,
  now: Date,
): Promise<Authentication> => {
  const { db } = needs
  const accepted = await acceptToken(needs, value, ['access'], now)
  if (!accepted.token) return no(`${scheme}: ${accepted.why}`)
  const { token, revision, application, subject, people } = accepted
  const why = notHeld(token.confirmation, scheme, request.held)
  if (why !== undefined) return no(`${scheme}: ${why}`)
  if (!isForUs(token, needs.proofs.baseUrl)) return no(`${scheme}: for other resources`)
  const granted = new Set(
    token.scopes.filter((scope) => (subject && scope === loginScope) || application.scopes.has(scope)),
  )
  const acting: Acting | undefined =
    token.actorId === null
      ? undefined
      : {
          impersonatorId: token.actorId,
          // by delegation somebody acts, too, and gets no further than by an impersonation
          impersonationId: token.impersonationId ?? undefined,
          use: useOf(db, request, token, token.actorId, now),
        }
  return {
    caller: {
      kind: subject ? 'user' : 'client',
      accountId: token.subjectId,
      organizationId: token.organizationId,
      trace: request.trace,
      revision,
      guards: [
        revisionIs(revision),
        ...people.map((account) => accountIs(db, account)),
        ...lineageAlive(
          db,
          { id: token.lineageId, sessionId: token.sessionId === token.lineageId ? null : token.sessionId },
          now,
        ),
        notRevoked(db, value, token),
      ],
      acting,
      application: { id: application.id, clientId: application.clientId, name: application.name },
      // a client for itself has no user's right, and whoever acts for another may not act on for a third
      may: (permission) =>
        granted.has(permission) && !((acting || !subject) && impersonationScopes.has(permission)),
    },
  }
}

/** Finds out who calls. The reason of a refusal is for the log; the caller hears that authorization failed. */
export const authenticate = async (
  needs: AccessNeeds,
  request: ApiRequest,
  now: Date,
): Promise<Authentication> => {
  // one value and nothing behind it (RFC 6750 §2.1, RFC 7617 §2)
  const [, scheme = '', credentials = ''] = /^([^ ]+) +([^ ]+) *$/.exec(request.authorization ?? '') ?? []
  if (credentials === '') return no('no credentials')
  if (scheme.toLowerCase() === 'basic') return basic(needs, request, credentials, now)
  if (scheme.toLowerCase() === 'bearer') return byToken(needs, request, 'Bearer', credentials, now)
  if (scheme.toLowerCase() === 'dpop') return byToken(needs, request, 'DPoP', credentials, now)
  return no('unknown authentication scheme')
}
