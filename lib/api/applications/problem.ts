/** The errors of the application management API that more than one route has. */
import type { Refused } from '../../directory/application-registry.ts'
import { Problem } from '../problem.ts'
import { tenantDomain } from '../tenant.ts'

/** The application's own settings are refused. */
export const invalidApplication = (
  description: string,
  code: 'APP-60001' | 'APP-60506' | 'APP-60515' | 'APP-60516' = 'APP-60001',
) => new Problem({ status: 400, code, message: 'Invalid application configuration.', description })

/** Its OAuth settings are refused. */
export const invalidOAuth = (description: string) =>
  new Problem({ status: 400, code: 'OAUTH-60001', message: 'Invalid OAuth configuration.', description })

/** The hybrid flow is switched on without saying for which response types there are. */
export const invalidHybrid = (code: 'APP-60517' | 'APP-60518', description: string) =>
  new Problem({ status: 400, code, message: 'Invalid hybrid flow configuration.', description })

export const notSupported = (description: string, code: 'APP-65002' | 'APP-65003' | 'APP-65501') =>
  new Problem({ status: 501, code, message: 'Unsupported operation.', description })

export const notFound = (id: string) =>
  new Problem({
    status: 404,
    code: 'APP-60006',
    message: 'Application not found.',
    description: `Application cannot be found for the provided id: ${id} in the tenantDomain: ${tenantDomain}.`,
  })

export const notConfigured = (id: string) =>
  new Problem({
    status: 404,
    code: 'APP-60501',
    message: 'Inbound protocol not found.',
    description: `The inbound protocol oidc is not configured for the application with the id: ${id}.`,
  })

/** An imported file names a client that is another application's. */
export const keyTaken = (clientId: string) =>
  new Problem({
    status: 409,
    code: 'APP-60009',
    message: 'Inbound key already in use.',
    description: `The inbound key: ${clientId} is already used by another application.`,
  })

/** What the deployment itself needs. */
export const protectedApplication = (name: string) =>
  new Problem({
    status: 403,
    code: 'APP-60008',
    message: 'Operation not allowed.',
    description: `${name} belongs to the server: it can neither be deleted nor revoked.`,
  })

export const lacking = (scopes: readonly string[]) =>
  new Problem({
    status: 403,
    code: 'APP-60520',
    message: 'Forbidden',
    description: `Operation is not permitted. It needs permissions that you do not have: ${scopes.join(', ')}.`,
  })

/** The registry's refusal in words; `name` and `clientId` are what was asked for. */
export const refusal = (refused: Refused, asked: { name?: string | undefined; clientId?: string }) => {
  if (refused.refused === 'forbidden') return lacking(refused.lacking)
  if (refused.refused === 'limit')
    return new Problem({
      status: 403,
      code: 'APP-60503',
      message: 'Application limit reached.',
      description: 'There are as many applications as there can be: [applications] max.',
    })
  if (refused.refused === 'name-taken')
    return new Problem({
      status: 409,
      code: 'APP-60007',
      message: 'Application already exists.',
      description: `An application with the name: ${asked.name} already exists in the tenantDomain: ${tenantDomain}.`,
    })
  return new Problem({
    status: 409,
    code: 'OAUTH-60008',
    message: 'Client id already in use.',
    description: `The client id: ${asked.clientId} is already used by another application.`,
  })
}
