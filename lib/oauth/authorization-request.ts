/**
 * Reads an authorization request in the order of facts/impersonation.md §1.2: first what decides where an answer may
 * go at all (else it stays on a page of ours), then everything that is answered there.
 */
import { readRevision } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { type Application, findClient } from '../directory/applications.ts'
import { OAuthError } from './error.ts'
import { readChallenge } from './pkce.ts'
import { matchesRedirectUri, type RedirectRules } from './redirect-uri.ts'
import { isAllowedMode, type ModeRules, modeOf, type ResponseMode } from './response-mode.ts'
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

/** A client and a redirect URI of its own: from here on answers go there. */
export interface Place {
  readonly client: Application
  readonly revision: number
  readonly redirectUri: string
  readonly mode: ResponseMode
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

/** Throws PageProblem. */
export const findPlace = async (
  { db, rules, responseTypes }: ReadNeeds,
  parameters: ReadonlyMap<string, string>,
): Promise<Place> => {
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
  const redirectUri = parameters.get('redirect_uri')
  const registered = client.oidc.callbackURLs[0]
  if (
    redirectUri === undefined ||
    registered === undefined ||
    !matchesRedirectUri(redirectUri, registered, rules)
  ) {
    const message = 'The redirect_uri of the request is not the one that is registered for the application.'
    throw new PageProblem('invalid_callback', message)
  }
  const type = parameters.get('response_type') ?? ''
  const mode = modeOf(type, parameters.get('response_mode'), rules, responseTypes.has(type))
  return { client, revision, redirectUri, mode, state: parameters.get('state') }
}

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

/** What would change the request if it were understood must not be ignored. */
const unsupported = [
  ['request', 'request_not_supported'],
  ['request_uri', 'request_uri_not_supported'],
  ['registration', 'registration_not_supported'],
] as const

/** Throws OAuthError, to be answered at the place. */
export const checkRequest = (
  { responseTypes, rules }: ReadNeeds,
  { client, revision, redirectUri }: Place,
  parameters: ReadonlyMap<string, string>,
): CheckedRequest => {
  if (client.oidc.grantTypes.length === 0) {
    const description = 'The authenticated client is not authorized to use this authorization grant type'
    throw new OAuthError('unauthorized_client', description)
  }
  for (const [name, code] of unsupported) {
    if (parameters.has(name)) throw new OAuthError(code, `The ${name} parameter is not supported.`)
  }
  const name = parameters.get('response_type')
  if (name === undefined) throw new OAuthError('invalid_request', 'Missing response_type parameter value')
  const type = responseTypes.get(name)
  if (!type) throw new OAuthError('unsupported_response_type', 'Unsupported Response Type!')
  if (!isAllowedMode(name, parameters.get('response_mode'), rules)) {
    throw new OAuthError('invalid_request', 'Unsupported response_mode for this response_type.')
  }
  type.check(parameters)
  const codeChallenge = readChallenge(parameters, client)
  const prompt = readPrompt(parameters.get('prompt'))
  if (answersWithIdToken(name) && !parameters.has('nonce')) {
    const description = "'response_type' contains 'id_token'; but 'nonce' parameter not found"
    throw new OAuthError('invalid_request', description)
  }
  const maxAge = readMaxAge(parameters.get('max_age'))
  const scopes = parseScope(parameters.get('scope'))
  if (!scopes) throw new OAuthError('invalid_scope', 'Scope validation failed.')
  return {
    parameters,
    client,
    revision,
    type,
    scopes,
    codeChallenge,
    confirmation: null,
    redirectUri,
    prompt,
    maxAge,
  }
}
