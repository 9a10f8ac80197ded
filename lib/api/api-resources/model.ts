/** The bodies of API resources and scopes: what is read, and what is shown. */
import * as z from 'zod'
import type { Db } from '../../database/connect.ts'
import { type ApiResource, type Scope, subscribersOf } from '../../directory/api-resources.ts'
import { hasUnseen } from '../../directory/readable-name.ts'
import { mostScopes, type NewScope } from '../../directory/scope-refusals.ts'
import { tenantPath } from '../tenant.ts'
import { blank, noDetailsTypes } from './problem.ts'

export const apiResourcesPath = '/api/server/v1/api-resources'

const isReadable = (text: string) => !hasUnseen(text)
const readable = z.string().max(255).refine(isReadable, { error: 'has characters that nobody sees' })
const description = z.string().max(1_024)

/** As it is written; the `id` that a client read comes back with the rest, and counts for nothing. */
export const writtenScope = z.strictObject({
  id: z.string().nullish(),
  name: z.string().max(255),
  displayName: readable.nullish(),
  description: description.nullish(),
})

export const writtenScopes = z.array(writtenScope).max(mostScopes)

// rich authorization requests are not here; an empty list of their types is true
const detailsTypes = z.array(z.unknown())

export const creation = z.strictObject({
  name: readable,
  identifier: z.string().max(255).regex(/^\S*$/, { error: 'has spaces' }).refine(isReadable, {
    error: 'has characters that nobody sees',
  }),
  description: description.nullish(),
  requiresAuthorization: z.boolean().nullish(),
  scopes: writtenScopes.nullish(),
  authorizationDetailsTypes: detailsTypes.nullish(),
  resourceType: z.enum(['BUSINESS', 'MCP']).nullish(),
})

export const edit = z.strictObject({
  name: readable.nullish(),
  description: description.nullish(),
  addedScopes: writtenScopes.nullish(),
  removedScopes: z.array(z.unknown()).nullish(),
  addedAuthorizationDetailsTypes: detailsTypes.nullish(),
  removedAuthorizationDetailsTypes: z.array(z.unknown()).nullish(),
})

export const scopeEdit = z.strictObject({
  displayName: readable.nullish(),
  description: description.nullish(),
})

export const writtenDetailsTypes = detailsTypes

const isBlank = (text: string) => text.trim() === ''

/** The text, unless there is nothing in it. Throws `Problem`. */
export const required = (text: string, code: '60003' | '60004' | '60005', what: string): string => {
  if (isBlank(text)) throw blank(code, what)
  return text
}

/** Throws the `Problem` that says that there are none, for somebody who wants some. */
export const wantNoDetailsTypes = (types: readonly unknown[] | null | undefined): void => {
  if (types && types.length > 0) throw noDetailsTypes()
}

/** Scopes as they are stored: shown by their names unless they say otherwise. Throws `Problem`. */
export const toScopes = (written: z.output<typeof writtenScopes> | null | undefined): readonly NewScope[] =>
  (written ?? []).map((scope) => ({
    name: required(scope.name, '60005', 'Scope name'),
    displayName: !scope.displayName || isBlank(scope.displayName) ? scope.name : scope.displayName,
    description: scope.description ?? null,
  }))

export const selfOf = (id: string) => `${tenantPath}${apiResourcesPath}/${id}`

export const shownScope = ({ id, name, displayName, description: about }: Scope) => ({
  id,
  name,
  displayName,
  ...(about === null ? {} : { description: about }),
})

/** As lists have it. */
export const summary = ({ id, name, identifier, type, requiresAuthorization }: ApiResource) => ({
  id,
  name,
  identifier,
  type,
  requiresAuthorization,
  self: selfOf(id),
})

/** As it is answered alone. */
export const whole = async (db: Db, resource: ApiResource, scopes: readonly Scope[]) => ({
  ...summary(resource),
  ...(resource.description === null ? {} : { description: resource.description }),
  scopes: scopes.map(shownScope),
  authorizationDetailsTypes: [],
  subscribedApplications: (await subscribersOf(db, resource.id)).map((name) => ({ name })),
  properties: [],
})
