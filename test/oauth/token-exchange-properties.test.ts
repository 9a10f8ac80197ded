/**
 * Random sequences of exchange, delegation, refresh, revocation and logout: no chain of actors shrinks, no scope widens,
 * nothing outlives what it came from, and what was ended stays so.
 */
import { afterAll, beforeAll, describe, expect, setSystemTime, test } from 'bun:test'
import fc from 'fast-check'
import * as jose from 'jose'
import { commit } from '../../lib/database/commit.ts'
import { endLineage } from '../../lib/tokens/lineage.ts'
import type { Actor } from '../../lib/tokens/token.ts'
import { type Booted, basic, boot } from '../boot.ts'
import { databases } from '../databases.ts'
import {
  addToRole,
  createPerson,
  exchange,
  obtainSubjectToken,
  type Scenario,
  setUp,
  tokenType,
} from '../scenario.ts'
import {
  ask,
  bookingScopes,
  bookings,
  bookingsToml,
  type Client,
  clientToken,
  createService,
  delegation,
  type Exchanged,
  rowOf,
  userTokens,
} from './exchanged-tokens.ts'

const toml = `${bookingsToml}\n[oauth.grant_type.token_exchange]\nallow_refresh_tokens = true`

interface Held {
  readonly value: string
  readonly kind: 'access' | 'refresh'
  readonly client: Client
  readonly subjectId: string
  /** The innermost actor last. */
  readonly chain: readonly string[]
  readonly scopes: readonly string[]
  /** Milliseconds; what comes from it ends no later. For a refresh token the end of its lineage. */
  readonly endsAt: number
  readonly lineageId: string
  readonly sessionId: string | null
  readonly impersonationId: string | null
}

const flat = (act: Actor | null | undefined): readonly string[] => (act ? [act.sub, ...flat(act.act)] : [])

type Step =
  | {
      readonly do: 'delegate'
      readonly of: number
      readonly by: number
      readonly scope: number
      readonly to: number
    }
  | { readonly do: 'refresh'; readonly of: number; readonly scope: number }
  | { readonly do: 'revoke'; readonly of: number }
  | { readonly do: 'logout'; readonly of: number }
  | { readonly do: 'wait'; readonly seconds: number }

const any = fc.nat({ max: 1000 })
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constant('delegate' as const), of: any, by: any, scope: any, to: any }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('refresh' as const), of: any, scope: any }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('revoke' as const), of: any }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('logout' as const), of: any }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('wait' as const), seconds: fc.nat({ max: 900 }) }) },
)

for (const database of databases) {
  describe(`random sequences on ${database.name}`, () => {
    let server: Booted
    let scenario: Scenario
    let frontend: Client
    let backend: Client
    let people: readonly string[]

    beforeAll(async () => {
      server = await boot(database, { toml })
      scenario = await setUp(server)
      const alice = await createPerson(server, 'Alice')
      const bertram = await createPerson(server, 'Bertram')
      people = [alice.id, bertram.id]
      frontend = await createService(server, 'FRONTEND', people)
      backend = await createService(server, 'BACKEND', people)
      await addToRole(server, scenario.subjectRole, alice.id)
    })
    afterAll(() => server.stop())

    const held = async (value: string, kind: Held['kind'], client: Client): Promise<Held> => {
      const row = await rowOf(server, value)
      const { subjectId, scopes, lineageId, sessionId, impersonationId } = row
      const endsAt = (kind === 'refresh' ? row.lineageEndsAt : row.expiresAt).getTime()
      const chain = flat(row.actor)
      return { value, kind, client, subjectId, chain, scopes, endsAt, lineageId, sessionId, impersonationId }
    }

    /** The tokens that a run begins with: of a user, and of an impersonation with its refresh token. */
    const begin = async (): Promise<Held[]> => {
      const [alice = ''] = people
      const audience = [backend.clientId]
      const user = await userTokens(server, frontend, alice, { audience })
      const response = await exchange(server, scenario, await obtainSubjectToken(server, scenario))
      expect(response.status).toBe(200)
      const body = (await response.json()) as Exchanged
      return [
        await held(user.accessToken, 'access', frontend),
        await held(body.access_token, 'access', scenario),
        await held(body.refresh_token ?? '', 'refresh', scenario),
      ]
    }

    const subset = (scopes: readonly string[], choice: number): string | undefined => {
      if (choice % 3 === 0) return undefined
      const wanted = [...scopes, 'internal_role_mgt_view', ...bookingScopes].filter(
        (_, index) => (choice >> (index % 8)) % 2 === 1,
      )
      return wanted.length > 0 ? wanted.join(' ') : undefined
    }

    const expectChild = (child: Held, parent: Held, endsAt: number) => {
      expect(child.chain.length).toBeGreaterThanOrEqual(parent.chain.length)
      if (parent.chain.length > 0) expect(child.chain.slice(-parent.chain.length)).toEqual([...parent.chain])
      expect(parent.scopes).toEqual(expect.arrayContaining([...child.scopes]))
      expect(child.endsAt).toBeLessThanOrEqual(endsAt)
      const { subjectId, lineageId, impersonationId } = parent
      expect(child).toMatchObject({ subjectId, lineageId, impersonationId })
      if (child.kind !== 'access') return
      const claims = jose.decodeJwt(child.value)
      expect(flat(claims.act as Actor | undefined)).toEqual([...child.chain])
      expect(String(claims.scope ?? '')).toBe(child.scopes.join(' '))
      expect((claims.exp ?? 0) * 1000).toBe(child.endsAt)
    }

    const run = async (steps: readonly Step[]) => {
      const tokens = await begin()
      const dead = new Set<string>()
      const isDead = ({ lineageId, sessionId, endsAt }: Held) =>
        dead.has(lineageId) || dead.has(sessionId ?? '') || endsAt <= Date.now()
      const pick = (of: number, kind: Held['kind']) => {
        const some = tokens.filter((token) => token.kind === kind)
        return some[of % some.length]
      }
      for (const one of steps) {
        if (one.do === 'wait') {
          setSystemTime(Date.now() + one.seconds * 1000)
          continue
        }
        if (one.do === 'revoke' || one.do === 'logout') {
          const token = tokens[one.of % tokens.length]
          const id = one.do === 'revoke' ? token?.lineageId : token?.sessionId
          if (!id) continue
          expect(
            await commit(server.db, [endLineage(server.db, id, { by: 'test', reason: 'ended' }, new Date())]),
          ).toBe('committed')
          dead.add(id)
          continue
        }
        const parent = pick(one.of, one.do === 'refresh' ? 'refresh' : 'access')
        if (!parent) continue
        const scope = subset(parent.scopes, one.scope)
        if (one.do === 'refresh') {
          const inside =
            scope
              ?.split(' ')
              .filter((name) => parent.scopes.includes(name))
              .join(' ') || undefined
          const response = await server.request('/oauth2/token', {
            method: 'POST',
            body: new URLSearchParams({
              grant_type: 'refresh_token',
              refresh_token: parent.value,
              ...(inside === undefined ? {} : { scope: inside }),
            }),
            headers: { Authorization: basic(parent.client.clientId, parent.client.clientSecret) },
          })
          if (isDead(parent)) expect(response.status).toBe(400)
          // a spent one presented long after ends the family
          if (response.status !== 200) {
            if (!(await rowOf(server, parent.value)).alive) dead.add(parent.lineageId)
            continue
          }
          const body = (await response.json()) as Exchanged
          const access = await held(body.access_token, 'access', parent.client)
          const next = await held(body.refresh_token ?? '', 'refresh', parent.client)
          expectChild(access, parent, parent.endsAt)
          expectChild(next, parent, parent.endsAt)
          tokens.push(access, next)
          continue
        }
        const actors = [
          undefined,
          await clientToken(server, parent.client, { scopes: [] }),
          (await userTokens(server, parent.client, people[1] ?? '', { scopes: ['openid'] })).accessToken,
        ]
        const to =
          parent.client === scenario ? undefined : [undefined, bookings, backend.clientId][one.to % 3]
        const actor = actors[one.by % actors.length]
        // a token that names the backend is the backend's, too
        const client =
          parent.client === frontend && one.to % 2 === 1 && one.by % 3 === 0 ? backend : parent.client
        const response = await ask(
          server,
          client,
          delegation(parent.value, actor, { scope, audience: to, requested_token_type: tokenType('jwt') }),
        )
        if (isDead(parent)) expect(response.status).toBe(400)
        if (response.status !== 200) {
          expect(response.status).toBe(400)
          continue
        }
        const child = await held(((await response.json()) as Exchanged).access_token, 'access', client)
        expectChild(child, parent, parent.endsAt)
        expect(child.chain.length - parent.chain.length).toBeLessThanOrEqual(1)
        tokens.push(child)
      }
      for (const token of tokens) {
        if (isDead(token)) expect((await rowOf(server, token.value)).alive).toBe(false)
      }
      return tokens.length
    }

    test('never lose or shrink act, never widen scope, never outlive their parent', async () => {
      let made = 0
      const property = fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 24 }), async (steps) => {
        try {
          made += await run(steps)
        } finally {
          setSystemTime()
        }
      })
      await fc.assert(property, { numRuns: 25, endOnFailure: true, interruptAfterTimeLimit: 60_000 })
      expect(made).toBeGreaterThan(100)
    }, 90_000)

    test('every token of them has its audit row', async () => {
      const rows = await server.audit()
      const recorded = new Set(rows.map((row) => row.data.tokenId))
      const delegated = await server.db
        .selectFrom('token')
        .select(['id', 'act'])
        .where('class', '=', 'access')
        .where('act', 'is not', null)
        .execute()
      expect(delegated.length).toBeGreaterThan(20)
      expect(delegated.filter(({ id }) => !recorded.has(id))).toEqual([])
    })
  })
}
