/** The refusals of API resources and scopes in WSO2's codes; some codes mean one thing of its REST door and one of its core. */
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type { ApiResourceRefusal } from '../../directory/api-resource-changes.ts'
import { mostScopes } from '../../directory/scope-refusals.ts'
import { invalidRequest, Problem } from '../problem.ts'

const refusal = (status: ContentfulStatusCode, code: string, message: string, description: string) =>
  new Problem({ status, code: `API-RESOURCE-${code}`, message, description })

/** The list cannot be given as it was asked for: 400. */
export const unreadable = (code: '60001' | '60002' | '60007' | '60010' | '60011' | '60013', why: string) =>
  refusal(400, code, 'Unable to retrieve API resources.', why)

export const notFound = (id: string) =>
  refusal(
    404,
    '60002',
    'Unable to find the API resource.',
    `Unable to find the API resource with the id: ${id} in the tenant domain.`,
  )

/** What must be there is blank: 400. */
export const blank = (code: '60003' | '60004' | '60005', what: string) =>
  refusal(400, code, `Invalid ${what} provided.`, `${what} is required.`)

export const noSuchScope = (by: 'name' | 'id', value: string) =>
  refusal(
    404,
    by === 'name' ? '60005' : '60017',
    'Unable to find the scope.',
    `The API resource has no scope with the ${by}: ${value}.`,
  )

export const systemApi = () =>
  refusal(
    403,
    '60012',
    'Cannot modify or delete System APIs.',
    'The API resource belongs to the server or to its deployment.toml.',
  )

export const removedScopesRefused = () =>
  refusal(
    501,
    '60006',
    'Removing scopes is not supported here.',
    'DELETE the scope, or PUT the scopes that shall remain.',
  )

export const noSuchCollection = (id: string) =>
  refusal(
    404,
    '60014',
    'Unable to find the API resource collection.',
    `Unable to find the API resource collection with the id: ${id} in the tenant domain.`,
  )

export const noSuchDetailsType = (id: string) =>
  refusal(
    404,
    '60015',
    'Unable to find the authorization details type.',
    `There is no authorization details type with the id: ${id}.`,
  )

/** Rich authorization requests (RFC 9396) are not here, so no type of them can be made. */
export const noDetailsTypes = () =>
  new Problem({
    status: 400,
    code: 'UE-10000',
    message: 'Authorization details types are not supported.',
    description: 'This server has no rich authorization requests (RFC 9396): leave the types out.',
  })

const uncreated = 'Unable to add API resource.'

/** What the directory refused. */
export const refusedBy = (refused: ApiResourceRefusal, identifier = ''): Problem => {
  switch (refused.refused) {
    case 'identifier-taken':
      return refusal(409, '60003', uncreated, `API resource already exists for the tenant: ${identifier}.`)
    case 'identifier-reserved':
      return refusal(400, '60007', 'Invalid identifier.', `The identifier ${identifier} is reserved.`)
    case 'scope-form':
      return refusal(
        400,
        '60005',
        'Invalid scope name provided.',
        `The scope name ${refused.scope} has characters that no scope has (RFC 6749 §3.3).`,
      )
    case 'scope-reserved':
      return refusal(
        400,
        '60008',
        'Restricted scope name provided.',
        `The scope name ${refused.scope} is reserved for the server's own permissions.`,
      )
    case 'scope-of-openid':
      return refusal(
        400,
        '60009',
        'Existing OIDC scope name provided.',
        `The scope name ${refused.scope} is a scope of OpenID Connect.`,
      )
    case 'scope-taken':
      return refusal(409, '60004', 'Unable to add scopes.', `Scope already exists: ${refused.scope}.`)
    case 'too-many-scopes':
      return invalidRequest(`An API resource has at most ${mostScopes} scopes.`)
  }
}
