/** Revocation: how far it reaches, whom it is refused to, and that nobody is signed out by it. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test'
import * as jose from 'jose'
import { findToken } from '../../lib/tokens/token.ts'
import { type Booted, basic, boot } from '../boot.ts'
import { locationOf, newBrowser } from '../browser.ts'
import { databases } from '../databases.ts'
import { userToken } from '../fixtures.ts'
import { changesOf, nothingElse } from '../nothing-else.ts'
import {
  authorizePath,
  exchange,
  impersonate,
  logIn,
  obtainSubjectToken,
  redirectUri,
  type Scenario,
  setUp,
  tokenExchange,
  tokenType,
} from '../scenario.ts'
import {
  authorizationOf,
  type Client,
  clientToken,
  codeFlow,
  createClient,
  malformedForms,
  postForm,
} from './tokens.ts'

const path = '/oauth2/revoke'
const oneRevocation = { lineage: { changed: 1 }, audit: { added: 1 } }

for (const database of databases) {
  describe(`revocation on ${database.name}`, () => {
    let server: Booted
    let scenario: Scenario
    let client: Client
    let other: Client
    let rows = 0
    beforeAll(async () => {
      server = await boot(database)
      scenario = await setUp(server)
      client = await createClient(server, 'Shop', {
        grantTypes: ['authorization_code', 'refresh_token', 'client_credentials', 'implicit', tokenExchange],
      })
      other = await createClient(server, 'Other', { grantTypes: ['authorization_code', tokenExchange] })
    })
    afterAll(() => server.stop())

    const audited = async () => (await server.audit()).slice(rows)
    beforeEach(async () => {
      rows = (await server.audit()).length
    })

    const revoke = (
      token: string,
      as: Parameters<typeof postForm>[3] = client,
      form: Record<string, string> = {},
    ) => postForm(server, path, { token, ...form }, as)
    const isAlive = async (token: string) => (await findToken(server.db, token, new Date()))?.alive === true
    const expectDone = async (response: Response) => {
      expect([response.status, await response.text()]).toEqual([200, ''])
      expect(response.headers.get('cache-control')).toBe('no-store')
    }

    test('revoking a refresh token ends its family', async () => {
      const first = await codeFlow(server, client, scenario.subject)
      const form = { grant_type: 'refresh_token', refresh_token: first.refresh_token }
      const refreshed = await postForm(server, '/oauth2/token', form, client)
      const second = (await refreshed.json()) as typeof first
      rows = (await server.audit()).length
      const { result } = await nothingElse(server.db, oneRevocation, () => revoke(second.refresh_token))
      await expectDone(result)
      expect(result.headers.get('content-type')).toBe('application/json')
      for (const token of [
        first.access_token,
        first.refresh_token,
        second.access_token,
        second.refresh_token,
      ]) {
        expect(await isAlive(token)).toBe(false)
      }
      const { jti } = jose.decodeJwt(first.access_token)
      const [row, ...more] = await audited()
      expect(more).toEqual([])
      expect(row).toMatchObject({
        event: 'token-revoked',
        initiator: client.clientId,
        target: scenario.subject.id,
        subject_id: scenario.subject.id,
        application_id: client.applicationId,
        outcome: 'Success',
        data: { clientId: client.clientId, tokenClass: 'refresh', ended: 'grant' },
      })
      expect(row?.data.tokenId).not.toBe(jti)
      expect(JSON.stringify(row)).not.toContain(second.refresh_token)
      const again = await postForm(
        server,
        '/oauth2/token',
        { ...form, refresh_token: second.refresh_token },
        client,
      )
      expect([again.status, await again.json()]).toMatchObject([400, { error: 'invalid_grant' }])
    })

    test('so does a rotated one, and an access token of the grant', async () => {
      for (const chosen of ['refresh_token', 'access_token'] as const) {
        const first = await codeFlow(server, client, scenario.subject)
        const form = { grant_type: 'refresh_token', refresh_token: first.refresh_token }
        const second = (await (await postForm(server, '/oauth2/token', form, client)).json()) as typeof first
        await expectDone(await revoke(first[chosen], client, { token_type_hint: 'whatever' }))
        expect(await isAlive(second.access_token)).toBe(false)
        expect(await isAlive(second.refresh_token)).toBe(false)
      }
    })

    test('the session lives on: revoking signs nobody out', async () => {
      const browser = newBrowser(server)
      const query = (type: string) =>
        `/oauth2/authorize?${new URLSearchParams({
          client_id: client.clientId,
          redirect_uri: redirectUri,
          response_type: type,
          scope: 'openid',
          nonce: 'n',
          state: 's',
        })}`
      const answered = await logIn(browser, await browser.get(query('id_token token')), scenario.subject)
      const fragment = new URLSearchParams(locationOf(answered).hash.slice(1))
      const [accessToken, idToken] = [fragment.get('access_token') ?? '', fragment.get('id_token') ?? '']
      expect(await isAlive(accessToken)).toBe(true)
      rows = (await server.audit()).length
      const { result } = await nothingElse(server.db, { audit: { added: 1 } }, () => revoke(idToken))
      expect([result.status, await result.json()]).toMatchObject([400, { error: 'unsupported_token_type' }])
      expect(await audited()).toMatchObject([
        { event: 'token-refused', outcome: 'Refused', data: { tokenClass: 'id', endpoint: path } },
      ])
      expect(await isAlive(idToken)).toBe(true)
      await expectDone(await revoke(accessToken))
      expect(await isAlive(accessToken)).toBe(false)
      expect(await isAlive(idToken)).toBe(true)
      const still = await browser.get(query('none'))
      expect([still.status, locationOf(still).searchParams.get('error')]).toEqual([302, null])
      expect(locationOf(still).origin).toBe('https://client.example')
    })

    test('a token that hangs on the session itself ends alone', async () => {
      const asked = {
        application: { id: client.applicationId, clientId: client.clientId },
        subjectId: scenario.subject.id,
        scopes: ['openid'],
      }
      const value = await userToken(server.db, asked)
      const found = await findToken(server.db, value, new Date())
      const { result } = await nothingElse(server.db, { token: { changed: 1 }, audit: { added: 1 } }, () =>
        revoke(value),
      )
      await expectDone(result)
      expect(await isAlive(value)).toBe(false)
      expect(await audited()).toMatchObject([{ event: 'token-revoked', data: { ended: 'token' } }])
      const lineage = await server.db
        .selectFrom('lineage')
        .selectAll()
        .where('id', '=', found?.lineageId ?? '')
        .executeTakeFirstOrThrow()
      expect([lineage.kind, lineage.ended_at]).toEqual(['session', null])
      await nothingElse(server.db, {}, async () => expectDone(await revoke(value)))
    })

    test("a client's own token ends alone", async () => {
      const [one, two] = [await clientToken(server, client), await clientToken(server, client)]
      rows = (await server.audit()).length
      const { result } = await nothingElse(server.db, oneRevocation, () => revoke(one))
      await expectDone(result)
      expect([await isAlive(one), await isAlive(two)]).toEqual([false, true])
      expect(await audited()).toMatchObject([
        { event: 'token-revoked', target: client.clientId, data: { ended: 'client' } },
      ])
    })

    test('revoking an impersonated token ends the impersonation', async () => {
      const browser = newBrowser(server)
      const tokens = await obtainSubjectToken(server, scenario, {}, browser)
      const response = await exchange(server, scenario, tokens)
      const { access_token } = (await response.json()) as { access_token: string }
      rows = (await server.audit()).length
      const { result } = await nothingElse(server.db, oneRevocation, () => revoke(access_token, scenario))
      await expectDone(result)
      expect(await audited()).toMatchObject([
        {
          event: 'token-revoked',
          actor_id: scenario.impersonator.id,
          subject_id: scenario.subject.id,
          data: { ended: 'impersonation', tokenClass: 'access' },
        },
      ])
      const me = await server.request('/scim2/Me', { headers: { Authorization: `Bearer ${access_token}` } })
      expect(me.status).toBe(401)
      // the impersonator is still signed in, and may begin another one
      const next = await browser.get(authorizePath(scenario))
      expect(locationOf(next).hash).toContain('subject_token=')
    })

    test('revoking a subject token ends what it could become', async () => {
      const tokens = await obtainSubjectToken(server, scenario)
      await expectDone(await revoke(tokens.subjectToken, scenario))
      const response = await exchange(server, scenario, tokens)
      expect([response.status, await response.json()]).toMatchObject([400, { error: 'invalid_request' }])
    })

    test('an unknown, ended or foreign-looking token is answered as a revoked one, and nothing happens', async () => {
      const { refresh_token } = await codeFlow(server, client, scenario.subject)
      await expectDone(await revoke(refresh_token))
      await nothingElse(server.db, {}, async () => {
        for (const token of [refresh_token, 'never-issued', 'a.b.c', `${refresh_token}x`, 'é'.repeat(300)]) {
          await expectDone(await revoke(token))
        }
      })
    })

    test('refuses the token of another client, which lives on', async () => {
      const { refresh_token, access_token } = await codeFlow(server, client, scenario.subject)
      rows = (await server.audit()).length
      for (const token of [refresh_token, access_token]) {
        const { result } = await nothingElse(server.db, { audit: { added: 1 } }, () => revoke(token, other))
        expect([result.status, await result.json()]).toEqual([
          400,
          {
            error: 'unauthorized_client',
            error_description: 'The token was issued to another client.',
          },
        ])
        expect(await isAlive(token)).toBe(true)
      }
      const refused = await audited()
      expect(refused).toHaveLength(2)
      expect(refused[0]).toMatchObject({
        event: 'token-refused',
        initiator: other.clientId,
        outcome: 'Refused',
        data: { reason: 'another client', issuedTo: client.clientId },
      })
    })

    test('what another client got by exchange ends alone, and with what it came from', async () => {
      const from = await codeFlow(server, client, scenario.subject)
      const derive = async (token: string, as: Client, more: Readonly<Record<string, string>>) => {
        const form = {
          grant_type: tokenExchange,
          subject_token: token,
          subject_token_type: tokenType('access_token'),
          ...more,
        }
        const response = await postForm(server, '/oauth2/token', form, as)
        expect(response.status).toBe(200)
        const { access_token } = (await response.json()) as { access_token: string }
        return access_token
      }
      const forOther = await derive(from.access_token, client, { audience: other.clientId })
      const [one, two] = [await derive(forOther, other, {}), await derive(forOther, other, {})]
      rows = (await server.audit()).length
      const { result } = await nothingElse(server.db, { token: { changed: 1 }, audit: { added: 1 } }, () =>
        revoke(one, other),
      )
      await expectDone(result)
      expect(await audited()).toMatchObject([{ event: 'token-revoked', data: { ended: 'token' } }])
      expect(await Promise.all([one, two, forOther, from.access_token].map(isAlive))).toEqual([
        false,
        true,
        true,
        true,
      ])
      await expectDone(await revoke(from.access_token))
      expect(await Promise.all([two, forOther, from.refresh_token].map(isAlive))).toEqual([
        false,
        false,
        false,
      ])
    })

    test.each([
      ['no credentials', null],
      ['a wrong secret', 'wrong'],
      ['an unknown client', basic('nobody', 'x')],
      ['a user', basic('admin', 'admin')],
      ['a Bearer token', 'Bearer abc'],
    ])('refuses %s', async (_, given) => {
      const { refresh_token } = await codeFlow(server, client, scenario.subject)
      const as = given === 'wrong' ? basic(client.clientId, 'wrong') : given
      const response = await revoke(refresh_token, as)
      expect([response.status, await response.json()]).toMatchObject([401, { error: 'invalid_client' }])
      expect(response.headers.get('www-authenticate')).toMatch(/^Basic /)
      expect(await isAlive(refresh_token)).toBe(true)
    })

    test('a public client revokes its own by its id', async () => {
      const open = await createClient(server, 'Open', { publicClient: true, pkce: { mandatory: true } })
      const asked = {
        application: { id: open.applicationId, clientId: open.clientId },
        subjectId: scenario.subject.id,
        scopes: ['openid'],
      }
      const value = await userToken(server.db, asked)
      await expectDone(await revoke(value, null, { client_id: open.clientId }))
      expect(await isAlive(value)).toBe(false)
    })

    test('refuses malformed forms, and other methods', async () => {
      const headers = {
        Authorization: authorizationOf(client),
        'Content-Type': 'application/x-www-form-urlencoded',
      }
      for (const [, sent] of [
        ['absent', 'hint=x'] as const,
        ['empty', 'token='] as const,
        ...malformedForms('token', 'x'),
      ]) {
        const response = await server.request(path, { method: 'POST', body: sent, headers })
        expect([response.status, await response.json()]).toMatchObject([400, { error: 'invalid_request' }])
      }
      const { refresh_token } = await codeFlow(server, client, scenario.subject)
      const callback = await revoke('never', client, { callback: 'alert' })
      await expectDone(callback)
      const get = await server.request(`${path}?token=${refresh_token}`, { headers })
      expect([get.status, get.headers.get('allow')]).toEqual([405, 'POST'])
      expect(await isAlive(refresh_token)).toBe(true)
    })

    test('of 100 who revoke one token at once all are told so, and one row says it', async () => {
      const { refresh_token, access_token } = await codeFlow(server, client, scenario.subject)
      const { result, changes } = await changesOf(server.db, () =>
        Promise.all(Array.from({ length: 100 }, (_, n) => revoke(n % 2 ? refresh_token : access_token))),
      )
      expect(new Set(result.map(({ status }) => status))).toEqual(new Set([200]))
      expect(changes.added.audit).toHaveLength(1)
      expect(changes.changed.lineage).toHaveLength(1)
    })

    test('refreshing and revoking at once leaves nothing alive', async () => {
      for (let round = 0; round < 5; round += 1) {
        const first = await codeFlow(server, client, scenario.subject)
        const form = { grant_type: 'refresh_token', refresh_token: first.refresh_token }
        const [, refreshed] = await Promise.all([
          revoke(first.refresh_token),
          postForm(server, '/oauth2/token', form, client),
        ])
        const body = (await refreshed.json()) as Partial<typeof first>
        for (const token of [body.access_token, body.refresh_token, first.access_token]) {
          if (token !== undefined) expect(await isAlive(token)).toBe(false)
        }
      }
    })

    test('an impersonated token is revoked by its own client alone', async () => {
      const { access_token } = await impersonate(server, scenario)
      const response = await revoke(access_token, client)
      expect(response.status).toBe(400)
      expect(await isAlive(access_token)).toBe(true)
    })
  })
}
