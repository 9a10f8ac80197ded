/** What the tests of the authorization endpoint share: requests by a browser, signed in or not, and their answers. */
import { expect } from 'bun:test'
import { type Delivered, readAnswer } from '../authorize-answer.ts'
import type { Booted } from '../boot.ts'
import { type Browser, newBrowser } from '../browser.ts'
import { createApplication, logIn, type Person, redirectUri } from '../scenario.ts'

export interface Client {
  readonly applicationId: string
  readonly clientId: string
  readonly clientSecret: string
}

export type Changes = Readonly<Record<string, string | readonly string[] | undefined>>

export const everyGrant = ['authorization_code', 'implicit', 'refresh_token']

let made = 0

/** An application of every standard flow, with these settings over it. */
export const createClient = (
  server: Booted,
  oidc: Readonly<Record<string, unknown>> = {},
  options: {
    readonly skipLoginConsent?: boolean
    readonly apis?: Readonly<Record<string, readonly string[]>>
  } = {},
): Promise<Client> => {
  made += 1
  return createApplication(server, {
    name: `Authorizing ${made}`,
    apis: {},
    ...options,
    oidc: {
      grantTypes: everyGrant,
      subjectToken: { enable: false },
      hybridFlow: { enable: true, responseType: 'code id_token,code token,code id_token token' },
      ...oidc,
    },
  })
}

/** An authorization request for a code; `undefined` leaves a parameter out, a list repeats it. */
export const requestOf = (client: Pick<Client, 'clientId'>, changes: Changes = {}): string => {
  const parameters: Changes = {
    client_id: client.clientId,
    redirect_uri: redirectUri,
    response_type: 'code',
    scope: 'openid',
    state: 's1',
    nonce: 'n1',
    ...changes,
  }
  const pairs = Object.entries(parameters).flatMap(([name, value]) =>
    (value === undefined ? [] : [value].flat()).map((text): [string, string] => [name, text]),
  )
  return `/oauth2/authorize?${new URLSearchParams(pairs)}`
}

/** A browser in which the person is signed in already. */
export const signedIn = async (
  server: Booted,
  client: Client,
  person: Pick<Person, 'userName' | 'password'>,
): Promise<Browser> => {
  const browser = newBrowser(server)
  const response = await logIn(browser, await browser.get(requestOf(client)), person)
  expect(response.status).toBe(302)
  return browser
}

export const ask = async (browser: Browser, client: Pick<Client, 'clientId'>, changes: Changes = {}) =>
  readAnswer(await browser.get(requestOf(client, changes)))

/** An answer that has to be at the client's place. */
export const delivered = async (
  browser: Browser,
  client: Pick<Client, 'clientId'>,
  changes: Changes = {},
): Promise<Delivered> => {
  const answer = await ask(browser, client, changes)
  if (!('parameters' in answer)) throw new Error(`not at the place: ${JSON.stringify(answer)}`)
  return answer
}

/** The error of an answer, or where it waits. */
export const errorOf = async (
  browser: Browser,
  client: Pick<Client, 'clientId'>,
  changes: Changes = {},
): Promise<string> => {
  const answer = await ask(browser, client, changes)
  if ('parameters' in answer) return answer.parameters.error ?? 'answered'
  return answer.place === 'page' ? `page ${answer.code}` : answer.place
}
