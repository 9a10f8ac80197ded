import type { Draft } from './draft.ts'
import { merged } from './repeats.ts'
import type { Settings } from './schema.ts'

/** A `[[oauth.custom_response_type]]`; class and validator are the Java names of the original product. */
export interface ResponseType {
  readonly name: string
  readonly class: string
  readonly validator: string
}

export interface OAuth {
  readonly signingAlgorithm: Settings['oauth']['signing_algorithm']
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
  /** What is read of what clients name, such as a `jwks_uri`. */
  readonly outbound: { readonly allowPrivateAddresses: boolean }
}

/** `[[oauth.custom_response_type]]`, each name once. */
const responseTypesOf = (draft: Draft) =>
  merged(draft, 'oauth.custom_response_type', draft.settings.oauth.custom_response_type, ({ name }) => name)

/** `[oauth]` and the tables in it. */
export const oauthOf = (draft: Draft): OAuth => {
  const { token_validation: validity, signing_algorithm, grant_type, dcr, outbound } = draft.settings.oauth
  return {
    signingAlgorithm: signing_algorithm,
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
      iatValiditySeconds: grant_type.token_exchange.iat_validity_period,
    },
    registration: {
      enabled: dcr.enable,
      authenticationRequired: dcr.authentication_required,
      perHour: dcr.registrations_per_hour,
    },
    outbound: { allowPrivateAddresses: outbound.allow_private_addresses },
  }
}
