/** What the OpenAPI document says of the API resources that an application is authorized for. */
import * as z from 'zod'
import type { Describe } from '../../access/operation.ts'
import { done, refusals, tag, unknownApplication } from './answers.ts'
import { authorization, authorizationChange } from './authorized-apis.ts'

export const list: Describe = () => ({
  id: 'listAuthorizedApis',
  summary: 'The API resources that an application is authorized for',
  tag,
  conditional: true,
  answers: {
    200: {
      description: 'All of them.',
      schema: z.array(
        z.strictObject({
          id: z.string(),
          identifier: z.string(),
          displayName: z.string(),
          policyId: z.enum(['RBAC', 'NO POLICY']),
          type: z.string(),
          authorizedScopes: z.array(
            z.strictObject({ id: z.string(), name: z.string(), displayName: z.string() }),
          ),
          authorizedAuthorizationDetailsTypes: z.array(z.never()),
        }),
      ),
      headers: ['ETag'],
    },
    ...refusals(unknownApplication),
  },
})

export const authorize: Describe = () => ({
  id: 'authorizeApi',
  summary: 'Authorize an application for an API resource',
  tag,
  nulls: 'absent',
  body: authorization.omit({ authorizationDetailsTypes: true }),
  answers: {
    200: done('Authorized.'),
    ...refusals({
      ...unknownApplication,
      400: 'UE-10000, APP-60507, APP-60508, APP-60511, APP-60512',
      403: 'APP-60520',
      409: 'APP-60509',
    }),
  },
})

export const change: Describe = () => ({
  id: 'updateAuthorizedApi',
  summary: 'Add and remove scopes of an API resource that an application is authorized for',
  tag,
  conditional: true,
  nulls: 'absent',
  body: authorizationChange.omit({
    addedAuthorizationDetailsTypes: true,
    removedAuthorizationDetailsTypes: true,
  }),
  answers: {
    200: done('Changed.'),
    ...refusals({
      ...unknownApplication,
      400: 'UE-10000, APP-60508, APP-60510',
      403: 'APP-60520',
    }),
  },
})

export const withdraw: Describe = () => ({
  id: 'deleteAuthorizedApi',
  summary: 'Take an API resource from an application',
  tag,
  conditional: true,
  answers: {
    204: done('It is not authorized.'),
    ...refusals({ ...unknownApplication, 403: 'APP-60520' }),
  },
})
