/** The seed's scenario, set up by REST and played over HTTP: the same for the app in process and the binary. */
import { expect } from 'bun:test'
import { type Browser, locationOf, newBrowser, type Server } from './browser.ts'

export const basic = (user: string, password: string): string =>
  `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
export const admin = basic('admin', 'admin')

export const redirectUri = 'https://client.example/cb'
export const tokenExchange = 'urn:ietf:params:oauth:grant-type:token-exchange'
export const tokenType = (name: string): string => `urn:ietf:params:oauth:token-type:${name}`

/** JSON in and out, as the administrator unless told otherwise. */
export const sender =
  (server: Server) =>
  async (method: string, path: string, body?: unknown, authorization = admin): Promise<Response> =>
    server.request(path, {
      method,
      headers: {
        Authorization: authorization,
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })

export interface Person {
  readonly id: string
  readonly userName: string
  readonly password: string
}

export interface Scenario {
  readonly impersonator: Person
  readonly subject: Person
  readonly applicationId: string
  readonly clientId: string
  readonly clientSecret: string
  readonly impersonatorRole: string
  readonly subjectRole: string
}

export const seedType = {
  name: 'IMPERSONATION_CONFIGURATION',
  description: 'A resource type to keep the tenant impersonation preferences.',
}

export const subjectScopes = ['internal_user_mgt_view', 'internal_user_mgt_list']

/** The OIDC settings of facts/rest-apis.md §10, step 4. */
export const oidcSettings = {
  grantTypes: ['authorization_code', 'implicit', 'refresh_token', tokenExchange, 'organization_switch'],
  callbackURLs: [redirectUri],
  publicClient: false,
  accessToken: {
    type: 'JWT',
    userAccessTokenExpiryInSeconds: 3600,
    applicationAccessTokenExpiryInSeconds: 3600,
  },
  subjectToken: { enable: true, applicationSubjectTokenExpiryInSeconds: 180 },
}

const json = async <Body>(response: Response): Promise<Body> => (await response.json()) as Body

export const createPerson = async (server: Server, userName: string): Promise<Person> => {
  const password = `${userName}@123`
  const response = await sender(server)('POST', '/scim2/Users', {
    schemas: [],
    userName,
    password,
    name: { givenName: userName, familyName: 'Example' },
    emails: [`${userName.toLowerCase()}@example.com`],
  })
  expect(response.status).toBe(201)
  const { id } = await json<{ id: string }>(response)
  return { id, userName, password }
}

export interface ApplicationOptions {
  readonly name?: string
  readonly oidc?: Readonly<Record<string, unknown>>
  readonly skipLoginConsent?: boolean
  readonly apis?: Readonly<Record<string, readonly string[]>>
}

/** Steps 4–7: an application, its credentials and the APIs it is authorized for. */
export const createApplication = async (server: Server, options: ApplicationOptions = {}) => {
  const send = sender(server)
  const { name = 'POSTMAN_SBA', skipLoginConsent = true } = options
  const created = await send('POST', '/api/server/v1/applications', {
    name,
    isManagementApp: true,
    associatedRoles: { allowedAudience: 'APPLICATION', roles: [] },
    advancedConfigurations: { skipLoginConsent, skipLogoutConsent: true },
    inboundProtocolConfiguration: { oidc: { ...oidcSettings, ...options.oidc } },
  })
  expect(created.status).toBe(201)
  const applicationId = (created.headers.get('location') ?? '').split('/').at(-1) ?? ''
  const protocol = await send('GET', `/api/server/v1/applications/${applicationId}/inbound-protocols/oidc`)
  expect(protocol.status).toBe(200)
  const { clientId, clientSecret } = await json<{ clientId: string; clientSecret: string }>(protocol)
  const apis = options.apis ?? {
    'system:impersonation': ['internal_user_impersonate'],
    '/scim2/Users': subjectScopes,
  }
  for (const [identifier, scopes] of Object.entries(apis)) {
    const filter = encodeURIComponent(`identifier eq ${identifier}`)
    const found = await send('GET', `/api/server/v1/api-resources?filter=${filter}`)
    expect(found.status).toBe(200)
    const { apiResources } = await json<{ apiResources: { id: string }[] }>(found)
    const body = { id: apiResources[0]?.id, policyIdentifier: 'RBAC', scopes }
    const authorized = await send(
      'POST',
      `/api/server/v1/applications/${applicationId}/authorized-apis`,
      body,
    )
    expect(authorized.status).toBe(200)
  }
  return { applicationId, clientId, clientSecret }
}

/** Steps 8 and 9: a role of the application with its permissions, and somebody in it. */
export const createRole = async (
  server: Server,
  role: { name: string; applicationId: string; permissions: readonly string[]; member?: string },
): Promise<string> => {
  const send = sender(server)
  const created = await send('POST', '/scim2/v2/Roles', {
    schemas: [],
    displayName: role.name,
    audience: { value: role.applicationId, type: 'APPLICATION' },
    permissions: role.permissions.map((value) => ({ value })),
  })
  expect(created.status).toBe(201)
  const { id } = await json<{ id: string }>(created)
  if (role.member !== undefined) await addToRole(server, id, role.member)
  return id
}

const patchOp = (operation: Readonly<Record<string, unknown>>) => ({
  schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
  Operations: [operation],
})

export const addToRole = async (server: Server, roleId: string, userId: string): Promise<void> => {
  const body = patchOp({ op: 'add', path: 'users', value: [{ value: userId }] })
  const response = await sender(server)('PATCH', `/scim2/v2/Roles/${roleId}`, body)
  expect(response.status).toBe(200)
}

export const removeFromRole = async (server: Server, roleId: string, userId: string): Promise<void> => {
  const body = patchOp({ op: 'remove', path: `users[value eq ${userId}]` })
  const response = await sender(server)('PATCH', `/scim2/v2/Roles/${roleId}`, body)
  expect(response.status).toBe(200)
}

export const setLocked = async (server: Server, userId: string, accountLocked: boolean): Promise<void> => {
  const body = patchOp({ op: 'replace', value: { 'urn:scim:wso2:schema': { accountLocked } } })
  const response = await sender(server)('PATCH', `/scim2/Users/${userId}`, body)
  expect(response.status).toBe(200)
}

/** Steps 1–10 of facts/rest-apis.md §10. */
export const setUp = async (server: Server): Promise<Scenario> => {
  const send = sender(server)
  expect((await send('POST', '/api/identity/config-mgt/v1.0/resource-type', seedType)).status).toBe(201)
  const setting = await send('GET', '/api/server/v1/configs/impersonation')
  expect([setting.status, await setting.json()]).toEqual([200, { enableEmailNotification: true }])
  const impersonator = await createPerson(server, 'Impersonator')
  const subject = await createPerson(server, 'EndUser')
  const application = await createApplication(server)
  const { applicationId } = application
  const impersonatorRole = await createRole(server, {
    name: 'ImpersonatorRole',
    applicationId,
    permissions: ['internal_user_impersonate'],
    member: impersonator.id,
  })
  const subjectRole = await createRole(server, {
    name: 'EndUserRole',
    applicationId,
    permissions: subjectScopes,
    member: subject.id,
  })
  return { impersonator, subject, ...application, impersonatorRole, subjectRole }
}

/** An authorization request for a subject token; `undefined` leaves a parameter out. */
export const authorizePath = (
  scenario: Pick<Scenario, 'clientId' | 'subject'>,
  changes: Readonly<Record<string, string | undefined>> = {},
): string => {
  const parameters: Record<string, string | undefined> = {
    client_id: scenario.clientId,
    redirect_uri: redirectUri,
    response_type: 'id_token subject_token',
    scope: 'openid internal_login internal_user_impersonate internal_user_mgt_list internal_user_mgt_view',
    requested_subject: scenario.subject.id,
    nonce: 'n1',
    state: 's1',
    ...changes,
  }
  const kept = Object.entries(parameters).filter((pair): pair is [string, string] => pair[1] !== undefined)
  return `/oauth2/authorize?${new URLSearchParams(kept)}`
}

/** From a redirect to the login page through the form to whatever the resumed request answers. */
export const logIn = async (
  browser: Browser,
  paused: Response,
  person: Pick<Person, 'userName' | 'password'>,
) => {
  expect(paused.status).toBe(302)
  const login = locationOf(paused)
  expect(login.pathname).toBe('/authenticationendpoint/login.do')
  const page = await browser.get(`${login.pathname}${login.search}`)
  expect(page.status).toBe(200)
  const posted = await browser.post('/commonauth', {
    username: person.userName,
    password: person.password,
    sessionDataKey: login.searchParams.get('sessionDataKey') ?? '',
  })
  expect(posted.status).toBe(302)
  const back = locationOf(posted)
  if (back.pathname !== '/oauth2/authorize') return posted
  return browser.get(`${back.pathname}${back.search}`)
}

/** The tokens of a subject-token request by a freshly signed-in impersonator. */
export const obtainSubjectToken = async (
  server: Server,
  scenario: Pick<Scenario, 'clientId' | 'subject' | 'impersonator'>,
  changes: Readonly<Record<string, string | undefined>> = {},
  browser: Browser = newBrowser(server),
) => {
  const first = await browser.get(authorizePath(scenario, changes))
  const paused = locationOf(first).pathname === '/authenticationendpoint/login.do'
  const answer = paused ? await logIn(browser, first, scenario.impersonator) : first
  const parameters = new URLSearchParams(locationOf(answer).hash.slice(1))
  const subjectToken = parameters.get('subject_token') ?? ''
  const idToken = parameters.get('id_token') ?? ''
  expect([answer.status, parameters.get('error'), parameters.get('error_description')]).toEqual([
    302,
    null,
    null,
  ])
  expect(subjectToken).not.toBe('')
  return { subjectToken, idToken, answer, parameters, browser }
}

/** POST /oauth2/token with the seed's parameters; `undefined` leaves one out. */
export const exchange = (
  server: Server,
  scenario: Pick<Scenario, 'clientId' | 'clientSecret'>,
  tokens: { readonly subjectToken: string; readonly idToken: string },
  changes: Readonly<Record<string, string | undefined>> = {},
  authorization: string | undefined = basic(scenario.clientId, scenario.clientSecret),
): Promise<Response> => {
  const parameters: Record<string, string | undefined> = {
    subject_token: tokens.subjectToken,
    subject_token_type: tokenType('jwt'),
    requested_token_type: tokenType('access_token'),
    grant_type: tokenExchange,
    actor_token: tokens.idToken,
    actor_token_type: tokenType('id_token'),
    ...changes,
  }
  const kept = Object.entries(parameters).filter((pair): pair is [string, string] => pair[1] !== undefined)
  return server.request('/oauth2/token', {
    method: 'POST',
    body: new URLSearchParams(kept),
    ...(authorization === undefined ? {} : { headers: { Authorization: authorization } }),
  })
}

export interface TokenResponse {
  readonly access_token: string
  readonly issued_token_type: string
  readonly scope: string
  readonly token_type: string
  readonly expires_in: number
}

/** The whole flow up to the impersonated access token. */
export const impersonate = async (server: Server, scenario: Scenario): Promise<TokenResponse> => {
  const response = await exchange(server, scenario, await obtainSubjectToken(server, scenario))
  expect(response.status).toBe(200)
  return json<TokenResponse>(response)
}

export const patchCountry = (server: Server, accessToken: string, country = 'Sweden'): Promise<Response> =>
  server.request('/scim2/Me', {
    method: 'PATCH',
    headers: { Authorization: `Bearer ${accessToken}`, 'Content-Type': 'application/scim+json' },
    body: JSON.stringify(patchOp({ op: 'replace', value: { 'urn:scim:wso2:schema': { country } } })),
  })
