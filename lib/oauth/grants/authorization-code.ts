/**
 * `authorization_code` (RFC 6749 §4.1.3, RFC 7636, OpenID Connect Core §3.1.3): a code becomes its tokens once, for the
 * client it was given to, with its redirect URI, its verifier and its key. A second time ends everything it gave.
 */
import { record } from '../../audit.ts'
import { type FoundCode, findCode, spendCode } from '../../tokens/authorization-code.ts'
import { endLineage } from '../../tokens/lineage.ts'
import { OAuthError } from '../error.ts'
import { answersChallenge } from '../pkce.ts'
import { narrowedResources } from '../resource.ts'
import { firstTokens } from './first-tokens.ts'
import type { Grant, GrantAnswer, GrantRequest } from './grant.ts'
import { invalidGrant, refusal } from './refusal.ts'
import type { UserTokenNeeds } from './user-tokens.ts'

const type = 'authorization_code'

const what = 'authorization code'

const invalid = () => invalidGrant(what)

/** Why this request does not redeem the code; undefined when it does. */
const problemOf = (code: FoundCode, { parameters, client, confirmation }: GrantRequest) => {
  if (code.expired) return 'expired'
  if (!code.alive) return 'ended'
  if ((parameters.get('redirect_uri') ?? null) !== code.redirectUri) return 'redirect_uri_differs'
  const verifier = parameters.get('code_verifier')
  // without a challenge a verifier means that somebody took the challenge away (RFC 9700 §4.8.2)
  const proven =
    code.codeChallenge === null
      ? verifier === undefined && !client.oidc.publicClient
      : verifier !== undefined && answersChallenge(verifier, code.codeChallenge)
  if (!proven) return 'pkce_failed'
  if (code.confirmation !== null && !Bun.deepEquals(code.confirmation, confirmation)) return 'another_key'
  return undefined
}

const replayed = (
  { db }: UserTokenNeeds,
  code: FoundCode,
  { client, trace, now }: GrantRequest,
): GrantAnswer => ({
  refused: invalid(),
  writes: [
    endLineage(db, code.lineageId, { by: 'system', reason: 'authorization-code-replayed' }, now),
    record(db, now, trace, {
      event: 'authorization-code-replayed',
      initiator: client.clientId,
      target: code.accountId,
      data: { clientId: client.clientId, codeId: code.id, ended: code.lineageId },
      outcome: 'Refused',
      subjectId: code.accountId,
      applicationId: client.id,
      organizationId: code.organizationId,
    }),
  ],
})

export const authorizationCode = (needs: UserTokenNeeds): Grant => ({
  type,
  async decide(request): Promise<GrantAnswer> {
    const { db } = needs
    const { parameters, client, now } = request
    const value = parameters.get('code')
    if (value === undefined) throw new OAuthError('invalid_request', 'Missing parameters: code')
    const code = await findCode(db, value, now)
    if (!code) throw invalidGrant(what, 'unknown')
    const refuse = (error: OAuthError, reason: string) =>
      refusal(db, request, type, code.accountId, error, reason)
    // whoever else found the code must not be able to end the grant with it
    if (code.applicationId !== client.id) return refuse(invalid(), 'another_client')
    if (code.spent) return replayed(needs, code, request)
    const problem = problemOf(code, request)
    if (problem !== undefined) return refuse(invalid(), problem)
    const { nonce, ...context } = code.context
    return firstTokens(needs, request, {
      what,
      type,
      accountId: code.accountId,
      sessionId: code.sessionId,
      boundSessionId: code.boundSessionId,
      lineageId: code.lineageId,
      lineageEndsAt: code.lineageEndsAt,
      scopes: code.scopes,
      audience: narrowedResources(code.audience, parameters.get('resource'), client),
      kept: code,
      context,
      nonce,
      issuedAt: code.issuedAt,
      spending: spendCode(db, code, now),
      told: { codeId: code.id },
    })
  },
})
