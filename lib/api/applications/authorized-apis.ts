/** The API resources that an application is authorized for. */
import { type Context, Hono } from 'hono'
import * as z from 'zod'
import {
  authorizeApi,
  authorizedApis,
  changeAuthorization,
  type RefusedAuthorization,
  withdrawApi,
} from '../../directory/application-authorizations.ts'
import type { Policy } from '../../directory/applications.ts'
import type { Caller } from '../../directory/caller.ts'
import type { ApiNeeds } from '../api.ts'
import { parse, readJson } from '../body.ts'
import { answerTagged, contentTag, requireCurrent } from '../conditional.ts'
import { gate } from '../gate.ts'
import { parameter } from '../parameter.ts'
import { Problem } from '../problem.ts'
import * as describe from './authorized-apis-operations.ts'
import { finder } from './find.ts'
import { withoutNulls } from './model.ts'
import { lacking, notSupported } from './problem.ts'

const path = '/:id/authorized-apis'

const names = z.array(z.string()).default([])

/** The body of POST. */
export const authorization = z.object({
  id: z.string(),
  policyIdentifier: z
    .string()
    .default('RBAC')
    .meta({ pattern: '^(?:[Rr][Bb][Aa][Cc]|[Nn][Oo] [Pp][Oo][Ll][Ii][Cc][Yy])$' }),
  scopes: names,
  authorizationDetailsTypes: names,
})

/** The body of PATCH. */
export const authorizationChange = z.object({
  addedScopes: names,
  removedScopes: names,
  addedAuthorizationDetailsTypes: names,
  removedAuthorizationDetailsTypes: names,
})

/** There are none (RFC 9396), so that none can be had. Throws `Problem`. */
const requireNoTypes = (...types: readonly (readonly string[])[]) => {
  if (types.some((some) => some.length > 0))
    throw notSupported('Authorization details types are not supported.', 'APP-65003')
}

const policies: Readonly<Record<string, Policy | undefined>> = { rbac: 'RBAC', 'no policy': 'NO POLICY' }

const problem = (code: string, message: string, description: string, status: 400 | 409 = 400) =>
  new Problem({ status, code, message, description })

const readPolicy = (text: string): Policy => {
  const name = text.toLowerCase()
  const policy = Object.hasOwn(policies, name) ? policies[name] : undefined
  if (policy) return policy
  throw problem('APP-60511', 'Invalid policy identifier.', 'The policy must be RBAC or NO POLICY.')
}

const refusal = (refused: RefusedAuthorization, apiId: string): Problem => {
  switch (refused.refused) {
    case 'unknown-api':
      return problem(
        'APP-60507',
        'API resource not found.',
        `There is no API resource with the id: ${apiId}.`,
      )
    case 'needs-rbac':
      return problem(
        'APP-60512',
        'Invalid policy for the API resource.',
        'The API resource requires authorization: the policy must be RBAC.',
      )
    case 'unknown-scopes': {
      const names = refused.scopes.join(', ')
      return problem('APP-60508', 'Scopes not found.', `The API resource has no scopes: ${names}.`)
    }
    case 'already-authorized':
      return problem(
        'APP-60509',
        'API resource already authorized.',
        `The application is already authorized for the API resource with the id: ${apiId}.`,
        409,
      )
    case 'not-authorized':
      return problem(
        'APP-60510',
        'API resource not authorized.',
        `The application is not authorized for the API resource with the id: ${apiId}.`,
      )
    case 'forbidden':
      return lacking(refused.scopes)
  }
}

export const authorizedApisRoutes = (needs: ApiNeeds) => {
  const { db } = needs
  const guarded = gate(needs)
  const find = finder(needs)
  const shownFor = async (applicationId: string) =>
    (await authorizedApis(db, applicationId)).map((api) => ({
      id: api.id,
      identifier: api.identifier,
      displayName: api.name,
      policyId: api.policy,
      type: api.type,
      authorizedScopes: api.scopes,
      authorizedAuthorizationDetailsTypes: [],
    }))
  /** The application whose list of authorizations the client has read. Throws `Problem`. */
  const findCurrent = async (caller: Caller, c: Context) => {
    const application = await find.application(caller, parameter(c, 'id'))
    if (c.req.header('if-match') !== undefined) requireCurrent(c, contentTag(await shownFor(application.id)))
    return application
  }
  return new Hono()
    .get(
      path,
      guarded(
        'internal_application_mgt_view',
        async (caller, c) => {
          const { id } = await find.application(caller, parameter(c, 'id'))
          const shown = await shownFor(id)
          return answerTagged(c, contentTag(shown), shown)
        },
        describe.list,
      ),
    )
    .post(
      path,
      guarded(
        'internal_application_mgt_create',
        async (caller, c) => {
          const written = parse(authorization, withoutNulls(await readJson(c)))
          requireNoTypes(written.authorizationDetailsTypes)
          const application = await find.application(caller, parameter(c, 'id'))
          const refused = await authorizeApi(db, caller, new Date(), application, {
            apiResourceId: written.id,
            policy: readPolicy(written.policyIdentifier),
            scopes: written.scopes,
          })
          if (refused) throw refusal(refused, written.id)
          return c.body(null, 200)
        },
        describe.authorize,
      ),
    )
    .patch(
      `${path}/:apiId`,
      guarded(
        'internal_application_mgt_update',
        async (caller, c) => {
          const written = parse(authorizationChange, withoutNulls(await readJson(c)))
          const { addedScopes: added, removedScopes: removed } = written
          requireNoTypes(written.addedAuthorizationDetailsTypes, written.removedAuthorizationDetailsTypes)
          const application = await findCurrent(caller, c)
          const apiResourceId = parameter(c, 'apiId')
          const asked = { apiResourceId, added, removed }
          const refused = await changeAuthorization(db, caller, new Date(), application, asked)
          if (refused) throw refusal(refused, apiResourceId)
          return c.body(null, 200)
        },
        describe.change,
      ),
    )
    .delete(
      `${path}/:apiId`,
      guarded(
        'internal_application_mgt_delete',
        async (caller, c) => {
          const application = await findCurrent(caller, c)
          const apiId = parameter(c, 'apiId')
          const refused = await withdrawApi(db, caller, new Date(), application, apiId)
          if (refused) throw refusal(refused, apiId)
          return c.body(null, 204)
        },
        describe.withdraw,
      ),
    )
}
