/** The API resources that an application is authorized for. */
import { Hono } from 'hono'
import * as z from 'zod'
import {
  authorizeApi,
  authorizedApis,
  type RefusedAuthorization,
} from '../../directory/application-authorizations.ts'
import { findApplication } from '../../directory/application-records.ts'
import type { Policy } from '../../directory/applications.ts'
import type { Caller } from '../../directory/caller.ts'
import type { ApiNeeds } from '../api.ts'
import { parse, readJson } from '../body.ts'
import { gate } from '../gate.ts'
import { parameter } from '../parameter.ts'
import { Problem } from '../problem.ts'
import { withoutNulls } from './model.ts'
import { lacking, notFound } from './problem.ts'

const path = '/:id/authorized-apis'

const authorization = z.object({
  id: z.string(),
  policyIdentifier: z.string().default('RBAC'),
  scopes: z.array(z.string()).default([]),
})

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
    case 'forbidden':
      return lacking(refused.scopes)
  }
}

export const authorizedApisRoutes = (needs: ApiNeeds) => {
  const { db } = needs
  const guarded = gate(needs)
  const requireApplication = async (caller: Caller, id: string) => {
    const application = await findApplication(db, caller.organizationId, id)
    if (!application) throw notFound(id)
    return application
  }
  return new Hono()
    .get(
      path,
      guarded('internal_application_mgt_view', async (caller, c) => {
        const { id } = await requireApplication(caller, parameter(c, 'id'))
        const apis = await authorizedApis(db, id)
        return c.json(
          apis.map((api) => ({
            id: api.id,
            identifier: api.identifier,
            displayName: api.name,
            policyId: api.policy,
            type: api.type,
            authorizedScopes: api.scopes,
            authorizedAuthorizationDetailsTypes: [],
          })),
        )
      }),
    )
    .post(
      path,
      guarded('internal_application_mgt_create', async (caller, c) => {
        const written = parse(authorization, withoutNulls(await readJson(c)))
        const application = await requireApplication(caller, parameter(c, 'id'))
        const refused = await authorizeApi(db, caller, new Date(), application, {
          apiResourceId: written.id,
          policy: readPolicy(written.policyIdentifier),
          scopes: written.scopes,
        })
        if (refused) throw refusal(refused, written.id)
        return c.body(null, 200)
      }),
    )
}
