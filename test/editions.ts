/** What has an entity tag, how one is made, and which calls change it: the table of test/if-match.test.ts. */
import { expect } from 'bun:test'
import { admin, type Booted, basic } from './boot.ts'
import { createApplication, createPerson } from './scenario.ts'

export type At = Readonly<Record<string, string>>
type Body = unknown | ((at: At) => unknown)

/** Something that can be changed, and what calls change it. */
export interface Resource {
  /** Makes one; answers what stands in its paths, and perhaps whose credentials reach it. */
  readonly make: (server: Booted, name: string) => Promise<At>
  /** Where it is read. */
  readonly read: string
  /** Another change of it than the one that is tried. */
  readonly touch: readonly (readonly [method: string, path: string, body?: Body])[]
  readonly calls: Readonly<Record<string, Body>>
}

const idOf = (response: Response) => (response.headers.get('location') ?? '').split('/').at(-1) ?? ''
const patchOp = (value: unknown) => ({
  schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
  Operations: [{ op: 'replace', value }],
})

const filled = (path: string, at: At) =>
  path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(at[name] ?? ''))

/** A call as JSON, as the administrator unless `at` says who. */
export const call = (server: Booted, method: string, path: string, at: At, body: Body, match?: string) => {
  const asked = typeof body === 'function' ? body(at) : body
  return server.send(method, filled(path, at), asked, {
    Authorization: at.authorization ?? admin,
    ...(match === undefined ? {} : { 'If-Match': match }),
  })
}

export const made = async (server: Booted, path: string, body: unknown): Promise<Response> => {
  const response = await server.send('POST', path, body)
  expect([path, response.status < 300 ? 'made' : await response.text()]).toEqual([path, 'made'])
  return response
}

const newUser = async (server: Booted, name: string): Promise<At> => {
  const { id, userName, password } = await createPerson(server, name)
  return { id, userName, authorization: basic(userName, password) }
}

const users: Resource = {
  make: async (server, name) => ({ ...(await newUser(server, name)), authorization: admin }),
  read: '/scim2/Users/{id}',
  touch: [['PATCH', '/scim2/Users/{id}', patchOp({ nickName: 'touched' })]],
  calls: {
    'PUT /scim2/Users/{id}': ({ userName }: At) => ({ schemas: [], userName, name: { familyName: 'B' } }),
    'PATCH /scim2/Users/{id}': patchOp({ nickName: 'mine' }),
    'DELETE /scim2/Users/{id}': undefined,
  },
}

const me: Resource = {
  make: async (server, name) => {
    const user = await newUser(server, name)
    const role = { schemas: [], displayName: `R ${name}`, users: [{ value: user.id }] }
    await made(server, '/scim2/v2/Roles', { ...role, permissions: [{ value: 'internal_user_mgt_delete' }] })
    return user
  },
  read: '/scim2/Me',
  touch: [['PATCH', '/scim2/Me', patchOp({ nickName: 'touched' })]],
  calls: {
    'PUT /scim2/Me': ({ userName }: At) => ({ schemas: [], userName, name: { familyName: 'B' } }),
    'PATCH /scim2/Me': patchOp({ nickName: 'mine' }),
    'DELETE /scim2/Me': undefined,
  },
}

const scimSet = (path: string, more: object = {}): Resource => ({
  make: async (server, displayName) => ({
    id: idOf(await made(server, path, { schemas: [], displayName, ...more })),
    displayName,
  }),
  read: `${path}/{id}`,
  touch: [['PATCH', `${path}/{id}`, ({ displayName }: At) => patchOp({ displayName: `${displayName}!` })]],
  calls: {
    [`PUT ${path}/{id}`]: ({ displayName }: At) => ({ schemas: [], displayName: `${displayName}.`, ...more }),
    [`PATCH ${path}/{id}`]: ({ displayName }: At) => patchOp({ displayName: `${displayName}?` }),
    [`DELETE ${path}/{id}`]: undefined,
  },
})

export const store = '/api/identity/config-mgt/v1.0'
const configurationType: Resource = {
  make: async (server, name) => {
    await made(server, `${store}/resource-type`, { name, description: 'd' })
    return { name }
  },
  read: `${store}/resource-type/{name}`,
  touch: [['PUT', `${store}/resource-type`, ({ name }: At) => ({ name, description: 'touched' })]],
  calls: {
    [`PUT ${store}/resource-type`]: ({ name }: At) => ({ name, description: 'mine' }),
    [`DELETE ${store}/resource-type/{name}`]: undefined,
  },
}
const attribute = (value: string) => ({ key: 'a', value })
const configurationResource: Resource = {
  make: async (server, name) => {
    await made(server, `${store}/resource-type`, { name, description: 'd' })
    const type = encodeURIComponent(name)
    await made(server, `${store}/resource/${type}`, { name: 'R', attributes: [attribute('1')] })
    return { type: name, name: 'R', key: 'a' }
  },
  read: `${store}/resource/{type}/{name}`,
  touch: [['PUT', `${store}/resource/{type}/{name}`, attribute('touched')]],
  calls: {
    [`PUT ${store}/resource/{type}`]: { name: 'R', attributes: [attribute('mine')] },
    [`PUT ${store}/resource/{type}/{name}`]: attribute('mine'),
    [`DELETE ${store}/resource/{type}/{name}`]: undefined,
  },
}
const configurationAttribute: Resource = {
  ...configurationResource,
  read: `${store}/resource/{type}/{name}/{key}`,
  calls: {
    [`PUT ${store}/resource/{type}/{name}`]: attribute('mine'),
    [`DELETE ${store}/resource/{type}/{name}/{key}`]: undefined,
  },
}

const configs = '/api/server/v1/configs/impersonation'
const notify = (value: boolean) => [{ operation: 'REPLACE', path: '/enableEmailNotification', value }]
const impersonationSetting: Resource = {
  make: async (server) => {
    await server.send('PATCH', configs, notify(true))
    return {}
  },
  read: configs,
  touch: [['PATCH', configs, notify(false)]],
  calls: { [`PATCH ${configs}`]: notify(true), [`DELETE ${configs}`]: undefined },
}

const apis = '/api/server/v1/api-resources'
const scopeNamed = (name: string) => ({ name, displayName: name })
const apiResource: Resource = {
  make: async (server, name) => {
    const identifier = name.replaceAll(' ', '-')
    const scope = `${identifier}:one`
    const body = { name, identifier, requiresAuthorization: true, scopes: [scopeNamed(scope)] }
    const { id, scopes } = (await (await made(server, apis, body)).json()) as {
      id: string
      scopes: { id: string }[]
    }
    return { id, scope, scopeId: scopes[0]?.id ?? '' }
  },
  read: `${apis}/{id}`,
  touch: [['PATCH', `${apis}/{id}`, { description: 'touched' }]],
  calls: {
    [`PATCH ${apis}/{id}`]: { description: 'mine' },
    [`DELETE ${apis}/{id}`]: undefined,
    [`PUT ${apis}/{id}/scopes`]: ({ scope = '' }: At) => [scopeNamed(scope), scopeNamed(`${scope}:two`)],
    [`PATCH ${apis}/{id}/scopes/{scope}`]: { displayName: 'mine' },
    [`DELETE ${apis}/{id}/scopes/{scope}`]: undefined,
  },
}
const scopeById: Resource = {
  ...apiResource,
  make: async (server, name) => {
    const { id = '', scopeId = '' } = await apiResource.make(server, name)
    return { id, scope: scopeId }
  },
  read: `${apis}/{id}/scopes`,
  calls: {
    [`PATCH ${apis}/{id}/scopes/id/{scope}`]: { displayName: 'mine' },
    [`DELETE ${apis}/{id}/scopes/id/{scope}`]: undefined,
  },
}

const applications = '/api/server/v1/applications'
const newApplication = async (server: Booted, name: string) => {
  const { applicationId, clientId, clientSecret } = await createApplication(server, {
    name,
    apis: { '/scim2/Users': [] },
  })
  const query = encodeURIComponent('identifier eq /scim2/Groups')
  const found = await server.send('GET', `${apis}?filter=${query}`)
  const { apiResources } = (await found.json()) as { apiResources: { id: string }[] }
  const list = await server.send('GET', `${applications}/${applicationId}/authorized-apis`)
  const [authorized] = (await list.json()) as { id: string }[]
  const other = await createPerson(server, `Owner of ${name}`.replaceAll(' ', '-'))
  return {
    id: applicationId,
    name,
    clientId,
    clientSecret,
    apiId: authorized?.id ?? '',
    otherApi: apiResources[0]?.id ?? '',
    other: other.id,
  }
}
const describeIt = (description: string) => [['PATCH', `${applications}/{id}`, { description }]] as const
const application: Resource = {
  make: newApplication,
  read: `${applications}/{id}`,
  touch: describeIt('touched'),
  calls: {
    [`PATCH ${applications}/{id}`]: { description: 'mine' },
    [`DELETE ${applications}/{id}`]: undefined,
    [`PUT ${applications}/{id}/owner`]: ({ other }: At) => ({ id: other }),
  },
}
const oidc = `${applications}/{id}/inbound-protocols/oidc`
const protocol: Resource = {
  ...application,
  read: oidc,
  calls: {
    [`PUT ${applications}/import`]: ({ name }: At) => ({ name, description: 'mine' }),
    [`PUT ${oidc}`]: ({ clientId, clientSecret }: At) => ({
      clientId,
      clientSecret,
      grantTypes: ['client_credentials'],
    }),
    [`DELETE ${oidc}`]: undefined,
    [`POST ${oidc}/regenerate-secret`]: undefined,
    [`POST ${oidc}/revoke`]: undefined,
    [`POST ${applications}/{id}/impersonation`]: {},
    [`DELETE ${applications}/{id}/impersonation`]: undefined,
  },
}
const authorizedApi: Resource = {
  ...application,
  read: `${applications}/{id}/authorized-apis`,
  touch: [
    [
      'POST',
      `${applications}/{id}/authorized-apis`,
      ({ otherApi }: At) => ({ id: otherApi, policyIdentifier: 'RBAC', scopes: [] }),
    ],
  ],
  calls: {
    [`PATCH ${applications}/{id}/authorized-apis/{apiId}`]: {
      addedScopes: ['internal_user_mgt_view'],
      removedScopes: [],
    },
    [`DELETE ${applications}/{id}/authorized-apis/{apiId}`]: undefined,
  },
}
const provisioned = (provisioningUserstoreDomain: string) => ({
  provisioningConfigurations: {
    inboundProvisioning: { proxyMode: false, provisioningUserstoreDomain },
    outboundProvisioningIdps: [],
  },
})
const resident: Resource = {
  make: async (server) => {
    await server.send('PATCH', `${applications}/resident`, provisioned('MADE'))
    return {}
  },
  read: `${applications}/resident`,
  touch: [['PATCH', `${applications}/resident`, provisioned('TOUCHED')]],
  calls: { [`PATCH ${applications}/resident`]: provisioned('MINE') },
}

const scopes = '/api/server/v1/oidc/scopes'
const oidcScope: Resource = {
  make: async (server, name) => {
    const id = name.replaceAll(' ', '-')
    await made(server, scopes, { name: id, displayName: 'Mine', claims: ['email'] })
    return { id }
  },
  read: `${scopes}/{id}`,
  touch: [['PUT', `${scopes}/{id}`, { displayName: 'touched', claims: ['email'] }]],
  calls: {
    [`PUT ${scopes}/{id}`]: { displayName: 'mine', claims: ['name'] },
    [`DELETE ${scopes}/{id}`]: undefined,
  },
}

const webhooks = '/api/server/v1/webhooks'
const webhook: Resource = {
  make: async (server, name) => {
    // there are at most so many: each makes room for the next
    const { webhooks: known } = (await (await server.send('GET', webhooks)).json()) as {
      webhooks: { id: string }[]
    }
    for (const { id } of known) await server.send('DELETE', `${webhooks}/${id}`)
    return { id: idOf(await made(server, webhooks, { name, url: 'https://receiver.example/told' })) }
  },
  read: `${webhooks}/{id}`,
  touch: [['PATCH', `${webhooks}/{id}`, { name: 'touched' }]],
  calls: {
    [`PATCH ${webhooks}/{id}`]: { name: 'mine' },
    [`DELETE ${webhooks}/{id}`]: undefined,
    [`POST ${webhooks}/{id}/rotate-secret`]: undefined,
  },
}

const v1 = '/api/server/v1/email/template-types'
const content = (subject: string) => ({ contentType: 'text/html', subject, body: '<p>b</p>', footer: 'f' })
const localeOf = (id: string, subject = 's') => ({ id, ...content(subject) })
const newType = async (server: Booted, displayName: string): Promise<At> => {
  await made(server, v1, { displayName, templates: [localeOf('de_DE')] })
  return { type: Buffer.from(displayName).toString('base64url'), locale: 'de_DE', displayName }
}
const touchTemplate = [['PUT', `${v1}/{type}/templates/{locale}`, localeOf('de_DE', 'touched')]] as const
const firstType: Resource = {
  make: newType,
  read: `${v1}/{type}`,
  touch: touchTemplate,
  calls: {
    [`PUT ${v1}/{type}`]: [localeOf('de_DE', 'mine')],
    [`DELETE ${v1}/{type}`]: undefined,
  },
}
const firstTemplate: Resource = {
  make: newType,
  read: `${v1}/{type}/templates/{locale}`,
  touch: touchTemplate,
  calls: {
    [`PUT ${v1}/{type}/templates/{locale}`]: localeOf('de_DE', 'mine'),
    [`DELETE ${v1}/{type}/templates/{locale}`]: undefined,
  },
}
const laterTypes = ['/api/server/v2/email/template-types', '/api/server/v1/notification/email/template-types']
const typesOf = (base: string): Resource => ({
  make: newType,
  read: `${base}/{type}`,
  // nothing of it can be changed: another is made in its place
  touch: [
    ['DELETE', `${base}/{type}`],
    ['POST', base, ({ displayName }: At) => ({ displayName })],
  ],
  calls: { [`DELETE ${base}/{type}`]: undefined },
})
const templatesOf = (base: string, level: 'org-templates' | 'app-templates/{application}'): Resource => ({
  make: async (server, name) => {
    const type = await newType(server, name)
    const app =
      level === 'org-templates' ? '' : (await createApplication(server, { name, apis: {} })).applicationId
    const at = { ...type, application: app, locale: 'fr_FR' }
    await made(server, filled(`${base}/{type}/${level}`, at), { locale: 'fr_FR', ...content('s') })
    return at
  },
  read: `${base}/{type}/${level}/{locale}`,
  touch: [['PUT', `${base}/{type}/${level}/{locale}`, content('touched')]],
  calls: {
    [`PUT ${base}/{type}/${level}/{locale}`]: content('mine'),
    [`DELETE ${base}/{type}/${level}/{locale}`]: undefined,
  },
})

const sms = (name: string, sender: string) => ({
  name,
  provider: 'Twilio',
  providerURL: 'https://sms.example/send',
  contentType: 'JSON',
  key: 'k',
  secret: 's',
  sender,
  properties: [],
})
const push = (name: string, key: string) => ({ name, provider: 'FCM', properties: [{ key, value: 'v' }] })
const senderOf = (channel: 'sms' | 'push', version: string): Resource => {
  const base = `/api/server/${version}/notification-senders/${channel}`
  const body = channel === 'sms' ? sms : push
  return {
    make: async (server, name) => {
      const list = (await (await server.send('GET', base)).json()) as { name: string }[]
      for (const one of list) await server.send('DELETE', `${base}/${encodeURIComponent(one.name)}`)
      const response = await made(server, base, body(name, '1'))
      return { name: ((await response.json()) as { name: string }).name }
    },
    read: `${base}/{name}`,
    touch: [['PUT', `${base}/{name}`, ({ name = '' }: At) => body(name, '2')]],
    calls: {
      [`PUT ${base}/{name}`]: ({ name = '' }: At) => body(name, '3'),
      [`DELETE ${base}/{name}`]: undefined,
    },
  }
}

const resources: readonly Resource[] = [
  users,
  me,
  scimSet('/scim2/Groups'),
  scimSet('/scim2/v2/Roles', { permissions: [] }),
  configurationType,
  configurationResource,
  configurationAttribute,
  impersonationSetting,
  apiResource,
  scopeById,
  application,
  protocol,
  authorizedApi,
  resident,
  oidcScope,
  webhook,
  firstType,
  firstTemplate,
  ...laterTypes.flatMap((base) => [
    typesOf(base),
    templatesOf(base, 'org-templates'),
    templatesOf(base, 'app-templates/{application}'),
  ]),
  ...['v1', 'v2'].flatMap((version) => [senderOf('sms', version), senderOf('push', version)]),
]

export const table = resources.flatMap((resource) =>
  Object.entries(resource.calls).map(([name, body]) => ({ name, body, resource, read: resource.read })),
)
