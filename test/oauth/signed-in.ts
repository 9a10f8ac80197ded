/** People signed in to several applications, for the tests of what happens when that ends. */
import { expect } from 'bun:test'
import { decodeJwt } from 'jose'
import { commit } from '../../lib/database/commit.ts'
import { rememberApplication } from '../../lib/sign-in/session-applications.ts'
import type { Booted } from '../boot.ts'
import { type Browser, newBrowser } from '../browser.ts'
import { createApplication, createRole, obtainSubjectToken, type Person, type Scenario } from '../scenario.ts'

export interface Client {
  readonly applicationId: string
  readonly clientId: string
  readonly clientSecret: string
}

export interface ClientOptions {
  readonly oidc?: Readonly<Record<string, unknown>>
  readonly skipLogoutConsent?: boolean
  /** More of the ApplicationModel. */
  readonly model?: Readonly<Record<string, unknown>>
}

let made = 0

/** An application that the impersonator of the scenario may ask subject tokens for. */
export const createClient = async (
  server: Booted,
  scenario: Pick<Scenario, 'impersonator'>,
  { oidc = {}, skipLogoutConsent = true, model = {} }: ClientOptions = {},
): Promise<Client> => {
  made += 1
  const client = await createApplication(server, { name: `Client ${made}`, oidc })
  const patched = await server.send('PATCH', `/api/server/v1/applications/${client.applicationId}`, {
    advancedConfigurations: { skipLoginConsent: true, skipLogoutConsent },
    ...model,
  })
  expect(patched.status).toBe(200)
  await createRole(server, {
    name: `Impersonators ${made}`,
    applicationId: client.applicationId,
    permissions: ['internal_user_impersonate'],
    member: scenario.impersonator.id,
  })
  return client
}

/** Signs the person in at the application, in a browser that may be signed in already. */
export const signIn = async (
  server: Booted,
  scenario: Scenario,
  client: Pick<Client, 'applicationId' | 'clientId'>,
  browser: Browser = newBrowser(server),
  person: Person = scenario.impersonator,
) => {
  const asked = { ...scenario, clientId: client.clientId, impersonator: person }
  const { idToken, subjectToken } = await obtainSubjectToken(server, asked, {}, browser)
  const sid = String(decodeJwt(idToken).sid)
  const known = { id: client.applicationId, clientId: client.clientId }
  await commit(server.db, [...(await rememberApplication(server.db, sid, known, new Date()))])
  return { browser, idToken, subjectToken, sid }
}

/** The hidden fields of a page's form. */
export const fieldsOf = (html: string): Record<string, string> =>
  Object.fromEntries(
    [...html.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)"/g)].map(
      ([, name = '', value = '']) => [
        name,
        value.replaceAll('&quot;', '"').replaceAll('&#39;', "'").replaceAll('&amp;', '&'),
      ],
    ),
  )

export const logoutPath = (parameters: Readonly<Record<string, string>> = {}): string => {
  const query = new URLSearchParams(parameters).toString()
  return query === '' ? '/oidc/logout' : `/oidc/logout?${query}`
}

/** Asks for the page and answers it as a person does. */
export const confirmLogout = async (
  browser: Browser,
  parameters: Readonly<Record<string, string>> = {},
): Promise<Response> => {
  const page = await browser.get(logoutPath(parameters))
  const html = await page.text()
  expect([page.status, html.includes('id="logoutForm"')]).toEqual([200, true])
  return browser.post('/oidc/logout', fieldsOf(html))
}

/** Whether what began in the session is still alive. */
export const isAlive = async ({ db }: Booted, sid: string): Promise<boolean> => {
  const row = await db.selectFrom('lineage').select('ended_at').where('id', '=', sid).executeTakeFirst()
  return row !== undefined && row.ended_at === null
}
