/** What the OpenAPI document says of the scopes of OpenID Connect. */
import * as z from 'zod'
import type { Answer, Operation } from '../access/operation.ts'
import { changedScope, newScope } from './oidc-scopes.ts'

const of = (about: () => Omit<Operation, 'tag'>) => (): Operation => ({
  tag: 'Scopes of OpenID Connect',
  ...about(),
})

const scope = () =>
  z.strictObject({
    name: z.string(),
    displayName: z.string(),
    description: z.string().optional(),
    claims: z.array(z.string()),
  })

const missing: Answer = { description: 'There is no such scope.' }
const badBody: Answer = { description: 'The name or a claim is none that a scope may have.' }

export const operations = {
  list: of(() => ({
    id: 'listOidcScopes',
    summary: 'Lists the scopes of OpenID Connect, the built-in ones first.',
    answers: { 200: { description: 'The scopes.', schema: z.array(scope()) } },
  })),
  create: of(() => ({
    id: 'createOidcScope',
    summary: 'Makes a scope of OpenID Connect.',
    body: newScope,
    answers: {
      201: { description: 'Made.', headers: ['Location'] },
      400: badBody,
      409: { description: 'The name is taken.' },
    },
  })),
  read: of(() => ({
    id: 'getOidcScope',
    summary: 'Shows a scope of OpenID Connect.',
    conditional: true,
    answers: { 200: { description: 'The scope.', schema: scope(), headers: ['ETag'] }, 404: missing },
  })),
  replace: of(() => ({
    id: 'replaceOidcScope',
    summary: 'Changes what a scope of OpenID Connect is called and gives.',
    body: changedScope,
    conditional: true,
    answers: { 200: { description: 'Changed.', headers: ['ETag'] }, 400: badBody, 404: missing },
  })),
  remove: of(() => ({
    id: 'deleteOidcScope',
    summary: 'Removes a scope of OpenID Connect; those that are built in stay.',
    conditional: true,
    answers: { 204: { description: 'Removed.' }, 400: { description: 'It is built in.' } },
  })),
}
