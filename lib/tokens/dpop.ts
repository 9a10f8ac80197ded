/**
 * DPoP proofs (RFC 9449 §4): that the sender of a request has the private key whose public half is in the proof. Each is
 * good for one method at one address of ours, for a minute, and once, whichever server it is sent to.
 */
import { calculateJwkThumbprint, EmbeddedJWK, errors, type JWK, jwtVerify } from 'jose'
import * as z from 'zod'
import type { Write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import type { Nonces } from './dpop-nonce.ts'
import { type Confirmation, hashOf } from './token.ts'
import { isUsed, useOnce } from './used-value.ts'

/** What proofs may be signed with; never `none`, never a shared secret. */
export const proofAlgorithms = [
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
  'PS256',
  'PS384',
  'PS512',
  'RS256',
  'RS384',
  'RS512',
] as const

/** How old a proof may be, and how far ahead its sender's clock, in seconds. */
const oldest = 60
const aheadAtMost = 15
/** How much longer than that a used proof is remembered, for servers whose clocks differ. */
const rememberedSeconds = 300

/** The largest RSA key's proof needs half of it. */
const longestProof = 8_192
/** 8192 bits of modulus, base64url; the exponents in use have three bytes. More would only buy work for the server. */
const longestModulus = 1_366
const longestExponent = 6

export interface ProofNeeds {
  readonly db: Db
  /** Where clients find this server; the Host header is not asked. */
  readonly baseUrl: string
  /** Given where every proof must have a nonce of ours. */
  readonly nonces: Nonces | undefined
}

/** A request as far as a proof speaks of it. */
export interface ProvenRequest {
  /** The `DPoP` header; several are joined by commas, as Fetch does. */
  readonly proof: string
  readonly method: string
  /** Below the base URL. */
  readonly path: string
  /** At a resource: the token that is presented with the proof (`ath`). */
  readonly accessToken?: string | undefined
}

export type Proved =
  | {
      /** The key's thumbprint (RFC 7638, SHA-256). */
      readonly jkt: string
      /** Uses the proof up; a conflict of its commit says that somebody else did. */
      readonly writes: readonly Write[]
      /** The nonce to use from now on, when another one was used. */
      readonly nonce: string | undefined
    }
  | {
      readonly jkt: undefined
      readonly error: 'invalid_dpop_proof' | 'use_dpop_nonce'
      /** For the log and the audit. */
      readonly why: string
      readonly nonce: string | undefined
    }

const claims = z.object({
  jti: z.string().min(1).max(256),
  htm: z.string(),
  htu: z.string(),
  iat: z.number(),
  nonce: z.string().optional(),
  ath: z.string().optional(),
})

const privateMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k']

const isPublic = (jwk: JWK): boolean =>
  ['EC', 'RSA', 'OKP'].includes(jwk.kty ?? '') &&
  privateMembers.every((member) => !(member in jwk)) &&
  (jwk.n ?? '').length <= longestModulus &&
  (jwk.e ?? '').length <= longestExponent

/** One name of a resource of ours, by which another is compared with it (RFC 9449 §4.3, RFC 3986 §6.2.2). */
const normal = (address: string): string | undefined => {
  const url = URL.parse(address)
  if (!url) return undefined
  url.search = ''
  url.hash = ''
  return url.href
}

const invalid = (why: string): Proved => ({
  jkt: undefined,
  error: 'invalid_dpop_proof',
  why,
  nonce: undefined,
})

/** The verified claims and key of a proof, or why it has none. */
const open = async (proof: string) => {
  if (proof.length > longestProof) return 'the proof is too long'
  // several headers arrive as one with commas
  if (!/^[\w-]+\.[\w-]+\.[\w-]+$/.test(proof)) return 'not exactly one compact JWS'
  try {
    const { payload, protectedHeader } = await jwtVerify(
      proof,
      (header, token) => {
        if (typeof header.jwk !== 'object' || !isPublic(header.jwk))
          throw new errors.JWSInvalid('not a public jwk')
        return EmbeddedJWK(header, token)
      },
      { typ: 'dpop+jwt', algorithms: [...proofAlgorithms] },
    )
    const read = claims.safeParse(payload)
    if (!read.success)
      return `malformed claims: ${read.error.issues.map(({ path }) => path.join('.')).join(', ')}`
    // the key was verified with, so it is one
    return { claims: read.data, jkt: await calculateJwkThumbprint(protectedHeader.jwk as JWK) }
  } catch (error) {
    return error instanceof Error ? error.message : 'no proof'
  }
}

/**
 * Verifies a proof. That it is used once is certain only when `writes` are committed: with what is answered, or alone
 * before anything is. Never throws for what a client sent.
 */
export const verifyProof = async (
  { db, baseUrl, nonces }: ProofNeeds,
  request: ProvenRequest,
  now: Date,
): Promise<Proved> => {
  const opened = await open(request.proof)
  if (typeof opened === 'string') return invalid(opened)
  const { claims, jkt } = opened
  if (claims.htm !== request.method) return invalid('htm is another method')
  const names = [`${baseUrl}${request.path}`, `${baseUrl}/t/carbon.super${request.path}`].map(normal)
  const named = normal(claims.htu)
  if (named === undefined || !names.includes(named)) return invalid('htu is another address')
  const age = now.getTime() / 1000 - claims.iat
  if (age > oldest) return invalid('iat is too old')
  if (age < -aheadAtMost) return invalid('iat is in the future')
  if (request.accessToken !== undefined && claims.ath !== hashOf(request.accessToken)) {
    return invalid('ath is of another token')
  }
  const judged = nonces && claims.nonce !== undefined ? nonces.judge(claims.nonce, now) : 'unknown'
  if (nonces && judged === 'unknown') {
    const why = claims.nonce === undefined ? 'no nonce' : 'the nonce is unknown or too old'
    return { jkt: undefined, error: 'use_dpop_nonce', why, nonce: nonces.current(now) }
  }
  const once = { kind: 'DPoP proof', issuer: jkt, value: claims.jti }
  if (await isUsed(db, once)) return invalid('the proof was used before')
  const forgotten = new Date((claims.iat + oldest + rememberedSeconds) * 1000)
  return {
    jkt,
    writes: [useOnce(db, once, forgotten)],
    nonce: nonces && judged === 'old' ? nonces.current(now) : undefined,
  }
}

/** `Authorization` schemes that access tokens come with (RFC 6750, RFC 9449 §7.1). */
export type TokenScheme = 'Bearer' | 'DPoP'

/** What a request proved to have, by a DPoP proof and by its TLS connection. */
export interface Held {
  readonly jkt?: string | undefined
  readonly 'x5t#S256'?: string | undefined
}

/**
 * Why a token must not be taken as it was presented, or undefined: one bound to a key comes with the scheme `DPoP` and
 * that key's proof, one that is not comes as Bearer; one bound to a certificate comes over its connection (RFC 8705).
 */
export const notHeld = (
  confirmation: Confirmation | null,
  scheme: TokenScheme,
  held: Held,
): string | undefined => {
  const isBoundToKey = confirmation !== null && 'jkt' in confirmation
  if (isBoundToKey && scheme !== 'DPoP') return 'bound to a key, but presented as Bearer'
  if (!isBoundToKey && scheme === 'DPoP') return 'not bound to a key, but presented as DPoP'
  if (confirmation === null) return undefined
  if ('jkt' in confirmation) return confirmation.jkt === held.jkt ? undefined : 'bound to another key'
  return confirmation['x5t#S256'] === held['x5t#S256'] ? undefined : 'bound to another certificate'
}

/** `WWW-Authenticate` of a resource that takes DPoP (RFC 9449 §7.1); `error` is undefined without credentials. */
export const dpopChallenge = (error?: string): string =>
  `DPoP ${error === undefined ? '' : `error="${error}", `}algs="${proofAlgorithms.join(' ')}"`
