/** DPoP (RFC 9449) in the words of OAuth: at the endpoints that give tokens, and where one is presented. */

import type { Trace } from '../audit.ts'
import { commit, type Write } from '../database/commit.ts'
import { dpopChallenge, notHeld, type ProofNeeds, type TokenScheme, verifyProof } from '../tokens/dpop.ts'
import type { Confirmation, FoundToken } from '../tokens/token.ts'
import type { AuthenticatedClient } from './client-authentication.ts'
import { OAuthError } from './error.ts'
import { leaveRefusal } from './refused-client.ts'

/** The `token_type` of a token bound so (RFC 9449 §5). */
export const tokenTypeOf = (confirmation: Confirmation | null): 'Bearer' | 'DPoP' =>
  confirmation !== null && 'jkt' in confirmation ? 'DPoP' : 'Bearer'

/** The key that a request proved. */
export interface ProvenKey {
  /** Null when it proved none. */
  readonly confirmation: Confirmation | null
  /** For the commit of what is answered: the proof is used up. A conflict there says that another request used it. */
  readonly writes: readonly Write[]
  /** The `DPoP-Nonce` of the answer, when the client should use another one from now on. */
  readonly nonce?: string | undefined
}

/** What an answer tells of nonces. */
export const nonceHeader = (nonce: string | undefined): Readonly<Record<string, string>> =>
  nonce === undefined ? {} : { 'DPoP-Nonce': nonce }

const descriptions = {
  invalid_dpop_proof: 'The DPoP proof is not valid.',
  use_dpop_nonce: 'The DPoP proof needs a nonce of this server.',
} as const

/**
 * Reads the request's `DPoP` header, if it has one. Throws OAuthError `invalid_dpop_proof`, or `use_dpop_nonce` with the
 * nonce to use (§8); the reason is its cause.
 */
export const proveKey = async (
  needs: ProofNeeds,
  request: Request,
  { accessToken }: { readonly accessToken?: string },
  now: Date,
): Promise<ProvenKey> => {
  const proof = request.headers.get('dpop')
  if (proof === null) return { confirmation: null, writes: [] }
  const { method, url } = request
  const proved = await verifyProof(needs, { proof, method, path: new URL(url).pathname, accessToken }, now)
  if (proved.jkt === undefined) {
    const { error, why: cause, nonce } = proved
    throw new OAuthError(error, descriptions[error], { cause, headers: nonceHeader(nonce) })
  }
  return { confirmation: { jkt: proved.jkt }, writes: proved.writes, nonce: proved.nonce }
}

/**
 * The same for a client that was authenticated, whose certificate else binds what it gets; with the writes of both.
 * `required` says that it gets nothing unbound. A refusal leaves its audit row, unless it is a wish for another nonce or
 * the client is public: who knows no more than its id must not be able to fill the audit.
 */
export const proveClientKey = async (
  needs: ProofNeeds,
  request: Request,
  { client, confirmation, writes }: AuthenticatedClient,
  required: boolean,
  trace: Trace,
  now: Date,
): Promise<ProvenKey> => {
  try {
    const proven = await proveKey(needs, request, {}, now)
    if (proven.confirmation !== null) return { ...proven, writes: [...writes, ...proven.writes] }
    if (!required) return { confirmation, writes }
    throw new OAuthError('invalid_dpop_proof', 'This client has to send a DPoP proof.')
  } catch (error) {
    await leaveRefusal(needs.db, client, error, { writes }, trace, now)
    throw error
  }
}

/**
 * That whoever presents an access token at an endpoint of ours holds it: the headers its answer has beside the others.
 * A proof is used up before anything is answered. Throws OAuthError, to be answered 401 with its own challenge.
 */
export const requireHeld = async (
  needs: ProofNeeds,
  request: Request,
  token: Pick<FoundToken, 'confirmation'>,
  presented: {
    readonly scheme: TokenScheme
    readonly value: string
    readonly certificate?: string | undefined
  },
  now: Date,
): Promise<Readonly<Record<string, string>>> => {
  const { scheme, value, certificate } = presented
  const refuse = (cause: string, code: 'invalid_token' | 'invalid_dpop_proof' = 'invalid_token') => {
    const challenge = scheme === 'DPoP' || token.confirmation !== null
    const headers = challenge ? { 'WWW-Authenticate': dpopChallenge(code) } : {}
    return new OAuthError(code, 'The access token is not valid.', { cause, headers, status: 401 })
  }
  let proven: ProvenKey = { confirmation: null, writes: [] }
  if (scheme === 'DPoP') {
    try {
      proven = await proveKey(needs, request, { accessToken: value }, now)
    } catch (error) {
      if (!(error instanceof OAuthError)) throw error
      const headers = { ...error.headers, 'WWW-Authenticate': dpopChallenge(error.code) }
      throw new OAuthError(error.code, error.message, { cause: error.cause, headers, status: 401 })
    }
    if (proven.confirmation === null) throw refuse('no DPoP header', 'invalid_dpop_proof')
  }
  const { confirmation } = proven
  const why = notHeld(token.confirmation, scheme, {
    jkt: confirmation !== null && 'jkt' in confirmation ? confirmation.jkt : undefined,
    'x5t#S256': certificate,
  })
  if (why !== undefined) throw refuse(why)
  if (proven.writes.length > 0 && (await commit(needs.db, proven.writes)) !== 'committed') {
    throw refuse('the proof was used before', 'invalid_dpop_proof')
  }
  return nonceHeader(proven.nonce)
}
