/** What is refused of an OpenIDConnectConfiguration as a whole, and what is stored of it. */
import type { Settings } from '../../directory/application-records.ts'
import { callbackProblem } from '../../directory/callback-url.ts'
import { registrableResponses, responseTypeName } from '../../directory/client-abilities.ts'
import { originProblem } from '../../directory/web-url.ts'
import type { OAuth } from './oauth-schema.ts'
import { invalidHybrid, invalidOAuth } from './problem.ts'

/** The grant types an application can have, as they are shown; which this server offers is the token endpoint's matter. */
export const grantTypeNames: Readonly<Record<string, string>> = {
  authorization_code: 'Code',
  implicit: 'Implicit',
  password: 'Password',
  client_credentials: 'Client Credential',
  refresh_token: 'Refresh Token',
  organization_switch: 'Organization Switch',
  'urn:ietf:params:oauth:grant-type:token-exchange': 'Token Exchange',
  'urn:ietf:params:oauth:grant-type:device_code': 'Device Code',
  'urn:ietf:params:oauth:grant-type:jwt-bearer': 'JWT Bearer',
  'urn:ietf:params:oauth:grant-type:saml2-bearer': 'SAML2',
  'iwa:ntlm': 'IWA NTLM',
  account_switch: 'Account Switch',
  'urn:openid:params:grant-type:ciba': 'CIBA',
}

const grantTypes: ReadonlySet<string> = new Set(Object.keys(grantTypeNames))

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
  { callbackURLs, grantTypes: grants, subjectToken, mayact }: OAuth,
  allowRegexp: boolean,
): void => {
  const [callback, ...more] = callbackURLs
  if (more.length > 0) {
    throw invalidOAuth('Only one callback URL can be registered; several go into regexp=(A|B).')
  }
  if (callback === undefined) {
    if (mayact?.redirectUris?.length) return
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
  /** What this server signs with: no other algorithm can be asked for. */
  readonly signingAlgorithms: readonly string[]
}

/** Hybrid response types need the switch, and the switch needs to say which. Throws `Problem`. */
const checkHybrid = ({ hybridFlow: { enable, responseType } }: OAuth): void => {
  if (!enable) return
  const types = (responseType ?? '').split(',').map((type) => responseTypeName(type.trim()))
  if (responseType === undefined)
    throw invalidHybrid('APP-60517', 'The hybrid flow is enabled without a responseType.')
  if (!types.every((type) => type.startsWith('code ') && registrableResponses.has(type)))
    throw invalidHybrid('APP-60518', `The hybrid flow has an unknown responseType: ${responseType}.`)
}

/** What each setting alone cannot show. Throws `Problem`. */
const checkSettings = (written: OAuth, { signingAlgorithms }: OAuthRules): void => {
  const { idToken, mayact = {}, clientAuthentication, requestObject } = written
  for (const origin of written.allowedOrigins) {
    const problem = originProblem(origin)
    if (problem !== undefined) throw invalidOAuth(`The allowed origin ${problem}.`)
  }
  checkHybrid(written)
  const algorithms = {
    'idToken.idTokenSignedResponseAlg': idToken.idTokenSignedResponseAlg,
    'mayact.userinfoSignedResponseAlg': mayact.userinfoSignedResponseAlg,
    'mayact.introspectionSignedResponseAlg': mayact.introspectionSignedResponseAlg,
    'mayact.authorizationSignedResponseAlg': mayact.authorizationSignedResponseAlg,
  }
  for (const [name, algorithm] of Object.entries(algorithms)) {
    if (algorithm !== undefined && !signingAlgorithms.includes(algorithm))
      throw invalidOAuth(`${name}: this server signs with ${signingAlgorithms.join(', ')} only.`)
  }
  // a client that waits for something encrypted must not get it in clear
  if (idToken.encryption.enabled || requestObject?.encryption?.enabled)
    throw invalidOAuth('Encrypted ID tokens and request objects are not supported.')
  const method = clientAuthentication?.tokenEndpointAuthMethod
  if (method !== undefined && method !== 'none' && written.publicClient)
    throw invalidOAuth(`A public client cannot authenticate by ${method}.`)
  if (method === 'none' && !written.publicClient)
    throw invalidOAuth('A client that does not authenticate is a public client: set publicClient.')
  if (mayact.jwks && mayact.jwksUri !== undefined)
    throw invalidOAuth('mayact.jwks and mayact.jwksUri exclude each other (RFC 7591 §2).')
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
  checkSettings(written, rules)
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
