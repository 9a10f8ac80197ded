/** The invariants of the design that concern decisions, tokens and the exchange, each by its number, on both databases. */
import { afterAll, beforeAll, describe, expect, setSystemTime, spyOn, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { findTargetHandler } from 'hono/utils/handler'
import * as jose from 'jose'
import { ruleOf } from '../lib/access/guard.ts'
import { auditLine } from '../lib/audit.ts'
import { parse } from '../lib/config.ts'
import { bump, close, commit, exactly, readRevision, type Write, write } from '../lib/database/commit.ts'
import { connect, type DatabaseConfig } from '../lib/database/connect.ts'
import { accountIs, findAccount } from '../lib/directory/accounts.ts'
import { administratorRole } from '../lib/directory/permissions.ts'
import { type DecideNeeds, decide } from '../lib/impersonation/decide.ts'
import { beginImpersonation, startImpersonation } from '../lib/impersonation/impersonations.ts'
import type { Validator } from '../lib/impersonation/validator.ts'
import { startJournal } from '../lib/journal.ts'
import { createLog } from '../lib/log.ts'
import { beginSession } from '../lib/sign-in/session.ts'
import { type Approved, redeemApproval } from '../lib/tokens/approval.ts'
import { stampClaims } from '../lib/tokens/claims.ts'
import { endLineage } from '../lib/tokens/lineage.ts'
import { type FoundToken, findToken } from '../lib/tokens/token.ts'
import { type Booted, basic, boot } from './boot.ts'
import { type Browser, fragmentOf, locationOf, newBrowser, type Server } from './browser.ts'
import { databases, freePort, temporaryDirectory } from './databases.ts'
import {
  addToRole,
  authorizePath,
  createApplication,
  createPerson,
  createRole,
  exchange,
  impersonate,
  obtainSubjectToken,
  type Person,
  patchCountry,
  removeFromRole,
  type Scenario,
  setLocked,
  setUp,
  subjectScopes,
  type TokenResponse,
  tokenExchange,
} from './scenario.ts'
import { dump, leavingOnlyAudit } from './token-exchange-snapshot.ts'

const issuer = 'https://localhost:9443/oauth2/token'
const shipped = await Bun.file(new URL('../deployment.toml', import.meta.url)).text()
const withoutFeature = shipped.replace(/\[\[oauth\.custom_response_type\]\]\n(?:\w+ *= .*\n)+/g, '')
const root = join(import.meta.dir, '..')
const trace = { id: 'trace-of-a-test', address: '127.0.0.1' }
const quiet = createLog({ level: 'silent', format: 'text' })

interface Tokens {
  readonly subjectToken: string
  readonly idToken: string
}

interface Withdrawal {
  readonly title: string
  withdraw(): Promise<unknown>
  restore(): Promise<unknown>
  /** Whether what was started before is dead as well. */
  readonly ends?: true
}

/** Every token has its audit row and every such row its token: as many of the one as of the other, by their ids. */
const expectTokensAudited = async (db: Booted['db']) => {
  const tokens = await db.selectFrom('token').select(['id', 'class', 'impersonation_id']).execute()
  const rows = await db.selectFrom('audit').select(['event', 'data', 'impersonation_id']).execute()
  const dataOf = (row: { data: string }) => JSON.parse(row.data) as Record<string, string>
  const issued = (event: string) => rows.filter((row) => row.event === event)
  const idsOf = (name: string) =>
    tokens
      .filter((token) => token.class === name)
      .map((token) => (name === 'access' ? token.id : String(token.impersonation_id)))
  expect(
    issued('subject-token-issued')
      .map((row) => String(row.impersonation_id))
      .sort(),
  ).toEqual(idsOf('subject').sort())
  expect(
    issued('impersonated-token-issued')
      .map((row) => String(dataOf(row).tokenId))
      .sort(),
  ).toEqual(idsOf('access').sort())
  return { subjectTokens: idsOf('subject').length, accessTokens: idsOf('access').length }
}

test('3: owned claims are stamped last, whatever a contributor says', () => {
  const owned = [
    'iss',
    'sub',
    'aud',
    'exp',
    'nbf',
    'iat',
    'jti',
    'client_id',
    'azp',
    'scope',
    'aut',
    'act',
    'may_act',
    'cnf',
    'org_id',
    'org_name',
    'user_org',
  ]
  const name = fc.oneof(fc.constantFrom(...owned, '__proto__', 'toJSON', 'constructor'), fc.string())
  const value = fc.oneof(
    fc.anything(),
    fc.constant(() => ({ sub: 'forged', act: 'forged' })),
  )
  const contributed = fc.array(fc.tuple(name, value)).map((pairs) => {
    const claims: Record<string, unknown> = {}
    for (const [key, of] of pairs)
      Object.defineProperty(claims, key, { value: of, enumerable: true, configurable: true })
    return claims
  })
  const stamped = fc.dictionary(fc.constantFrom(...owned), fc.option(fc.string(), { nil: undefined }))
  const serialized = (claims: unknown): Record<string, unknown> => {
    try {
      return JSON.parse(
        JSON.stringify(claims, (_, item: unknown) => (typeof item === 'bigint' ? String(item) : item)) ??
          '{}',
      )
    } catch {
      // a circular value of a contributor's: nothing is signed then
      return stamp
    }
  }
  let stamp: Record<string, unknown> = {}
  fc.assert(
    fc.property(contributed, stamped, (given, said) => {
      stamp = Object.fromEntries(Object.entries(said).filter(([, of]) => of !== undefined))
      const claims = serialized(stampClaims(given, said))
      for (const claim of owned) expect(claims[claim]).toEqual(stamp[claim])
    }),
    { numRuns: 1_000 },
  )
  // what a contributor may say stays
  expect(stampClaims({ nonce: 'n', act: { sub: 'x' } }, { sub: 's' })).toEqual({ nonce: 'n', sub: 's' })
  expect(JSON.stringify(stampClaims({ toJSON: () => ({ sub: 'forged' }) }, { sub: 's' }))).toBe('{"sub":"s"}')
})

for (const database of databases) {
  describe(`on ${database.name}`, () => {
    let server: Booted
    /** Another server on the same database. */
    let second: Booted
    let scenario: Scenario
    let browser: Browser

    beforeAll(async () => {
      server = await boot(database)
      scenario = await setUp(server)
      second = await boot(database, { beside: server })
      browser = newBrowser(server)
    })
    afterAll(async () => {
      await second.stop()
      await server.stop()
    })

    const obtain = (changes: Record<string, string | undefined> = {}, of: Scenario = scenario) =>
      obtainSubjectToken(server, of, changes, browser)

    const bearer = (token: string, path = '/scim2/Me', init: RequestInit = {}, at: Server = server) =>
      at.request(path, {
        ...init,
        headers: {
          'Content-Type': 'application/scim+json',
          ...init.headers,
          Authorization: `Bearer ${token}`,
        },
      })

    const committed = async (...writes: Write[]) => expect(await commit(server.db, writes)).toBe('committed')

    const changeSettings = async (of: Pick<Scenario, 'applicationId'>, changes: Record<string, unknown>) => {
      const path = `/api/server/v1/applications/${of.applicationId}/inbound-protocols/oidc`
      const settings = (await (await server.send('GET', path)).json()) as Record<string, unknown>
      expect((await server.send('PUT', path, { ...settings, ...changes })).status).toBe(200)
    }

    const setEnabled = async (enabled: boolean) => {
      const path = `/api/server/v1/applications/${scenario.applicationId}`
      expect((await server.send('PATCH', path, { applicationEnabled: enabled })).status).toBe(200)
    }

    const setDisabled = async (userId: string, accountDisabled: boolean) => {
      const response = await server.send('PATCH', `/scim2/Users/${userId}`, {
        schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
        Operations: [{ op: 'replace', value: { 'urn:scim:wso2:schema': { accountDisabled } } }],
      })
      expect(response.status).toBe(200)
    }

    const subjectTokenSettings = (enable: boolean) => ({
      subjectToken: { enable, applicationSubjectTokenExpiryInSeconds: 180 },
    })
    const someGrants = ['authorization_code', 'implicit']

    /** Everything that may be taken away between a decision and its commit. */
    const withdrawals = (): readonly Withdrawal[] => {
      const { impersonator, subject, impersonatorRole, applicationId } = scenario
      const permission = { role_id: impersonatorRole, scope_name: 'internal_user_impersonate' }
      const authorized = { application_id: applicationId, scope_name: 'internal_user_impersonate' }
      const { db } = server
      return [
        {
          title: 'the role withdrawn',
          withdraw: () => removeFromRole(server, impersonatorRole, impersonator.id),
          restore: () => addToRole(server, impersonatorRole, impersonator.id),
        },
        {
          title: 'the role without its permission',
          withdraw: () =>
            committed(
              exactly(1, db.deleteFrom('role_permission').where('role_id', '=', permission.role_id)),
              bump,
            ),
          restore: () => committed(write(db.insertInto('role_permission').values(permission)), bump),
        },
        {
          title: 'the application without its authorized scope',
          withdraw: () =>
            committed(
              exactly(
                1,
                db
                  .deleteFrom('application_scope')
                  .where('application_id', '=', applicationId)
                  .where('scope_name', '=', authorized.scope_name),
              ),
              bump,
            ),
          restore: () => committed(write(db.insertInto('application_scope').values(authorized)), bump),
        },
        {
          title: 'the impersonator locked',
          withdraw: () => setLocked(server, impersonator.id, true),
          restore: () => setLocked(server, impersonator.id, false),
          ends: true,
        },
        {
          title: 'the subject locked',
          withdraw: () => setLocked(server, subject.id, true),
          restore: () => setLocked(server, subject.id, false),
          ends: true,
        },
        {
          title: 'the subject disabled',
          withdraw: () => setDisabled(subject.id, true),
          restore: () => setDisabled(subject.id, false),
          ends: true,
        },
        {
          title: 'the application switched off',
          withdraw: () => setEnabled(false),
          restore: () => setEnabled(true),
          ends: true,
        },
        {
          title: 'the grant removed',
          withdraw: () => changeSettings(scenario, { grantTypes: someGrants }),
          restore: () => changeSettings(scenario, { grantTypes: [...someGrants, tokenExchange] }),
        },
        {
          title: 'the subject token switched off',
          withdraw: () => changeSettings(scenario, subjectTokenSettings(false)),
          restore: () => changeSettings(scenario, subjectTokenSettings(true)),
        },
      ]
    }

    // ——— the rooms, without the door ———

    const needs = (also: Partial<DecideNeeds> = {}) => ({
      db: server.db,
      organization: server.organization,
      validators: server.validators as readonly Validator[],
      enabled: true,
      timeoutMilliseconds: 3_000,
      issuer: { issuer, sign: server.keys.sign, algorithmFor: server.keys.algorithmFor },
      mail: { domain: 'localhost', hostname: 'localhost' },
      unaddressed: () => {},
      lifetimes: { userAccessTokenSeconds: 3_600, maxDurationSeconds: undefined },
      ...also,
    })

    const newSession = async (): Promise<string> => {
      const account = await findAccount(server.db, scenario.impersonator.id)
      if (!account) throw new Error('the impersonator is gone')
      const { session, writes } = beginSession(
        server.db,
        account,
        'browser',
        { idleSeconds: 900, lifetimeSeconds: 28_800 },
        new Date(),
      )
      await committed(...writes)
      return session.id
    }

    const ask = async (
      phase: 'authorize' | 'exchange',
      sessionId: string,
      also: Partial<DecideNeeds> = {},
      people: Partial<Record<'impersonatorId' | 'subjectId', string>> = {},
    ) =>
      decide(
        needs(also),
        {
          phase,
          revision: await readRevision(server.db),
          impersonatorId: scenario.impersonator.id,
          subjectId: scenario.subject.id,
          clientId: scenario.clientId,
          requestedScopes: [
            'openid',
            'internal_login',
            'internal_user_impersonate',
            'internal_user_mgt_list',
          ],
          sessionId,
          ...people,
        },
        new Date(),
      )

    const approvedIn = async (phase: 'authorize' | 'exchange', sessionId: string): Promise<Approved> => {
      const { approved } = await ask(phase, sessionId)
      if (!approved) throw new Error('refused')
      return approved
    }

    const begin = async (sessionId: string) => {
      const { subjectToken, writes } = await beginImpersonation(
        needs(),
        await approvedIn('authorize', sessionId),
        { codeChallenge: null, confirmation: null },
        trace,
        new Date(),
      )
      await committed(...writes)
      const found = await findToken(server.db, subjectToken.value, new Date())
      if (!found?.impersonationId) throw new Error('not begun')
      return { ...found, impersonationId: found.impersonationId }
    }

    type Begun = FoundToken & { readonly impersonationId: string }

    /** The writes of an approval that was redeemed: a start where something was begun, else a beginning. */
    const mint = async (approved: Approved, begun?: Begun): Promise<readonly Write[]> =>
      begun
        ? (await startImpersonation(needs(), approved, begun, trace, new Date())).writes
        : (
            await beginImpersonation(
              needs(),
              approved,
              { codeChallenge: null, confirmation: null },
              trace,
              new Date(),
            )
          ).writes

    describe('1: there is no impersonated token without an approval of its own', () => {
      test('an approval is good once, in its own phase, and only the very one that the decision made', async () => {
        const sessionId = await newSession()
        const begun = await begin(sessionId)
        const refusedText = 'an impersonated token was asked for without an approval of its own'
        const { result } = await leavingOnlyAudit(server, async () => {
          for (const phase of ['authorize', 'exchange'] as const) {
            const other = phase === 'authorize' ? 'exchange' : 'authorize'
            const minting = (approved: Approved, of = phase) =>
              mint(approved, of === 'exchange' ? begun : undefined)
            const approved = await approvedIn(phase, sessionId)
            const forged: Approved[] = [
              { ...approved },
              Object.freeze({ ...approved }),
              Object.create(approved),
              new Proxy(approved, {}),
              { ...approved, subjectId: scenario.impersonator.id },
            ]
            for (const forgery of forged) {
              expect(() => redeemApproval(forgery, phase)).toThrow(refusedText)
              expect(minting(forgery)).rejects.toThrow(refusedText)
            }
            expect(() => Object.assign(approved, { subjectId: 'somebody-else' })).toThrow(TypeError)
            expect((await minting(approved)).length).toBeGreaterThan(0)
            expect(minting(approved)).rejects.toThrow(refusedText)
            // mixed up, it is refused, and spent by the attempt
            const mixed = await approvedIn(phase, sessionId)
            expect(minting(mixed, other)).rejects.toThrow(refusedText)
            expect(minting(mixed)).rejects.toThrow(refusedText)
          }
          return 'nothing was committed'
        })
        expect(result).toBe('nothing was committed')
      })

      test('a validator that throws, widens, answers nonsense, is late or changes what it was given denies', async () => {
        const sessionId = await newSession()
        const as = (value: unknown) => value as ReturnType<Validator['validate']> // what a plugin may do all the same
        const slips: Readonly<Record<string, Validator['validate']>> = {
          throws: () => {
            throw new Error('out of order')
          },
          rejects: () => Promise.reject(new Error('out of order')),
          widens: ({ scopes }) => ({ allow: true, scopes: [...scopes, 'internal_role_mgt_update'] }),
          'names no scopes': () => as({ allow: true }),
          'says nothing': () => as(undefined),
          'says yes': () => as('yes'),
          'says 1': ({ scopes }) => as({ allow: 1, scopes }),
          'is late': () => new Promise(() => {}),
          'blocks the thread': ({ scopes }) => {
            const until = performance.now() + 60
            while (performance.now() < until);
            return { allow: true, scopes }
          },
          'changes the subject': ({ subject, scopes }) => {
            Object.assign(subject ?? {}, { id: scenario.impersonator.id })
            return { allow: true, scopes }
          },
          'unlocks the subject': ({ subject, scopes }) => {
            Object.assign(subject ?? {}, { lockedAt: null })
            return { allow: true, scopes }
          },
          'gives the impersonator a role': ({ impersonator, scopes }) => {
            ;(impersonator.roleIds as string[]).push(administratorRole.id)
            return { allow: true, scopes }
          },
          'changes what was asked': ({ requestedScopes, scopes }) => {
            ;(requestedScopes as string[]).push('internal_role_mgt_update')
            return { allow: true, scopes }
          },
          'changes what is left': ({ scopes }) => {
            ;(scopes as string[]).push('internal_role_mgt_update')
            return { allow: true, scopes }
          },
        }
        for (const [name, validate] of Object.entries(slips)) {
          const validators = [...server.validators, { name, priority: 350, validate }]
          for (const phase of ['authorize', 'exchange'] as const) {
            const decision = await ask(phase, sessionId, { validators, timeoutMilliseconds: 40 })
            expect([name, decision.approved, !decision.approved && decision.refused.validator]).toEqual([
              name,
              undefined,
              name,
            ])
          }
        }
        expect((await ask('authorize', sessionId)).approved).toBeDefined()
      })

      test('whatever is taken away between the decision and the commit, the commit is lost', async () => {
        for (const { title, withdraw, restore } of withdrawals()) {
          const sessionId = await newSession()
          const begun = await begin(sessionId)
          const stale = [
            await mint(await approvedIn('authorize', sessionId)),
            await mint(await approvedIn('exchange', sessionId), begun),
          ]
          await withdraw()
          const { result } = await leavingOnlyAudit(server, async () => {
            const outcomes = []
            for (const writes of stale) outcomes.push(await commit(server.db, writes))
            for (const phase of ['authorize', 'exchange'] as const)
              outcomes.push((await ask(phase, sessionId)).approved)
            return outcomes
          })
          expect([title, ...result]).toEqual([title, 'lost', 'lost', undefined, undefined])
          await restore()
          // neither is it good again when everything is as before
          expect([title, await commit(server.db, stale[0] ?? [])]).toEqual([title, 'lost'])
        }
      })

      test('when the impersonation or the sign-in ends between the decision and the commit, the commit is lost', async () => {
        const ended = (id: string) =>
          committed(endLineage(server.db, id, { by: 'test', reason: 'ended' }, new Date()))
        const sessionId = await newSession()
        const [first, other] = [await begin(sessionId), await begin(sessionId)]
        const stale = await mint(await approvedIn('exchange', sessionId), first)
        const later = [
          await mint(await approvedIn('exchange', sessionId), other),
          await mint(await approvedIn('authorize', sessionId)),
        ]
        await ended(first.lineageId)
        const { result } = await leavingOnlyAudit(server, () => commit(server.db, stale))
        expect(result).toBe('lost')
        await ended(sessionId)
        for (const writes of later) {
          const { result: outcome } = await leavingOnlyAudit(server, () => commit(server.db, writes))
          expect(outcome).toBe('lost')
        }
      })

      test('in 500 random interleavings no token is committed once a withdrawal was acknowledged', async () => {
        const counts = { committed: 0, stale: 0, refused: 0 }
        const late: string[] = []
        const rounds = 7
        const racers = 8
        const all = withdrawals()
        for (let round = 0; round < rounds; round += 1) {
          for (const { title, withdraw, restore } of all) {
            const sessionId = await newSession()
            const begun = await Promise.all(
              Array.from({ length: racers }, (_, index) => (index % 2 ? begin(sessionId) : undefined)),
            )
            // each racer stops for the acknowledgement before one of its steps, or never; the withdrawal starts at once,
            // or when somebody has done one of them: nothing here depends on how fast the machine is
            let acknowledged = false
            const acknowledgement = Promise.withResolvers<void>()
            const done = {
              decided: Promise.withResolvers<void>(),
              minted: Promise.withResolvers<void>(),
              committed: Promise.withResolvers<void>(),
            }
            const oneOf = <Item>(items: readonly Item[]) => items[Math.floor(Math.random() * items.length)]
            const yields = async () => {
              for (let times = Math.random() * 20; times > 1; times -= 1) await new Promise(setImmediate)
            }
            const race = async (of: Begun | undefined, index: number) => {
              const stop = index < 2 ? undefined : oneOf([undefined, 'decide', 'mint', 'commit'] as const)
              const before = (step: typeof stop) => (step === stop ? acknowledgement.promise : yields())
              await before('decide')
              const { approved } = await ask(of ? 'exchange' : 'authorize', sessionId)
              done.decided.resolve()
              if (!approved) {
                counts.refused += 1
                return
              }
              await before('mint')
              const writes = await mint(approved, of)
              done.minted.resolve()
              await before('commit')
              const tooLate = acknowledged
              const outcome = await commit(server.db, writes)
              done.committed.resolve()
              if (tooLate) counts.stale += 1
              else if (outcome === 'committed') counts.committed += 1
              if (tooLate && outcome !== 'lost') late.push(`${title}: ${outcome}`)
            }
            const withdrawing = async () => {
              await oneOf([undefined, done.decided, done.minted, done.committed])?.promise
              await withdraw()
              acknowledged = true
              acknowledgement.resolve()
            }
            await Promise.all([...begun.map(race), withdrawing()])
            await restore()
          }
        }
        expect(late).toEqual([])
        expect(rounds * all.length * racers).toBeGreaterThanOrEqual(500)
        // all three kinds were among them
        for (const count of Object.values(counts)) expect(count).toBeGreaterThan(0)
        await expectTokensAudited(server.db)
      })

      test('over HTTP, an exchange asked for after the acknowledgement is refused, and what was in time dies with the account', async () => {
        for (const { title, withdraw, restore, ends } of withdrawals()) {
          const tokens: Tokens[] = []
          for (let index = 0; index < 6; index += 1) tokens.push(await obtain())
          let acknowledged = false
          const wrong: string[] = []
          const good: string[] = []
          const race = async (pair: Tokens) => {
            await Bun.sleep(Math.random() * 8)
            const tooLate = acknowledged
            const response = await exchange(Math.random() < 0.5 ? server : second, scenario, pair)
            const body = (await response.json()) as Partial<TokenResponse>
            if (body.access_token) good.push(body.access_token)
            if (tooLate && response.status === 200) wrong.push(title)
          }
          await Promise.all([
            ...tokens.map(race),
            Bun.sleep(Math.random() * 6)
              .then(withdraw)
              .then(() => {
                acknowledged = true
              }),
          ])
          for (const pair of tokens) {
            const response = await exchange(second, scenario, pair)
            if (response.status === 200) wrong.push(title)
          }
          expect(wrong).toEqual([])
          if (ends)
            for (const token of good) expect([title, (await bearer(token)).status]).toEqual([title, 401])
          await restore()
        }
        await expectTokensAudited(server.db)
      })
    })

    test('4: an empty or omitted parameter of the exchange never selects a weaker mode', async () => {
      const proof = {
        code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
        code_challenge_method: 'S256',
      }
      const tokens = await obtain(proof)
      const code_verifier = 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk'
      const all = { code_verifier, client_id: scenario.clientId }
      const names = [
        'grant_type',
        'subject_token',
        'subject_token_type',
        'actor_token',
        'actor_token_type',
        'code_verifier',
      ]
      const { result: statuses } = await leavingOnlyAudit(server, async () => {
        const answers: number[] = []
        for (const name of names) {
          for (const value of [undefined, '']) {
            answers.push((await exchange(server, scenario, tokens, { ...all, [name]: value })).status)
          }
        }
        const { clientId: client_id } = scenario
        for (const client_secret of [undefined, '']) {
          const body = new URLSearchParams({
            ...all,
            client_id,
            grant_type: tokenExchange,
            subject_token: tokens.subjectToken,
          })
          if (client_secret !== undefined) body.set('client_secret', client_secret)
          answers.push((await server.request('/oauth2/token', { method: 'POST', body })).status)
        }
        return answers
      })
      expect(statuses).toEqual([...names.flatMap(() => [400, 400]), 401, 401])
      expect(
        (await exchange(server, scenario, tokens, { ...all, scope: '', requested_token_type: '' })).status,
      ).toBe(200)
    })

    test('5: of 100 who exchange one subject token at two servers at once, one has a token and 99 are refused', async () => {
      const tokens = await obtain()
      const [before, length] = [await dump(server.db), (await server.audit()).length]
      const responses = await Promise.all(
        Array.from({ length: 100 }, (_, index) => exchange(index % 2 ? server : second, scenario, tokens)),
      )
      const bodies = await Promise.all(
        responses.map(async (response) => ({ status: response.status, body: await response.json() })),
      )
      expect(bodies.filter(({ status }) => status === 200)).toHaveLength(1)
      const losers = bodies.filter(({ status }) => status !== 200)
      for (const loser of losers) {
        expect(loser).toEqual({
          status: 400,
          body: {
            error_description: 'Invalid Subject Token. Subject token was exchanged already.',
            error: 'invalid_request',
          },
        })
      }
      const rows = (await server.audit()).slice(length)
      expect(rows.filter(({ event }) => event === 'impersonated-token-issued')).toHaveLength(1)
      expect(
        rows.filter(
          ({ event, data }) => event === 'impersonation-refused' && data.reason === 'subject_token_spent',
        ),
      ).toHaveLength(99)
      expect(rows).toHaveLength(100)
      const after = await dump(server.db)
      const grown = Object.keys(after).map((table) => [
        table,
        (after[table]?.length ?? 0) - (before[table]?.length ?? 0),
      ])
      expect(grown.filter(([, by]) => by !== 0)).toEqual([
        ['token', 1],
        ['audit', 100],
        // one start, one mail
        ['outbox', 1],
      ])
      for (const table of Object.keys(after)) {
        const fresh = after[table]?.filter((row) => !before[table]?.includes(row)).length
        // the impersonation is started and its lineage has its end: one row each
        const expected = { impersonation: 1, lineage: 1, token: 1, audit: 100, outbox: 1 }[table] ?? 0
        expect([table, fresh]).toEqual([table, expected])
      }
    })

    describe('6: a token is accepted only for its class, issuer and client', () => {
      test('the API gate takes no subject token, no ID token and nothing that was never issued, though our key signed it', async () => {
        const tokens = await obtain()
        const { access_token } = await impersonate(server, scenario)
        const claims = { ...jose.decodeJwt(access_token), jti: 'other' }
        const others = [
          tokens.subjectToken,
          tokens.idToken,
          await server.keys.sign(claims, 'at+jwt'),
          `${access_token}=`,
          access_token.slice(0, -1),
          access_token.toLowerCase(),
          '',
        ]
        const { result } = await leavingOnlyAudit(server, async () => {
          const statuses: number[] = []
          for (const token of others)
            for (const method of ['GET', 'PATCH'])
              statuses.push((await bearer(token, '/scim2/Me', { method })).status)
          return statuses
        })
        expect(new Set(result)).toEqual(new Set([401]))
        expect((await bearer(access_token)).status).toBe(200)
      })

      test('it opens only what its scope says, and only while the application is authorized for that API', async () => {
        const narrow = (await (
          await exchange(server, scenario, await obtain(), { scope: 'internal_login' })
        ).json()) as TokenResponse
        expect((await bearer(narrow.access_token)).status).toBe(200)
        expect((await bearer(narrow.access_token, '/scim2/Users')).status).toBe(403)
        const { access_token } = await impersonate(server, scenario)
        expect((await bearer(access_token, '/scim2/Users')).status).toBe(200)
        const row = { application_id: scenario.applicationId, scope_name: 'internal_user_mgt_list' }
        await committed(
          exactly(
            1,
            server.db
              .deleteFrom('application_scope')
              .where('application_id', '=', row.application_id)
              .where('scope_name', '=', row.scope_name),
          ),
          bump,
        )
        for (const at of [server, second])
          expect((await bearer(access_token, '/scim2/Users', {}, at)).status).toBe(403)
        await committed(write(server.db.insertInto('application_scope').values(row)), bump)
        expect((await bearer(access_token, '/scim2/Users')).status).toBe(200)
      })
    })

    test('7: a subject token is exchanged by its own client, with its proof and an ID token of the same sign-in only', async () => {
      const other = { ...scenario, ...(await createApplication(server, { name: 'OTHER' })) }
      await createRole(server, {
        name: 'Impersonators',
        applicationId: other.applicationId,
        permissions: ['internal_user_impersonate'],
        member: scenario.impersonator.id,
      })
      const code_verifier = 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk'
      const tokens = await obtain({
        code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
        code_challenge_method: 'S256',
      })
      const elsewhere = await obtain({}, other)
      const again = await obtainSubjectToken(server, scenario)
      const answer = async (
        of: Scenario,
        pair: Tokens,
        changes: Record<string, string> = { code_verifier },
      ) => {
        const { error = 'none' } = (await (await exchange(server, of, pair, changes)).json()) as {
          error?: string
        }
        return error
      }
      expect(await answer(other, tokens)).toBe('invalid_target')
      expect(await answer(scenario, tokens, {})).toBe('invalid_grant')
      expect(await answer(scenario, { ...tokens, idToken: elsewhere.idToken })).toBe('invalid_target')
      expect(await answer(scenario, { ...tokens, idToken: again.idToken })).toBe('invalid_request')
      expect(await answer(scenario, tokens)).toBe('none')
      // a public client must have a challenge already when it asks
      await changeSettings(other, { publicClient: true })
      const asked = await browser.get(authorizePath(other))
      expect(fragmentOf(asked).get('error')).toBe('invalid_request')
    })

    test('8: at the exchange locked, disabled, unknown, protected and not permitted have one answer; the audit has the reasons', async () => {
      const answers: unknown[] = []
      const reasons: unknown[] = []
      const { db } = server
      const refuse = async (of: Scenario, tokens: Tokens) => {
        const { result: response, rows } = await leavingOnlyAudit(server, () => exchange(server, of, tokens))
        const headers = [...response.headers].filter(([name]) => name !== 'activityid')
        answers.push([response.status, headers, await response.text()])
        reasons.push(rows[0]?.data.reason)
      }
      for (const { title, withdraw, restore } of withdrawals()) {
        if (!/role|authorized|locked|disabled/.test(title)) continue
        const tokens = await obtain()
        await withdraw()
        await refuse(scenario, tokens)
        await restore()
      }
      const short = await createPerson(server, 'ShortLived')
      const gone = { ...scenario, subject: short }
      const tokens = await obtain({}, gone)
      const row = { account_id: short.id, role_id: administratorRole.id }
      const version = db
        .updateTable('account')
        .set((eb) => ({ version: eb('version', '+', 1) }))
        .where('id', '=', short.id)
      await committed(write(db.insertInto('account_role').values(row)), write(version))
      await refuse(gone, tokens)
      await committed(write(db.deleteFrom('account').where('id', '=', short.id)))
      await refuse(gone, tokens)
      for (const answer of answers) expect(answer).toEqual(answers[0])
      expect(reasons).toEqual([
        'missing_permission',
        'missing_permission',
        'missing_permission',
        'subject_token_ended',
        'subject_token_ended',
        'subject_token_ended',
        'protected_subject',
        'unknown_subject',
      ])
    })

    test('8: permission is checked first: nobody without it triggers another rule, whatever its priority', async () => {
      const calls: string[] = []
      const nosy: Validator = {
        name: 'nosy',
        priority: 10_000,
        validate: ({ scopes }) => {
          calls.push('called')
          return { allow: true, scopes }
        },
      }
      const validators = [nosy, ...server.validators]
      const sessionId = await newSession()
      for (const phase of ['authorize', 'exchange'] as const) {
        const decision = await ask(
          phase,
          sessionId,
          { validators },
          { impersonatorId: scenario.subject.id, subjectId: 'nobody' },
        )
        expect(!decision.approved && decision.refused.code).toBe('missing_permission')
      }
      expect(calls).toEqual([])
      expect((await ask('authorize', sessionId, { validators })).approved).toBeDefined()
      expect(calls).toEqual(['called'])
    })

    describe('9: who acts for another gets no further', () => {
      test('an impersonated token starts no impersonation and is no actor', async () => {
        const { access_token } = await impersonate(server, scenario)
        const tokens = await obtain()
        const { result } = await leavingOnlyAudit(server, async () => [
          (await exchange(server, scenario, { ...tokens, idToken: access_token })).status,
          (await exchange(server, scenario, { ...tokens, subjectToken: access_token })).status,
          (await exchange(server, scenario, tokens, {}, `Bearer ${access_token}`)).status,
        ])
        expect(result).toEqual([400, 400, 401])
        for (const method of ['GET', 'POST']) {
          const path = authorizePath(scenario)
          const [place = '', query = ''] = path.split('?')
          const asked = await server.request(method === 'GET' ? path : place, {
            method,
            headers: {
              Authorization: `Bearer ${access_token}`,
              'Content-Type': 'application/x-www-form-urlencoded',
            },
            ...(method === 'POST' ? { body: query } : {}),
          })
          // it is nobody's sign-in
          expect(locationOf(asked).pathname).toBe('/authenticationendpoint/login.do')
        }
        expect((await exchange(server, scenario, tokens)).status).toBe(200)
      })

      test('every route says whether an actor may call it, and only these few may', () => {
        const routes = server.app.routes.map(({ method, path, handler }) => ({
          name: `${method} ${path}`,
          rule: ruleOf(findTargetHandler(handler)),
        }))
        expect(
          routes
            .filter(({ rule }) => rule === undefined)
            .map(({ name }) => name)
            .sort(),
        ).toEqual(
          [
            'GET /.well-known/oauth-authorization-server/oauth2/token',
            'GET /.well-known/oauth-protected-resource/api',
            'GET /.well-known/oauth-protected-resource/scim2',
            'GET /.well-known/openid-configuration/oauth2/token',
            'GET /.well-known/webfinger',
            'GET /authenticationendpoint/device.do',
            'GET /authenticationendpoint/impersonation_reason.do',
            'GET /authenticationendpoint/login.do',
            'GET /authenticationendpoint/oauth2_authz.do',
            'GET /authenticationendpoint/oauth2_error.do',
            'GET /health/live',
            'GET /health/ready',
            'GET /oauth2/:place/.well-known/openid-configuration',
            'GET /oauth2/authorize',
            'GET /oauth2/jwks',
            'GET /oauth2/token/.well-known/oauth-authorization-server',
            'POST /commonauth',
            'GET /oidc/checksession',
            'GET /oidc/logout',
            'POST /oidc/logout',
            'POST /oauth2/authorize',
            'POST /oauth2/device',
            'POST /oauth2/device_authorize',
            'POST /oauth2/token',
            'POST /oauth2/introspect',
            'POST /oauth2/par',
            'POST /oauth2/revoke',
            // by its token, and an actor may (test/oauth/userinfo.test.ts)
            'GET /oauth2/userinfo',
            'POST /oauth2/userinfo',
          ].sort(),
        )
        expect(
          routes
            // what is open to anybody is so to him
            .filter(({ rule }) => rule?.actor && !rule.open)
            .map(({ name }) => name)
            .sort(),
        ).toEqual(
          [
            'DELETE /scim2/Groups/:id',
            'GET /scim2/Groups',
            'GET /scim2/Groups/:id',
            'PATCH /scim2/Groups/:id',
            'POST /scim2/Groups',
            'POST /scim2/Groups/.search',
            'PUT /scim2/Groups/:id',
            'GET /scim2/Me',
            'GET /scim2/Users',
            'GET /scim2/Users/:id',
            'PATCH /scim2/Me',
            'PATCH /scim2/Users/:id',
            'POST /scim2/Users',
          ].sort(),
        )
        // metadata, the same for everybody
        expect(
          routes
            .filter(({ rule }) => rule?.open)
            .map(({ name }) => name)
            .sort(),
        ).toEqual([
          'GET /api/docs',
          'GET /api/openapi.json',
          'GET /scim2/ResourceTypes',
          'GET /scim2/ResourceTypes/:id',
          'GET /scim2/ServiceProviderConfig',
        ])
        // the two that close what no other route answers
        expect(
          routes
            .filter(({ name }) => name.startsWith('ALL /') && !name.includes('oauth2'))
            .map(({ rule }) => rule?.actor),
        ).toEqual([false, false])
        expect(routes.length).toBeGreaterThan(35)
      })

      test('it reaches no other route, and changes neither password nor e-mail, phone, user name or lock', async () => {
        const { access_token } = await impersonate(server, scenario)
        const attempts: [string, string][] = server.app.routes
          .filter(({ handler }) => {
            const rule = ruleOf(findTargetHandler(handler))
            return rule !== undefined && !rule.actor
          })
          .map(({ method, path }) => [method === 'ALL' ? 'DELETE' : method, path.replace(/:\w+|\*/g, 'x')])
        expect(attempts.length).toBeGreaterThan(150)
        const { result } = await leavingOnlyAudit(server, async () => {
          const statuses: number[] = []
          for (const [method, path] of attempts)
            statuses.push((await bearer(access_token, path, { method })).status)
          const values = [
            { password: 'Another@123' },
            { emails: ['other@example.com'] },
            { userName: 'Other' },
            { phoneNumbers: [{ type: 'mobile', value: '1' }] },
            { 'urn:scim:wso2:schema': { accountLocked: true } },
            { 'urn:scim:wso2:schema': { country: 'Norway' }, password: 'Another@123' },
          ]
          for (const value of values) {
            const body = JSON.stringify({
              schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
              Operations: [{ op: 'replace', value }],
            })
            statuses.push((await bearer(access_token, '/scim2/Me', { method: 'PATCH', body })).status)
          }
          return statuses
        })
        expect(new Set(result)).toEqual(new Set([403]))
      })
    })

    describe('10: whatever ends, ends everywhere at once', () => {
      const lineageOf = async (token: string) => {
        const found = await findToken(server.db, token, new Date())
        return found?.lineageId ?? ''
      }
      const statusesOf = async (tokens: Tokens, access: string, at: Server) => [
        (await bearer(access, '/scim2/Me', {}, at)).status,
        (await bearer(access, '/scim2/Users', {}, at)).status,
        (await patchCountry(at, access)).status,
        (await exchange(at, scenario, tokens)).status,
      ]

      const endings = (): readonly Withdrawal[] => withdrawals().filter(({ ends }) => ends)

      test('locking either account, disabling the subject and switching the application off', async () => {
        for (const { title, withdraw, restore } of endings()) {
          const { access_token } = (await (
            await exchange(server, scenario, await obtain())
          ).json()) as TokenResponse
          const tokens = await obtain()
          for (const at of [server, second])
            expect((await bearer(access_token, '/scim2/Me', {}, at)).status).toBe(200)
          await withdraw()
          const exchanged = title.includes('application') ? 401 : 400
          const uses = (await server.audit()).length
          for (const at of [server, second])
            expect([title, ...(await statusesOf(tokens, access_token, at))]).toEqual([
              title,
              401,
              401,
              401,
              exchanged,
            ])
          expect((await server.audit()).slice(uses).filter(({ event }) => event.includes('via'))).toEqual([])
          await restore()
          // what was locked has lost its impersonations for good
          const revived = title.includes('application') ? 200 : 401
          for (const at of [server, second])
            expect([title, (await bearer(access_token, '/scim2/Me', {}, at)).status]).toEqual([
              title,
              revived,
            ])
        }
      })

      test('an account that is not active, though nothing of it was ended', async () => {
        const { access_token } = (await (
          await exchange(server, scenario, await obtain())
        ).json()) as TokenResponse
        for (const { id } of [scenario.impersonator, scenario.subject]) {
          for (const column of ['locked_at', 'disabled_at'] as const) {
            const set = (value: string | null) =>
              committed(
                write(
                  server.db
                    .updateTable('account')
                    .set((eb) => ({ [column]: value, version: eb('version', '+', 1) }))
                    .where('id', '=', id),
                ),
              )
            await set(new Date().toISOString())
            for (const at of [server, second])
              expect((await bearer(access_token, '/scim2/Me', {}, at)).status).toBe(401)
            await set(null)
            for (const at of [server, second])
              expect((await bearer(access_token, '/scim2/Me', {}, at)).status).toBe(200)
          }
        }
      })

      test('ending one impersonation ends that one; ending the sign-in ends all that began in it', async () => {
        const own = newBrowser(server)
        const inOwn = () => obtainSubjectToken(server, scenario, {}, own)
        const first = (await (await exchange(server, scenario, await inOwn())).json()) as TokenResponse
        const other = (await (await exchange(server, scenario, await inOwn())).json()) as TokenResponse
        const [unspent, spare] = [await inOwn(), await inOwn()]
        await committed(
          endLineage(
            server.db,
            await lineageOf(first.access_token),
            { by: 'test', reason: 'ended' },
            new Date(),
          ),
        )
        await committed(
          endLineage(
            server.db,
            await lineageOf(unspent.subjectToken),
            { by: 'test', reason: 'ended' },
            new Date(),
          ),
        )
        for (const at of [server, second]) {
          expect(await statusesOf(unspent, first.access_token, at)).toEqual([401, 401, 401, 400])
          expect((await bearer(other.access_token, '/scim2/Me', {}, at)).status).toBe(200)
        }
        await committed(
          endLineage(
            server.db,
            String(jose.decodeJwt(spare.idToken).sid),
            { by: 'test', reason: 'ended' },
            new Date(),
          ),
        )
        for (const at of [server, second])
          expect(await statusesOf(spare, other.access_token, at)).toEqual([401, 401, 401, 400])
        expect(locationOf(await own.get(authorizePath(scenario))).pathname).toBe(
          '/authenticationendpoint/login.do',
        )
      })

      test('a sign-in that is committed while the account is being locked ends with it', async () => {
        const account = await findAccount(server.db, scenario.impersonator.id)
        if (!account) throw new Error('the impersonator is gone')
        const { db } = server
        const signIn = () =>
          beginSession(db, account, 'browser', { idleSeconds: 900, lifetimeSeconds: 28_800 }, new Date())
        const endOf = async (id: string) =>
          (await db.selectFrom('lineage').select('ended_at').where('id', '=', id).executeTakeFirst())
            ?.ended_at
        const raced = Array.from({ length: 10 }, signIn)
        const attempts = raced.map(async ({ session, writes }) => {
          await Bun.sleep(Math.random() * 10)
          return { id: session.id, outcome: await commit(db, [accountIs(db, account), ...writes]) }
        })
        const [results] = await Promise.all([Promise.all(attempts), setLocked(server, account.id, true)])
        for (const { id, outcome } of results) {
          if (outcome === 'committed') expect(await endOf(id)).toBeString()
          else expect([outcome, await endOf(id)]).toEqual(['lost', undefined])
        }
        await setLocked(server, account.id, false)
        if (server.config.database.type === 'sqlite') return
        // the sign-in holds the account's row as its guard does, and commits when the lock waits for it
        const { session, writes } = signIn()
        const sql = new Bun.SQL(server.config.database.url, { max: 2 })
        const own = await sql.reserve()
        await own.unsafe('begin')
        await own.unsafe('select 1 from account where id = $1 for share', [account.id])
        for (const item of writes) {
          if (item.kind === 'write') await own.unsafe(item.query.sql, [...item.query.parameters])
        }
        const locking = setLocked(server, account.id, true)
        const waiting = `select count(*)::int as n from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`
        while ((await sql.unsafe(waiting))[0].n === 0) await Bun.sleep(5)
        await own.unsafe('commit')
        own.release()
        await locking
        await sql.end()
        expect(await endOf(session.id)).toBeString()
        await setLocked(server, account.id, false)
      })

      test('nothing outlives the impersonation: the access token ends with its lineage, and that by max_duration', async () => {
        const limited = await boot(database, { beside: server, toml: '[impersonation]\nmax_duration = 100' })
        try {
          const start = Math.floor(Date.now() / 1000) * 1000
          setSystemTime(start)
          const own = newBrowser(limited)
          const tokens = await obtainSubjectToken(limited, scenario, {}, own)
          const late = await obtainSubjectToken(limited, scenario, {}, own)
          setSystemTime(start + 60_000)
          // a server without the limit does not lengthen it
          const body = (await (await exchange(server, scenario, tokens)).json()) as TokenResponse
          expect(body.expires_in).toBe(40)
          expect(jose.decodeJwt(body.access_token).exp).toBe(start / 1000 + 100)
          setSystemTime(start + 99_999)
          for (const at of [server, second, limited])
            expect((await bearer(body.access_token, '/scim2/Me', {}, at)).status).toBe(200)
          setSystemTime(start + 100_000)
          for (const at of [server, second, limited]) {
            expect((await bearer(body.access_token, '/scim2/Me', {}, at)).status).toBe(401)
            expect((await exchange(at, scenario, late)).status).toBe(400)
          }
        } finally {
          setSystemTime()
          await limited.stop()
        }
      })

      test('without a limit it ends no later than the subject token and one access token after it', async () => {
        const start = Math.floor(Date.now() / 1000) * 1000
        try {
          setSystemTime(start)
          const tokens = await obtain()
          setSystemTime(start + 179_000)
          const body = (await (await exchange(server, scenario, tokens)).json()) as TokenResponse
          const exp = Number(jose.decodeJwt(body.access_token).exp)
          expect(exp).toBe(start / 1000 + 179 + 3600)
          const lineage = await server.db
            .selectFrom('lineage')
            .select('ends_at')
            .where('id', '=', await lineageOf(body.access_token))
            .executeTakeFirstOrThrow()
          expect(lineage.ends_at).toBe(new Date(exp * 1000).toISOString())
          setSystemTime(exp * 1000)
          expect((await bearer(body.access_token)).status).toBe(401)
        } finally {
          setSystemTime()
        }
      })
    })

    test('11: neither a dump of the database nor a log, an error or a redirect’s query has a secret in it', async () => {
      let logged = ''
      const stderr = spyOn(process.stderr, 'write').mockImplementation((chunk) => {
        logged += String(chunk)
        return true
      })
      const level = process.env.MAYACT_TEST_LOG
      process.env.MAYACT_TEST_LOG = 'debug'
      const loud = await boot(database, { beside: server })
      const [locations, errors]: string[][] = [[], []]
      const recording: Server = {
        async request(path, init) {
          const response = await loud.request(path, init)
          locations?.push(response.headers.get('location') ?? '')
          if (response.status >= 400)
            errors?.push(await response.clone().text(), JSON.stringify([...response.headers]))
          return response
        },
      }
      const secrets = new Set<string>([
        scenario.clientSecret,
        scenario.impersonator.password,
        scenario.subject.password,
      ])
      const keys = new Set<string>()
      try {
        const opaque = {
          ...scenario,
          ...(await createApplication(recording, {
            name: 'OPAQUE',
            oidc: { accessToken: { type: 'Default' } },
          })),
        }
        await createRole(recording, {
          name: 'Impersonators',
          applicationId: opaque.applicationId,
          permissions: ['internal_user_impersonate'],
          member: scenario.impersonator.id,
        })
        secrets.add(opaque.clientSecret)
        const code_verifier = 'a-secret-verifier-that-nobody-else-ever-sees'
        const code_challenge = Buffer.from(
          await crypto.subtle.digest('SHA-256', Buffer.from(code_verifier)),
        ).toString('base64url')
        secrets.add(code_verifier)
        for (const of of [scenario, opaque]) {
          const own = newBrowser(recording)
          const tokens = await obtainSubjectToken(
            recording,
            of,
            { code_challenge, code_challenge_method: 'S256' },
            own,
          )
          const wrong = 'a-wrong-secret-of-a-client'
          const wrongPassword = 'a-wrong-password-of-somebody'
          for (const secret of [wrong, wrongPassword]) secrets.add(secret)
          const ways = [
            exchange(recording, of, tokens, { code_verifier }, basic(of.clientId, wrong)),
            exchange(recording, of, tokens, { code_verifier, client_secret: wrong }),
            exchange(recording, of, { ...tokens, idToken: tokens.subjectToken }, { code_verifier }),
            exchange(
              recording,
              of,
              { ...tokens, subjectToken: `${tokens.subjectToken}x` },
              { code_verifier },
            ),
            exchange(recording, of, tokens),
            exchange(recording, of, tokens, { code_verifier: [...code_verifier].reverse().join('') }),
            recording.request('/scim2/Me', { headers: { Authorization: basic('EndUser', wrongPassword) } }),
            recording.request('/scim2/Me', { headers: { Authorization: `Bearer ${tokens.subjectToken}` } }),
            recording.request(`/oauth2/token?client_secret=${wrong}&subject_token=${tokens.subjectToken}`, {
              method: 'POST',
            }),
            recording.request(
              authorizePath(of, { requested_subject: '\u0000', id_token_hint: tokens.idToken }),
            ),
          ]
          for (const refused of await Promise.all(ways))
            expect(refused.status === 302 || refused.status >= 400).toBe(true)
          const response = await exchange(recording, of, tokens, { code_verifier })
          const { access_token } = (await response.json()) as TokenResponse
          expect(response.status).toBe(200)
          await patchCountry(recording, access_token)
          await bearer(access_token, '/api/server/v1/applications', { method: 'POST' }, recording)
          for (const secret of [tokens.subjectToken, tokens.idToken, access_token, ...own.cookies.values()])
            secrets.add(secret)
        }
      } finally {
        stderr.mockRestore()
        if (level === undefined) delete process.env.MAYACT_TEST_LOG
        else process.env.MAYACT_TEST_LOG = level
        await loud.stop()
      }
      for (const location of locations ?? []) {
        const parameters = location === '' ? new URLSearchParams() : new URL(location, issuer).searchParams
        for (const name of ['sessionDataKey', 'sessionDataKeyConsent'])
          if (parameters.has(name)) keys.add(parameters.get(name) ?? '')
      }
      expect(secrets.size).toBe(7 + 2 * 6)
      expect(keys.size).toBeGreaterThanOrEqual(2)
      const stored = JSON.stringify(await dump(server.db))
      const lines = (await server.db.selectFrom('audit').selectAll().execute()).map(auditLine).join('\n')
      const queries = (locations ?? []).map((location) => location.split('#')[0]).join('\n')
      // not even a token's signature alone, nor a cut-off beginning
      const forms = (secret: string) => [
        secret,
        encodeURIComponent(secret),
        secret.split('.')[2] ?? secret,
        secret.slice(0, Math.max(16, secret.length - 10)),
        Buffer.from(secret).toString('base64'),
      ]
      for (const secret of secrets) {
        if (secret.length < 8) continue
        for (const form of forms(secret)) {
          for (const place of [stored, lines, logged, queries, (errors ?? []).join('\n')])
            expect(place.includes(form)).toBe(false)
        }
      }
      for (const key of keys)
        for (const place of [stored, lines, logged]) expect(place.includes(key)).toBe(false)
      expect(logged.length).toBeGreaterThan(500)
    })

    describe('12: everything has exactly one audit row', () => {
      test('each use but GET and HEAD has one, whatever becomes of it, and by its method', async () => {
        const { access_token } = await impersonate(server, scenario)
        const good = JSON.stringify({
          schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
          Operations: [{ op: 'replace', value: { 'urn:scim:wso2:schema': { country: 'Norway' } } }],
        })
        const [modification, creation, deletion, access] = [
          'modification',
          'creation',
          'deletion',
          'access',
        ].map((word) => `resource-${word}-via-impersonation`)
        const uses: [string, string, string | undefined, string | undefined][] = [
          ['GET', '/scim2/Me', undefined, undefined],
          ['GET', '/scim2/v2/Roles', undefined, undefined],
          ['HEAD', '/scim2/Me', undefined, undefined],
          ['HEAD', '/scim2/v2/Roles', undefined, undefined],
          ['PATCH', '/scim2/Me', good, modification],
          ['PATCH', '/scim2/Me', good, modification],
          ['PATCH', '/scim2/Me', 'no JSON', modification],
          ['PATCH', '/scim2/Me', undefined, modification],
          ['PATCH', `/scim2/Users/${scenario.subject.id}`, good, modification],
          ['POST', '/scim2/Users', '{}', creation],
          ['POST', '/scim2/v2/Roles', '{}', creation],
          ['POST', '/api/server/v1/applications', '{}', creation],
          ['DELETE', `/scim2/Users/${scenario.subject.id}`, undefined, deletion],
          ['DELETE', '/scim2/nowhere', undefined, deletion],
          ['PUT', '/scim2/Me', '{}', access],
          ['PUT', '/api/server/v1/nowhere', '{}', access],
          ['OPTIONS', '/scim2/Me', undefined, access],
        ]
        for (const [method, path, body, event] of uses) {
          const length = (await server.audit()).length
          const response = await bearer(access_token, path, {
            method,
            ...(body === undefined ? {} : { body }),
          })
          const rows = (await server.audit())
            .slice(length)
            .filter((row) => row.event.endsWith('via-impersonation'))
          expect([method, path, ...rows.map((row) => row.event)]).toEqual([
            method,
            path,
            ...(event ? [event] : []),
          ])
          if (!event) continue
          const { impersonator, subject, clientId } = scenario
          expect(rows[0]).toMatchObject({
            initiator: impersonator.id,
            target: subject.id,
            actor_id: impersonator.id,
            outcome: response.status < 400 ? 'AUTHORIZED' : String(response.status),
            data: {
              ResourcePath: path,
              clientId,
              subject: subject.id,
              impersonator: impersonator.id,
              httpMethod: method,
            },
          })
        }
      })

      test('a request that is decided anew because others were faster has one, too', async () => {
        const { access_token } = await impersonate(server, scenario)
        const length = (await server.audit()).length
        const answers = await Promise.all(
          Array.from({ length: 8 }, (_, index) => patchCountry(server, access_token, `Country${index}`)),
        )
        const rows = (await server.audit())
          .slice(length)
          .filter((row) => row.event.endsWith('via-impersonation'))
        const outcomes = answers.map(({ status }) => (status < 400 ? 'AUTHORIZED' : String(status)))
        expect(rows.map(({ outcome }) => outcome).sort()).toEqual(outcomes.sort())
      })

      test('kill -9 during a storm of exchanges leaves no token without its row, no row without its token and no row without its line', async () => {
        const directory = temporaryDirectory()
        const file = join(directory, 'deployment.toml')
        const port = await freePort()
        const configured: DatabaseConfig = await database.create()
        const identity =
          configured.type === 'postgres' ? `type = "postgres"\nurl = "${configured.url}"` : 'type = "sqlite"'
        const toml = `${shipped.replace('# port = 9443', `port = ${port}`).replace('type = "sqlite"', identity)}\n[server.tls]\nenabled = false\n`
        writeFileSync(file, toml, { mode: 0o600 })
        const { config } = parse(toml, file, { variables: {} })
        const child = Bun.spawn([process.execPath, 'server.ts', '--config', file], {
          cwd: root,
          env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '' },
          stdout: 'pipe',
          stderr: 'ignore',
        })
        const output = child.stdout.getReader()
        expect(new TextDecoder().decode((await output.read()).value)).toContain('mayact is ready')
        const remote: Server = {
          request: (path, init = {}) =>
            fetch(`http://127.0.0.1:${port}${path}`, { ...init, redirect: 'manual' }),
        }
        const answered: string[] = []
        try {
          const theirs = await setUp(remote)
          const own = newBrowser(remote)
          const pairs: Tokens[] = []
          for (let index = 0; index < 40; index += 1)
            pairs.push(await obtainSubjectToken(remote, theirs, {}, own))
          await Promise.all(
            pairs.map(async (pair) => {
              try {
                const { access_token } = (await (
                  await exchange(remote, theirs, pair)
                ).json()) as TokenResponse
                answered.push(access_token)
                if (answered.length === 10) child.kill('SIGKILL')
              } catch {
                // the connection died with the server
              }
            }),
          )
        } finally {
          child.kill('SIGKILL')
          await child.exited
        }
        expect(child.signalCode).toBe('SIGKILL')
        expect(answered.length).toBeGreaterThanOrEqual(10)
        const db = await connect(config.database)
        try {
          const counts = await expectTokensAudited(db)
          expect(counts.subjectTokens).toBe(40)
          expect(counts.accessTokens).toBeGreaterThanOrEqual(answered.length)
          for (const token of answered)
            expect(await findToken(db, token, new Date())).toMatchObject({ class: 'access', alive: true })
          const without = () => db.selectFrom('audit').select('id').where('line_at', 'is', null).execute()
          // the rows of a process that is gone are taken over after a minute
          setSystemTime(Date.now() + 120_000)
          const journal = startJournal(db, config.log.auditFile, quiet)
          while ((await without()).length > 0) await Bun.sleep(10)
          await journal.stop()
          const lines = readFileSync(config.log.auditFile, 'utf8').split('\n')
          expect(lines.pop()).toBe('')
          const rows = await db.selectFrom('audit').selectAll().execute()
          expect(rows.length).toBeGreaterThan(50)
          const format =
            /^TID: \[-1234\] \[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}\] \[[\w-]+\] {2}INFO \{AUDIT_LOG\} - Initiator=\S+ Action=\S+ Target=\S+ Data=\{.*\} Outcome=\w+( \| Impersonator : [0-9a-f-]{36})?$/
          for (const line of lines) expect(line).toMatch(format)
          const written = new Set(lines)
          expect(rows.filter((row) => !written.has(auditLine(row)))).toEqual([])
          expect([...written].sort()).toEqual([...new Set(rows.map(auditLine))].sort())
        } finally {
          setSystemTime()
          await close(db)
        }
      })
    })

    test('13: with the feature off nothing of it is reachable or advertised, and tokens made before are dead', async () => {
      expect(withoutFeature).not.toContain('custom_response_type]]')
      const off = await boot(database, { beside: server, insteadOfShipped: withoutFeature })
      try {
        const tokens = await obtain()
        const { access_token } = await impersonate(server, scenario)
        const { result } = await leavingOnlyAudit(server, async () => ({
          gate: [
            (await bearer(access_token, '/scim2/Me', {}, off)).status,
            (await patchCountry(off, access_token)).status,
          ],
          exchange: await (await exchange(off, scenario, tokens)).json(),
          authorize: await Promise.all(
            ['subject_token', 'id_token subject_token'].map(async (response_type) =>
              Object.fromEntries(fragmentOf(await off.request(authorizePath(scenario, { response_type })))),
            ),
          ),
          discovery: (await (
            await off.request('/oauth2/token/.well-known/openid-configuration')
          ).json()) as Record<string, unknown>,
        }))
        expect(result.gate).toEqual([401, 401])
        expect(result.exchange).toEqual({
          error_description: 'Unsupported grant_type value',
          error: 'unsupported_grant_type',
        })
        for (const answer of result.authorize) expect(answer.error).toBe('unsupported_response_type')
        expect(result.discovery.response_types_supported).toContain('code')
        expect(result.discovery.grant_types_supported).toContain('authorization_code')
        expect(JSON.stringify(result.discovery)).not.toMatch(/subject_token|token-exchange/)
        // elsewhere they are as good as before
        expect((await bearer(access_token)).status).toBe(200)
        expect((await exchange(server, scenario, tokens)).status).toBe(200)
        // nor does a decision pass that is asked directly
        expect((await ask('authorize', await newSession(), { enabled: false })).approved).toBeUndefined()
      } finally {
        await off.stop()
      }
    })

    test('14: power over others is not gained by acting for somebody who has it', async () => {
      const powers = ['internal_user_mgt_list', 'internal_user_mgt_update', 'internal_user_mgt_create']
      const app = await createApplication(server, {
        name: 'POWERFUL',
        apis: { 'system:impersonation': ['internal_user_impersonate'], '/scim2/Users': powers },
      })
      const of: Scenario = { ...scenario, ...app }
      const role = (name: string, permissions: readonly string[], member: Person) =>
        createRole(server, { name, applicationId: app.applicationId, permissions, member: member.id })
      await role('Impersonators', ['internal_user_impersonate'], scenario.impersonator)
      await role('Managers', powers, scenario.subject)
      const scope = `internal_login internal_user_impersonate ${powers.join(' ')}`
      const tokens = await obtain({ scope }, of)
      const body = (await (await exchange(server, of, tokens)).json()) as TokenResponse
      expect(body.scope).toBe('internal_login internal_user_mgt_list')
      expect(
        (
          await bearer(body.access_token, `/scim2/Users/${scenario.impersonator.id}`, {
            method: 'PATCH',
            body: '{}',
          })
        ).status,
      ).toBe(403)
      const own = await role('AlsoManagers', ['internal_user_mgt_update'], scenario.impersonator)
      const more = await obtain({ scope }, of)
      const wider = (await (await exchange(server, of, more)).json()) as TokenResponse
      expect(wider.scope).toBe('internal_login internal_user_mgt_list internal_user_mgt_update')
      // and what is lost until the exchange is not in the token
      const last = await obtain({ scope }, of)
      await removeFromRole(server, own, scenario.impersonator.id)
      expect(((await (await exchange(server, of, last)).json()) as TokenResponse).scope).toBe(
        'internal_login internal_user_mgt_list',
      )
    })

    test('16: a regexp= callback leads no subject token anywhere unless a setting allows it', async () => {
      const { db } = server
      const { oidc } = await db
        .selectFrom('application')
        .select('oidc')
        .where('id', '=', scenario.applicationId)
        .executeTakeFirstOrThrow()
      const settings = (callback: string) =>
        JSON.stringify({ ...(JSON.parse(oidc) as object), callbackURLs: [callback] })
      const set = (text: string) =>
        committed(
          write(db.updateTable('application').set({ oidc: text }).where('id', '=', scenario.applicationId)),
          bump,
        )
      await obtain()
      await set(settings('regexp=https://client.example/.*'))
      for (const redirect_uri of ['https://client.example/cb', 'https://client.example/other']) {
        const { result: response } = await leavingOnlyAudit(server, () =>
          browser.get(authorizePath(scenario, { redirect_uri })),
        )
        expect([response.status, response.headers.get('location')]).toEqual([400, null])
      }
      await set(oidc)
      await obtain()
    })

    describe('two servers on one database', () => {
      test('a role changed through one is seen by the next decision of the other', async () => {
        const { impersonatorRole, impersonator } = scenario
        for (let round = 0; round < 5; round += 1) {
          const tokens = await obtain()
          expect((await exchange(second, scenario, await obtain())).status).toBe(200)
          await removeFromRole(server, impersonatorRole, impersonator.id)
          expect((await exchange(second, scenario, tokens)).status).toBe(400)
          await addToRole(second, impersonatorRole, impersonator.id)
          expect((await exchange(server, scenario, tokens)).status).toBe(200)
        }
      })

      test('so are the permissions of a role, what the subject may, and the settings of an application', async () => {
        const changes = withdrawals().filter(({ title, ends }) => !ends && title !== 'the role withdrawn')
        expect(changes).toHaveLength(4)
        for (const { title, withdraw, restore } of changes) {
          const tokens = await obtain()
          await withdraw()
          expect([title, (await exchange(second, scenario, tokens)).status]).toEqual([title, 400])
          await restore()
          expect([title, (await exchange(second, scenario, tokens)).status]).toEqual([title, 200])
        }
        const tokens = await obtain()
        await removeFromRole(server, scenario.subjectRole, scenario.subject.id)
        const { scope } = (await (await exchange(second, scenario, tokens)).json()) as TokenResponse
        expect(scope.split(' ').filter((word) => subjectScopes.includes(word))).toEqual([])
        await addToRole(server, scenario.subjectRole, scenario.subject.id)
        const lifetime = { type: 'JWT', userAccessTokenExpiryInSeconds: 77 }
        const fresh = await obtain()
        await changeSettings(scenario, { accessToken: lifetime })
        expect(((await (await exchange(second, scenario, fresh)).json()) as TokenResponse).expires_in).toBe(
          77,
        )
        await changeSettings(scenario, { accessToken: { ...lifetime, userAccessTokenExpiryInSeconds: 3600 } })
      })
    })

    test('12: at the end every token of all of this has its audit row, and every row its token', async () => {
      const { accessTokens } = await expectTokensAudited(server.db)
      expect(accessTokens).toBeGreaterThan(50)
    })
  })
}
