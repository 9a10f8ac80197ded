import type { Draft } from './draft.ts'
import { merged } from './repeats.ts'
import type { Settings } from './schema.ts'

/** A `[[oauth.custom_response_type]]`; class and validator are the Java names of the original product. */
export interface ResponseType {
  readonly name: string
  readonly class: string
  readonly validator: string
}

type SigningAlgorithm = Settings['oauth']['signing_algorithm']

export interface OAuth {
  readonly signingAlgorithm: SigningAlgorithm
  /** The configured algorithm and the additional ones, each once. */
  readonly signingAlgorithms: readonly [SigningAlgorithm, ...SigningAlgorithm[]]
  readonly tokenValidation: {
    readonly applicationAccessTokenSeconds: number
    readonly userAccessTokenSeconds: number
    readonly authorizationCodeSeconds: number
    readonly refreshTokenSeconds: number
    readonly idTokenSeconds: number
  }
  readonly responseTypes: readonly ResponseType[]
  readonly tokenExchange: {
    readonly enabled: boolean
    readonly allowRefreshTokens: boolean
    /** Whether access tokens are exchanged, too, or subject tokens only. */
    readonly delegation: boolean
    /** How old a token to be exchanged may be, by its `iat`. */
    readonly iatValiditySeconds: number
  }
  /** Dynamic client registration (RFC 7591). */
  readonly registration: {
    readonly enabled: boolean
    /** False: anybody may register a client. */
    readonly authenticationRequired: boolean
    /** Without authentication, from one address. */
    readonly perHour: number
  }
  /** Whether every DPoP proof must have a nonce of this server (RFC 9449 §8). */
  readonly dpop: { readonly requireNonce: boolean }
  readonly refreshToken: {
    /** How long a rotated refresh token may be presented again, for an answer that was lost. */
    readonly reuseGraceMilliseconds: number
  }
  /** The header in which trusted proxies hand the client's certificate on; without a name there is none. */
  readonly clientCertificateHeader: string | undefined
  /** What is read of what clients name, such as a `jwks_uri`. */
  readonly outbound: { readonly allowPrivateAddresses: boolean }
}

/** `[[oauth.custom_response_type]]`, each name once. */
const responseTypesOf = (draft: Draft) =>
  merged(draft, 'oauth.custom_response_type', draft.settings.oauth.custom_response_type, ({ name }) => name)

/** `[oauth]` and the tables in it. */
export const oauthOf = (draft: Draft): OAuth => {
  const additional = draft.settings.oauth.additional_signing_algorithms
  const {
    token_validation: validity,
    signing_algorithm,
    grant_type,
    dcr,
    dpop,
    outbound,
    mutualtls,
  } = draft.settings.oauth
  return {
    signingAlgorithm: signing_algorithm,
    signingAlgorithms: [
      signing_algorithm,
      ...new Set(additional.filter((algorithm) => algorithm !== signing_algorithm)),
    ],
    tokenValidation: {
      applicationAccessTokenSeconds: validity.app_access_token_validity,
      userAccessTokenSeconds: validity.user_access_token_validity,
      authorizationCodeSeconds: validity.authorization_code_validity,
      refreshTokenSeconds: validity.refresh_token_validity,
      idTokenSeconds: validity.id_token_validity,
    },
    responseTypes: responseTypesOf(draft),
    tokenExchange: {
      enabled: grant_type.token_exchange.enable,
      allowRefreshTokens: grant_type.token_exchange.allow_refresh_tokens,
      delegation: grant_type.token_exchange.delegation,
      iatValiditySeconds: grant_type.token_exchange.iat_validity_period,
    },
    registration: {
      enabled: dcr.enable,
      authenticationRequired: dcr.authentication_required,
      perHour: dcr.registrations_per_hour,
    },
    dpop: { requireNonce: dpop.require_nonce },
    refreshToken: { reuseGraceMilliseconds: grant_type.refresh_token.reuse_grace },
    clientCertificateHeader: mutualtls.client_certificate_header,
    outbound: { allowPrivateAddresses: outbound.allow_private_addresses },
  }
}
