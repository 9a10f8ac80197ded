/**
 * The parameters of an authorization request, however they came: in the open, in a request object (RFC 9101) by value or
 * by reference, or pushed before (RFC 9126). From here on a request is the same whichever way it took, but for what the
 * client demands of it.
 */
import type { Db } from '../database/connect.ts'
import type { Application } from '../directory/applications.ts'
import type { RequestSource } from '../sign-in/interaction.ts'
import { isPushed, takePushedRequest } from '../sign-in/pushed-request.ts'
import { OAuthError } from './error.ts'
import { openRequestObject, type RequestObjectNeeds } from './request-object.ts'
import type { RequestUriReader } from './request-uri.ts'

type Parameters = ReadonlyMap<string, string>

export interface ArrivedRequest {
  readonly parameters: Parameters
  readonly source: RequestSource
}

export interface ArrivalNeeds extends RequestObjectNeeds {
  readonly db: Db
  /** Reads the object that a client registered the address of. */
  readonly readRequestUri: RequestUriReader
}

/** Whether the request is somewhere else, where this server has to read it; what was pushed is here. */
export const isByReference = (parameters: Parameters): boolean => {
  const requestUri = parameters.get('request_uri')
  return requestUri !== undefined && !isPushed(requestUri)
}

const openly: RequestSource = { signed: false, pushed: null }

/** Takes the pushed request that is named; what is beside its name does not count (RFC 9126 §4). */
const takePushed = async (
  db: Db,
  client: Application,
  requestUri: string,
  now: Date,
): Promise<ArrivedRequest> => {
  const pushed = await takePushedRequest(db, client.clientId, requestUri, now)
  if (!pushed) {
    throw new OAuthError(
      'invalid_request_uri',
      'This request is not known here, has expired or was answered already. Go back to the application and start again.',
    )
  }
  return { parameters: pushed.parameters, source: { signed: pushed.signed, pushed: requestUri } }
}

const mustPush = () =>
  new OAuthError('invalid_request', 'This application has to push its authorization requests (RFC 9126).')

/** The same request with its object by value: from there on it is judged as one that came so. */
const fetched = async (
  { readRequestUri }: ArrivalNeeds,
  client: Application,
  parameters: Parameters,
  requestUri: string,
  address: string,
): Promise<Parameters> => {
  // whatever is there would be refused
  if (client.oidc.pushAuthorizationRequest.requirePushAuthorizationRequest) throw mustPush()
  const request = await readRequestUri(client, requestUri, address)
  const byValue = new Map(parameters).set('request', request)
  byValue.delete('request_uri')
  return byValue
}

/**
 * The parameters that count. Throws OAuthError for a request object or a `request_uri` that is not good. `address` is
 * where the request came from.
 */
export const arrivedRequest = async (
  needs: ArrivalNeeds,
  client: Application,
  parameters: Parameters,
  address: string,
  now: Date,
): Promise<ArrivedRequest> => {
  const requestUri = parameters.get('request_uri')
  if (requestUri !== undefined && parameters.has('request')) {
    throw new OAuthError('invalid_request', 'request and request_uri cannot be used together.')
  }
  if (requestUri !== undefined && isPushed(requestUri)) return takePushed(needs.db, client, requestUri, now)
  const byValue =
    requestUri === undefined ? parameters : await fetched(needs, client, parameters, requestUri, address)
  if (!byValue.has('request')) return { parameters, source: openly }
  const opened = await openRequestObject(needs, client, byValue, now)
  return { parameters: opened, source: { ...openly, signed: true } }
}

/** What a client demands of the way its requests come. Throws OAuthError. */
export const checkSource = ({ oidc }: Application, parameters: Parameters, source: RequestSource): void => {
  const invalid = (description: string) => new OAuthError('invalid_request', description)
  if (oidc.pushAuthorizationRequest.requirePushAuthorizationRequest && source.pushed === null) {
    throw mustPush()
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
