/** What the tests of token endpoints share: a code flow by a browser, and forms posted as a client. */
import { expect } from 'bun:test'
import { basic } from '../boot.ts'
import { locationOf, newBrowser, type Server } from '../browser.ts'
import { createApplication, logIn, type Person, redirectUri } from '../scenario.ts'

export interface Client {
  readonly applicationId: string
  readonly clientId: string
  readonly clientSecret: string
}

export interface Tokens {
  readonly access_token: string
  readonly refresh_token: string
  readonly id_token: string
  readonly scope: string
}

/** An application for code flows, with these OIDC settings over the usual ones. */
export const createClient = (
  server: Server,
  name: string,
  oidc: Readonly<Record<string, unknown>> = {},
  apis: Readonly<Record<string, readonly string[]>> = {},
): Promise<Client> =>
  createApplication(server, {
    name,
    apis,
    oidc: {
      grantTypes: ['authorization_code', 'refresh_token', 'client_credentials'],
      subjectToken: { enable: false },
      ...oidc,
    },
  })

export const authorizationOf = ({ clientId, clientSecret }: Pick<Client, 'clientId' | 'clientSecret'>) =>
  basic(clientId, clientSecret)

/** A form as that client posts it; `null` for no client. */
export const postForm = (
  server: Server,
  path: string,
  form: Readonly<Record<string, string>>,
  client: Pick<Client, 'clientId' | 'clientSecret'> | string | null,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> =>
  server.request(path, {
    method: 'POST',
    body: new URLSearchParams(form),
    headers: {
      ...(client === null
        ? {}
        : { Authorization: typeof client === 'string' ? client : authorizationOf(client) }),
      ...headers,
    },
  })

/** Signs the person in and redeems the code. */
export const codeFlow = async (
  server: Server,
  client: Client,
  person: Pick<Person, 'userName' | 'password'>,
  parameters: Readonly<Record<string, string>> = {},
): Promise<Tokens> => {
  const browser = newBrowser(server)
  const query = new URLSearchParams({
    client_id: client.clientId,
    redirect_uri: redirectUri,
    response_type: 'code',
    scope: 'openid profile email offline_access',
    state: 's',
    ...parameters,
  })
  const paused = await browser.get(`/oauth2/authorize?${query}`)
  const answered = await logIn(browser, paused, person)
  const code = locationOf(answered).searchParams.get('code') ?? ''
  expect([answered.status, code === '']).toEqual([302, false])
  const form = { grant_type: 'authorization_code', code, redirect_uri: redirectUri }
  const response = await postForm(server, '/oauth2/token', form, client)
  expect(response.status).toBe(200)
  return (await response.json()) as Tokens
}

/** What the client has for itself. */
export const clientToken = async (server: Server, client: Client, scope = ''): Promise<string> => {
  const form = { grant_type: 'client_credentials', ...(scope === '' ? {} : { scope }) }
  const response = await postForm(server, '/oauth2/token', form, client)
  expect(response.status).toBe(200)
  const { access_token } = (await response.json()) as { access_token: string }
  return access_token
}

/** Every way in which a form's parameter can be wrong: what is sent, whole. */
export const malformedForms = (
  name: string,
  value: string,
): readonly (readonly [string, string | Uint8Array<ArrayBuffer>])[] => [
  ['repeated', `${name}=${value}&${name}=${value}`],
  ['repeated and empty', `${name}=${value}&${name}=`],
  ['64 KiB long', `${name}=${'x'.repeat(65_536)}`],
  ['not percent-encoded UTF-8', `${name}=%C3%28`],
  ['not UTF-8', new Uint8Array([...new TextEncoder().encode(`${name}=`), 0xc3, 0x28])],
  ['with NUL', `${name}=a%00b`],
]
