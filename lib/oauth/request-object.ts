/**
 * Request objects (RFC 9101, OpenID Connect Core §6.1): the parameters of an authorization request as a JWT that the
 * client signed with a key it registered. What is inside wins over what is beside it.
 */
import { decodeProtectedHeader, type JWTVerifyGetKey, jwtVerify, UnsecuredJWT } from 'jose'
import type { Application } from '../directory/applications.ts'
import { clientSignatures } from '../directory/client-abilities.ts'
import { OAuthError } from './error.ts'

export interface RequestObjectNeeds {
  /** The `aud` that an object for this server has. */
  readonly issuer: string
  /** The keys that the client registered (`client-keys.ts`). */
  clientKeys(client: Application): Promise<JWTVerifyGetKey>
}

type Parameters = ReadonlyMap<string, string>
type Members = Readonly<Record<string, unknown>>

const invalid = (description: string, cause?: unknown) =>
  new OAuthError('invalid_request_object', description, { cause })

/** `typ` of an object that is made for nothing else, and what those have that say nothing (RFC 9101 §10.8). */
const explicitType = 'oauth-authz-req+jwt'
const plainType = 'jwt'

/** Claims of the JWT itself; they are no parameters. */
const registered = new Set(['iss', 'aud', 'exp', 'nbf', 'iat', 'jti', 'sub'])

/** Clocks of clients differ. */
const leewaySeconds = 30

/** Only where the application says so, and never for one that may ask to act as others. */
const mayBeUnsigned = ({ oidc }: Application) =>
  oidc.requestObject.requestObjectSigningAlg === 'none' &&
  !oidc.validateRequestObjectSignature &&
  !oidc.mayact.requireSignedRequestObject &&
  !oidc.subjectToken.enable

const readHeader = (object: string) => {
  try {
    const { alg, typ } = decodeProtectedHeader(object)
    return { alg: String(alg), typ: typ === undefined ? undefined : String(typ) }
  } catch (cause) {
    throw invalid('The request parameter is not a JWT.', cause)
  }
}

const typeOf = (typ: string | undefined): 'explicit' | 'plain' => {
  const type = (typ ?? plainType).toLowerCase().replace(/^application\//, '')
  if (type === explicitType) return 'explicit'
  if (type === plainType) return 'plain'
  throw invalid('The request object has the typ of another kind of JWT.')
}

/** The claims of the object: signed by the client's own key, with an algorithm that is pinned, for this server. */
const readMembers = async (
  { issuer, clientKeys }: RequestObjectNeeds,
  client: Application,
  object: string,
  now: Date,
): Promise<Members> => {
  const { alg, typ } = readHeader(object)
  const type = typeOf(typ)
  const expected = {
    clockTolerance: leewaySeconds,
    currentDate: now,
  }
  let members: Members
  if (alg === 'none') {
    if (!mayBeUnsigned(client)) {
      throw new OAuthError('request_not_supported', 'Unsigned request objects are not supported here.')
    }
    try {
      members = UnsecuredJWT.decode(object, expected).payload
    } catch (cause) {
      throw invalid('The request object is malformed, expired or not yet valid.', cause)
    }
  } else {
    const wanted = client.oidc.requestObject.requestObjectSigningAlg
    const algorithms = clientSignatures.filter((known) => wanted === undefined || known === wanted)
    try {
      members = (
        await jwtVerify(object, await clientKeys(client), { ...expected, algorithms: [...algorithms] })
      ).payload
    } catch (cause) {
      throw invalid('The request object is not signed by a key of the client, or not valid now.', cause)
    }
  }
  const audience = members.aud === undefined ? [issuer] : [members.aud].flat()
  if (!audience.includes(issuer)) throw invalid('The request object is for another server.')
  if (members.iss !== undefined && members.iss !== client.clientId) {
    throw invalid('The request object has another issuer than the client.')
  }
  // an assertion by which the client authenticates is no request (RFC 9101 §10.8)
  if (type === 'plain' && members.sub === client.clientId) {
    throw invalid('The request object names the client as its subject, as a client assertion does.')
  }
  return members
}

const parameterOf = (name: string, value: unknown): string => {
  if (typeof value === 'string') {
    if (value.includes('\0')) throw invalid('A member of the request object has a NUL character.')
    return value
  }
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  if (name === 'resource' && Array.isArray(value) && value.every((item) => typeof item === 'string')) {
    return value.join(' ')
  }
  if (name === 'claims' && typeof value === 'object' && value !== null) return JSON.stringify(value)
  throw invalid(`The member ${name.replace(/[^\w-]/g, '?').slice(0, 40)} of the request object is malformed.`)
}

/** What says the same inside and beside the object (OpenID Connect Core §6.1, RFC 9101 §5). */
const repeated = ['client_id', 'response_type'] as const

/**
 * The parameters of a request that comes with a request object. What is beside the object counts only in OpenID Connect,
 * and not where the client has to sign its requests (RFC 9101 §6.3). Throws OAuthError.
 */
export const openRequestObject = async (
  needs: RequestObjectNeeds,
  client: Application,
  parameters: Parameters,
  now: Date,
): Promise<Parameters> => {
  const members = await readMembers(needs, client, parameters.get('request') ?? '', now)
  if ('request' in members || 'request_uri' in members) {
    throw invalid('A request object cannot name another one.')
  }
  for (const name of repeated) {
    const [inside, beside] = [members[name], parameters.get(name)]
    if (inside !== undefined && beside !== undefined && inside !== beside) {
      throw invalid(`${name} is another one in the request object than beside it.`)
    }
  }
  const isOpenId = (parameters.get('scope') ?? '').split(/\s+/).includes('openid')
  const merges = isOpenId && !client.oidc.mayact.requireSignedRequestObject
  const result = new Map(merges ? parameters : [['client_id', client.clientId]])
  result.delete('request')
  for (const [name, value] of Object.entries(members)) {
    if (registered.has(name) || value === null) continue
    const text = parameterOf(name, value)
    if (text === '') result.delete(name)
    else result.set(name, text)
  }
  return result
}
