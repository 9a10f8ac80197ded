/** Signing in: what a failure tells, how guessing ends, whose a session and a paused request are, and what the pages are made of. */
import { afterAll, afterEach, beforeAll, describe, expect, setSystemTime, spyOn, test } from 'bun:test'
import * as jose from 'jose'
import { commit, write } from '../lib/database/commit.ts'
import { readAnswer } from './authorize-answer.ts'
import { type Booted, boot } from './boot.ts'
import { type Browser, fragmentOf, locationOf, newBrowser } from './browser.ts'
import { databases } from './databases.ts'
import { nothingElse } from './nothing-else.ts'
import {
  addToRole,
  authorizePath,
  basic,
  createApplication,
  createPerson,
  createRole,
  exchange,
  logIn,
  obtainSubjectToken,
  type Person,
  redirectUri,
  type Scenario,
  setLocked,
  setUp,
} from './scenario.ts'

const sessionCookie = '__Host-mayact-session'
const interactionCookie = '__Host-mayact-interaction'
const minute = 60_000
const evil = `"><x-evil onerror=alert(1)>'&lt;`

const over = { place: 'page', status: 400, code: 'invalid_request' } as const

/** A response without what differs from one to the next by design. */
const visible = async (response: Response) => ({
  status: response.status,
  body: await response.text(),
  headers: [...response.headers]
    .filter(([name]) => name !== 'activityid')
    .map(([name, value]) => [name, value.replace(/sessionDataKey=[\w-]{43}/, 'sessionDataKey=…')]),
})

/** The same answer, to be read twice. */
const copy = ({ status, headers, body }: Response) => {
  if (body !== null) throw new Error('only a redirect is read twice')
  return new Response(null, { status, headers })
}

/** An HTML page without its nonces and keys. */
const withoutRandomness = (html: string): string =>
  html.replace(/nonce="[^"]+"/g, 'nonce="…"').replace(/value="[\w-]{43}"/g, 'value="…"')

for (const database of databases) {
  describe(`on ${database.name}`, () => {
    let server: Booted
    let scenario: Scenario
    let consenting: { readonly clientId: string; readonly applicationId: string }

    beforeAll(async () => {
      server = await boot(database)
      scenario = await setUp(server)
      consenting = await createApplication(server, { name: `Con${evil}`, skipLoginConsent: false })
      await createRole(server, {
        name: 'Consenting',
        applicationId: consenting.applicationId,
        permissions: ['internal_user_impersonate'],
        member: scenario.impersonator.id,
      })
    })
    afterEach(() => {
      setSystemTime()
    })
    afterAll(() => server.stop())

    const later = (milliseconds: number) => setSystemTime(new Date(Date.now() + milliseconds))

    /** A browser at an address of its own, so that no test is throttled by another. */
    let addresses = 0
    const browserAt = (): Browser => {
      addresses += 1
      const address = `192.0.2.${addresses}`
      return newBrowser({ request: (path, init) => server.request(path, { ...init, address }) })
    }

    const impersonators = async (name: string): Promise<Person> => {
      const person = await createPerson(server, name)
      await addToRole(server, scenario.impersonatorRole, person.id)
      return person
    }

    const toLogin = async (browser: Browser, changes: Readonly<Record<string, string>> = {}) => {
      const response = await browser.get(authorizePath(scenario, changes))
      const answer = await readAnswer(copy(response))
      if (answer.place !== 'login') throw new Error(`no login page: ${JSON.stringify(answer)}`)
      return { ...answer, response }
    }
    const toConsent = async (browser: Browser, changes: Readonly<Record<string, string>> = {}) => {
      const path = authorizePath(scenario, { client_id: consenting.clientId, ...changes })
      let response = await browser.get(path)
      if ((await readAnswer(copy(response))).place === 'login')
        response = await logIn(browser, response, scenario.impersonator)
      const answer = await readAnswer(response)
      if (answer.place !== 'consent') throw new Error(`no consent page: ${JSON.stringify(answer)}`)
      return answer
    }
    const submit = (browser: Browser, key: string, username: string, password: string) =>
      browser.post('/commonauth', { sessionDataKey: key, username, password })
    const resume = (browser: Browser, key: string) => browser.get(`/oauth2/authorize?sessionDataKey=${key}`)
    const consent = (browser: Browser, key: string) =>
      browser.post('/oauth2/authorize', { sessionDataKeyConsent: key, consent: 'approve' })
    const messageOf = (response: Response) => locationOf(response).searchParams.get('authFailureMsg')
    const isLoggedIn = (response: Response) => locationOf(response).pathname === '/oauth2/authorize'
    const hasToken = (response: Response) => fragmentOf(response).has('subject_token')
    const silently = async (browser: Browser) => {
      const parameters = fragmentOf(await browser.get(authorizePath(scenario, { prompt: 'none' })))
      return parameters.get('error') ?? 'signed in'
    }
    /** The page that a step shows which is done already. */
    const isFinished = async (response: Response) => {
      expect(response.status).toBe(410)
      expect(await response.text()).toContain('<h1>This sign-in is finished</h1>')
    }
    /** Runs `work` and counts the password hashes that it cost. */
    const hashes = async <Result>(work: () => Promise<Result>) => {
      const spy = spyOn(Bun.password, 'verify')
      try {
        const result = await work()
        return { result, hashes: spy.mock.calls.length }
      } finally {
        spy.mockRestore()
      }
    }

    describe('a failed login', () => {
      test('says the same and costs the same for a wrong user, a wrong password, a locked and a disabled account', async () => {
        const known = await createPerson(server, 'Known')
        const locked = await createPerson(server, 'LockedOut')
        await setLocked(server, locked.id, true)
        const disabled = await createPerson(server, 'DisabledOut')
        const { db } = server
        const set = db.updateTable('account').set({ disabled_at: '2026-01-01' }).where('id', '=', disabled.id)
        await commit(db, [write(set)])
        const answers = []
        for (const [name, password] of [
          ['Nobody', 'x'],
          [known.userName, 'x'],
          [known.userName, ''],
          [locked.userName, locked.password],
          [locked.userName, 'x'],
          [disabled.userName, disabled.password],
        ] as const) {
          const browser = browserAt()
          const { key } = await toLogin(browser)
          const seen = await hashes(() => submit(browser, key, name, password))
          const location = locationOf(seen.result)
          const page = await browser.get(`${location.pathname}${location.search}`)
          answers.push({
            ...(await visible(seen.result)),
            hashes: seen.hashes,
            page: [page.status, withoutRandomness(await page.text())],
          })
          expect(browser.cookies.has(sessionCookie)).toBe(false)
        }
        const [first] = answers
        expect(first).toMatchObject({ status: 302, body: '', hashes: 1 })
        expect(first?.page[1]).toContain('The user name or the password is not right.')
        expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1)
      })

      test('leaves one failure, one audit row when the user is known, and nothing else', async () => {
        const browser = browserAt()
        const { key } = await toLogin(browser)
        await nothingElse(server.db, { login_failure: { added: 1 } }, () =>
          submit(browser, key, 'Nobody2', 'x'),
        )
        const { changes } = await nothingElse(
          server.db,
          { login_failure: { added: 1 }, audit: { added: 1 } },
          () => submit(browser, key, scenario.subject.userName, 'secret in the wrong field'),
        )
        expect(changes.added.audit?.[0]).toMatchObject({ event: 'login-failed', outcome: 'Failure' })
        expect(JSON.stringify(changes.added)).not.toContain('secret in the wrong field')
      })

      test('says the same for a name or password that cannot be one', async () => {
        const browser = browserAt()
        const { key } = await toLogin(browser)
        for (const [name, password] of [
          ['x'.repeat(256), 'x'],
          [scenario.subject.userName, 'x'.repeat(1_025)],
          ['', ''],
          ["' or '1'='1", 'x'],
          ['\ufffd\u202e', 'x'],
        ] as const) {
          expect(messageOf(await submit(browser, key, name, password))).toBe('login.fail.message')
        }
        const nul = { headers: { Authorization: basic('a\0b', 'x') } }
        expect((await server.request('/scim2/Me', nul)).status).toBe(401)
      })
    })

    describe('guessing', () => {
      test('ends after five failures, whether the account exists or not, even with the right password', async () => {
        const person = await createPerson(server, 'Guessed')
        for (const name of ['Guessed', 'Unguessed']) {
          const browser = browserAt()
          const { key } = await toLogin(browser)
          const messages: (string | null)[] = []
          const seen = await hashes(async () => {
            // one account under all its spellings
            for (const spelling of [
              name,
              name.toUpperCase(),
              `${name}@carbon.super`,
              name.toLowerCase(),
              name,
            ])
              messages.push(messageOf(await submit(browser, key, spelling, 'x')))
            messages.push(messageOf(await submit(browser, key, name, person.password)))
            messages.push(messageOf(await submit(browserAt(), key, name, person.password)))
          })
          expect(messages).toEqual([...Array(5).fill('login.fail.message'), 'login.throttled.message', null])
          expect(seen.hashes).toBe(5)
          expect(browser.cookies.has(sessionCookie)).toBe(false)
        }
        const browser = browserAt()
        later(15 * minute + 1)
        const { key } = await toLogin(browser)
        expect(isLoggedIn(await submit(browser, key, person.userName, person.password))).toBe(true)
      })

      test('is forgotten by a success, for that account alone', async () => {
        const [person, other] = [
          await createPerson(server, 'Forgetful'),
          await createPerson(server, 'Unforgiven'),
        ]
        const browser = browserAt()
        const { key } = await toLogin(browser)
        const fail = async (who: Person, times: number) => {
          for (let time = 0; time < times; time += 1)
            expect(messageOf(await submit(browser, key, who.userName, 'x'))).toBe('login.fail.message')
        }
        await fail(other, 5)
        await fail(person, 4)
        expect(isLoggedIn(await submit(browser, key, person.userName, person.password))).toBe(true)
        await fail(person, 4)
        expect(isLoggedIn(await submit(browser, key, person.userName, person.password))).toBe(true)
        expect(messageOf(await submit(browser, key, other.userName, other.password))).toBe(
          'login.throttled.message',
        )
      })

      test('ends after fifty failures from one address, which a forged header does not change', async () => {
        const { db } = server
        const address = '198.51.100.7'
        const now = new Date().toISOString()
        const rows = Array.from({ length: 48 }, (_, index) => ({
          id: Bun.randomUUIDv7(),
          account_key: `other ${index}`,
          address,
          failed_at: now,
        }))
        await commit(db, [write(db.insertInto('login_failure').values(rows))])
        let forged = 0
        const browser = newBrowser({
          request(path, init) {
            const headers = new Headers(init?.headers)
            forged += 1
            headers.set('X-Forwarded-For', `203.0.113.${forged}`)
            headers.set('Forwarded', `for=203.0.113.${forged}`)
            return server.request(path, { ...init, headers, address })
          },
        })
        const { key } = await toLogin(browser)
        const { impersonator } = scenario
        const seen = await hashes(async () => [
          messageOf(await submit(browser, key, 'first', 'x')),
          messageOf(await submit(browser, key, 'second', 'x')),
          messageOf(await submit(browser, key, impersonator.userName, impersonator.password)),
        ])
        expect(seen).toEqual({
          result: ['login.fail.message', 'login.fail.message', 'login.throttled.message'],
          hashes: 2,
        })
        const elsewhere = browserAt()
        const { key: another } = await toLogin(elsewhere)
        expect(
          isLoggedIn(await submit(elsewhere, another, impersonator.userName, impersonator.password)),
        ).toBe(true)
      })

      test('by Basic counts with guessing by the form', async () => {
        const person = await createPerson(server, 'Basic')
        const call = async (password: string) => {
          const headers = { Authorization: basic(person.userName, password) }
          return (await server.request('/scim2/Me', { headers, address: '192.0.2.200' })).status
        }
        const browser = browserAt()
        const { key } = await toLogin(browser)
        const seen = await hashes(async () => {
          for (const password of ['a', 'b', 'c']) expect(await call(password)).toBe(401)
          for (const password of ['d', 'e']) await submit(browser, key, person.userName, password)
          expect(await call(person.password)).toBe(401)
          expect(messageOf(await submit(browser, key, person.userName, person.password))).toBe(
            'login.throttled.message',
          )
        })
        expect(seen.hashes).toBe(5)
      })

      test('a hundred times at once lets no more than the limit through to a hash', async () => {
        const person = await createPerson(server, 'Raced')
        const browser = browserAt()
        const { key } = await toLogin(browser)
        const seen = await hashes(() =>
          Promise.all(
            Array.from({ length: 100 }, (_, index) =>
              submit(browser, key, person.userName, `guess ${index}`),
            ),
          ),
        )
        expect(seen.hashes).toBe(5)
        const messages = new Set(seen.result.map(messageOf))
        expect(messages.has(null)).toBe(false)
        expect(browser.cookies.has(sessionCookie)).toBe(false)
        const rows = await server.db.selectFrom('login_failure').selectAll().execute()
        expect(rows.filter(({ address }) => address === `192.0.2.${addresses}`)).toHaveLength(5)
      })
    })

    describe('a session', () => {
      test('has a new id at every login, and a planted or earlier one is worth nothing', async () => {
        const browser = browserAt()
        const planted = 'A'.repeat(43)
        browser.cookies.set(sessionCookie, planted)
        await logIn(browser, (await toLogin(browser)).response, scenario.impersonator)
        const first = browser.cookies.get(sessionCookie) ?? ''
        expect(first).toMatch(/^[\w-]{43}$/)
        expect(first).not.toBe(planted)
        await logIn(browser, (await toLogin(browser, { prompt: 'login' })).response, scenario.impersonator)
        const second = browser.cookies.get(sessionCookie) ?? ''
        expect(second).not.toBe(first)
        expect(await silently(browser)).toBe('signed in')
        for (const worthless of [planted, first, `${second}x`, second.slice(1), '', second.toLowerCase()]) {
          const thief = browserAt()
          thief.cookies.set(sessionCookie, worthless)
          expect([worthless, await silently(thief)]).toEqual([worthless, 'login_required'])
        }
        const dump = JSON.stringify(await server.db.selectFrom('session').selectAll().execute())
        for (const value of [first, second]) expect(dump).not.toContain(value)
      })

      test('is not begun for somebody who is locked while the password is checked', async () => {
        const person = await createPerson(server, 'Hurried')
        const browser = browserAt()
        const { key } = await toLogin(browser)
        const verify = Bun.password.verify
        const spy = spyOn(Bun.password, 'verify').mockImplementation(async (...given) => {
          spy.mockRestore()
          await setLocked(server, person.id, true)
          return verify(...given)
        })
        const answer = await submit(browser, key, person.userName, person.password)
        expect(messageOf(answer)).toBe('login.fail.message')
        expect(browser.cookies.has(sessionCookie)).toBe(false)
        const sessions = server.db.selectFrom('session').select('id').where('account_id', '=', person.id)
        expect(await sessions.execute()).toEqual([])
      })

      test('of somebody else is not taken over by whoever signs in with its cookie', async () => {
        const victim = browserAt()
        await logIn(victim, (await toLogin(victim)).response, scenario.impersonator)
        const fixed = victim.cookies.get(sessionCookie) ?? ''
        const other = browserAt()
        other.cookies.set(sessionCookie, fixed)
        const { response } = await toLogin(other, { prompt: 'login' })
        await logIn(other, response, scenario.subject)
        expect(other.cookies.get(sessionCookie)).not.toBe(fixed)
        expect(await silently(victim)).toBe('login_required')
      })

      test('ends after fifteen idle minutes, and eight hours in all', async () => {
        const start = Date.now()
        const at = (milliseconds: number) => setSystemTime(new Date(start + milliseconds))
        const browser = browserAt()
        at(0)
        await logIn(browser, (await toLogin(browser)).response, scenario.impersonator)
        const idle = new Map(browser.cookies)
        at(15 * minute - 1)
        expect(await silently(browser)).toBe('signed in')
        at(30 * minute - 2)
        expect(await silently(browser)).toBe('signed in')
        for (let passed = 40 * minute; passed < 480 * minute; passed += 14 * minute) {
          at(passed)
          expect(await silently(browser)).toBe('signed in')
        }
        at(480 * minute - 1)
        expect(await silently(browser)).toBe('signed in')
        at(480 * minute)
        expect(await silently(browser)).toBe('login_required')

        const another = browserAt()
        at(0)
        await logIn(another, (await toLogin(another)).response, scenario.impersonator)
        at(15 * minute)
        expect(await silently(another)).toBe('login_required')
        expect(idle.get(sessionCookie)).toBe(browser.cookies.get(sessionCookie) ?? '')
      })

      test('of one person ends with what began in it when another signs in in the same browser, idle or not', async () => {
        for (const [name, idle, again] of [
          ['First', false, false],
          ['IdleFirst', true, false],
          ['TwiceFirst', false, true],
        ] as const) {
          const first = await impersonators(name)
          const browser = browserAt()
          await logIn(browser, (await toLogin(browser)).response, first)
          const asked = { ...scenario, impersonator: first }
          const started = await obtainSubjectToken(server, asked, {}, browser)
          const begun = await obtainSubjectToken(server, asked, {}, browser)
          const { access_token } = (await (await exchange(server, scenario, started)).json()) as {
            access_token: string
          }
          const me = () =>
            server.request('/scim2/Me', { headers: { Authorization: `Bearer ${access_token}` } })
          expect((await me()).status).toBe(200)
          if (again) {
            // his own next login replaces the cookie and leaves what he began alive
            await logIn(browser, (await toLogin(browser, { prompt: 'login' })).response, first)
            expect((await me()).status).toBe(200)
          }
          if (idle) later(16 * minute)
          const { response } = await toLogin(browser, { prompt: 'login' })
          await logIn(browser, response, scenario.impersonator)
          expect(await silently(browser)).toBe('signed in')
          expect([idle, (await me()).status]).toEqual([idle, 401])
          expect((await exchange(server, scenario, begun)).status).toBe(400)
          setSystemTime()
        }
      })

      test('of the same person goes on in what it began', async () => {
        const browser = browserAt()
        const started = await obtainSubjectToken(server, scenario, {}, browser)
        await logIn(browser, (await toLogin(browser, { prompt: 'login' })).response, scenario.impersonator)
        expect((await exchange(server, scenario, started)).status).toBe(200)
      })
    })

    describe('a paused request', () => {
      test('belongs to the browser that began it', async () => {
        const [browser, thief] = [browserAt(), browserAt()]
        const { key, path } = await toLogin(browser)
        // the thief has a cookie of his own and is even signed in
        await logIn(thief, (await toLogin(thief)).response, scenario.impersonator)
        const { impersonator } = scenario
        const stranger = browserAt()
        for (const who of [thief, stranger]) {
          const { result } = await nothingElse(server.db, {}, async () => [
            await who.get(path),
            await submit(who, key, impersonator.userName, impersonator.password),
            await resume(who, key),
          ])
          for (const response of result) expect(await readAnswer(response)).toMatchObject(over)
        }
        expect(isLoggedIn(await submit(browser, key, impersonator.userName, impersonator.password))).toBe(
          true,
        )
        for (const who of [thief, stranger]) {
          const { result } = await nothingElse(server.db, {}, () => resume(who, key))
          expect(await readAnswer(result)).toMatchObject(over)
        }
        const asked = await toConsent(browser)
        for (const who of [thief, stranger]) {
          const { result } = await nothingElse(server.db, {}, async () => [
            await who.get(asked.path),
            await consent(who, asked.key),
          ])
          for (const response of result) expect(await readAnswer(response)).toMatchObject(over)
        }
        // the right browser's cookie with an earlier session, even of the same person, does not consent either
        const halfway = browserAt()
        halfway.cookies.set(interactionCookie, browser.cookies.get(interactionCookie) ?? '')
        halfway.cookies.set(sessionCookie, thief.cookies.get(sessionCookie) ?? '')
        expect(await readAnswer(await consent(halfway, asked.key))).toMatchObject(over)
        expect(hasToken(await consent(browser, asked.key))).toBe(true)
      })

      test('is answered once: the form sent twice, the back button and a second consent lead to a page', async () => {
        const browser = browserAt()
        const { key, path } = await toLogin(browser)
        const { impersonator } = scenario
        const send = () => submit(browser, key, impersonator.userName, impersonator.password)
        expect(isLoggedIn(await send())).toBe(true)
        // sent again before the first answer was followed: still one sign-in to resume
        expect(isLoggedIn(await send())).toBe(true)
        expect(hasToken(await resume(browser, key))).toBe(true)
        const { result } = await nothingElse(server.db, {}, async () => [
          await send(),
          await resume(browser, key),
        ])
        for (const response of result) expect(await readAnswer(response)).toMatchObject(over)
        await isFinished(await browser.get(path))
        const asked = await toConsent(browser)
        expect(hasToken(await consent(browser, asked.key))).toBe(true)
        const again = await nothingElse(server.db, {}, () => consent(browser, asked.key))
        expect(await readAnswer(again.result)).toMatchObject(over)
        await isFinished(await browser.get(asked.path))
      })

      test('has one winner of ten answers at once', async () => {
        const browser = browserAt()
        const { key } = await toLogin(browser)
        await submit(browser, key, scenario.impersonator.userName, scenario.impersonator.password)
        const added = {
          impersonation: { added: 1 },
          token: { added: 2 },
          lineage: { added: 1 },
          audit: { added: 1 },
          interaction: { changed: 1 },
          session_application: { added: 1 },
        }
        const resumed = await nothingElse(server.db, added, () =>
          Promise.all(Array.from({ length: 10 }, () => resume(browser, key))),
        )
        expect(resumed.result.filter(hasToken)).toHaveLength(1)
        const asked = await toConsent(browser)
        const consented = await nothingElse(server.db, added, () =>
          Promise.all(Array.from({ length: 10 }, () => consent(browser, asked.key))),
        )
        expect(consented.result.filter(hasToken)).toHaveLength(1)
      })

      test('expires after ten minutes, at every step', async () => {
        const start = Date.now()
        const at = (milliseconds: number) => setSystemTime(new Date(start + milliseconds))
        at(0)
        const browser = browserAt()
        const { impersonator } = scenario
        const open = await toLogin(browser)
        const loggedIn = await toLogin(browser)
        await submit(browser, loggedIn.key, impersonator.userName, impersonator.password)
        const asked = await toConsent(browser)
        at(10 * minute - 1)
        expect((await browser.get(open.path)).status).toBe(200)
        expect((await browser.get(asked.path)).status).toBe(200)
        at(10 * minute)
        const { result } = await nothingElse(server.db, {}, async () => [
          await browser.get(open.path),
          await submit(browser, open.key, impersonator.userName, impersonator.password),
          await resume(browser, loggedIn.key),
          await browser.get(asked.path),
          await consent(browser, asked.key),
        ])
        for (const response of result) expect(await readAnswer(response)).toMatchObject(over)
      })

      test('lives in two tabs of one browser, whichever goes first', async () => {
        const { impersonator } = scenario
        const browser = browserAt()
        const [one, two] = [await toLogin(browser), await toLogin(browser)]
        for (const tab of [two, one])
          expect(hasToken(await logIn(browser, tab.response, impersonator))).toBe(true)

        // one tab waits at the consent page while the other signs in
        const another = browserAt()
        const [left, right] = [
          await another.get(authorizePath(scenario, { client_id: consenting.clientId })),
          await another.get(authorizePath(scenario, { client_id: consenting.clientId })),
        ]
        const [leftConsent, rightConsent] = [
          await readAnswer(await logIn(another, left, impersonator)),
          await readAnswer(await logIn(another, right, impersonator)),
        ]
        for (const answer of [leftConsent, rightConsent]) {
          if (answer.place !== 'consent') throw new Error(`no consent page: ${JSON.stringify(answer)}`)
          expect((await another.get(answer.path)).status).toBe(200)
          expect(hasToken(await consent(another, answer.key))).toBe(true)
        }
      })

      test('waiting for one person’s consent is not continued by another', async () => {
        for (const isCookieLost of [false, true]) {
          const browser = browserAt()
          const asked = await toConsent(browser)
          // without the cookie nothing tells the server that the earlier session is over
          if (isCookieLost) browser.cookies.delete(sessionCookie)
          await logIn(browser, (await toLogin(browser, { prompt: 'login' })).response, scenario.subject)
          const { result } = await nothingElse(server.db, {}, () => consent(browser, asked.key))
          expect(await readAnswer(result)).toMatchObject(over)
        }
      })
    })

    describe('a fresh login', () => {
      test('is really needed where the request wishes it, and ends the wish', async () => {
        const start = Date.now()
        setSystemTime(new Date(start))
        const browser = browserAt()
        await logIn(browser, (await toLogin(browser)).response, scenario.impersonator)
        let seconds = 0
        for (const wish of [
          { prompt: 'login' },
          { prompt: 'select_account' },
          { max_age: '0' },
          { max_age: '1' },
        ] as const) {
          seconds += 5
          setSystemTime(new Date(start + seconds * 1000))
          const { key, response } = await toLogin(browser, wish)
          // to come back without having signed in leads to the login page again
          expect(await readAnswer(await resume(browser, key))).toMatchObject({ place: 'login', key })
          expect(messageOf(await submit(browser, key, scenario.impersonator.userName, 'x'))).toBe(
            'login.fail.message',
          )
          expect(await readAnswer(await resume(browser, key))).toMatchObject({ place: 'login', key })
          const answer = await logIn(browser, response, scenario.impersonator)
          expect(hasToken(answer)).toBe(true)
          const { auth_time } = jose.decodeJwt(fragmentOf(answer).get('id_token') ?? '')
          expect(auth_time).toBe(Math.floor((start + seconds * 1000) / 1000))
        }
        setSystemTime(new Date(start + (seconds + 5) * 1000))
        expect(hasToken(await browser.get(authorizePath(scenario, { max_age: '5' })))).toBe(true)
        expect((await toLogin(browser, { max_age: '4' })).place).toBe('login')
      })

      test('in another tab does not satisfy the wish of this one', async () => {
        const browser = browserAt()
        const wish = await toLogin(browser, { prompt: 'login' })
        await logIn(browser, (await toLogin(browser)).response, scenario.impersonator)
        expect(await readAnswer(await resume(browser, wish.key))).toMatchObject({ place: 'login' })
      })

      test('does not satisfy the wish once somebody else has signed in behind it', async () => {
        const browser = browserAt()
        const wish = await toLogin(browser, { prompt: 'login' })
        const other = await toLogin(browser)
        const { impersonator, subject } = scenario
        expect(
          isLoggedIn(await submit(browser, wish.key, impersonator.userName, impersonator.password)),
        ).toBe(true)
        expect(isLoggedIn(await submit(browser, other.key, subject.userName, subject.password))).toBe(true)
        expect(await readAnswer(await resume(browser, wish.key))).toMatchObject({ place: 'login' })
      })

      test('leads on to the consent page where both are wished, without a second login', async () => {
        const browser = browserAt()
        await logIn(browser, (await toLogin(browser)).response, scenario.impersonator)
        const { response } = await toLogin(browser, { prompt: 'login consent' })
        const answer = await readAnswer(await logIn(browser, response, scenario.impersonator))
        if (answer.place !== 'consent') throw new Error(`answered by ${answer.place}`)
        expect(hasToken(await consent(browser, answer.key))).toBe(true)
      })
    })

    describe('the pages and cookies', () => {
      test('set cookies that no script, other site or other host gets at', async () => {
        const browser = browserAt()
        const { response, key } = await toLogin(browser)
        const host = 'Path=/; HttpOnly; Secure; SameSite=Lax'
        const value = '[\\w-]{43}'
        expect(response.headers.getSetCookie()).toEqual([
          expect.stringMatching(new RegExp(`^${interactionCookie}=${value}; ${host}$`)),
        ])
        const { impersonator } = scenario
        const posted = await submit(browser, key, impersonator.userName, impersonator.password)
        expect(posted.headers.getSetCookie()).toEqual([
          expect.stringMatching(new RegExp(`^${sessionCookie}=${value}; ${host}$`)),
          expect.stringMatching(/^opbs=[0-9a-f-]{36}; Path=\/; Secure; SameSite=None$/),
        ])
        const opbs = browser.cookies.get('opbs')
        const again = await toLogin(browser, { prompt: 'login' })
        expect(again.response.headers.getSetCookie()).toEqual([])
        await submit(browser, again.key, impersonator.userName, impersonator.password)
        expect(browser.cookies.get('opbs')).not.toBe(opbs)
      })

      test('let a check-session frame recompute session_state from opbs', async () => {
        const browser = browserAt()
        const answer = await logIn(browser, (await toLogin(browser)).response, scenario.impersonator)
        const [hash, salt] = (fragmentOf(answer).get('session_state') ?? '').split('.')
        const text = `${scenario.clientId} https://client.example ${browser.cookies.get('opbs')} ${salt}`
        expect(hash).toBe(new Bun.CryptoHasher('sha256').update(text).digest('hex'))
      })

      const checkPage = async (response: Response, formTargets: readonly string[], hasScript = false) => {
        const html = await response.text()
        const nonce = /<style nonce="([^"]+)">/.exec(html)?.[1] ?? ''
        expect(nonce).toMatch(/^[A-Za-z0-9+/]{22}==$/)
        expect(response.headers.get('content-security-policy')).toBe(
          [
            "default-src 'none'",
            `style-src 'nonce-${nonce}'`,
            ...(hasScript ? [`script-src 'nonce-${nonce}'`] : []),
            `form-action ${["'self'", ...formTargets].join(' ')}`,
            "base-uri 'none'",
            "frame-ancestors 'none'",
          ].join('; '),
        )
        expect(response.headers.get('x-frame-options')).toBe('DENY')
        expect(response.headers.get('cache-control')).toBe('no-store')
        expect(response.headers.get('referrer-policy')).toBe('no-referrer')
        expect(response.headers.get('x-content-type-options')).toBe('nosniff')
        expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8')
        const scripts = [...html.matchAll(/<script([^>]*)>/g)].map(([, attributes]) => attributes)
        expect(scripts).toEqual(hasScript ? [` nonce="${nonce}"`] : [])
        const tags = html.match(/<[a-z][^>]*>/g) ?? []
        expect(tags.length).toBeGreaterThan(5)
        for (const tag of tags) {
          const bare = tag.replace(/="[^"]*"/g, '=""')
          expect(bare).not.toMatch(/\son\w+|\sstyle=|\ssrc=|\shref=/i)
        }
        expect(html).not.toContain('<x-evil')
        return { html, nonce }
      }

      test('have a strict policy with a new nonce each, and nothing of what others wrote becomes markup', async () => {
        const browser = browserAt()
        const target = ['https://client.example']
        const changes = {
          client_id: consenting.clientId,
          state: evil,
          nonce: evil,
          requested_subject: evil,
          scope: `openid internal_user_impersonate ${evil.replace(/["\s&;]/g, '')}`,
        }
        const paused = await browser.get(authorizePath(scenario, changes))
        const login = await readAnswer(copy(paused))
        if (login.place !== 'login') throw new Error('no login page')
        const nonces = new Set<string>()
        const check = async (path: string, targets: readonly string[]) => {
          // the forms have a script that sends them once
          const hasForm = targets.length > 0
          const { html, nonce } = await checkPage(await browser.get(path), targets, hasForm)
          nonces.add(nonce)
          return html
        }
        const encoded = encodeURIComponent(evil)
        expect(await check(login.path, target)).toContain(
          'Con&quot;&gt;&lt;x-evil onerror=alert(1)&gt;&#39;&amp;lt;',
        )
        for (const message of [encoded, 'constructor', '__proto__', 'toString', '']) {
          const html = await check(`${login.path}&authFailure=true&authFailureMsg=${message}`, target)
          expect(html).toContain('id="error-msg">The user name or the password is not right.</p>')
        }
        await check(`/authenticationendpoint/login.do?sessionDataKey=${encoded}`, [])
        await check(`/authenticationendpoint/oauth2_authz.do?sessionDataKeyConsent=${encoded}`, [])
        await check(
          `/authenticationendpoint/oauth2_error.do?oauthErrorCode=${encoded}&oauthErrorMsg=${encoded}`,
          [],
        )
        await check(`/oauth2/authorize?client_id=${encoded}`, [])
        await check(`/oauth2/authorize?sessionDataKey=${encoded}`, [])
        const asked = await readAnswer(await logIn(browser, paused, scenario.impersonator))
        if (asked.place !== 'consent') throw new Error('no consent page')
        const consentHtml = await check(asked.path, target)
        expect(consentHtml).toContain('&gt;&lt;x-evilonerror=alert(1)&gt;')
        expect(consentHtml).toContain('<span class="id">&quot;&gt;&lt;x-evil')
        expect(nonces.size).toBe(12)
        const posted = await browser.get(
          authorizePath(scenario, { ...changes, client_id: scenario.clientId, response_mode: 'form_post' }),
        )
        const { html } = await checkPage(posted, target, true)
        const formPost = await readAnswer(new Response(html, { status: 200 }))
        expect(formPost).toMatchObject({ place: 'form_post', to: redirectUri, parameters: { state: evil } })
      })

      test('keep the cookies of a request that is answered by form post', async () => {
        const browser = browserAt()
        const answer = await browser.get(
          authorizePath(scenario, { prompt: 'none', response_mode: 'form_post' }),
        )
        expect((await readAnswer(answer)).place).toBe('form_post')
        expect(browser.cookies.has('opbs')).toBe(true)
      })

      test('answer every method and every body without failing, and change nothing', async () => {
        const browser = browserAt()
        const { key, path } = await toLogin(browser)
        const endpoints = [
          path,
          '/authenticationendpoint/oauth2_authz.do',
          '/authenticationendpoint/oauth2_error.do',
          '/authenticationendpoint/',
          '/commonauth',
          '/oauth2/token',
          '/oauth2/jwks',
          '/oauth2/token/.well-known/openid-configuration',
        ]
        const form = 'application/x-www-form-urlencoded'
        const post = (type: string | undefined, body?: string | Uint8Array<ArrayBuffer>) =>
          browser.get('/commonauth', {
            method: 'POST',
            headers: type === undefined ? {} : { 'Content-Type': type },
            ...(body === undefined ? {} : { body }),
          })
        const login = {
          sessionDataKey: key,
          username: scenario.impersonator.userName,
          password: scenario.impersonator.password,
        }
        const encoded = new URLSearchParams(login).toString()
        const seen = await hashes(() =>
          nothingElse(server.db, {}, async () => {
            for (const endpoint of endpoints) {
              for (const method of ['HEAD', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
                const { status } = await browser.get(endpoint, { method })
                expect([endpoint, method, status < 500]).toEqual([endpoint, method, true])
              }
            }
            expect((await browser.get(`/commonauth?${encoded}`)).status).toBe(405)
            return [
              await post('application/json', JSON.stringify(login)),
              await post('text/plain', encoded),
              await post('multipart/form-data; boundary=x', encoded),
              await post(undefined),
              await post(form),
              await post(form, ''),
              await post(form, 'x'.repeat(1_000_000)),
              await post(form, `${encoded}&x=${'y'.repeat(70_000)}`),
              await post(form, new Uint8Array([...new TextEncoder().encode(`${encoded}&x=`), 0xc3, 0x28])),
              await post(form, `${encoded}&x=%c3%28`),
              await post(form, `${encoded}&x=%00`),
              await post(form, `${encoded}&username=admin`),
              await post(form, `${encoded}&password=`),
              await post(form, `${encoded}&sessionDataKey=${key}`),
              await post(form, encoded.replace(key, `${key}=`)),
              await post(form, new URLSearchParams({ ...login, sessionDataKey: '' }).toString()),
            ]
          }),
        )
        for (const response of seen.result.result) expect(await readAnswer(response)).toMatchObject(over)
        expect(seen.hashes).toBe(0)
        expect(browser.cookies.has(sessionCookie)).toBe(false)
        // ten thousand parameters are only that many
        const many = Array.from({ length: 10_000 }, (_, index) => index.toString(36)).join('&')
        expect(isLoggedIn(await post(form, `${encoded}&${many}`))).toBe(true)
        expect((await readAnswer(await browser.get(`${authorizePath(scenario)}&${many}`))).place).toBe(
          'fragment',
        )
      })
    })
  })

  describe(`on ${database.name}, with other settings`, () => {
    const shipped = Bun.file(new URL('../deployment.toml', import.meta.url)).text()

    test('cookies are sent to frames of other sites where [session] says so', async () => {
      const server = await boot(database, { toml: '[session]\nsame_site = "none"\n' })
      const { clientId } = await createApplication(server)
      const person = await createPerson(server, 'Framed')
      const browser = server.browser()
      const paused = await browser.get(authorizePath({ clientId, subject: person }))
      const host = 'Path=/; HttpOnly; Secure; SameSite=None'
      expect(paused.headers.getSetCookie()).toEqual([
        expect.stringMatching(new RegExp(`^${interactionCookie}=[\\w-]{43}; ${host}$`)),
      ])
      const posted = await browser.post('/commonauth', {
        sessionDataKey: locationOf(paused).searchParams.get('sessionDataKey') ?? '',
        username: person.userName,
        password: person.password,
      })
      expect(posted.headers.getSetCookie()[0]).toMatch(new RegExp(`^${sessionCookie}=[\\w-]{43}; ${host}$`))
      await server.stop()
    })

    test('an address that a trusted proxy tells is counted, and none that the client made up', async () => {
      const insteadOfShipped = (await shipped)
        .replace('password = "admin"', 'password = "Long-Enough-1"')
        .replace('[server]', '[server]\ntrusted_proxies = ["10.0.0.1", "10.0.0.2"]')
      const server = await boot(database, { insteadOfShipped })
      const counted = async (address: string, forwarded?: string) => {
        const headers = {
          Authorization: basic(crypto.randomUUID(), 'x'),
          ...(forwarded === undefined ? {} : { 'X-Forwarded-For': forwarded }),
        }
        const { changes } = await nothingElse(server.db, { login_failure: { added: 1 } }, () =>
          server.request('/scim2/Me', { headers, address }),
        )
        return changes.added.login_failure?.[0]?.address
      }
      expect(await counted('192.0.2.1', '203.0.113.9')).toBe('192.0.2.1')
      expect(await counted('10.0.0.1', '203.0.113.9')).toBe('203.0.113.9')
      expect(await counted('10.0.0.1', '1.2.3.4, 203.0.113.9')).toBe('203.0.113.9')
      expect(await counted('10.0.0.1', '1.2.3.4,203.0.113.9 , 10.0.0.2')).toBe('203.0.113.9')
      expect(await counted('10.0.0.1', '10.0.0.2')).toBe('10.0.0.1')
      expect(await counted('10.0.0.1', ' , ')).toBe('10.0.0.1')
      expect(await counted('10.0.0.1')).toBe('10.0.0.1')
      await server.stop()
    })
  })
}
