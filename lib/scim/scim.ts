/** SCIM 2.0 (RFC 7643, RFC 7644) as WSO2's clients speak it: the mounts of this door, and its one error answer. */
import { type Context, Hono } from 'hono'
import { type GuardNeeds, guard } from '../access/guard.ts'
import { wholeOf } from '../access/within.ts'
import type { Db } from '../database/connect.ts'
import type { PasswordPolicy } from '../sign-in/password-policy.ts'
import { bulk } from './bulk.ts'
import { schemas, serviceProvider, types } from './discovery.ts'
import { renderError, ScimError, wordRefusal } from './error.ts'
import { groups } from './groups.ts'
import { me } from './me.ts'
import { roles } from './roles.ts'
import { partRoutes, type Route, routes } from './route.ts'
import { users } from './users.ts'

export interface ScimNeeds {
  readonly db: Db
  readonly guard: GuardNeeds
  readonly organization: { readonly id: string; readonly name: string }
  /** Absolute, without a trailing slash; `meta.location` starts with it. */
  readonly baseUrl: string
  readonly passwordPolicy: PasswordPolicy
  /** Which methods a path of this server has. */
  allowedAt(path: string): readonly string[]
}

const endpoints = (needs: ScimNeeds, route: Route) =>
  new Hono()
    .route('/Users', users(needs, route))
    .route('/Groups', groups(needs, route))
    .route('/v2/Roles', roles(needs, route))

/** SCIM 2.0, mounted at /scim2. */
export const scim = (needs: ScimNeeds) => {
  const { baseUrl } = needs
  const route = routes(needs.guard, baseUrl)
  const guarded = guard(needs.guard, wordRefusal(baseUrl))
  const onError = (error: Error, c: Context) => {
    if (error instanceof ScimError) return renderError(error)
    const { id } = needs.guard.traceOf(wholeOf(c.req.raw))
    needs.guard.log('unexpected error', { err: error, traceId: id, path: c.req.path })
    return renderError(new ScimError(500, `Unexpected error. Trace id: ${id}`))
  }
  const parts = new Hono()
    .route('/scim2', endpoints(needs, partRoutes(needs.guard, baseUrl)))
    .onError(onError)
  return new Hono()
    .route('/', endpoints(needs, route))
    .route('/Me', me(needs, route))
    .route('/Bulk', bulk({ baseUrl, parts }, route))
    .route('/ServiceProviderConfig', serviceProvider(baseUrl))
    .route('/ResourceTypes', types(baseUrl))
    .route('/Schemas', schemas(baseUrl, route))
    .all(
      '/*',
      // a path without a rule of its own is closed to strangers (facts/rest-apis.md §0.2)
      guarded<Context>({ permission: undefined, actor: false }, async (_, c) => {
        const allowed = needs.allowedAt(c.req.path)
        if (allowed.length > 0) {
          const answer = renderError(new ScimError(405, `This path has ${allowed.join(', ')}.`))
          answer.headers.set('Allow', allowed.join(', '))
          return answer
        }
        if (/\/Roles(?:\/[^/]*)?$/.test(c.req.path) && !/\/v\d+\/Roles/.test(c.req.path)) {
          throw new ScimError(501, 'Roles without an audience are not supported: use /scim2/v2/Roles.')
        }
        throw new ScimError(404, 'Specified resource (e.g., User) or endpoint does not exist.')
      }),
    )
    .onError(onError)
}
