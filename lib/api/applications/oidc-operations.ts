/** What the OpenAPI document says of the OAuth settings of an application. */
import type { Describe } from '../../access/operation.ts'
import { done, oidcAnswer, refusals, tag } from './answers.ts'
import { oauthSchema } from './oauth-schema.ts'

const unknown = { 404: 'APP-60006, APP-60501' } as const

export const read: Describe = () => ({
  id: 'readOidcConfiguration',
  summary: 'The OAuth settings of an application',
  tag,
  conditional: true,
  answers: {
    200: { description: 'The settings.', schema: oidcAnswer(), headers: ['ETag'] },
    ...refusals(unknown),
  },
})

export const replace: Describe = () => ({
  id: 'replaceOidcConfiguration',
  summary: 'Replace the OAuth settings whole, by a body with the client id and secret that are there',
  tag,
  body: oauthSchema,
  nulls: 'absent',
  conditional: true,
  answers: {
    200: done('Replaced.'),
    ...refusals({
      400: 'UE-10000, APP-60517, APP-60518, OAUTH-60001',
      403: 'APP-60520',
      404: 'APP-60006',
      409: 'OAUTH-60008',
    }),
  },
})

export const remove: Describe = () => ({
  id: 'deleteOidcConfiguration',
  summary: 'Take the OAuth settings away; everything that was issued ends',
  tag,
  conditional: true,
  answers: {
    204: done('It speaks OAuth no longer.'),
    ...refusals({ ...unknown, 403: 'APP-60008, APP-60520' }),
  },
})

export const regenerate: Describe = () => ({
  id: 'regenerateClientSecret',
  summary:
    'Give the client a new secret; everything that was issued ends, and one that was revoked is active',
  tag,
  conditional: true,
  answers: {
    200: { description: 'The settings with the new secret.', schema: oidcAnswer() },
    ...refusals({ ...unknown, 403: 'APP-60520' }),
  },
})

export const revoke: Describe = () => ({
  id: 'revokeClient',
  summary: 'Revoke the client until it gets a new secret; everything that was issued ends',
  tag,
  conditional: true,
  answers: { 200: done('Revoked.'), ...refusals({ ...unknown, 403: 'APP-60008, APP-60520' }) },
})
