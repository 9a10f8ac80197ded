/**
 * The parameters of an authorization request, however they came: in the open, in a request object (RFC 9101), or pushed
 * before (RFC 9126). From here on a request is the same whichever way it took, but for what the client demands of it.
 */
import type { Db } from '../database/connect.ts'
import type { Application } from '../directory/applications.ts'
import type { RequestSource } from '../sign-in/interaction.ts'
import { isPushed, takePushedRequest } from '../sign-in/pushed-request.ts'
import { OAuthError } from './error.ts'
import { openRequestObject, type RequestObjectNeeds } from './request-object.ts'

type Parameters = ReadonlyMap<string, string>

export interface ArrivedRequest {
  readonly parameters: Parameters
  readonly source: RequestSource
}

const openly: RequestSource = { signed: false, pushed: null }

/** Takes the pushed request that is named; what is beside its name does not count (RFC 9126 §4). */
const takePushed = async (
  db: Db,
  client: Application,
  parameters: Parameters,
  requestUri: string,
  now: Date,
): Promise<ArrivedRequest> => {
  if (!isPushed(requestUri)) {
    throw new OAuthError('request_uri_not_supported', 'The request_uri parameter is not supported.')
  }
  if (parameters.has('request')) {
    throw new OAuthError('invalid_request', 'request and request_uri cannot be used together.')
  }
  const pushed = await takePushedRequest(db, client.clientId, requestUri, now)
  if (!pushed) {
    throw new OAuthError(
      'invalid_request_uri',
      'This request is not known here, has expired or was answered already. Go back to the application and start again.',
    )
  }
  return { parameters: pushed.parameters, source: { signed: pushed.signed, pushed: requestUri } }
}

/** The parameters that count. Throws OAuthError for a request object or a `request_uri` that is not good. */
export const arrivedRequest = async (
  needs: RequestObjectNeeds & { readonly db: Db },
  client: Application,
  parameters: Parameters,
  now: Date,
): Promise<ArrivedRequest> => {
  const requestUri = parameters.get('request_uri')
  if (requestUri !== undefined) return takePushed(needs.db, client, parameters, requestUri, now)
  if (!parameters.has('request')) return { parameters, source: openly }
  const opened = await openRequestObject(needs, client, parameters, now)
  return { parameters: opened, source: { ...openly, signed: true } }
}

/** What a client demands of the way its requests come. Throws OAuthError. */
export const checkSource = ({ oidc }: Application, parameters: Parameters, source: RequestSource): void => {
  const invalid = (description: string) => new OAuthError('invalid_request', description)
  if (oidc.pushAuthorizationRequest.requirePushAuthorizationRequest && source.pushed === null) {
    throw invalid('This application has to push its authorization requests (RFC 9126).')
  }
  if (oidc.mayact.requireSignedRequestObject && !source.signed) {
    throw invalid('This application has to sign its authorization requests (RFC 9101).')
  }
  if (
    oidc.mayact.requestedSubjectByParOnly &&
    parameters.has('requested_subject') &&
    source.pushed === null
  ) {
    throw invalid('This application names the requested_subject in pushed authorization requests only.')
  }
}
