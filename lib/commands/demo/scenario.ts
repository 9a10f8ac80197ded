/** Sets the sample's impersonation up by the management calls, as an operator's script would. */
import { basic, type Client, textOf } from './client.ts'
import { sampleApplication, samplePeople, sampleRequest, sampleScopes } from './seed.ts'

export interface Person {
  readonly id: string
  readonly userName: string
  readonly password: string
  readonly email: string
}

export interface Scenario {
  readonly impersonator: Person
  readonly subject: Person
  readonly applicationId: string
  readonly clientId: string
  readonly clientSecret: string
}

const headers = { Authorization: basic('admin', 'admin') }
const tokenExchange = 'urn:ietf:params:oauth:grant-type:token-exchange'
/** In the sample five hours, not the usual three minutes. */
const subjectTokenSeconds = 18_000

const apis: Readonly<Record<string, readonly string[]>> = {
  'system:impersonation': ['internal_user_impersonate'],
  '/scim2/Users': sampleScopes.filter((scope) => scope.startsWith('internal_user_mgt_')),
  '/o/scim2/Users': sampleScopes.filter((scope) => scope.startsWith('internal_org_user_mgt_')),
}

const patchOp = (operation: Readonly<Record<string, unknown>>) => ({
  schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
  Operations: [operation],
})

const createPerson = async (
  client: Client,
  about: string,
  { userName, email }: { readonly userName: string; readonly email: string },
): Promise<Person> => {
  const password = `${crypto.randomUUID()}-Aa1`
  const answer = await client.askJson({
    about,
    path: '/scim2/Users',
    headers,
    json: {
      schemas: [],
      userName,
      password,
      name: { givenName: userName, familyName: 'Example' },
      emails: [email],
      'urn:scim:wso2:schema': { country: 'Iceland' },
    },
    expected: 201,
  })
  return { id: textOf(answer, 'id'), userName, password, email }
}

const createApplication = async (client: Client): Promise<string> => {
  const { response } = await client.ask({
    about: 'an application with the token-exchange grant, subject tokens and JWT access tokens',
    path: '/api/server/v1/applications',
    headers,
    json: {
      name: sampleApplication,
      isManagementApp: true,
      associatedRoles: { allowedAudience: 'APPLICATION', roles: [] },
      inboundProtocolConfiguration: {
        oidc: {
          grantTypes: ['authorization_code', 'refresh_token', tokenExchange, 'organization_switch'],
          callbackURLs: [sampleRequest.redirectUri],
          publicClient: false,
          accessToken: {
            type: 'JWT',
            userAccessTokenExpiryInSeconds: 3600,
            applicationAccessTokenExpiryInSeconds: 3600,
          },
          subjectToken: { enable: true, applicationSubjectTokenExpiryInSeconds: subjectTokenSeconds },
        },
      },
    },
    expected: 201,
  })
  return response.headers.get('location')?.split('/').at(-1) ?? ''
}

const authorizeApis = async (client: Client, applicationId: string): Promise<void> => {
  for (const [identifier, scopes] of Object.entries(apis)) {
    const filter = encodeURIComponent(`identifier eq ${identifier}`)
    const found = await client.askJson({
      about: `the API ${identifier}`,
      path: `/api/server/v1/api-resources?filter=${filter}`,
      headers,
      expected: 200,
    })
    await client.ask({
      about: `the application may use ${scopes.join(', ')}`,
      path: `/api/server/v1/applications/${applicationId}/authorized-apis`,
      headers,
      json: { id: textOf(found, 'apiResources', 0, 'id'), policyIdentifier: 'RBAC', scopes },
      expected: 200,
    })
  }
}

const createRole = async (
  client: Client,
  applicationId: string,
  role: { readonly name: string; readonly permissions: readonly string[]; readonly member: Person },
): Promise<void> => {
  const answer = await client.askJson({
    about: `a role of the application with ${role.permissions.join(', ')}`,
    path: '/scim2/v2/Roles',
    headers,
    json: {
      schemas: [],
      displayName: role.name,
      audience: { value: applicationId, type: 'APPLICATION' },
      permissions: role.permissions.map((value) => ({ value })),
    },
    expected: 201,
  })
  await client.ask({
    about: `${role.member.userName} gets the role ${role.name}`,
    path: `/scim2/v2/Roles/${textOf(answer, 'id')}`,
    method: 'PATCH',
    headers,
    json: patchOp({ op: 'add', path: 'users', value: [{ value: role.member.id }] }),
    expected: 200,
  })
}

/** From an empty server to one on which the impersonator may act for the subject in the application. */
export const setUp = async (client: Client): Promise<Scenario> => {
  await client.ask({
    about: 'the type that the setting of the notification is kept under',
    path: '/api/identity/config-mgt/v1.0/resource-type',
    headers,
    json: {
      name: 'IMPERSONATION_CONFIGURATION',
      description: 'A resource type to keep the tenant impersonation preferences.',
    },
    expected: 201,
  })
  await client.ask({
    about: 'the notification is on',
    path: '/api/server/v1/configs/impersonation',
    headers,
    expected: 200,
  })
  const impersonator = await createPerson(client, 'who will impersonate', samplePeople.impersonator)
  const subject = await createPerson(client, 'who will be impersonated', samplePeople.subject)
  const applicationId = await createApplication(client)
  const credentials = await client.askJson({
    about: 'its credentials',
    path: `/api/server/v1/applications/${applicationId}/inbound-protocols/oidc`,
    headers,
    expected: 200,
  })
  await authorizeApis(client, applicationId)
  await createRole(client, applicationId, {
    name: 'ImpersonatorRole',
    permissions: ['internal_user_impersonate'],
    member: impersonator,
  })
  await createRole(client, applicationId, {
    name: 'EndUserRole',
    permissions: sampleScopes.filter((scope) => scope !== 'internal_login'),
    member: subject,
  })
  await client.ask({
    about: 'nobody is asked for consent to what the organization has decided',
    path: `/api/server/v1/applications/${applicationId}`,
    method: 'PATCH',
    headers,
    json: { advancedConfigurations: { skipLoginConsent: true, skipLogoutConsent: true } },
    expected: 200,
  })
  return {
    impersonator,
    subject,
    applicationId,
    clientId: textOf(credentials, 'clientId'),
    clientSecret: textOf(credentials, 'clientSecret'),
  }
}

/** A change that the impersonator makes as the subject. */
export const countryPatch = (country: string) =>
  patchOp({ op: 'replace', value: { 'urn:scim:wso2:schema': { country } } })
