/**
 * Chooses the error for a presented token that has no fitting row here. It is decoded, unverified, for this purpose
 * only; nothing in it decides anything (design.md §6.4, facts/impersonation.md §4.2).
 */
import { decodeJwt, type JWTPayload } from 'jose'
import { OAuthError } from '../error.ts'

type Kind = 'Subject Token' | 'Actor Token'

const invalid = (description: string) => new OAuthError('invalid_request', description)

const noValidToken = 'No Valid subject token was found for urn:ietf:params:oauth:grant-type:token-exchange'

const mandatory = [
  ['iss', 'Issuer'],
  ['sub', 'Subject'],
  ['exp', 'Expiration time'],
  ['aud', 'Audience'],
] as const

/** Why the token is not accepted, as far as its own words tell; only an impersonation's subject token has `may_act`. */
export const explainForeignToken = (
  kind: Kind,
  value: string,
  issuer: string,
  clientId: string,
  mayAct: 'with may_act' | 'without may_act' = kind === 'Subject Token' ? 'with may_act' : 'without may_act',
): OAuthError => {
  let claims: JWTPayload
  try {
    claims = decodeJwt(value)
  } catch (cause) {
    return new OAuthError('invalid_request', noValidToken, { cause })
  }
  if (Object.keys(claims).length === 0) return invalid(`Claim values are empty in the given ${kind}`)
  for (const [claim, name] of mandatory) {
    if (claims[claim] === undefined || claims[claim] === '') {
      return invalid(`Mandatory field - ${name} is empty in the given JWT`)
    }
  }
  if (mayAct === 'with may_act') {
    const named = claims.may_act
    const impersonator = typeof named === 'object' && named !== null && 'sub' in named ? named.sub : undefined
    if (typeof impersonator !== 'string' || impersonator.trim() === '') {
      return invalid('Impersonator is not found in subject token.')
    }
  }
  if (claims.iss !== issuer) return new OAuthError('invalid_target', 'Invalid issuer values provided')
  const audience = [claims.aud ?? []].flat()
  if (!audience.includes(clientId)) {
    return new OAuthError('invalid_target', `Invalid audience values provided for ${kind.toLowerCase()}.`)
  }
  return invalid(`Signature or Message Authentication invalid for ${kind.toLowerCase()}.`)
}
