/**
 * `private_key_jwt` (RFC 7523 §3, OpenID Connect Core §9): a JWT of the client about itself, addressed to this server,
 * short-lived, used once, signed with a key that the client registered.
 */
import { jwtVerify } from 'jose'
import * as z from 'zod'
import type { Write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import type { Application } from '../directory/applications.ts'
import { clientSignatures } from '../directory/client-abilities.ts'
import type { OutboundRules } from '../outbound.ts'
import { isUsed, useOnce } from '../tokens/used-value.ts'
import { clientKeys } from './client-keys.ts'
import { failed } from './presented-client.ts'

const hour = 3_600
/** How far the client's clock may be off, in seconds. */
const skew = 30

export interface AssertionRules {
  /** What an assertion may be addressed to: the issuer, and the endpoints that clients authenticate at. */
  readonly audiences: readonly string[]
  readonly outbound: OutboundRules
}

/** What the client signed for another purpose, such as a request object, has a `typ` of its own (RFC 8725 §3.11). */
const types = [undefined, 'jwt', 'client-authentication+jwt']

const isTyped = (typ: string | undefined): boolean =>
  types.includes(typ?.toLowerCase().replace(/^application\//, ''))

const claims = z.object({
  exp: z.number(),
  iat: z.number().optional(),
  jti: z.string().min(1).max(256).optional(),
})

/** Verifies it; the writes use it up. Throws OAuthError `invalid_client`. */
export const verifyAssertion = async (
  db: Db,
  client: Application,
  assertion: string,
  { audiences, outbound }: AssertionRules,
  now: Date,
): Promise<readonly Write[]> => {
  const { tokenEndpointAuthSigningAlg: pinned, tokenEndpointAllowReusePvtKeyJwt: reusable } =
    client.oidc.clientAuthentication
  const algorithms = clientSignatures.filter((algorithm) => pinned === undefined || algorithm === pinned)
  const { clientId } = client
  const { payload, protectedHeader } = await jwtVerify(assertion, await clientKeys(client, outbound), {
    algorithms,
    issuer: clientId,
    subject: clientId,
    audience: [...audiences],
    requiredClaims: ['exp'],
    clockTolerance: skew,
    currentDate: now,
  }).catch((cause: unknown) => {
    throw failed(cause)
  })
  if (!isTyped(protectedHeader.typ)) throw failed('the typ of another kind of JWT')
  const read = claims.safeParse(payload)
  if (!read.success) throw failed(read.error)
  const { exp, iat, jti } = read.data
  const seconds = now.getTime() / 1000
  // what is good for long has to be remembered for long
  if (exp > seconds + hour + skew) throw failed('the assertion expires too late')
  if (iat !== undefined && iat > seconds + skew) throw failed('the assertion is issued in the future')
  if (jti === undefined) {
    if (reusable) return []
    throw failed('an assertion without jti')
  }
  if (reusable) return []
  const once = { kind: 'client assertion', issuer: clientId, value: jti }
  if (await isUsed(db, once)) throw failed('the assertion was used before')
  return [useOnce(db, once, new Date((exp + 2 * skew) * 1000))]
}
