/** SCIM 2.0 (RFC 7643, RFC 7644) as WSO2's clients speak it: the mounts of this door, and its one error answer. */
import { Hono } from 'hono'
import type { GuardNeeds } from '../access/guard.ts'
import type { Db } from '../database/connect.ts'
import type { PasswordPolicy } from '../sign-in/password-policy.ts'
import { renderError, ScimError } from './error.ts'
import { groups } from './groups.ts'
import { me } from './me.ts'
import { roles } from './roles.ts'
import { routes } from './route.ts'
import { users } from './users.ts'

export interface ScimNeeds {
  readonly db: Db
  readonly guard: GuardNeeds
  readonly organization: { readonly id: string; readonly name: string }
  /** Absolute, without a trailing slash; `meta.location` starts with it. */
  readonly baseUrl: string
  readonly passwordPolicy: PasswordPolicy
}

/** SCIM 2.0, mounted at /scim2. */
export const scim = (needs: ScimNeeds) => {
  const route = routes(needs.guard, needs.baseUrl)
  return new Hono()
    .route('/Users', users(needs, route))
    .route('/Me', me(needs, route))
    .route('/Groups', groups(needs, route))
    .route('/v2/Roles', roles(needs, route))
    .all(
      '/*',
      // a path without a rule of its own is closed to strangers (facts/rest-apis.md §0.2)
      route({ permission: undefined, actor: false }, async () => {
        throw new ScimError(404, 'Specified resource (e.g., User) or endpoint does not exist.')
      }),
    )
    .onError((error, c) => {
      if (error instanceof ScimError) return renderError(error)
      const { id } = needs.guard.traceOf(c.req.raw)
      needs.guard.log('unexpected error', { err: error, traceId: id, path: c.req.path })
      return renderError(new ScimError(500, `Unexpected error. Trace id: ${id}`))
    })
}
