/** The OpenID Foundation's suite in small: clients that register themselves, and a browser that only fills forms in. */
import { expect } from 'bun:test'
import { createLocalJWKSet, decodeJwt, type JSONWebKeySet, type JWTPayload, jwtVerify } from 'jose'
import { type Delivered, readAnswer } from '../authorize-answer.ts'
import type { Booted } from '../boot.ts'
import { type Browser, newBrowser } from '../browser.ts'
import { basic, type Person } from '../scenario.ts'
import { fieldsOf } from './signed-in.ts'

export const callback = 'https://client.example/cb'
export const issuer = 'https://localhost:9443/oauth2/token'

export interface Client extends Record<string, unknown> {
  readonly client_id: string
  readonly client_secret: string
  readonly registration_access_token: string
}

export type Fields = Readonly<Record<string, string | undefined>>

const given = (fields: Fields) =>
  new URLSearchParams(
    Object.entries(fields).filter((pair): pair is [string, string] => pair[1] !== undefined),
  )

export const conforming = (server: Booted, person: Person) => {
  let registered = 0
  const registration = async (metadata: object): Promise<Response> => {
    registered += 1
    return server.request('/api/identity/oauth2/dcr/v1.1/register', {
      method: 'POST',
      address: `192.0.2.${registered % 250}`,
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({
        client_name: `Conformance ${registered}`,
        redirect_uris: [callback],
        ...metadata,
      }),
    })
  }
  const register = async (metadata: object = {}): Promise<Client> => {
    const response = await registration(metadata)
    const client = (await response.json()) as Client
    expect([response.status, client.error_description]).toEqual([201, undefined])
    return client
  }

  const request = (client: Pick<Client, 'client_id'>, changes: Fields = {}): string =>
    `/oauth2/authorize?${given({
      client_id: client.client_id,
      redirect_uri: callback,
      response_type: 'code',
      scope: 'openid',
      state: 'state-1',
      nonce: 'nonce-1',
      ...changes,
    })}`

  /** Which pages of ours the browser filled in on the last way. */
  const pages: string[] = []

  /** Goes where our redirects and forms lead, until the answer is at the client or on a page without a way on. */
  const drive = async (browser: Browser, first: Response): Promise<Response> => {
    pages.length = 0
    let response = first
    for (let step = 0; step < 12; step += 1) {
      const location = response.headers.get('location')
      if (location !== null) {
        const to = new URL(location, 'https://localhost:9443')
        if (to.origin !== 'https://localhost:9443') return response
        response = await browser.get(`${to.pathname}${to.search}`)
        continue
      }
      const html = await response.clone().text()
      const link = /<form method="post" action="([^"]*)"/.exec(html)?.[1]
      const action = link === undefined ? undefined : browser.resolve(link)
      if (response.status !== 200 || action?.origin !== 'https://localhost:9443') return response
      const login = html.includes('name="password"')
      pages.push(login ? 'login' : html.includes('name="consent"') ? 'consent' : 'other')
      const filled = login
        ? { username: person.userName, password: person.password }
        : html.includes('name="consent"')
          ? { consent: html.includes('approveAlways') ? 'approveAlways' : 'approve' }
          : {}
      response = await browser.post(action.pathname, { ...fieldsOf(html), ...filled })
    }
    throw new Error('the pages lead in circles')
  }

  const authorize = async (
    client: Pick<Client, 'client_id'>,
    changes: Fields = {},
    browser: Browser = newBrowser(server),
  ): Promise<Delivered> => {
    const answer = await readAnswer(await drive(browser, await browser.get(request(client, changes))))
    if (!('parameters' in answer)) throw new Error(`not at the client: ${JSON.stringify(answer)}`)
    return answer
  }

  const token = async (
    client: Client,
    fields: Fields,
    authorization: string | null = basic(client.client_id, client.client_secret),
  ) => {
    const response = await server.request('/oauth2/token', {
      method: 'POST',
      headers: authorization === null ? {} : { Authorization: authorization },
      body: given({ grant_type: 'authorization_code', redirect_uri: callback, ...fields }),
    })
    return { status: response.status, body: (await response.json()) as Record<string, string> }
  }

  const verified = async (
    idToken: string | undefined,
    client: Pick<Client, 'client_id'>,
  ): Promise<JWTPayload> => {
    const keys = (await (await server.request('/oauth2/jwks')).json()) as JSONWebKeySet
    const { payload } = await jwtVerify(idToken ?? '', createLocalJWKSet(keys), {
      issuer,
      audience: client.client_id,
      algorithms: ['RS256'],
      requiredClaims: ['sub', 'iat', 'exp'],
    })
    return payload
  }

  /** The code flow to its tokens, its ID token verified. */
  const tokens = async (client: Client, changes: Fields = {}, browser: Browser = newBrowser(server)) => {
    const { parameters } = await authorize(client, changes, browser)
    expect([parameters.error_description, parameters.state, parameters.iss]).toEqual([
      undefined,
      'state-1',
      issuer,
    ])
    const { status, body } = await token(client, { code: parameters.code })
    expect([status, body.error_description]).toEqual([200, undefined])
    const claims = await verified(body.id_token, client)
    return {
      ...body,
      code: parameters.code ?? '',
      accessToken: body.access_token ?? '',
      idToken: body.id_token ?? '',
      refreshToken: body.refresh_token,
      claims,
      browser,
    }
  }

  const userinfo = async (accessToken: string, init: RequestInit = {}) => {
    const response = await server.request('/oauth2/userinfo', {
      ...init,
      headers: { Authorization: `Bearer ${accessToken}`, ...init.headers },
    })
    return { status: response.status, text: await response.text() }
  }

  /** The claims of userinfo, which are about the same person as the ID token. */
  const userinfoOf = async ({ accessToken, idToken }: { accessToken: string; idToken: string }) => {
    const { status, text } = await userinfo(accessToken)
    const claims = JSON.parse(text) as Record<string, unknown>
    expect([status, claims.sub]).toEqual([200, decodeJwt(idToken).sub])
    return claims
  }

  return {
    registration,
    register,
    request,
    pages,
    drive,
    authorize,
    token,
    verified,
    tokens,
    userinfo,
    userinfoOf,
  }
}
