/** The OpenIDConnectConfiguration: its defaults and what is refused of it. Unknown settings are kept. */
import * as z from 'zod'
import type { Settings } from '../../directory/application-records.ts'
import { callbackProblem } from '../../directory/callback-url.ts'
import { invalidOAuth, notSupported } from './problem.ts'

/** The grant types an application can have; which of them this server offers is the token endpoint's matter. */
const grantTypes: ReadonlySet<string> = new Set([
  'authorization_code',
  'implicit',
  'password',
  'client_credentials',
  'refresh_token',
  'organization_switch',
  'urn:ietf:params:oauth:grant-type:token-exchange',
  'urn:ietf:params:oauth:grant-type:device_code',
  'urn:ietf:params:oauth:grant-type:jwt-bearer',
  'urn:ietf:params:oauth:grant-type:saml2-bearer',
  'iwa:ntlm',
  'account_switch',
  'urn:openid:params:grant-type:ciba',
])

const flag = z.boolean().default(false)
const texts = z.array(z.string()).default([])

/** Zero and less mean the usual length. */
const seconds = (largest = 2_147_483_647) =>
  z
    .int()
    .max(largest)
    .optional()
    .transform((value) => (value !== undefined && value > 0 ? value : undefined))

/** VSCHAR of RFC 6749, appendix A; an empty one counts as absent. */
const credential = z
  .string()
  .regex(/^[\x20-\x7e]{0,255}$/, 'must be at most 255 printable ASCII characters')
  .optional()
  .transform((value) => value || undefined)

const accessToken = z.looseObject({
  type: z.enum(['Default', 'JWT']).default('Default'),
  userAccessTokenExpiryInSeconds: seconds(),
  applicationAccessTokenExpiryInSeconds: seconds(),
})
const refreshToken = z.looseObject({
  expiryInSeconds: seconds(),
  renewRefreshToken: z.boolean().default(true),
})
const idToken = z.looseObject({
  expiryInSeconds: seconds(),
  audience: texts,
  encryption: z.looseObject({ enabled: flag }).prefault({}),
})

export const oauthSchema = z.looseObject({
  clientId: credential,
  clientSecret: credential,
  grantTypes: z.array(z.string()).min(1),
  callbackURLs: texts,
  allowedOrigins: texts,
  publicClient: flag,
  pkce: z.looseObject({ mandatory: flag, supportPlainTransformAlgorithm: flag }).prefault({}),
  hybridFlow: z.looseObject({ enable: flag }).prefault({}),
  accessToken: accessToken.prefault({}),
  refreshToken: refreshToken.prefault({}),
  subjectToken: z
    .looseObject({ enable: flag, applicationSubjectTokenExpiryInSeconds: seconds(2_147_483) })
    .prefault({}),
  idToken: idToken.prefault({}),
  logout: z.looseObject({ backChannelLogoutUrl: z.string().optional() }).prefault({}),
  validateRequestObjectSignature: flag,
  scopeValidators: texts,
})

type OAuth = z.output<typeof oauthSchema>

/** How long the tokens of an application live that says nothing about it, in seconds. */
export interface Lifetimes {
  readonly userAccessTokenSeconds: number
  readonly applicationAccessTokenSeconds: number
  readonly refreshTokenSeconds: number
  readonly idTokenSeconds: number
}

/** Three minutes: what a subject token lives where the application says nothing. */
const subjectTokenSeconds = 180

const redirectingGrants = ['authorization_code', 'implicit']

/** One callback of an accepted form; the grants that come back to the client need it. Throws `Problem`. */
const checkCallbacks = (
  { callbackURLs, grantTypes: grants, subjectToken }: OAuth,
  allowRegexp: boolean,
): void => {
  const [callback, ...more] = callbackURLs
  if (more.length > 0) {
    throw notSupported('Only one callback URL can be registered; several go into regexp=(A|B).', 'APP-65003')
  }
  if (callback === undefined) {
    if (!grants.some((grant) => redirectingGrants.includes(grant))) return
    throw invalidOAuth(`The grant types ${redirectingGrants.join(', ')} need a callback URL.`)
  }
  const problem = callbackProblem(callback, { subjectToken: subjectToken.enable, allowRegexp })
  if (problem !== undefined) throw invalidOAuth(`The callback URL ${problem}.`)
}

/** What the deployment says about every application. */
export interface OAuthRules {
  readonly lifetimes: Lifetimes
  /** `regexp=` callbacks beside subject tokens. */
  readonly allowRegexpCallbacks: boolean
  /** Grant types that are not among the known ones: those of plugins. */
  readonly furtherGrantTypes?: readonly string[]
}

/** The settings with every length of time filled in, and without what is not among them. */
const complete = (written: OAuth, lifetimes: Lifetimes): Settings => {
  const { accessToken, refreshToken, idToken, subjectToken, grantTypes: grants } = written
  // id and secret have columns of their own, the state is the server's
  const { clientId: _id, clientSecret: _secret, state: _state, ...settings } = written
  return {
    ...settings,
    grantTypes: [...new Set(grants)],
    accessToken: {
      ...accessToken,
      userAccessTokenExpiryInSeconds:
        accessToken.userAccessTokenExpiryInSeconds ?? lifetimes.userAccessTokenSeconds,
      applicationAccessTokenExpiryInSeconds:
        accessToken.applicationAccessTokenExpiryInSeconds ?? lifetimes.applicationAccessTokenSeconds,
    },
    refreshToken: {
      ...refreshToken,
      expiryInSeconds: refreshToken.expiryInSeconds ?? lifetimes.refreshTokenSeconds,
    },
    idToken: { ...idToken, expiryInSeconds: idToken.expiryInSeconds ?? lifetimes.idTokenSeconds },
    subjectToken: {
      ...subjectToken,
      applicationSubjectTokenExpiryInSeconds:
        subjectToken.applicationSubjectTokenExpiryInSeconds ?? subjectTokenSeconds,
    },
  }
}

/** Checks what a client wrote and takes id and secret out of what is stored. Throws `Problem`. */
export const settingsOf = (written: OAuth, rules: OAuthRules) => {
  const further = new Set(rules.furtherGrantTypes)
  const unknown = written.grantTypes.filter((grant) => !grantTypes.has(grant) && !further.has(grant))
  if (unknown.length > 0) throw invalidOAuth(`Unknown grant types: ${unknown.join(', ')}.`)
  checkCallbacks(written, rules.allowRegexpCallbacks)
  const { clientId, clientSecret } = written
  return { clientId, clientSecret, settings: complete(written, rules.lifetimes) }
}

/** An id or a secret in WSO2's form: 28 characters, 167 bits of them random. */
export const newCredential = (): string =>
  Buffer.from(crypto.getRandomValues(new Uint8Array(21)))
    .toString('base64url')
    .replaceAll('-', 'f')

/** The OpenIDConnectConfiguration as it is answered. */
export const renderOAuth = (
  settings: Settings,
  {
    clientId,
    clientSecret,
    revoked,
  }: { clientId: string; clientSecret: string | undefined; revoked: boolean },
) => ({ ...settings, clientId, clientSecret, state: revoked ? 'REVOKED' : 'ACTIVE' })
