/**
 * Random sequences of every grant, of revocation and of logout, over HTTP and judged by introspection alone: `act` is never
 * lost or shrunk, no scope widens, nothing outlives what it came from, and what was ended is inactive from then on.
 */
import { afterAll, beforeAll, describe, expect, setSystemTime, test } from 'bun:test'
import fc from 'fast-check'
import { commit } from '../../lib/database/commit.ts'
import { findAccount } from '../../lib/directory/accounts.ts'
import { beginSession } from '../../lib/sign-in/session.ts'
import type { Actor } from '../../lib/tokens/token.ts'
import { type Booted, basic, boot } from '../boot.ts'
import { type Browser, locationOf, newBrowser } from '../browser.ts'
import { databases } from '../databases.ts'
import {
  addToRole,
  authorizePath,
  createPerson,
  exchange,
  redirectUri,
  type Scenario,
  setUp,
} from '../scenario.ts'
import {
  ask,
  bookingScopes,
  bookings,
  bookingsToml,
  type Client,
  createService,
  delegation,
  organization,
} from './exchanged-tokens.ts'
import { askToken, refresh } from './granted.ts'

const deviceGrant = 'urn:ietf:params:oauth:grant-type:device_code'
const toml = `${bookingsToml}\n[oauth.grant_type.token_exchange]\nallow_refresh_tokens = true`

interface Said {
  readonly active: boolean
  readonly scope?: string
  readonly exp?: number
  readonly sub?: string
  readonly act?: Actor
}

interface Answer {
  readonly access_token?: string
  readonly refresh_token?: string
}

/** All that came from one sign-in, one decision or one client. */
interface Family {
  readonly owner: Client
  /** The browser whose sign-in ends it; none for what outlives it. */
  readonly browser: Browser | undefined
  ended: boolean
}

interface Held {
  readonly value: string
  readonly kind: 'access' | 'refresh'
  readonly client: Client
  readonly family: Family
  /** As introspection said when it was new. */
  readonly said: Said
  readonly from: Held | undefined
  revoked: boolean
  spent: boolean
}

const flat = (act: Actor | undefined): readonly string[] => (act ? [act.sub, ...flat(act.act)] : [])
const words = (scope: string | undefined): readonly string[] => (scope ?? '').split(' ').filter(Boolean)

const any = fc.nat({ max: 1000 })
const actions = [
  'code',
  'device',
  'own',
  'impersonate',
  'refresh',
  'delegate',
  'switch',
  'revoke',
  'logout',
  'wait',
] as const
const weights: Partial<Record<(typeof actions)[number], number>> = {
  delegate: 6,
  refresh: 4,
  switch: 2,
  code: 2,
}
const step = fc.oneof(
  ...actions.map((action) => ({
    weight: weights[action] ?? 1,
    arbitrary: fc.record({ do: fc.constant(action), of: any, by: any, scope: any }),
  })),
)

for (const database of databases) {
  describe(`random sequences of grants on ${database.name}`, () => {
    let server: Booted
    let scenario: Scenario
    let frontend: Client
    let backend: Client
    let alice: string
    const made: Record<string, number> = {}

    beforeAll(async () => {
      server = await boot(database, { toml })
      scenario = await setUp(server)
      alice = (await createPerson(server, 'Alice')).id
      const grantTypes = [
        'authorization_code',
        'refresh_token',
        'client_credentials',
        deviceGrant,
        'urn:ietf:params:oauth:grant-type:token-exchange',
        'organization_switch',
      ]
      frontend = await createService(server, 'FRONTEND', [alice], { grantTypes })
      backend = await createService(server, 'BACKEND', [alice], { grantTypes })
      await addToRole(server, scenario.subjectRole, alice)
    })
    afterAll(() => server.stop())

    /** A browser in which somebody is signed in. */
    const browserOf = async (accountId: string): Promise<Browser> => {
      const account = await findAccount(server.db, accountId)
      if (!account) throw new Error('nobody')
      const { session: rules } = server.config
      const { value, writes } = beginSession(server.db, account, crypto.randomUUID(), rules, new Date())
      expect(await commit(server.db, writes)).toBe('committed')
      const browser = newBrowser(server)
      browser.cookies.set('__Host-mayact-session', value)
      return browser
    }

    const introspect = async (value: string, { clientId, clientSecret }: Client): Promise<Said> => {
      const response = await server.request('/oauth2/introspect', {
        method: 'POST',
        body: new URLSearchParams({ token: value }),
        headers: { Authorization: basic(clientId, clientSecret) },
      })
      expect(response.status).toBe(200)
      return (await response.json()) as Said
    }

    const subset = (scopes: readonly string[], choice: number): readonly string[] =>
      scopes.filter((_, at) => (choice >> (at % 8)) % 2 === 1)

    const run = async (steps: readonly { do: string; of: number; by: number; scope: number }[]) => {
      const browsers = {
        alice: await browserOf(alice),
        impersonator: await browserOf(scenario.impersonator.id),
      }
      const tokens: Held[] = []

      const take = async (answer: Answer, client: Client, family: Family, parent?: Held) => {
        for (const [kind, value] of [
          ['access', answer.access_token],
          ['refresh', answer.refresh_token],
        ] as const) {
          if (value === undefined) continue
          const said = await introspect(value, client)
          expect(said.active).toBe(true)
          if (parent) {
            const [chain, before] = [flat(said.act), flat(parent.said.act)]
            expect(chain.slice(chain.length - before.length)).toEqual([...before])
            expect(words(parent.said.scope)).toEqual(expect.arrayContaining([...words(said.scope)]))
            expect(said.sub).toBe(parent.said.sub)
            // a user's own refresh token is renewed; what somebody acts by is not, nor what is exchanged
            const isRenewed = parent.kind === 'refresh' && before.length === 0
            if (!isRenewed) expect(said.exp).toBeLessThanOrEqual(parent.said.exp ?? 0)
          }
          tokens.push({ value, kind, client, family, said, from: parent, revoked: false, spent: false })
        }
      }

      const answerOf = async (response: Response): Promise<Answer | undefined> => {
        const body = (await response.json()) as Answer
        expect([200, 400]).toContain(response.status)
        return response.status === 200 ? body : undefined
      }

      const isOver = ({ family, revoked, said }: Held) =>
        family.ended || revoked || (said.exp ?? 0) * 1000 <= Date.now()

      const begun = async (name: string, answer: Answer | undefined, owner: Client, browser?: Browser) => {
        if (!answer) return
        made[name] = (made[name] ?? 0) + 1
        await take(answer, owner, { owner, browser, ended: false })
      }

      const takes: Record<string, (one: { of: number; by: number; scope: number }) => Promise<void>> = {
        async code({ by, scope }) {
          const offline = by % 3 === 0
          const scopes = ['openid', ...subset(bookingScopes, scope), ...(offline ? ['offline_access'] : [])]
          const query = { response_type: 'code', client_id: frontend.clientId, redirect_uri: redirectUri }
          const search = new URLSearchParams({ ...query, scope: scopes.join(' ') })
          const to = locationOf(await browsers.alice.get(`/oauth2/authorize?${search}`))
          const code = to.searchParams.get('code')
          if (code === null) return
          const fields = { grant_type: 'authorization_code', code, redirect_uri: redirectUri }
          const answer = await answerOf(await askToken(server, frontend, fields))
          expect(answer).toBeDefined()
          await begun('code', answer, frontend, offline ? undefined : browsers.alice)
        },
        async device({ scope }) {
          const wanted = new URLSearchParams({ scope: ['openid', ...subset(bookingScopes, scope)].join(' ') })
          const response = await server.request('/oauth2/device_authorize', {
            method: 'POST',
            body: wanted,
            headers: { Authorization: basic(frontend.clientId, frontend.clientSecret) },
          })
          const codes = (await response.json()) as { device_code: string; user_code: string }
          const entered = locationOf(
            await browsers.alice.post('/oauth2/device', { user_code: codes.user_code }),
          )
          if (!entered.pathname.endsWith('device.do')) return
          const sessionDataKey = entered.searchParams.get('sessionDataKey') ?? ''
          await browsers.alice.post('/oauth2/device', { sessionDataKey, consent: 'approve' })
          const fields = { grant_type: deviceGrant, device_code: codes.device_code }
          await begun(
            'device',
            await answerOf(await askToken(server, frontend, fields)),
            frontend,
            browsers.alice,
          )
        },
        async own({ scope }) {
          const fields = { grant_type: 'client_credentials', scope: subset(bookingScopes, scope).join(' ') }
          await begun('own', await answerOf(await askToken(server, frontend, fields)), frontend)
        },
        async impersonate() {
          const to = locationOf(await browsers.impersonator.get(authorizePath(scenario)))
          const given = new URLSearchParams(to.hash.slice(1))
          const subjectToken = given.get('subject_token')
          if (subjectToken === null) return
          const idToken = given.get('id_token') ?? ''
          const answer = await answerOf(await exchange(server, scenario, { subjectToken, idToken }))
          expect(answer).toBeDefined()
          await begun('impersonate', answer, scenario, browsers.impersonator)
          expect(flat(tokens.at(-1)?.said.act)).toEqual([scenario.impersonator.id])
        },
        async refresh({ of, scope }) {
          const some = tokens.filter(({ kind }) => kind === 'refresh')
          const parent = some[of % some.length]
          if (!parent) return
          const fewer = subset(words(parent.said.scope), scope).join(' ') || undefined
          const changes = scope % 2 === 0 ? {} : { scope: fewer }
          const answer = await answerOf(await refresh(server, parent.client, parent.value, changes))
          if (isOver(parent)) expect(answer).toBeUndefined()
          if (answer) {
            made.refresh = (made.refresh ?? 0) + 1
            // who repeats it in time gets another successor, and the former one is spent
            if (parent.spent) for (const token of tokens) if (token.from === parent) token.spent = true
            parent.spent = true
            await take(answer, parent.client, parent.family, parent)
          } else if (parent.spent) {
            // a spent one that comes again long after ends the family
            parent.family.ended = true
          }
        },
        async delegate({ of, by, scope }) {
          const some = tokens.filter(({ kind }) => kind === 'access')
          const parent = some[of % some.length]
          if (!parent) return
          const own = await answerOf(
            await askToken(server, parent.client, { grant_type: 'client_credentials', scope: '' }),
          )
          const actor = by % 2 === 0 ? own?.access_token : undefined
          const fewer = subset([...words(parent.said.scope), 'booking_cancel'], scope).join(' ') || undefined
          const audience =
            parent.client === scenario ? undefined : [undefined, bookings, backend.clientId][by % 3]
          const fields = delegation(parent.value, actor, { scope: fewer, audience })
          const answer = await answerOf(await ask(server, parent.client, fields))
          if (isOver(parent)) expect(answer).toBeUndefined()
          if (!answer) return
          made.delegate = (made.delegate ?? 0) + 1
          await take(answer, parent.client, parent.family, parent)
          if (actor !== undefined) expect(flat(tokens.at(-1)?.said.act)[0]).toBe(parent.client.clientId)
        },
        async switch({ of, scope }) {
          const some = tokens.filter(({ kind }) => kind === 'access')
          const parent = some[of % some.length]
          if (!parent) return
          const fewer = subset(words(parent.said.scope), scope).join(' ')
          const fields = {
            grant_type: 'organization_switch',
            token: parent.value,
            switching_organization: organization.id,
            ...(fewer === '' ? {} : { scope: fewer }),
          }
          const answer = await answerOf(await askToken(server, parent.client, fields))
          if (isOver(parent)) expect(answer).toBeUndefined()
          if (!answer) return
          made.switch = (made.switch ?? 0) + 1
          await take(answer, parent.client, parent.family, parent)
          expect(flat(tokens.at(-1)?.said.act)).toEqual([...flat(parent.said.act)])
        },
        async revoke({ of }) {
          const token = tokens[of % tokens.length]
          if (!token) return
          const { client, family } = token
          const response = await server.request('/oauth2/revoke', {
            method: 'POST',
            body: new URLSearchParams({ token: token.value }),
            headers: { Authorization: basic(client.clientId, client.clientSecret) },
          })
          expect(response.status).toBe(200)
          made.revoke = (made.revoke ?? 0) + 1
          token.revoked = true
          if (family.owner === client) family.ended = true
        },
        async logout({ by }) {
          const browser = by % 2 === 0 ? browsers.alice : browsers.impersonator
          const html = await (await browser.get('/oidc/logout')).text()
          const confirmation = /name="logout_confirmation" value="([^"]+)"/.exec(html)?.[1]
          if (confirmation === undefined) return
          const left = await browser.post('/oidc/logout', { logout_confirmation: confirmation })
          expect(left.status).toBe(200)
          made.logout = (made.logout ?? 0) + 1
          for (const { family } of tokens) if (family.browser === browser) family.ended = true
          const person = browser === browsers.alice ? 'alice' : 'impersonator'
          browsers[person] = await browserOf(person === 'alice' ? alice : scenario.impersonator.id)
        },
        async wait({ of }) {
          setSystemTime(Date.now() + (of % 800) * 1000)
        },
      }

      await takes.code?.({ of: 0, by: 1, scope: 7 })
      for (const one of steps) await takes[one.do]?.(one)
      for (const token of tokens) {
        const { active } = await introspect(token.value, token.client)
        if (isOver(token)) expect(active).toBe(false)
        // and nothing else ends an access token
        else if (token.kind === 'access') expect(active).toBe(true)
      }
    }

    test('keep act, scope, subject and end, and what was ended is inactive', async () => {
      const property = fc.asyncProperty(fc.array(step, { minLength: 6, maxLength: 30 }), async (steps) => {
        try {
          await run(steps)
        } finally {
          setSystemTime()
        }
      })
      await fc.assert(property, { numRuns: 11, endOnFailure: true, interruptAfterTimeLimit: 20_000 })
      // none of it happened in words alone
      expect(Object.keys(made)).toHaveLength(9)
    }, 60_000)
  })
}
