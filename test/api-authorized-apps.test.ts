/** Authorized applications at /api/users/v1 and v2: what they say, and what withdrawing ends, and what it does not. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { commit } from '../lib/database/commit.ts'
import { accountIs, findAccount } from '../lib/directory/accounts.ts'
import { beginGrant } from '../lib/tokens/grant.ts'
import { type Booted, basic, boot } from './boot.ts'
import { type Browser, newBrowser } from './browser.ts'
import { databases } from './databases.ts'
import { account, impersonatedToken } from './fixtures.ts'
import { endedRows, sweep } from './impersonations.ts'
import { expectRefusal, operator } from './management.ts'
import { nothingElse } from './nothing-else.ts'
import { ask as authorize, createClient, requestOf } from './oauth/authorizing.ts'
import { bookingsToml, createService, delegation, exchanged } from './oauth/exchanged-tokens.ts'
import { type Client, newClient, newCode, redeem, refresh, tokensOf } from './oauth/granted.ts'
import { logIn, tokenExchange } from './scenario.ts'

const base = '/api/users'
const password = 'Somebody@123'
const view = 'internal_user_authorizedapp_view'
const remove = 'internal_user_authorizedapp_delete'

for (const database of databases) {
  describe(`authorized applications on ${database.name}`, () => {
    let server: Booted
    let client: Client
    let viewer: Record<string, string>
    let remover: Record<string, string>

    beforeAll(async () => {
      server = await boot(database, { toml: bookingsToml })
      client = await newClient(server)
      viewer = await operator(server, 'viewer', [view])
      remover = await operator(server, 'remover', [remove])
    })
    afterAll(() => server.stop())

    let made = 0
    const somebody = async () => {
      made += 1
      const userName = `Somebody${made}`
      const id = await account(server.db, { userName, password })
      return { id, userName, password, headers: { Authorization: basic(userName, password) } }
    }

    const nameOf = async ({ applicationId }: Pick<Client, 'applicationId'>) =>
      (
        await server.db
          .selectFrom('application')
          .select('name')
          .where('id', '=', applicationId)
          .executeTakeFirstOrThrow()
      ).name

    const get = async (path: string, headers: Record<string, string>) => {
      const response = await server.request(`${base}${path}`, { headers })
      return { status: response.status, body: await response.json() }
    }
    const withdraw = (path: string, headers: Record<string, string>) => () =>
      server.request(`${base}${path}`, { method: 'DELETE', headers })

    /** Tokens of a grant that outlives its session. */
    const grantOf = async (person: { readonly id: string }, of = client) => {
      const code = await newCode(server, of, person, {
        offline: true,
        scopes: ['openid', 'profile', 'offline_access'],
      })
      return { ...(await tokensOf(await redeem(server, of, code.value))), lineageId: code.lineageId }
    }
    const isActive = async (token: string) => {
      const response = await server.request('/oauth2/userinfo', {
        headers: { Authorization: `Bearer ${token}` },
      })
      return response.status === 200
    }

    test('a kept consent and a living grant are listed, in both versions, to the user and to an operator', async () => {
      const person = await somebody()
      const consenting = await createClient(server, {}, { skipLoginConsent: false })
      const { browser } = await consentFor(person, consenting)
      await grantOf(person)
      const name = { granted: await nameOf(client), consented: await nameOf(consenting) }
      const v1 = [
        { appId: name.consented, clientId: consenting.clientId },
        { appId: name.granted, clientId: client.clientId },
      ]
      const v2 = [
        {
          id: consenting.applicationId,
          name: name.consented,
          clientId: consenting.clientId,
          approvedScopes: ['email', 'openid'],
        },
        {
          id: client.applicationId,
          name: name.granted,
          clientId: client.clientId,
          approvedScopes: ['offline_access', 'openid', 'profile'],
        },
      ]
      const paths = ['me', person.id] as const
      for (const user of paths) {
        const headers = user === 'me' ? person.headers : viewer
        expect(await get(`/v1/${user}/authorized-apps`, headers)).toEqual({ status: 200, body: v1 })
        expect(await get(`/v2/${user}/authorized-apps`, headers)).toEqual({ status: 200, body: v2 })
        const byName = `/v1/${user}/authorized-apps/${encodeURIComponent(name.granted)}`
        expect(await get(byName, headers)).toEqual({ status: 200, body: v1[1] })
        const byId = `/v2/${user}/authorized-apps/${consenting.applicationId}`
        expect(await get(byId, headers)).toEqual({ status: 200, body: v2[0] })
      }
      // the consent outlives the session
      await browser.get('/oidc/logout')
      expect((await get('/v1/me/authorized-apps', person.headers)).body).toEqual(v1)
    })

    /** Somebody signs in and consents for good; answers his browser. */
    const consentFor = async (
      person: { readonly userName: string; readonly password: string },
      of: Client,
    ): Promise<{ readonly browser: Browser }> => {
      const browser = newBrowser(server)
      const scope = 'openid email'
      await logIn(browser, await browser.get(requestOf(of, { scope })), person)
      const answer = await authorize(browser, of, { scope })
      if (!('key' in answer)) throw new Error(`no consent was asked for: ${JSON.stringify(answer)}`)
      const said = await browser.post('/oauth2/authorize', {
        sessionDataKeyConsent: String(answer.key),
        consent: 'approveAlways',
      })
      expect(said.headers.get('location')).toContain('code=')
      return { browser }
    }

    test('who let nobody in has an empty list; what he did not let in is not found', async () => {
      const [person, other] = [await somebody(), await somebody()]
      await grantOf(other)
      const name = await nameOf(client)
      const nobody = crypto.randomUUID()
      for (const version of ['v1', 'v2']) {
        expect(await get(`/${version}/me/authorized-apps`, person.headers)).toEqual({ status: 200, body: [] })
        expect(await get(`/${version}/${person.id}/authorized-apps`, viewer)).toEqual({
          status: 200,
          body: [],
        })
        expect(await get(`/${version}/${nobody}/authorized-apps`, viewer)).toEqual({ status: 200, body: [] })
        const app = version === 'v1' ? name : client.applicationId
        for (const [asked, shown] of [
          [encodeURIComponent(app), app],
          ['none', 'none'],
          ['%00', '\ufffd'],
          [`${'x'.repeat(3000)}`, 'x'.repeat(3000)],
        ] as const) {
          const description = (user: string) =>
            `An application with ID: ${shown} cannot be found for user: ${user}.`
          const refusal = (user: string) => ({
            status: 404,
            code: 'OAA-10001',
            description: description(user),
          })
          const path = (user: string) => `/${version}/${user}/authorized-apps/${asked}`
          const read = (user: string, headers: Record<string, string>) => () =>
            server.request(`${base}${path(user)}`, { headers })
          await expectRefusal(server, read('me', person.headers), refusal(person.userName))
          await expectRefusal(server, read(person.id, viewer), refusal(person.userName))
          await expectRefusal(server, read(nobody, viewer), refusal(nobody))
          await expectRefusal(server, withdraw(path('me'), person.headers), refusal(person.userName))
          await expectRefusal(server, withdraw(path(person.id), remover), refusal(person.userName))
        }
      }
    })

    describe('withdrawing', () => {
      test('takes the consent back and ends every grant, and is asked for again', async () => {
        const person = await somebody()
        const consenting = await createClient(server, {}, { skipLoginConsent: false })
        const { browser } = await consentFor(person, consenting)
        expect((await authorize(browser, consenting, { scope: 'openid' })).place).toBe('query')
        const path = `/v2/me/authorized-apps/${consenting.applicationId}`
        const { result } = await nothingElse(
          server.db,
          // both codes that authorize gave
          { account: { changed: 1 }, consent: { removed: 1 }, lineage: { changed: 2 }, audit: { added: 1 } },
          withdraw(path, person.headers),
        )
        expect([result.status, await result.text()]).toEqual([204, ''])
        expect((await server.audit()).at(-1)).toMatchObject({
          event: 'consent-withdrawn',
          initiator: person.id,
          target: person.id,
          data: { clientId: consenting.clientId },
          application_id: consenting.applicationId,
        })
        // still signed in, but asked anew
        expect((await authorize(browser, consenting, { scope: 'openid' })).place).toBe('consent')
        expect((await get('/v2/me/authorized-apps', person.headers)).body).toEqual([])
      })

      test('ends refresh families that outlive the session, and no other application’s', async () => {
        const person = await somebody()
        const other = await newClient(server)
        const [ended, kept] = [await grantOf(person), await grantOf(person, other)]
        const bystander = await grantOf(await somebody())
        const name = encodeURIComponent(await nameOf(client))
        expect((await withdraw(`/v1/${person.id}/authorized-apps/${name}`, remover)()).status).toBe(204)
        expect(await isActive(ended.access_token)).toBe(false)
        expect((await refresh(server, client, ended.refresh_token ?? '')).status).toBe(400)
        expect(await isActive(kept.access_token)).toBe(true)
        expect((await refresh(server, other, kept.refresh_token ?? '')).status).toBe(200)
        expect(await isActive(bystander.access_token)).toBe(true)
      })

      test('ends what was exchanged from it, by whatever application', async () => {
        const person = await somebody()
        const oidc = { grantTypes: ['authorization_code', 'refresh_token', tokenExchange] }
        const source = await createService(server, `Source ${made}`, [person.id], oidc)
        const service = await createService(server, `Service ${made}`, [person.id], oidc)
        const given = await grantOf(person, source)
        const audience = { audience: service.clientId }
        const forService = await exchanged(
          server,
          source,
          delegation(given.access_token, undefined, audience),
        )
        const ofService = await exchanged(server, service, delegation(forService.access_token))
        expect(await isActive(ofService.access_token)).toBe(true)
        // the service has no grant of his: it is not listed
        const listed = (await get('/v2/me/authorized-apps', person.headers)).body as { id: string }[]
        expect(listed.map(({ id }) => id)).toEqual([source.applicationId])
        const path = `/v2/me/authorized-apps/${source.applicationId}`
        expect((await withdraw(path, person.headers)()).status).toBe(204)
        for (const { access_token } of [given, forService, ofService])
          expect(await isActive(access_token)).toBe(false)
      })

      test('from all is one commit and one row; from none is nothing', async () => {
        const person = await somebody()
        const other = await newClient(server)
        await grantOf(person)
        await grantOf(person, other)
        const all = () =>
          nothingElse(
            server.db,
            { account: { changed: 1 }, lineage: { changed: 2 }, audit: { added: 1 } },
            withdraw(`/v2/${person.id}/authorized-apps`, remover),
          )
        expect((await all()).result.status).toBe(204)
        expect((await server.audit()).at(-1)).toMatchObject({
          event: 'consent-withdrawn',
          target: person.id,
          data: { applications: 2 },
        })
        for (const path of [
          `/v2/${person.id}/authorized-apps`,
          `/v1/${crypto.randomUUID()}/authorized-apps`,
        ]) {
          const { result } = await nothingElse(server.db, {}, withdraw(path, remover))
          expect(result.status).toBe(204)
        }
      })

      test('ends the impersonations that he began there, not those of himself', async () => {
        const [person, other] = [await somebody(), await somebody()]
        const shop = { id: client.applicationId, clientId: client.clientId }
        const scopes = ['internal_login']
        const begun = await impersonatedToken(server.db, {
          application: shop,
          impersonatorId: person.id,
          subjectId: other.id,
          scopes,
        })
        const ofHim = await impersonatedToken(server.db, {
          application: shop,
          impersonatorId: other.id,
          subjectId: person.id,
          scopes,
        })
        expect((await withdraw('/v1/me/authorized-apps', person.headers)()).status).toBe(204)
        const rows = await server.db
          .selectFrom('lineage')
          .select(['id', 'ended_at'])
          .where('id', 'in', [begun.lineageId, ofHim.lineageId])
          .execute()
        const endedAt = new Map(rows.map(({ id, ended_at }) => [id, ended_at]))
        expect(endedAt.get(begun.lineageId)).not.toBeNull()
        expect(endedAt.get(ofHim.lineageId)).toBeNull()
      })

      test('overtakes what is being decided on the consent at that moment', async () => {
        const { db } = server
        const person = await somebody()
        await grantOf(person)
        const decidedOn = await findAccount(db, person.id)
        if (!decidedOn) throw new Error('nobody')
        expect((await withdraw('/v2/me/authorized-apps', person.headers)()).status).toBe(204)
        const grant = beginGrant(db, {
          accountId: person.id,
          applicationId: client.applicationId,
          sessionId: null,
          endsAt: new Date(Date.now() + 60_000),
        })
        // as authorize guards its commit, which then decides anew
        expect(await commit(db, [accountIs(db, decidedOn), grant.write])).toBe('lost')
      })
    })

    describe('every token of an application', () => {
      test('ends at once, its clients’ own too, and it may go on', async () => {
        const [one, other] = [await somebody(), await somebody()]
        const own = await newClient(server)
        const [first, second] = [await grantOf(one, own), await grantOf(other, own)]
        const bystander = await grantOf(one)
        const path = `/v2/authorized-apps/${own.applicationId}/tokens`
        const before = (await server.audit()).length
        const response = await withdraw(path, remover)()
        expect([response.status, await response.text()]).toEqual([204, ''])
        for (const { access_token, refresh_token } of [first, second]) {
          expect(await isActive(access_token)).toBe(false)
          expect((await refresh(server, own, refresh_token ?? '')).status).toBe(400)
        }
        expect(await isActive(bystander.access_token)).toBe(true)
        const rows = (await server.audit()).slice(before).filter(({ event }) => event !== 'token-refused')
        expect(rows.map(({ event, target, data }) => ({ event, target, data }))).toEqual([
          {
            event: 'application-tokens-revoked',
            target: own.applicationId,
            data: { clientId: own.clientId },
          },
        ])
        expect(await isActive((await grantOf(one, own)).access_token)).toBe(true)
      })

      test('takes no more than its permission, also where impersonations are among them; who did it is recorded', async () => {
        const [person, subject] = [await somebody(), await somebody()]
        const own = await newClient(server)
        const begun = await impersonatedToken(server.db, {
          application: { id: own.applicationId, clientId: own.clientId },
          impersonatorId: person.id,
          subjectId: subject.id,
          scopes: ['internal_login'],
        })
        // who may end impersonations alone may not do this, and who may do this may not end them one by one
        const ender = await operator(server, `ender-${made}`, ['internal_impersonation_end'])
        const path = `/v2/authorized-apps/${own.applicationId}/tokens`
        await expectRefusal(server, withdraw(path, ender), { status: 403, code: 403 })
        const one = `/api/server/v1/impersonations/${begun.impersonationId}/end`
        const ending = () => server.request(one, { method: 'POST', headers: remover })
        await expectRefusal(server, ending, { status: 403, code: 403 })
        expect((await withdraw(path, remover)()).status).toBe(204)
        await sweep(server)
        const [row, ...more] = await endedRows(server, begun.impersonationId)
        expect(more).toEqual([])
        const { db } = server
        const { id } = await db
          .selectFrom('account')
          .select('id')
          .where('user_name', '=', 'remover')
          .executeTakeFirstOrThrow()
        expect(row).toMatchObject({ impersonation_id: begun.impersonationId })
        const lineage = db
          .selectFrom('lineage')
          .select(['ended_by', 'end_reason'])
          .where('id', '=', begun.lineageId)
        expect(await lineage.executeTakeFirstOrThrow()).toEqual({
          ended_by: id,
          end_reason: 'application-tokens-revoked',
        })
      })

      test('of no application is refused', async () => {
        for (const id of [crypto.randomUUID(), '%00', 'x'.repeat(3000)]) {
          const path = `/v2/authorized-apps/${id}/tokens`
          await expectRefusal(server, withdraw(path, remover), { status: 404, code: 'OAA-10002' })
        }
      })
    })

    test('nobody without the permission, and nobody who acts for somebody else', async () => {
      const [person, subject] = [await somebody(), await somebody()]
      await grantOf(subject)
      const others = await operator(server, `other-${made}`, ['internal_user_mgt_view'])
      const { value } = await impersonatedToken(server.db, {
        application: { id: client.applicationId, clientId: client.clientId },
        impersonatorId: person.id,
        subjectId: subject.id,
        scopes: ['internal_login', view, remove],
      })
      for (const version of ['v1', 'v2']) {
        for (const [method, path, own] of [
          ['GET', 'me/authorized-apps', true],
          ['DELETE', 'me/authorized-apps', true],
          ['GET', 'me/authorized-apps/x', true],
          ['DELETE', 'me/authorized-apps/x', true],
          ['GET', 'x/authorized-apps', false],
          ['DELETE', 'x/authorized-apps', false],
          ['GET', 'x/authorized-apps/y', false],
          ['DELETE', 'x/authorized-apps/y', false],
          ...(version === 'v2' ? ([['DELETE', 'authorized-apps/x/tokens', false]] as const) : []),
        ] as const) {
          const request = (headers: Record<string, string>) => () =>
            server.request(`${base}/${version}/${path}`, { method, headers })
          await expectRefusal(server, request({}), { status: 401, code: 401 })
          if (!own) await expectRefusal(server, request(others), { status: 403, code: 403 })
          const acting = await request({ Authorization: `Bearer ${value}` })()
          expect([path, acting.status]).toEqual([path, 403])
        }
      }
      expect((await get(`/v2/${subject.id}/authorized-apps`, viewer)).body).toHaveLength(1)
    })
  })
}
