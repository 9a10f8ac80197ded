/** The parameters of a logout request (OpenID Connect RP-Initiated Logout 1.0 §2), checked before anything is done. */
import { readRevision } from '../database/commit.ts'
import { type Application, findClient } from '../directory/applications.ts'
import { PageProblem } from './authorization-request.ts'
import { type HintNeeds, type IdTokenHint, readIdTokenHint } from './id-token-hint.ts'
import { matchesRedirectUri } from './redirect-uri.ts'

export interface LogoutRequest {
  /** The application that asks, by the hint or by `client_id`. */
  readonly client: Application | undefined
  readonly hint: IdTokenHint | undefined
  /** Where the browser goes when all is done, `state` included; undefined for our own page. */
  readonly returnTo: string | undefined
}

/** Longer than any client id: it is not looked up, nor remembered as unknown. */
const longestClientId = 255

/** No browser may be sent to what runs in our own origin. */
const isScript = (uri: string) => /^(javascript|data|vbscript|blob|file):/i.test(uri)

/**
 * Whether the application has registered the address for the return from a logout. One that WSO2's API made and that
 * names none may use its callback URLs, as in WSO2, whose model has no others; a client that registered itself may not.
 */
const mayReturnTo = ({ oidc, logoutReturnUrl, dynamic }: Application, uri: string): boolean => {
  if (isScript(uri) || !URL.canParse(uri)) return false
  const registered = [...oidc.mayact.postLogoutRedirectUris, ...(logoutReturnUrl ? [logoutReturnUrl] : [])]
  if (registered.length > 0 || dynamic) return registered.includes(uri)
  return oidc.callbackURLs.some((callback) => matchesRedirectUri(uri, callback, { allowRegexp: true }))
}

/** The URI to the letter, with `state` behind what query it has. */
const withState = (uri: string, state: string | undefined): string => {
  if (state === undefined) return uri
  const [address = '', ...fragment] = uri.split('#')
  const query = `${address.includes('?') ? '&' : '?'}state=${encodeURIComponent(state)}`
  return [`${address}${query}`, ...fragment].join('#')
}

const refuse = (message: string): never => {
  throw new PageProblem('invalid_request', message)
}

/**
 * Reads a request. Throws PageProblem for an ID token that is not ours, a client that is not the token's, and an
 * address that is not registered: then nobody is signed out and nobody is sent anywhere.
 */
export const readLogoutRequest = async (
  needs: HintNeeds,
  parameters: ReadonlyMap<string, string>,
  now: Date,
): Promise<LogoutRequest> => {
  const hintValue = parameters.get('id_token_hint')
  const hint = hintValue === undefined ? undefined : await readIdTokenHint(needs, hintValue, now)
  if (hintValue !== undefined && !hint) refuse('The id_token_hint is not an ID token of this server.')
  const clientId = parameters.get('client_id')
  if (hint && clientId !== undefined && clientId !== hint.clientId) {
    refuse('The id_token_hint was issued to another client.')
  }
  if (clientId !== undefined && clientId.length > longestClientId) refuse('The client_id is not known.')
  const named = hint?.clientId ?? clientId
  const client =
    named === undefined ? undefined : await findClient(needs.db, await readRevision(needs.db), named)
  if (clientId !== undefined && !client) refuse('The client_id is not known.')
  const uri = parameters.get('post_logout_redirect_uri')
  if (uri === undefined) return { client, hint, returnTo: undefined }
  if (!client?.active || !mayReturnTo(client, uri)) {
    refuse('The post_logout_redirect_uri is not registered for the application.')
  }
  return { client, hint, returnTo: withState(uri, parameters.get('state')) }
}
