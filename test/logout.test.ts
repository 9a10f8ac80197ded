import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { type Booted, boot } from './boot.ts'
import { locationOf, newBrowser } from './browser.ts'
import { databases } from './databases.ts'
import { nothingElse } from './nothing-else.ts'
import { fieldsOf } from './oauth/signed-in.ts'
import { authorizePath, exchange, obtainSubjectToken, type Scenario, setUp } from './scenario.ts'

for (const database of databases) {
  describe(`logging out on ${database.name}`, () => {
    let server: Booted
    let scenario: Scenario

    beforeAll(async () => {
      server = await boot(database)
      scenario = await setUp(server)
    })
    afterAll(() => server.stop())

    test('it ends the session and every impersonation begun in it, with one audit row', async () => {
      const { browser, ...started } = await obtainSubjectToken(server, scenario)
      const begun = await obtainSubjectToken(server, scenario, {}, browser)
      const { access_token } = (await (await exchange(server, scenario, started)).json()) as {
        access_token: string
      }
      const me = () => server.request('/scim2/Me', { headers: { Authorization: `Bearer ${access_token}` } })
      expect((await me()).status).toBe(200)
      const asked = await browser.get('/oidc/logout')
      const html = await asked.text()
      expect([asked.status, html.includes('id="logoutForm"')]).toEqual([200, true])
      expect((await me()).status).toBe(200)
      const length = (await server.audit()).length
      const done = await browser.post('/oidc/logout', fieldsOf(html))
      expect([done.status, (await done.text()).includes('id="signed-out"')]).toEqual([200, true])
      expect(
        done.headers.getSetCookie().find((cookie) => cookie.startsWith('__Host-mayact-session=')),
      ).toContain('Max-Age=0')
      expect((await me()).status).toBe(401)
      expect((await exchange(server, scenario, begun)).status).toBe(400)
      expect(locationOf(await browser.get(authorizePath(scenario))).pathname).toBe(
        '/authenticationendpoint/login.do',
      )
      const rows = (await server.audit()).slice(length)
      expect(rows.map(({ event, initiator }) => [event, initiator])).toEqual([
        ['logout', scenario.impersonator.id],
        ['impersonation-refused', scenario.impersonator.id],
      ])
    })

    test('it says the same to a browser that is not signed in, and nothing happens', async () => {
      const { result } = await nothingElse(server.db, {}, () => newBrowser(server).post('/oidc/logout', {}))
      expect(result.status).toBe(200)
    })
  })
}
