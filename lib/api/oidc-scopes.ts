/** Scopes of OpenID Connect and their claims, mounted at /api/server/v1/oidc/scopes; a scope's id is its name. */
import { Hono } from 'hono'
import * as z from 'zod'
import {
  changeOidcScope,
  createOidcScope,
  removeOidcScope,
  type ScopeRefused,
} from '../directory/oidc-scope-changes.ts'
import { type OidcScope, oidcScopesAt } from '../directory/oidc-scopes.ts'
import type { ApiNeeds } from './api.ts'
import { readBody } from './body.ts'
import { answerTagged, contentTag, requireCurrent } from './conditional.ts'
import { gate } from './gate.ts'
import { operations } from './oidc-scope-operations.ts'
import { parameter } from './parameter.ts'
import { Problem } from './problem.ts'
import { tenantPath } from './tenant.ts'

const base = '/api/server/v1/oidc/scopes'

const settings = {
  displayName: z.string().min(1).max(255),
  description: z
    .string()
    .max(512)
    .nullish()
    .transform((value) => value || null),
  claims: z.array(z.string().min(1).max(255)).max(200),
}
export const newScope = z.strictObject({ name: z.string().min(1), ...settings })
// clients send back what they read
export const changedScope = z.strictObject({ name: z.string().optional(), ...settings })

const shown = ({ name, displayName, description, claims }: OidcScope) => ({
  name,
  displayName,
  ...(description === null ? {} : { description }),
  claims,
})

/** Of what is shown: one that is made anew under the same name is another edition, unless it says the same. */
const tagOf = (scope: OidcScope): string => contentTag(shown(scope))

const missing = (name: string) =>
  new Problem({
    status: 404,
    code: '41003',
    message: 'Scope not found.',
    description: `Scope ${name} does not exist.`,
  })

const invalid = (description: string) =>
  new Problem({ status: 400, code: '60001', message: 'Invalid Request.', description })

const refusal = (refused: ScopeRefused, name: string): Problem => {
  switch (refused.refused) {
    case 'missing':
      return missing(name)
    case 'built-in':
      return invalid(`Scope ${name} is one of OpenID Connect: it can be changed, not removed.`)
    case 'taken':
      return new Problem({
        status: 409,
        code: '41004',
        message: 'Scope is already exists.',
        description: `Scope with the name ${name} already exists in the system.`,
      })
    case 'name':
      return invalid(`The scope's name ${refused.why}.`)
    case 'claims':
      return invalid(`The claims of a scope: ${refused.why}.`)
  }
}

export const oidcScopes = (needs: ApiNeeds) => {
  const { db, baseUrl } = needs
  const guarded = gate(needs)
  return new Hono()
    .get(
      '/',
      guarded(
        'internal_oidc_scope_mgt_view',
        async (caller, c) => {
          const scopes = await oidcScopesAt(db, caller.revision)
          return c.json([...scopes.values()].map(shown))
        },
        operations.list,
      ),
    )
    .post(
      '/',
      guarded(
        'internal_oidc_scope_mgt_create',
        async (caller, c) => {
          const scope = await readBody(c, newScope)
          const made = await createOidcScope(db, caller, new Date(), scope)
          if ('refused' in made) throw refusal(made, scope.name)
          const location = `${baseUrl}${tenantPath}${base}/${encodeURIComponent(made.name)}`
          return c.body(null, 201, { Location: location })
        },
        operations.create,
      ),
    )
    .get(
      '/:id',
      guarded(
        'internal_oidc_scope_mgt_view',
        async (caller, c) => {
          const name = parameter(c, 'id')
          const scope = (await oidcScopesAt(db, caller.revision)).get(name)
          if (!scope) throw missing(name)
          return answerTagged(c, tagOf(scope), shown(scope))
        },
        operations.read,
      ),
    )
    .put(
      '/:id',
      guarded(
        'internal_oidc_scope_mgt_update',
        async (caller, c) => {
          const name = parameter(c, 'id')
          const asked = await readBody(c, changedScope)
          if (asked.name !== undefined && asked.name !== name) throw invalid('A scope keeps its name.')
          const current = (await oidcScopesAt(db, caller.revision)).get(name)
          if (current) requireCurrent(c, tagOf(current))
          const changed = await changeOidcScope(db, caller, new Date(), { ...asked, name })
          if ('refused' in changed) throw refusal(changed, name)
          c.header('ETag', tagOf(changed))
          return c.body(null, 200)
        },
        operations.replace,
      ),
    )
    .delete(
      '/:id',
      guarded(
        'internal_oidc_scope_mgt_delete',
        async (caller, c) => {
          const name = parameter(c, 'id')
          const current = (await oidcScopesAt(db, caller.revision)).get(name)
          if (current) requireCurrent(c, tagOf(current))
          const refused = await removeOidcScope(db, caller, new Date(), name)
          // as WSO2 answers, a scope that is not there is removed already
          if (refused && refused.refused !== 'missing') throw refusal(refused, name)
          return c.body(null, 204)
        },
        operations.remove,
      ),
    )
}
