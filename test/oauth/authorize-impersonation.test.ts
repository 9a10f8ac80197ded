/** What the authorization endpoint does for an impersonation as for every request: bound keys, and subjects by PAR only. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import * as jose from 'jose'
import { type Booted, basic, boot } from '../boot.ts'
import { fragmentOf, newBrowser } from '../browser.ts'
import { databases } from '../databases.ts'
import {
  authorizePath,
  createApplication,
  createRole,
  logIn,
  obtainSubjectToken,
  type Scenario,
  setUp,
} from '../scenario.ts'

for (const database of databases) {
  describe(`on ${database.name}, an impersonation`, () => {
    let server: Booted
    let scenario: Scenario

    beforeAll(async () => {
      server = await boot(database)
      scenario = await setUp(server)
    })
    afterAll(() => server.stop())

    test('binds its subject token to the key that dpop_jkt names', async () => {
      const dpop_jkt = 'j'.repeat(43)
      const { subjectToken } = await obtainSubjectToken(server, scenario, { dpop_jkt })
      expect(jose.decodeJwt(subjectToken).cnf).toEqual({ jkt: dpop_jkt })
      const plain = await obtainSubjectToken(server, scenario)
      expect(jose.decodeJwt(plain.subjectToken).cnf).toBeUndefined()
    })

    test('names its subject by PAR only, where the application says so', async () => {
      const oidc = { mayact: { requestedSubjectByParOnly: true } }
      const client = await createApplication(server, { name: 'By PAR only', oidc })
      await createRole(server, {
        name: 'Impersonators by PAR',
        applicationId: client.applicationId,
        permissions: ['internal_user_impersonate'],
        member: scenario.impersonator.id,
      })
      const path = authorizePath({ ...scenario, clientId: client.clientId })
      const browser = newBrowser(server)
      expect(fragmentOf(await browser.get(path)).get('error')).toBe('invalid_request')
      const response = await server.request('/oauth2/par', {
        method: 'POST',
        body: new URLSearchParams(path.split('?')[1]),
        headers: { Authorization: basic(client.clientId, client.clientSecret) },
      })
      expect(response.status).toBe(201)
      const { request_uri } = (await response.json()) as { request_uri: string }
      const query = new URLSearchParams({ client_id: client.clientId, request_uri })
      const paused = await browser.get(`/oauth2/authorize?${query}`)
      const answer = fragmentOf(await logIn(browser, paused, scenario.impersonator))
      expect(jose.decodeJwt(answer.get('subject_token') ?? '').sub).toBe(scenario.subject.id)
    })
  })
}
