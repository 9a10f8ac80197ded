/** Whatever is sent to the authorization endpoint and the login form: no failure, no stray redirect, no token unasked. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { commit, write } from '../lib/database/commit.ts'
import { type Answer, readAnswer } from './authorize-answer.ts'
import { type Booted, boot } from './boot.ts'
import { type Browser, newBrowser } from './browser.ts'
import { databases } from './databases.ts'
import { changesOf } from './nothing-else.ts'
import {
  authorizePath,
  createApplication,
  createRole,
  logIn,
  redirectUri,
  type Scenario,
  setUp,
} from './scenario.ts'

const form = 'application/x-www-form-urlencoded'
const address = '192.0.2.77'

type Pair = readonly [string, string]
type Mutation = (pairs: readonly Pair[]) => readonly Pair[]

const names = [
  'client_id',
  'redirect_uri',
  'response_type',
  'response_mode',
  'scope',
  'requested_subject',
  'nonce',
  'state',
  'prompt',
  'max_age',
  'code_challenge',
  'code_challenge_method',
  'request',
  'request_uri',
  'sessionDataKey',
  'sessionDataKeyConsent',
  'consent',
  'username',
  'password',
  '__proto__',
  'constructor',
]

/** Values that mean something somewhere; `keys` are those of pages that belong to other browsers. */
const telling = (scenario: Scenario, keys: readonly string[]) => [
  ...keys,
  scenario.clientId,
  scenario.subject.id,
  scenario.impersonator.id,
  scenario.impersonator.userName,
  redirectUri,
  `${redirectUri}/`,
  'https://evil.example/cb',
  'javascript:alert(1)',
  'id_token subject_token',
  'subject_token',
  'code',
  'form_post',
  'query',
  'none',
  'login',
  'consent',
  'approve',
  'deny',
  '0',
  '99999999999999999999',
  'openid internal_user_impersonate',
  '\0',
  '\r\n',
  '\u2028',
  '__proto__',
  "' or 1=1 --",
]

const text = (values: readonly string[]) =>
  fc.oneof(
    fc.constantFrom(...values),
    fc.string({ unit: 'binary', maxLength: 40 }),
    fc.string({ maxLength: 300 }),
  )

const mutation = (values: readonly string[]): fc.Arbitrary<Mutation> => {
  const position = fc.nat(20)
  const name = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(...names) },
    { weight: 1, arbitrary: text(values) },
  )
  const changeAt =
    (at: number, change: (pair: Pair) => readonly Pair[]): Mutation =>
    (pairs) =>
      pairs.flatMap((pair, index) => (index === at % pairs.length ? change(pair) : [pair]))
  return fc.oneof(
    position.map((at) => changeAt(at, () => [])),
    position.map((at) => changeAt(at, (pair) => [pair, pair])),
    position.map((at) => changeAt(at, ([key, value]) => [[key, value.toUpperCase()]])),
    fc.tuple(position, text(values)).map(([at, value]) => changeAt(at, ([key]) => [[key, value]])),
    fc
      .tuple(position, text(values))
      .map(([at, more]) => changeAt(at, ([key, value]) => [[key, `${value}${more}`]])),
    fc.tuple(position, name).map(([at, key]) => changeAt(at, ([, value]) => [[key, value]])),
    fc.tuple(name, text(values)).map(([key, value]) => (pairs: readonly Pair[]) => [
      ...pairs,
      [key, value] as const,
    ]),
  )
}

/** The mutated parameters as a query, sometimes with characters of no meaning spliced in. */
const query = (base: readonly Pair[], values: readonly string[]): fc.Arbitrary<string> =>
  fc
    .tuple(
      fc.array(mutation(values), { maxLength: 4 }),
      fc.option(fc.tuple(fc.nat(400), fc.string({ maxLength: 6 })), { freq: 4 }),
    )
    .map(([mutations, splice]) => {
      const pairs = mutations.reduce<readonly Pair[]>((sofar, mutate) => mutate(sofar), base)
      const encoded = pairs.map((pair) => pair.map(encodeURIComponent).join('=')).join('&')
      if (!splice) return encoded
      const [at, noise] = splice
      return `${encoded.slice(0, at)}${noise}${encoded.slice(at)}`
    })

const isToken = (answer: Answer): boolean =>
  'parameters' in answer && Object.keys(answer.parameters).some((name) => name.endsWith('_token'))

/** No failure, and nobody is sent anywhere but to the client and to pages of ours. */
const expectSound = async (response: Response): Promise<Answer> => {
  expect([200, 302, 400]).toContain(response.status)
  const answer = await readAnswer(response)
  if ('to' in answer) expect(answer.to).toBe(redirectUri)
  return answer
}

for (const database of databases) {
  describe(`on ${database.name}, whatever is sent`, () => {
    let server: Booted
    let scenario: Scenario
    let consentingId: string
    let signedIn: Browser
    let base: readonly Pair[]
    let values: readonly string[]

    beforeAll(async () => {
      server = await boot(database)
      scenario = await setUp(server)
      const consenting = await createApplication(server, { name: 'consenting', skipLoginConsent: false })
      consentingId = consenting.clientId
      await createRole(server, {
        name: 'Consenting',
        applicationId: consenting.applicationId,
        permissions: ['internal_user_impersonate'],
        member: scenario.impersonator.id,
      })
      signedIn = server.browser()
      await logIn(signedIn, await signedIn.get(authorizePath(scenario)), scenario.impersonator)
      const keyOf = async (browser: Browser, client_id: string) => {
        const answer = await readAnswer(await browser.get(authorizePath(scenario, { client_id })))
        return 'key' in answer ? answer.key : ''
      }
      const other = server.browser()
      const login = await keyOf(other, consentingId)
      await logIn(other, await other.get(authorizePath(scenario)), scenario.impersonator)
      const keys = [login, await keyOf(other, consentingId)]
      expect(keys.every((key) => key.length === 43)).toBe(true)
      values = telling(scenario, keys)
      base = [...new URL(authorizePath(scenario), 'https://localhost:9443').searchParams]
    })
    afterAll(() => server.stop())

    const send = (browser: Browser, encoded: string, post: boolean) =>
      post
        ? browser.get('/oauth2/authorize', {
            method: 'POST',
            headers: { 'Content-Type': form },
            body: encoded,
          })
        : browser.get(`/oauth2/authorize?${encoded}`)

    const forApplication = (clientId: string) =>
      base.map(([name, value]): Pair => [name, name === 'client_id' ? clientId : value])

    test('nobody who has not signed in gets a token, nor anybody who was not asked for his consent', async () => {
      const { changes } = await changesOf(server.db, () =>
        fc.assert(
          fc.asyncProperty(
            query(base, values),
            query(
              forApplication(consentingId),
              values.filter((value) => value !== scenario.clientId),
            ),
            fc.boolean(),
            fc.string({ maxLength: 50 }).map((cookie) => cookie.replace(/[;\s]/g, '')),
            async (mine, asked, post, cookie) => {
              const anonymous = server.browser()
              anonymous.cookies.set('__Host-mayact-session', cookie)
              anonymous.cookies.set('__Host-mayact-interaction', cookie.padEnd(43, 'A'))
              expect(isToken(await expectSound(await send(anonymous, mine, post)))).toBe(false)
              expect(isToken(await expectSound(await send(signedIn, asked, post)))).toBe(false)
            },
          ),
          { numRuns: 400 },
        ),
      )
      const { added, changed, removed } = changes
      expect(Object.keys(added).filter((table) => table !== 'interaction')).toEqual([])
      expect([changed, removed]).toEqual([{}, {}])
    })

    test('who signed in gets a token for nobody but whom he may act for', async () => {
      let tokens = 0
      const { changes } = await changesOf(server.db, () =>
        fc.assert(
          fc.asyncProperty(query(base, values), fc.boolean(), async (encoded, post) => {
            if (isToken(await expectSound(await send(signedIn, encoded, post)))) tokens += 1
          }),
          { numRuns: 400 },
        ),
      )
      expect(tokens).toBeGreaterThan(0)
      const { impersonation: asked = [], audit = [], token = [] } = changes.added
      const impersonation = asked.filter((row) => row.state !== 'refused')
      expect(impersonation).toHaveLength(tokens)
      expect(token.filter((row) => row.class === 'subject')).toHaveLength(tokens)
      expect(audit.filter((row) => row.event === 'subject-token-issued')).toHaveLength(tokens)
      for (const row of impersonation) {
        expect([row.impersonator_id, row.subject_id, row.client_id]).toEqual([
          scenario.impersonator.id,
          scenario.subject.id,
          scenario.clientId,
        ])
      }
    })

    test('nobody signs in without a password', async () => {
      const { db } = server
      // most attempts are throttled, some reach the accounts
      const failures = Array.from({ length: 35 }, () => ({
        id: Bun.randomUUIDv7(),
        account_key: 'other',
        address,
        failed_at: new Date().toISOString(),
      }))
      await commit(db, [write(db.insertInto('login_failure').values(failures))])
      const browser = newBrowser({ request: (path, init) => server.request(path, { ...init, address }) })
      const paused = await readAnswer(await browser.get(authorizePath(scenario)))
      const key = 'key' in paused ? paused.key : ''
      const attempt: readonly Pair[] = [
        ['sessionDataKey', key],
        ['username', scenario.impersonator.userName],
        ['password', 'wrong'],
      ]
      const types = [form, form, form, 'application/json', 'text/plain', `${form}; charset=utf-16`]
      const { changes } = await changesOf(db, () =>
        fc.assert(
          fc.asyncProperty(query(attempt, values), fc.constantFrom(...types), async (body, type) => {
            const response = await browser.get('/commonauth', {
              method: 'POST',
              headers: { 'Content-Type': type },
              body,
            })
            const answer = await expectSound(response)
            expect(['page', 'login']).toContain(answer.place)
            expect(response.headers.getSetCookie()).toEqual([])
          }),
          { numRuns: 400 },
        ),
      )
      const { added, changed, removed } = changes
      expect(Object.keys(added).filter((table) => table !== 'login_failure' && table !== 'audit')).toEqual([])
      expect(added.login_failure?.length).toBeLessThanOrEqual(15)
      expect((added.audit ?? []).every((row) => row.event === 'login-failed')).toBe(true)
      expect([changed, removed]).toEqual([{}, {}])
    })
  })
}
