/** What the OpenAPI document says of API resources, scopes and collections. */
import * as z from 'zod'
import type { Answer, Operation } from '../../access/operation.ts'
import { seenPattern } from '../../directory/readable-name.ts'
import { scopeForm } from '../../directory/scope-names.ts'
import { mostScopes } from '../../directory/scope-refusals.ts'
import { limitText } from '../page.ts'
import { creation, edit, scopeEdit, writtenScope } from './model.ts'

type About = Omit<Operation, 'tag'>

const of = (tag: string, about: () => About) => (): Operation => ({ tag, ...about() })
const ofResources = (about: () => About) => of('API resources', about)
const ofScopes = (about: () => About) => of('Scopes of API resources', about)
const ofDetails = (about: () => About) => of('Authorization details types', about)
const ofCollections = (about: () => About) => of('API resource collections', about)

const scope = () =>
  z.strictObject({
    id: z.string(),
    name: z.string(),
    displayName: z.string(),
    description: z.string().optional(),
  })

const summary = () => ({
  id: z.string(),
  name: z.string(),
  identifier: z.string(),
  type: z.string(),
  requiresAuthorization: z.boolean(),
  self: z.string(),
})

const nothing = () => z.array(z.never())

const resource = () =>
  z.strictObject({
    ...summary(),
    description: z.string().optional(),
    scopes: z.array(scope()),
    authorizationDetailsTypes: nothing(),
    subscribedApplications: z.array(z.strictObject({ name: z.string() })),
    properties: nothing(),
  })

const list = () =>
  z.strictObject({
    totalResults: z.int(),
    links: z.array(z.strictObject({ rel: z.enum(['previous', 'next']), href: z.string() })),
    apiResources: z.array(z.strictObject({ ...summary(), properties: nothing().optional() })),
  })

const collected = () => {
  const api = z.strictObject({
    id: z.string(),
    name: z.string(),
    description: z.string().optional(),
    type: z.string(),
    scopes: z.array(scope()),
    self: z.string(),
  })
  return z.strictObject({ read: z.array(api), write: z.array(api) })
}

const collection = () => ({
  id: z.string(),
  name: z.string(),
  displayName: z.string(),
  type: z.string(),
  self: z.string(),
})

const filterOf = (attributes: string) =>
  z.string().optional().describe(`Conditions on ${attributes} by eq ne co sw ew ge le gt lt, joined by and.`)
const attributesOf = (name: string) => z.enum([name, '']).optional().describe('What else is answered.')

/** Text with something in it, of characters that everybody sees. */
const visible = (something = /\S/) =>
  z
    .string()
    .max(255)
    .regex(something)
    .meta({ allOf: [{ pattern: seenPattern }] })
const scopesAsked = () =>
  z
    .array(
      writtenScope.extend({
        name: z.string().regex(scopeForm),
        displayName: shownName(),
      }),
    )
    .max(mostScopes)
const shownName = () => z.string().max(255).meta({ pattern: seenPattern }).nullish()

const done: Answer = { description: 'Done.' }
const badQuery: Answer = { description: 'The query cannot be read.' }
const badBody: Answer = { description: 'The body says what cannot be.' }
const missing: Answer = { description: 'There is none of that id.' }
const ofTheSystem: Answer = { description: 'It is a system API, or the caller may not do that.' }
const taken: Answer = { description: 'An identifier or the name of a scope is taken.' }

const removal = { 204: done, 403: ofTheSystem }

export const operations = {
  list: ofResources(() => ({
    id: 'listApiResources',
    summary: 'Lists API resources, a page at a time in the order of their ids.',
    query: z.object({
      filter: filterOf('name, identifier and type'),
      limit: limitText('How many, 10 unless said and 100 at most.'),
      before: z.string().optional().describe('A cursor: the page that ends before it.'),
      after: z.string().optional().describe('A cursor: the page that begins after it.'),
      attributes: attributesOf('properties'),
    }),
    answers: { 200: { description: 'A page.', schema: list() }, 400: badQuery },
  })),
  create: ofResources(() => ({
    id: 'createApiResource',
    summary: 'Makes an API resource with its scopes; Administrator holds them at once.',
    body: creation.omit({ authorizationDetailsTypes: true }).extend({
      name: visible(),
      identifier: visible(/^\S+$/),
      scopes: scopesAsked().nullish(),
    }),
    answers: {
      201: { description: 'The API resource.', schema: resource(), headers: ['Location', 'ETag'] },
      400: badBody,
      409: taken,
    },
  })),
  read: ofResources(() => ({
    id: 'getApiResource',
    summary: 'Shows an API resource with its scopes and the applications that are authorized for it.',
    answers: {
      200: { description: 'The API resource.', schema: resource(), headers: ['ETag'] },
      404: missing,
    },
  })),
  update: ofResources(() => ({
    id: 'updateApiResource',
    summary: 'Changes name and description of an API resource, or adds scopes.',
    body: edit
      .omit({
        removedScopes: true,
        addedAuthorizationDetailsTypes: true,
        removedAuthorizationDetailsTypes: true,
      })
      .extend({ name: visible().nullish(), addedScopes: scopesAsked().nullish() }),
    conditional: true,
    answers: { 204: done, 400: badBody, 403: ofTheSystem, 404: missing, 409: taken },
  })),
  remove: ofResources(() => ({
    id: 'deleteApiResource',
    summary: 'Removes an API resource and its scopes from everybody who has them.',
    conditional: true,
    answers: removal,
  })),
  readScopes: ofScopes(() => ({
    id: 'getScopesOfApiResource',
    summary: 'Shows the scopes of an API resource.',
    conditional: true,
    answers: {
      200: { description: 'The scopes.', schema: z.array(scope()), headers: ['ETag'] },
      404: missing,
    },
  })),
  replaceScopes: ofScopes(() => ({
    id: 'replaceScopesOfApiResource',
    summary: 'Replaces the scopes of an API resource; those that stay keep their ids and who has them.',
    body: scopesAsked(),
    conditional: true,
    answers: { 204: done, 400: badBody, 403: ofTheSystem, 404: missing, 409: taken },
  })),
  updateScope: ofScopes(() => ({
    id: 'updateScope',
    summary: 'Changes display name and description of the scope of that name.',
    body: scopeEdit.extend({ displayName: shownName() }),
    conditional: true,
    answers: { 204: done, 403: ofTheSystem, 404: missing },
  })),
  removeScope: ofScopes(() => ({
    id: 'deleteScope',
    summary: 'Removes the scope of that name from everybody who has it.',
    conditional: true,
    answers: removal,
  })),
  updateScopeById: ofScopes(() => ({
    id: 'updateScopeById',
    summary: 'Changes display name and description of the scope of that id.',
    body: scopeEdit.extend({ displayName: shownName() }),
    conditional: true,
    answers: {
      200: { description: 'The scope.', schema: scope(), headers: ['ETag'] },
      403: ofTheSystem,
      404: missing,
    },
  })),
  removeScopeById: ofScopes(() => ({
    id: 'deleteScopeById',
    summary: 'Removes the scope of that id from everybody who has it.',
    conditional: true,
    answers: removal,
  })),
  listScopes: ofScopes(() => ({
    id: 'listScopes',
    summary: 'Lists the scopes of all API resources.',
    query: z.object({ filter: filterOf('name') }),
    answers: { 200: { description: 'The scopes.', schema: z.array(scope()) }, 400: badQuery },
  })),
  readDetailsTypes: ofDetails(() => ({
    id: 'getAuthorizationDetailsTypesOfApiResource',
    summary: 'Shows the authorization details types of an API resource: none.',
    answers: { 200: { description: 'None.', schema: nothing() }, 404: missing },
  })),
  replaceDetailsTypes: ofDetails(() => ({
    id: 'replaceAuthorizationDetailsTypesOfApiResource',
    summary: 'Replaces the authorization details types of an API resource by none.',
    body: nothing(),
    answers: { 204: done, 400: badBody, 403: ofTheSystem, 404: missing },
  })),
  readDetailsType: ofDetails(() => ({
    id: 'getAuthorizationDetailsType',
    summary: 'Shows an authorization details type: there is none.',
    answers: { 404: missing },
  })),
  updateDetailsType: ofDetails(() => ({
    id: 'updateAuthorizationDetailsType',
    summary: 'Changes an authorization details type: there is none.',
    body: z.unknown(),
    answers: { 403: ofTheSystem, 404: missing },
  })),
  removeDetailsType: ofDetails(() => ({
    id: 'deleteAuthorizationDetailsType',
    summary: 'Removes an authorization details type.',
    answers: removal,
  })),
  listDetailsTypes: ofDetails(() => ({
    id: 'listAuthorizationDetailsTypes',
    summary: 'Lists all authorization details types: none.',
    query: z.object({ filter: filterOf('type') }),
    answers: { 200: { description: 'None.', schema: nothing() }, 400: badQuery },
  })),
  listCollections: ofCollections(() => ({
    id: 'listApiResourceCollections',
    summary: 'Lists the built-in API resources by what they are about.',
    query: z.object({
      filter: filterOf('name, displayName and type'),
      attributes: attributesOf('apiResources'),
    }),
    answers: {
      200: {
        description: 'The collections.',
        schema: z.strictObject({
          totalResults: z.int(),
          apiResourceCollections: z.array(
            z.strictObject({ ...collection(), apiResources: collected().optional() }),
          ),
        }),
      },
      400: badQuery,
    },
  })),
  readCollection: ofCollections(() => ({
    id: 'getApiResourceCollection',
    summary: 'Shows one collection with its API resources.',
    answers: {
      200: {
        description: 'The collection.',
        schema: z.strictObject({ ...collection(), apiResources: collected() }),
      },
      404: missing,
    },
  })),
}
