/**
 * ID token hints: an ID token of ours, expired or not, that tells whom and which application a request is about
 * (OpenID Connect Core §3.1.2.1, RP-Initiated Logout 1.0 §2). It is known by its row, and once that is gone by its
 * signature; it proves nothing about who sends it.
 */
import { createLocalJWKSet, decodeJwt, jwtVerify } from 'jose'
import * as z from 'zod'
import type { Db } from '../database/connect.ts'
import type { SigningKeys } from '../keys/signing.ts'
import { findToken } from '../tokens/token.ts'

export interface IdTokenHint {
  /** The application it was issued to. */
  readonly clientId: string
  /** Absent when only its signature is left. */
  readonly accountId?: string | undefined
  /** The `sid`. */
  readonly sessionId: string | undefined
  /** The `sub`, when it was read from the token itself. */
  readonly subject?: string | undefined
}

export interface HintNeeds {
  readonly db: Db
  readonly issuer: string
  readonly keys: Pick<SigningKeys, 'jwks'>
}

const claims = z.object({
  sub: z.string(),
  azp: z.string(),
  aud: z.union([z.string(), z.array(z.string())]),
  exp: z.number(),
  sid: z.string().optional(),
})

const verified = async ({ issuer, keys }: HintNeeds, value: string): Promise<IdTokenHint | undefined> => {
  try {
    const { keys: published } = keys.jwks()
    const { payload, protectedHeader } = await jwtVerify(value, createLocalJWKSet({ keys: [...published] }), {
      issuer,
      algorithms: [...new Set(published.flatMap(({ alg }) => alg ?? []))],
      // that it has expired since then says nothing about whom it names
      currentDate: new Date((decodeJwt(value).iat ?? 0) * 1000),
    })
    // most other tokens of ours have a `typ`, and a signed answer of userinfo has neither `azp` nor an end
    if (protectedHeader.typ !== undefined || protectedHeader.crit !== undefined) return undefined
    const read = claims.parse(payload)
    if (![read.aud].flat().includes(read.azp)) return undefined
    return { clientId: read.azp, sessionId: read.sid, subject: read.sub }
  } catch {
    return undefined
  }
}

/** What a hint says, or undefined when it is no ID token of ours. */
export const readIdTokenHint = async (
  needs: HintNeeds,
  value: string,
  now: Date,
): Promise<IdTokenHint | undefined> => {
  const token = await findToken(needs.db, value, now)
  if (!token) return verified(needs, value)
  if (token.class !== 'id') return undefined
  return { clientId: token.clientId, accountId: token.subjectId, sessionId: token.sessionId ?? undefined }
}
