/**
 * Reads an authorization request in the order of facts/impersonation.md §1.2: first what decides where an answer may
 * go at all (else it stays on a page of ours), then everything that is answered there.
 */
import { readRevision } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { type Application, findClient } from '../directory/applications.ts'
import { onlyRedirectUriOf } from '../directory/callback-url.ts'
import type { RequestSource } from '../sign-in/interaction.ts'
import type { Confirmation } from '../tokens/token.ts'
import { checkContext } from './authentication-context.ts'
import { checkSource } from './authorization-parameters.ts'
import { readClaims } from './claims-parameter.ts'
import { OAuthError } from './error.ts'
import { readChallenge } from './pkce.ts'
import { isRedirectUriOf, type RedirectRules } from './redirect-uri.ts'
import { readResources } from './resource.ts'
import { type Delivery, deliveryOf, isAllowedMode, type ModeRules } from './response-mode.ts'
import { findResponseType } from './response-types/registry.ts'
import {
  type AuthorizationRequest,
  answersWithIdToken,
  type ResponseType,
} from './response-types/response-type.ts'
import { parseScope } from './scope.ts'

/** What must never be redirected: it is told on a page of ours. */
export class PageProblem extends Error {
  override readonly name = 'PageProblem'
  readonly code: string
  readonly status: number
  constructor(code: string, message: string, status = 400) {
    super(message)
    this.code = code
    this.status = status
  }
}

/** A client as of a revision. */
export interface KnownClient {
  readonly client: Application
  readonly revision: number
}

/** A client and a redirect URI of its own: from here on answers go there. */
export interface Place extends KnownClient, Delivery {
  readonly redirectUri: string
  /** False where the request left it to the only registered one. */
  readonly namesRedirectUri: boolean
  readonly state: string | undefined
}

export interface ReadNeeds {
  readonly db: Db
  readonly responseTypes: ReadonlyMap<string, ResponseType>
  readonly rules: RedirectRules & ModeRules
}

export interface CheckedRequest extends AuthorizationRequest {
  readonly type: ResponseType
  readonly prompt: ReadonlySet<string>
  /** Seconds since the sign-in that are still good enough. */
  readonly maxAge: number | undefined
}

/** Longer than any client id: it is neither looked up, nor remembered as unknown, nor shown. */
const longestClientId = 255

type Parameters = ReadonlyMap<string, string>

/** Who asks. Throws PageProblem. */
export const findAskingClient = async (db: Db, parameters: Parameters): Promise<KnownClient> => {
  const clientId = parameters.get('client_id')
  if (clientId === undefined) throw new PageProblem('invalid_request', 'The client_id parameter is missing.')
  const isTooLong = clientId.length > longestClientId
  const revision = await readRevision(db)
  const client = isTooLong ? undefined : await findClient(db, revision, clientId)
  if (!client) {
    const shown = isTooLong ? 'a value that is too long' : clientId
    throw new PageProblem('invalid_client', `A valid OAuth client could not be found for client_id: ${shown}`)
  }
  if (!client.active) throw new PageProblem('invalid_client', 'Oauth application is not in active state')
  return { client, revision }
}

const words = (value: string | undefined) => (value ?? '').split(/\s+/)

/** An OAuth request may leave it to the only registered one; OpenID Connect and impersonation have to name it. */
const impliedRedirectUri = (client: Application, parameters: Parameters): string | undefined =>
  words(parameters.get('scope')).includes('openid') ||
  words(parameters.get('response_type')).includes('subject_token')
    ? undefined
    : onlyRedirectUriOf(client)

/** Where answers to this client go. Throws PageProblem. */
export const placeOf = (
  { rules, responseTypes }: Pick<ReadNeeds, 'rules' | 'responseTypes'>,
  { client, revision }: KnownClient,
  parameters: Parameters,
): Place => {
  const named = parameters.get('redirect_uri')
  const redirectUri = named ?? impliedRedirectUri(client, parameters)
  const type = parameters.get('response_type') ?? ''
  // what an application without subject tokens may register, it may use (design.md §7, invariant 16)
  const allowRegexp =
    rules.allowRegexp || !(client.oidc.subjectToken.enable || words(type).includes('subject_token'))
  if (redirectUri === undefined || !isRedirectUriOf(client, redirectUri, { allowRegexp })) {
    const message = 'The redirect_uri of the request is not the one that is registered for the application.'
    throw new PageProblem('invalid_callback', message)
  }
  const isOurs = findResponseType(responseTypes, type) !== undefined
  const delivery = deliveryOf(type, parameters.get('response_mode'), rules, isOurs)
  const state = parameters.get('state')
  return { client, revision, redirectUri, namesRedirectUri: named !== undefined, ...delivery, state }
}

/** Both together. Throws PageProblem. */
export const findPlace = async (needs: ReadNeeds, parameters: Parameters): Promise<Place> =>
  placeOf(needs, await findAskingClient(needs.db, parameters), parameters)

const prompts = new Set(['none', 'login', 'consent', 'select_account'])

const readPrompt = (value: string | undefined): ReadonlySet<string> => {
  const prompt = new Set((value ?? '').split(' ').filter((word) => word !== ''))
  if ([...prompt].some((word) => !prompts.has(word)) || (prompt.has('none') && prompt.size > 1)) {
    throw new OAuthError('invalid_request', 'Invalid prompt variable value found.')
  }
  return prompt
}

const readMaxAge = (value: string | undefined): number | undefined => {
  if (value === undefined) return undefined
  if (/^\d{1,9}$/.test(value)) return Number(value)
  throw new OAuthError('invalid_request', 'max_age is not a number of seconds.')
}

/** The key that what is given is bound to (RFC 9449 §10). */
const readConfirmation = (value: string | undefined): Confirmation | null => {
  if (value === undefined) return null
  if (/^[\w-]{43}$/.test(value)) return { jkt: value }
  throw new OAuthError('invalid_request', 'dpop_jkt is not the thumbprint of a key.')
}

/** Tokens of this client are bound to a key, and one that comes through the browser is bound by `dpop_jkt` alone. */
const checkBinding = ({ oidc }: Application, name: string, confirmation: Confirmation | null): void => {
  if (!oidc.mayact.dpopBoundAccessTokens || confirmation || !name.split(' ').includes('token')) return
  throw new OAuthError(
    'invalid_request',
    'Tokens of this application are bound to a key: dpop_jkt is missing.',
  )
}

/** Throws OAuthError, to be answered at the place. */
export const checkRequest = (
  { responseTypes, rules }: ReadNeeds,
  { client, revision, redirectUri, namesRedirectUri }: Place,
  parameters: Parameters,
  source: RequestSource,
): CheckedRequest => {
  if (client.oidc.grantTypes.length === 0) {
    const description = 'The authenticated client is not authorized to use this authorization grant type'
    throw new OAuthError('unauthorized_client', description)
  }
  // what would change the request if it were understood must not be ignored
  if (parameters.has('registration')) {
    throw new OAuthError('registration_not_supported', 'The registration parameter is not supported.')
  }
  checkSource(client, parameters, source)
  const name = parameters.get('response_type')
  if (name === undefined) throw new OAuthError('invalid_request', 'Missing response_type parameter value')
  const type = findResponseType(responseTypes, name)
  if (!type) throw new OAuthError('unsupported_response_type', 'Unsupported Response Type!')
  if (!isAllowedMode(name, parameters.get('response_mode'), rules)) {
    throw new OAuthError('invalid_request', 'Unsupported response_mode for this response_type.')
  }
  if (!type.mayBeUsedBy(client)) {
    throw new OAuthError('unauthorized_client', 'The application may not use this response_type.')
  }
  type.check(parameters)
  const codeChallenge = readChallenge(parameters, client, type.name)
  const prompt = readPrompt(parameters.get('prompt'))
  if (answersWithIdToken(name) && !parameters.has('nonce')) {
    const description = "'response_type' contains 'id_token'; but 'nonce' parameter not found"
    throw new OAuthError('invalid_request', description)
  }
  const maxAge = readMaxAge(parameters.get('max_age'))
  const scopes = parseScope(parameters.get('scope'))
  if (!scopes) throw new OAuthError('invalid_scope', 'Scope validation failed.')
  const claims = readClaims(parameters.get('claims'))
  checkContext(claims)
  const confirmation = readConfirmation(parameters.get('dpop_jkt'))
  checkBinding(client, name, confirmation)
  const resources = readResources(parameters.get('resource'), client)
  return {
    parameters,
    client,
    revision,
    type,
    scopes,
    codeChallenge,
    confirmation,
    redirectUri,
    namesRedirectUri,
    resources,
    claims,
    prompt,
    maxAge: maxAge ?? client.oidc.mayact.defaultMaxAge ?? undefined,
  }
}
