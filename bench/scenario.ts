/** The seed's flow as a load: people, an application, signed-in browsers, subject tokens and their exchange. */

const admin = `Basic ${Buffer.from('admin:admin').toString('base64')}`
const redirectUri = 'https://client.example/cb'
const grant = 'urn:ietf:params:oauth:grant-type:token-exchange'
const type = (name: string) => `urn:ietf:params:oauth:token-type:${name}`
const scopes = ['internal_user_mgt_view', 'internal_user_mgt_list']

export interface Tokens {
  readonly subjectToken: string
  readonly idToken: string
}

/** Sets a server up and signs `clients` impersonators in; then `authorize`, `exchange` and the others are single calls. */
export const prepareScenario = async (origin: string, clients: number) => {
  const send = async (method: string, path: string, body?: unknown): Promise<Response> => {
    const response = await fetch(`${origin}${path}`, {
      method,
      headers: { Authorization: admin, 'Content-Type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`)
    return response
  }
  const json = async <Body>(response: Promise<Response>) => (await (await response).json()) as Body
  const person = async (userName: string) => {
    const user = { userName, password: `${userName}@123`, emails: [`${userName}@example.com`] }
    return (await json<{ id: string }>(send('POST', '/scim2/Users', user))).id
  }
  const impersonators: string[] = []
  for (let n = 0; n < clients; n += 1) impersonators.push(await person(`impersonator${n}`))
  const subject = await person('enduser')
  const created = await send('POST', '/api/server/v1/applications', {
    name: 'bench',
    associatedRoles: { allowedAudience: 'APPLICATION', roles: [] },
    advancedConfigurations: { skipLoginConsent: true, skipLogoutConsent: true },
    inboundProtocolConfiguration: {
      oidc: {
        grantTypes: ['authorization_code', 'refresh_token', 'client_credentials', grant],
        callbackURLs: [redirectUri],
        accessToken: { type: 'JWT' },
        subjectToken: { enable: true, applicationSubjectTokenExpiryInSeconds: 3600 },
      },
    },
  })
  const application = (created.headers.get('location') ?? '').split('/').at(-1) ?? ''
  const path = `/api/server/v1/applications/${application}`
  const protocol = await json<{ clientId: string; clientSecret: string }>(
    send('GET', `${path}/inbound-protocols/oidc`),
  )
  const apis = [
    ['system:impersonation', ['internal_user_impersonate']],
    ['/scim2/Users', scopes],
  ] as const
  for (const [identifier, granted] of apis) {
    const filter = encodeURIComponent(`identifier eq ${identifier}`)
    const { apiResources } = await json<{ apiResources: { id: string }[] }>(
      send('GET', `/api/server/v1/api-resources?filter=${filter}`),
    )
    await send('POST', `${path}/authorized-apis`, {
      id: apiResources[0]?.id,
      policyIdentifier: 'RBAC',
      scopes: granted,
    })
  }
  const role = (displayName: string, permissions: readonly string[], users: readonly string[]) =>
    send('POST', '/scim2/v2/Roles', {
      displayName,
      audience: { value: application, type: 'APPLICATION' },
      permissions: permissions.map((value) => ({ value })),
      users: users.map((value) => ({ value })),
    })
  await role('impersonators', ['internal_user_impersonate'], impersonators)
  await role('users', scopes, [subject])

  const url = `${origin}/oauth2/authorize?${new URLSearchParams({
    client_id: protocol.clientId,
    redirect_uri: redirectUri,
    response_type: 'id_token subject_token',
    scope: `openid internal_login internal_user_impersonate ${scopes.join(' ')}`,
    requested_subject: subject,
    nonce: 'n1',
    state: 's1',
  })}`

  /** A browser that is signed in: its cookies. */
  const signIn = async (userName: string): Promise<string> => {
    const cookies = new Map<string, string>()
    const go = async (target: string, init: RequestInit = {}) => {
      const Cookie = [...cookies].map((pair) => pair.join('=')).join('; ')
      const response = await fetch(new URL(target, origin), {
        ...init,
        redirect: 'manual',
        headers: { Cookie },
      })
      for (const cookie of response.headers.getSetCookie()) {
        const [name = '', value = ''] = (cookie.split(';')[0] ?? '').split('=')
        cookies.set(name, value)
      }
      return response.headers.get('location') ?? ''
    }
    const login = await go(url)
    const sessionDataKey = new URL(login, origin).searchParams.get('sessionDataKey') ?? ''
    const form = new URLSearchParams({ username: userName, password: `${userName}@123`, sessionDataKey })
    const back = await go('/commonauth', { method: 'POST', body: form })
    if (!(await go(back)).includes('subject_token=')) throw new Error(`${userName} could not sign in`)
    return [...cookies].map((pair) => pair.join('=')).join('; ')
  }
  const browsers: string[] = []
  for (let n = 0; n < clients; n += 1) browsers.push(await signIn(`impersonator${n}`))

  const authorize = async (client: number): Promise<Tokens> => {
    const response = await fetch(url, { redirect: 'manual', headers: { Cookie: browsers[client] ?? '' } })
    const fragment = new URLSearchParams((response.headers.get('location') ?? '').split('#')[1] ?? '')
    const [subjectToken, idToken] = [fragment.get('subject_token'), fragment.get('id_token')]
    if (!subjectToken || !idToken) throw new Error(`no subject token: ${response.status} ${fragment}`)
    return { subjectToken, idToken }
  }

  const Authorization = `Basic ${Buffer.from(`${protocol.clientId}:${protocol.clientSecret}`).toString('base64')}`
  const exchange = async ({ subjectToken, idToken }: Tokens): Promise<string> => {
    const response = await fetch(`${origin}/oauth2/token`, {
      method: 'POST',
      headers: { Authorization, 'Content-Type': 'application/x-www-form-urlencoded' },
      body: `grant_type=${encodeURIComponent(grant)}&subject_token=${subjectToken}&subject_token_type=${type('jwt')}&requested_token_type=${type('access_token')}&actor_token=${idToken}&actor_token_type=${type('id_token')}`,
    })
    const body = (await response.json()) as { access_token?: string }
    if (!body.access_token) throw new Error(`no token: ${response.status} ${JSON.stringify(body)}`)
    return body.access_token
  }

  const tokenRequest = async (fields: Readonly<Record<string, string>>) => {
    const response = await fetch(`${origin}/oauth2/token`, {
      method: 'POST',
      headers: { Authorization, 'Content-Type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams(fields).toString(),
    })
    const body = (await response.json()) as { access_token?: string; refresh_token?: string }
    if (!body.access_token) throw new Error(`no token: ${response.status} ${JSON.stringify(body)}`)
    return body
  }
  const clientCredentials = () => tokenRequest({ grant_type: 'client_credentials', scope: scopes.join(' ') })
  const codeUrl = `${origin}/oauth2/authorize?${new URLSearchParams({
    client_id: protocol.clientId,
    redirect_uri: redirectUri,
    response_type: 'code',
    scope: `openid ${scopes.join(' ')}`,
    state: 's1',
  })}`
  /** A code with the client's session, and its tokens: access, ID and refresh token. */
  const codeFlow = async (client: number): Promise<string> => {
    const answer = await fetch(codeUrl, { redirect: 'manual', headers: { Cookie: browsers[client] ?? '' } })
    const code = new URL(answer.headers.get('location') ?? '', origin).searchParams.get('code')
    if (!code) throw new Error(`no code: ${answer.status} ${answer.headers.get('location')}`)
    const body = await tokenRequest({ grant_type: 'authorization_code', code, redirect_uri: redirectUri })
    return body.refresh_token ?? ''
  }
  /** Rotates; answers the token to use next. */
  const refresh = async (refresh_token: string): Promise<string> =>
    (await tokenRequest({ grant_type: 'refresh_token', refresh_token })).refresh_token ?? ''

  const introspect = async (token: string): Promise<void> => {
    const response = await fetch(`${origin}/oauth2/introspect`, {
      method: 'POST',
      headers: { Authorization, 'Content-Type': 'application/x-www-form-urlencoded' },
      body: `token=${token}`,
    })
    const body = (await response.json()) as { active?: boolean }
    if (body.active !== true) throw new Error(`not active: ${response.status}`)
  }

  const userinfo = async (token: string): Promise<void> => {
    const response = await fetch(`${origin}/oauth2/userinfo`, {
      headers: { Authorization: `Bearer ${token}` },
    })
    const body = (await response.json()) as { sub?: string }
    if (body.sub !== subject) throw new Error(`not the subject: ${response.status}`)
  }
  return { authorize, exchange, introspect, userinfo, clientCredentials, codeFlow, refresh }
}
