/** The calls that mend an application, in the order in which they have to be made. */
import type { ApplicationState, Person, Readiness } from '../../directory/readiness.ts'
import type { Call } from './finding.ts'

/** A list of calls; adding one answers its number, adding it again the same number. */
export const newPlan = () => {
  const calls: Call[] = []
  return {
    calls,
    add(call: Call): number {
      const at = calls.findIndex((known) => Bun.deepEquals(known, call, true))
      return at === -1 ? calls.push(call) : at + 1
    },
  }
}

export type Plan = ReturnType<typeof newPlan>

const applicationsPath = '/api/server/v1/applications'
const patchOp = 'urn:ietf:params:scim:api:messages:2.0:PatchOp'

/** Changes of the application's own settings; an object that a PATCH brings is replaced whole, so all of it is sent. */
export const patchApplication = ({ application }: ApplicationState, body: object): Call => ({
  method: 'PATCH',
  path: `${applicationsPath}/${application.id}`,
  body,
})

/** The OAuth settings are replaced whole and with the secret, which is read first: it is not printed here. */
export const putOAuth = (
  plan: Plan,
  { application }: ApplicationState,
  changes: Readonly<Record<string, unknown>>,
): readonly number[] => {
  const path = `${applicationsPath}/${application.id}/inbound-protocols/oidc`
  const { oidc, clientId } = application
  if (!oidc) return [plan.add({ method: 'PUT', path, body: changes })]
  const body = { ...oidc, ...changes, clientId, clientSecret: '{{clientSecret}}' }
  return [plan.add({ method: 'GET', path, gives: 'clientSecret' }), plan.add({ method: 'PUT', path, body })]
}

/** The application may use the API with these scopes. */
export const authorizeApi = (
  { application }: ApplicationState,
  apiId: string,
  scopes: readonly string[],
): Call => ({
  method: 'POST',
  path: `${applicationsPath}/${application.id}/authorized-apis`,
  body: { id: apiId, policyIdentifier: 'RBAC', scopes },
})

/** The application may use the API, which it is authorized for already, with these scopes as well. */
export const addScopes = (
  { application }: ApplicationState,
  apiId: string,
  scopes: readonly string[],
): Call => ({
  method: 'PATCH',
  path: `${applicationsPath}/${application.id}/authorized-apis/${apiId}`,
  body: { addedScopes: scopes, removedScopes: [] },
})

/** A new secret, which makes a revoked client active again. */
export const regenerateSecret = ({ application }: ApplicationState): Call => ({
  method: 'POST',
  path: `${applicationsPath}/${application.id}/inbound-protocols/oidc/regenerate-secret`,
})

const freeName = ({ audience }: ApplicationState, { isTaken }: Readiness, name: string): string => {
  for (let number = 1; ; number += 1) {
    const candidate = number === 1 ? name : `${name} ${number}`
    if (!isTaken(audience, candidate)) return candidate
  }
}

/** A role that counts in the application, with somebody in it. */
export const createRole = (
  state: ApplicationState,
  readiness: Readiness,
  role: {
    readonly name: string
    readonly permissions: readonly string[]
    readonly member: Person | undefined
  },
): Call => {
  const { type, id } = state.audience
  return {
    method: 'POST',
    path: '/scim2/v2/Roles',
    body: {
      schemas: [],
      displayName: freeName(state, readiness, role.name),
      audience: { value: id, type: type.toUpperCase() },
      permissions: role.permissions.map((value) => ({ value })),
      users: role.member ? [{ value: role.member.id }] : [],
    },
  }
}

/** Somebody joins a role. */
export const joinRole = (roleId: string, member: Person): Call => ({
  method: 'PATCH',
  path: `/scim2/v2/Roles/${roleId}`,
  body: { schemas: [patchOp], Operations: [{ op: 'add', path: 'users', value: [{ value: member.id }] }] },
})

/** Where there is no application yet: one that asks for subject tokens and gets them. */
export const createApplication = (): Call => ({
  method: 'POST',
  path: applicationsPath,
  body: {
    name: 'Support Console',
    isManagementApp: true,
    associatedRoles: { allowedAudience: 'APPLICATION', roles: [] },
    advancedConfigurations: { skipLoginConsent: true, skipLogoutConsent: true },
    inboundProtocolConfiguration: {
      oidc: {
        grantTypes: ['authorization_code', 'urn:ietf:params:oauth:grant-type:token-exchange'],
        callbackURLs: ['https://client.example/cb'],
        accessToken: { type: 'JWT' },
        subjectToken: { enable: true },
      },
    },
  },
})
