/** Sessions at /api/users/v1: who sees and ends them, what ends with them, and how the list of all is paged. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { commit, write } from '../lib/database/commit.ts'
import { endAllOf } from '../lib/sign-in/end-session.ts'
import { beginSession } from '../lib/sign-in/session.ts'
import { rememberApplication } from '../lib/sign-in/session-applications.ts'
import { beginGrant } from '../lib/tokens/grant.ts'
import { beginLineage } from '../lib/tokens/lineage.ts'
import { type Booted, basic, boot } from './boot.ts'
import { newBrowser } from './browser.ts'
import { databases } from './databases.ts'
import { account, application, impersonatedToken } from './fixtures.ts'
import { expectRefusal, operator } from './management.ts'
import { nothingElse } from './nothing-else.ts'
import { logIn, redirectUri } from './scenario.ts'

const base = '/api/users/v1'
const password = 'Somebody@123'
const rules = { idleSeconds: 900, lifetimeSeconds: 28_800 }
const userAgent = 'Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0'

interface Session {
  readonly id: string
  readonly userId: string
  readonly applications: readonly { readonly appName: string }[]
  readonly userAgent: string
  readonly ip: string
  readonly loginTime: string
  readonly lastAccessTime: string
}

for (const database of databases) {
  describe(`sessions on ${database.name}`, () => {
    let server: Booted
    let shop: { readonly id: string; readonly clientId: string }
    let viewer: Record<string, string>
    let ender: Record<string, string>

    beforeAll(async () => {
      server = await boot(database)
      const oidc = {
        backchannelLogoutUrl: 'https://client.example/logout',
        grantTypes: ['authorization_code'],
      }
      shop = await application(server.db, {
        name: 'Shop',
        oidc: { ...oidc, logout: { backChannelLogoutUrl: 'https://client.example/logout' } },
      })
      viewer = await operator(server, 'viewer', ['internal_session_view'])
      ender = await operator(server, 'ender', ['internal_session_delete'])
    })
    afterAll(() => server.stop())

    let made = 0
    /** Somebody new, and the headers that he sends. */
    const somebody = async () => {
      made += 1
      const userName = `Person${made}`
      const id = await account(server.db, { userName, password })
      return { id, userName, password, headers: { Authorization: basic(userName, password) } }
    }

    const signIn = async (
      person: { readonly id: string },
      { at = new Date(), origin = { userAgent, address: '192.0.2.7' }, applications = [shop] } = {},
    ) => {
      const { session, writes } = beginSession(server.db, person, crypto.randomUUID(), rules, at, origin)
      expect(await commit(server.db, writes)).toBe('committed')
      for (const known of applications) {
        expect(await commit(server.db, await rememberApplication(server.db, session.id, known, at))).toBe(
          'committed',
        )
      }
      return session.id
    }

    const get = async (path: string, headers: Record<string, string>) => {
      const response = await server.request(`${base}${path}`, { headers })
      const text = await response.text()
      return { status: response.status, body: text === '' ? undefined : JSON.parse(text) }
    }
    const end = (path: string, headers: Record<string, string>) => () =>
      server.request(`${base}${path}`, { method: 'DELETE', headers })

    const isAlive = async (id: string) =>
      (
        await server.db
          .selectFrom('lineage')
          .select('ended_at')
          .where('id', '=', id)
          .executeTakeFirstOrThrow()
      ).ended_at === null

    test('a login is listed with its browser, address and applications, to the user and to an operator', async () => {
      const person = await somebody()
      const agent = `${userAgent} ${'x'.repeat(600)}`
      const browser = newBrowser({
        request(path, init = {}) {
          const headers = new Headers(init.headers)
          headers.set('User-Agent', agent)
          return server.request(path, { ...init, headers })
        },
      })
      const query = new URLSearchParams({
        client_id: shop.clientId,
        response_type: 'code',
        redirect_uri: redirectUri,
        scope: 'openid',
      })
      const paused = await browser.get(`/oauth2/authorize?${query}`)
      const before = Date.now()
      const answer = await logIn(browser, paused, person)
      expect(answer.headers.get('location')).toStartWith(redirectUri)
      const own = await get('/me/sessions', person.headers)
      expect(own.status).toBe(200)
      expect(own.body).toEqual({
        userId: person.id,
        sessions: [
          {
            id: expect.any(String),
            userId: person.id,
            applications: [{ id: shop.id, subject: person.userName, appName: 'Shop', appId: shop.id }],
            userAgent: agent.slice(0, 500),
            ip: '127.0.0.1',
            loginTime: expect.stringMatching(/^\d{13}$/),
            lastAccessTime: expect.stringMatching(/^\d{13}$/),
          },
        ],
      })
      const [session] = own.body.sessions as Session[]
      expect(Number(session?.loginTime)).toBeGreaterThanOrEqual(before)
      expect(await get(`/${person.id}/sessions`, viewer)).toEqual(own)
      expect(await get(`/${person.id}/sessions/${session?.id}`, viewer)).toEqual({
        status: 200,
        body: session,
      })
      expect(await get(`/sessions?filter=sessionId+eq+${session?.id}`, viewer)).toEqual({
        status: 200,
        body: { Resources: [session] },
      })
    })

    test('who has none, and nobody, gets an empty object; a session of somebody else is not found', async () => {
      const [person, other] = [await somebody(), await somebody()]
      const theirs = await signIn(other)
      for (const [path, headers] of [
        ['/me/sessions', person.headers],
        [`/${person.id}/sessions`, viewer],
        [`/${crypto.randomUUID()}/sessions`, viewer],
        ['/%00%ff/sessions', viewer],
        ['/sessions?filter=sessionId+eq+none', viewer],
      ] as const)
        expect(await get(path, headers)).toEqual({ status: 200, body: {} })
      for (const id of [theirs, crypto.randomUUID(), '%00'])
        expect(await get(`/${person.id}/sessions/${id}`, viewer)).toEqual({ status: 404, body: undefined })
    })

    test('what is over, ended or replaced is not listed, what is idle is', async () => {
      const person = await somebody()
      const hour = 3_600_000
      const idle = await signIn(person, { at: new Date(Date.now() - hour) })
      await signIn(person, { at: new Date(Date.now() - 9 * hour) })
      const ended = await signIn(person)
      expect((await end(`/me/sessions/${ended}`, person.headers)()).status).toBe(204)
      const { body } = await get('/me/sessions', person.headers)
      expect(body.sessions.map(({ id }: Session) => id)).toEqual([idle])
      expect((await get(`/${person.id}/sessions/${ended}`, viewer)).status).toBe(404)
    })

    describe('ending', () => {
      test('by the user himself ends what began in it, tells the applications and leaves one row', async () => {
        const person = await somebody()
        const [kept, ended] = [await signIn(person), await signIn(person)]
        const before = (await server.audit()).length
        const { result } = await nothingElse(
          server.db,
          {
            lineage: { changed: 1 },
            session_application: { removed: 1 },
            logout_notice: { added: 1 },
            audit: { added: 1 },
          },
          end(`/me/sessions/${ended}`, person.headers),
        )
        expect([result.status, await result.text()]).toEqual([204, ''])
        expect([await isAlive(kept), await isAlive(ended)]).toEqual([true, false])
        const [row, ...more] = (await server.audit()).slice(before)
        expect(more).toEqual([])
        expect(row).toMatchObject({
          event: 'sessions-ended',
          initiator: person.id,
          target: person.id,
          data: { session: ended },
          outcome: 'Success',
          subject_id: person.id,
        })
      })

      test('of all, by an operator, ends replaced ones and every impersonation begun there', async () => {
        const person = await somebody()
        const subject = await somebody()
        const { value, sessionId } = await impersonatedToken(server.db, {
          application: shop,
          subjectId: subject.id,
          impersonatorId: person.id,
          scopes: ['internal_login'],
        })
        const replaced = await signIn(person, { at: new Date(Date.now() - 9 * 3_600_000) })
        const me = () =>
          server.request('/scim2/Me', { headers: { Authorization: `Bearer ${value}` } }).then((r) => r.status)
        const { result } = await nothingElse(
          server.db,
          {
            lineage: { changed: 3 },
            session_application: { removed: 1 },
            logout_notice: { added: 1 },
            audit: { added: 1 },
          },
          end(`/${person.id}/sessions`, ender),
        )
        expect(result.status).toBe(204)
        expect([await isAlive(sessionId), await isAlive(replaced)]).toEqual([false, false])
        expect(await me()).toBe(401)
        expect((await server.audit()).at(-1)).toMatchObject({
          event: 'sessions-ended',
          target: person.id,
          data: { sessions: 2 },
        })
      })

      test('of none changes nothing', async () => {
        const person = await somebody()
        for (const [path, headers] of [
          ['/me/sessions', person.headers],
          [`/${person.id}/sessions`, ender],
          [`/${crypto.randomUUID()}/sessions`, ender],
        ] as const) {
          const { result } = await nothingElse(server.db, {}, end(path, headers))
          expect(result.status).toBe(204)
        }
      })

      test('of what is not the user’s is refused, whether it exists or not', async () => {
        const [person, other] = [await somebody(), await somebody()]
        const theirs = await signIn(other)
        const refusal = {
          status: 403,
          code: 'USM-10010',
          description: 'User is not authorized to terminate this session.',
        }
        for (const id of [theirs, crypto.randomUUID(), '%00']) {
          await expectRefusal(server, end(`/me/sessions/${id}`, person.headers), refusal)
          await expectRefusal(server, end(`/${person.id}/sessions/${id}`, ender), refusal)
        }
        expect(await isAlive(theirs)).toBe(true)
      })

      test('twice at once happens once', async () => {
        const person = await somebody()
        const id = await signIn(person)
        const before = (await server.audit()).length
        const answers = await Promise.all(
          Array.from({ length: 6 }, () => end(`/${person.id}/sessions/${id}`, ender)()),
        )
        const statuses = answers.map(({ status }) => status).sort()
        expect(statuses).toEqual([204, 403, 403, 403, 403, 403])
        expect((await server.audit()).slice(before).map(({ event }) => event)).toEqual(['sessions-ended'])
      })

      test('of thousands is one commit, and listing them is quick', async () => {
        const person = await somebody()
        const now = new Date()
        for (let batch = 0; batch < 4; batch += 1) {
          const begun = Array.from({ length: 500 }, () =>
            beginSession(server.db, person, crypto.randomUUID(), rules, now),
          )
          const writes = await Promise.all(
            begun.map(({ session }) => rememberApplication(server.db, session.id, shop, now)),
          )
          expect(await commit(server.db, [...begun.flatMap((one) => one.writes), ...writes.flat()])).toBe(
            'committed',
          )
        }
        const started = performance.now()
        const { body } = await get(`/${person.id}/sessions`, viewer)
        expect(body.sessions).toHaveLength(2000)
        expect(body.sessions.every((one: Session) => one.applications.length === 1)).toBe(true)
        expect(performance.now() - started).toBeLessThan(2_000)
        expect((await end('/me/sessions', person.headers)()).status).toBe(204)
        expect(await get('/me/sessions', person.headers)).toEqual({ status: 200, body: {} })
        const { n } = await server.db
          .selectFrom('logout_notice')
          .innerJoin('session', 'session.id', 'logout_notice.session_id')
          .select((eb) => eb.fn.countAll().as('n'))
          .where('session.account_id', '=', person.id)
          .executeTakeFirstOrThrow()
        expect(Number(n)).toBe(2000)
      })
    })

    describe('who may', () => {
      const routes = [
        ['GET', '/me/sessions', 'internal_login'],
        ['DELETE', '/me/sessions', 'internal_login'],
        ['DELETE', '/me/sessions/x', 'internal_login'],
        ['GET', '/sessions', 'internal_session_view'],
        ['GET', '/x/sessions', 'internal_session_view'],
        ['GET', '/x/sessions/y', 'internal_session_view'],
        ['DELETE', '/x/sessions', 'internal_session_delete'],
        ['DELETE', '/x/sessions/y', 'internal_session_delete'],
      ] as const

      test('nobody without signing in, and nobody without the permission', async () => {
        const others = await operator(server, `other-${crypto.randomUUID()}`, ['internal_user_mgt_view'])
        const gateRefusal = (status: 401 | 403) => ({ status, code: status })
        for (const [method, path, permission] of routes) {
          const request = (headers: Record<string, string>) => () =>
            server.request(`${base}${path}`, { method, headers })
          await expectRefusal(server, request({}), gateRefusal(401))
          if (permission !== 'internal_login') await expectRefusal(server, request(others), gateRefusal(403))
        }
      })

      test('nobody who acts for somebody else', async () => {
        const [person, subject] = [await somebody(), await somebody()]
        const id = await signIn(subject)
        const { value } = await impersonatedToken(server.db, {
          application: shop,
          subjectId: subject.id,
          impersonatorId: person.id,
          scopes: routes.map(([, , permission]) => permission),
        })
        for (const [method, path] of routes) {
          const response = await server.request(`${base}${path}`, {
            method,
            headers: { Authorization: `Bearer ${value}` },
          })
          expect([path, response.status]).toEqual([path, 403])
        }
        expect(await isAlive(id)).toBe(true)
      })
    })

    test('the lists of one user have neither pages nor filter nor order', async () => {
      const person = await somebody()
      for (const [query, code] of [
        ['limit=1', 'USM-10003'],
        ['offset=1', 'USM-10003'],
        ['filter=x', 'USM-10004'],
        ['sort=x', 'USM-10005'],
      ] as const) {
        for (const [path, headers] of [
          ['/me/sessions', person.headers],
          [`/${person.id}/sessions`, viewer],
        ] as const) {
          const request = () => server.request(`${base}${path}?${query}`, { headers })
          await expectRefusal(server, request, { status: 501, code })
        }
      }
    })

    describe('the list of all', () => {
      let person: { readonly id: string; readonly userName: string }
      /** The latest first; three of them at one moment. */
      let ids: readonly string[]
      const start = Date.now() - 600_000

      beforeAll(async () => {
        person = await somebody()
        const books = await application(server.db, { name: 'Books & more' })
        const begun: string[] = []
        for (const at of [0, 1, 2, 2, 2, 3, 4]) {
          begun.push(
            await signIn(person, {
              at: new Date(start + at * 1000),
              origin: { userAgent: `Agent ${at}`, address: `2001:db8::${at}` },
              applications: at === 4 ? [books] : at === 3 ? [] : [shop],
            }),
          )
        }
        ids = begun.reverse()
      })

      const search = (query: Readonly<Record<string, string>>) =>
        get(`/sessions?${new URLSearchParams(query)}`, viewer)
      const mine = () => `loginId eq ${person.userName}`

      test('leads by its links to every session once, forth and back', async () => {
        const forth: string[][] = []
        let page = await search({ filter: mine(), limit: '2' })
        expect(page.body.previous).toBeUndefined()
        for (;;) {
          forth.push(page.body.Resources.map(({ id }: Session) => id))
          if (page.body.next === undefined) break
          expect(page.body.next).toStartWith('/t/carbon.super/api/users/v1/sessions?')
          const response = await server.request(page.body.next, { headers: viewer })
          page = { status: response.status, body: await response.json() }
        }
        expect(forth.flat().sort()).toEqual([...ids].sort())
        expect(forth.map(({ length }) => length)).toEqual([2, 2, 2, 1])
        const back: string[][] = []
        while (page.body.previous !== undefined) {
          const response = await server.request(page.body.previous, { headers: viewer })
          page = { status: response.status, body: await response.json() }
          back.unshift(page.body.Resources.map(({ id }: Session) => id))
        }
        expect(back).toEqual(forth.slice(0, -1))
      })

      test('takes instants', async () => {
        const of = async (query: Record<string, string>) =>
          ((await search({ filter: mine(), ...query })).body.Resources ?? []).map(
            ({ userAgent }: Session) => userAgent,
          )
        expect(await of({ since: String(start + 2000) })).toEqual(['Agent 4', 'Agent 3'])
        expect(await of({ until: String(start + 2000) })).toEqual(['Agent 1', 'Agent 0'])
        expect(await of({ since: String(start), until: String(start), limit: '1' })).toEqual(['Agent 1'])
        expect(await of({ until: '0' })).toEqual([])
      })

      test.each([
        ['appName eq Books & more', 1],
        ['appName co s & m', 1],
        ['appName sw Sho', 5],
        ['appName ew zzz', 0],
        ['userAgent eq Agent 2', 3],
        ['userAgent ew 4', 1],
        ['userAgent co %', 0],
        ["userAgent co ' or 1=1 --", 0],
        ['ipAddress eq 2001:db8::2', 3],
        ['loginTime ge {3000}', 2],
        ['loginTime le {0}', 1],
        ['lastAccessTime ge {1000} and loginTime le {2000}', 4],
        ['userAgent sw Agent and appName co Shop and ipAddress eq 2001:db8::1', 1],
      ])('filters by %s', async (filter, count) => {
        const asked = filter.replace(/\{(\d+)\}/g, (_, offset) => String(start + Number(offset)))
        const { status, body } = await search({ filter: `${mine()} and ${asked}` })
        expect([status, (body.Resources ?? []).length]).toEqual([200, count])
      })

      test.each([
        [{ filter: 'x' }, 'check filter parameter syntax'],
        [{ filter: 'userName eq x' }, 'that is not a valid filter attribute name'],
        [{ filter: 'loginId eq' }, 'check filter parameter syntax'],
        [{ filter: 'loginId gt x' }, 'gt is not a supported operation for loginId'],
        [{ filter: 'loginId ne x' }, 'ne is not a supported operation for loginId'],
        [{ filter: 'ipAddress co 1' }, 'co is not a supported operation for ipAddress'],
        [{ filter: 'loginTime eq 1' }, 'eq is not a supported operation for loginTime'],
        [{ filter: 'loginTime ge soon' }, "loginTime's value is not a valid number"],
        [{ filter: 'loginTime ge 999999999999999' }, "loginTime's value is not a valid number"],
        [{ filter: `loginId eq ${'x'.repeat(2000)}` }, 'check filter parameter syntax'],
        [{ filter: 'loginId eq a\0b' }, 'check filter parameter syntax'],
        [{ limit: '0' }, 'the limit is not a positive whole number'],
        [{ limit: '-1' }, 'the limit is not a positive whole number'],
        [{ limit: 'many' }, 'the limit is not a positive whole number'],
        [{ since: 'x' }, "since's value is not a valid number"],
        [{ until: '-1' }, "until's value is not a valid number"],
        [{ until: '1'.repeat(40) }, "until's value is not a valid number"],
        [{ until: '1', sessionId: '\0' }, 'sessionId is not one'],
      ] as [Record<string, string>, string][])('refuses what it cannot read: %#', async (query, what) => {
        const request = () =>
          server.request(`${base}/sessions?${new URLSearchParams(query)}`, { headers: viewer })
        const description = `Data validation has failed, ${what}.`
        await expectRefusal(server, request, { status: 400, code: 'USM-10011', description })
      })

      test('has no page of more than a hundred', async () => {
        const { body } = await search({ limit: '999999999' })
        expect(body.Resources.length).toBeLessThanOrEqual(100)
      })
    })

    test('what hangs on an account ends with it, and the notices outlive it', async () => {
      const { db } = server
      const [person, subject, operated] = [await somebody(), await somebody(), await somebody()]
      const session = await signIn(person)
      const now = new Date()
      const endsAt = new Date(now.getTime() + 60_000)
      const grant = beginGrant(db, { accountId: person.id, applicationId: shop.id, sessionId: null, endsAt })
      const other = beginGrant(db, { accountId: subject.id, applicationId: shop.id, sessionId: null, endsAt })
      const service = Bun.randomUUIDv7()
      const client = { id: service, kind: 'client', sessionId: null, applicationId: shop.id, endsAt } as const
      expect(await commit(db, [grant.write, other.write, beginLineage(db, client)])).toBe('committed')
      const impersonation = (impersonatorId: string, subjectId: string) =>
        impersonatedToken(db, { application: shop, impersonatorId, subjectId, scopes: ['internal_login'] })
      const acting = await impersonation(person.id, subject.id)
      const acted = await impersonation(operated.id, person.id)
      const outcome = await commit(db, [
        write(db.deleteFrom('account').where('id', '=', person.id)),
        ...(await endAllOf(db, person.id, { by: 'admin', reason: 'ended' }, now)),
      ])
      expect(outcome).toBe('committed')
      const alive = await Promise.all(
        [
          session,
          grant.lineageId,
          acting.lineageId,
          acted.lineageId,
          acted.sessionId,
          other.lineageId,
          service,
        ].map(isAlive),
      )
      expect(alive).toEqual([false, false, false, false, true, true, true])
      const notices = await db
        .selectFrom('logout_notice')
        .select(['client_id', 'subject'])
        .where('session_id', '=', session)
        .execute()
      expect(notices).toEqual([{ client_id: shop.clientId, subject: person.id }])
    })
  })
}
