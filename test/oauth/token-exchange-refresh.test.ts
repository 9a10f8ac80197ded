/** Refresh tokens of impersonations: none by default; each refresh decides anew, keeps act and ends with its impersonation. */
import { afterAll, beforeAll, describe, expect, setSystemTime, test } from 'bun:test'
import * as jose from 'jose'
import { type Booted, basic, boot } from '../boot.ts'
import { type Browser, newBrowser } from '../browser.ts'
import { databases } from '../databases.ts'
import {
  addToRole,
  createApplication,
  createRole,
  exchange,
  obtainSubjectToken,
  removeFromRole,
  type Scenario,
  setLocked,
  setUp,
  subjectScopes,
  tokenExchange,
} from '../scenario.ts'
import { leavingOnlyAudit } from '../token-exchange-snapshot.ts'
import { type Exchanged, rowOf } from './exchanged-tokens.ts'

const allowed = '[oauth.grant_type.token_exchange]\nallow_refresh_tokens = true'

for (const database of databases) {
  describe(`refreshing an impersonation on ${database.name}`, () => {
    let server: Booted
    let scenario: Scenario
    let browser: Browser

    beforeAll(async () => {
      server = await boot(database, { toml: allowed })
      scenario = await setUp(server)
      browser = newBrowser(server)
    })
    afterAll(() => server.stop())

    const start = async (of = scenario, at: Booted = server, as = browser): Promise<Exchanged> => {
      const response = await exchange(at, of, await obtainSubjectToken(at, of, {}, as))
      expect(response.status).toBe(200)
      return (await response.json()) as Exchanged
    }

    const refresh = (token: string | undefined, changes: Record<string, string> = {}, at = server) =>
      at.request('/oauth2/token', {
        method: 'POST',
        body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token: token ?? '', ...changes }),
        headers: { Authorization: basic(scenario.clientId, scenario.clientSecret) },
      })

    const refreshed = async (token: string | undefined, changes: Record<string, string> = {}) => {
      const response = await refresh(token, changes)
      const body = (await response.json()) as Exchanged
      expect([response.status, body]).toEqual([200, body])
      return body
    }

    const refused = async (ask: () => Promise<Response>, event: string, reason: string) => {
      const { result, rows } = await leavingOnlyAudit(server, ask)
      expect([result.status, ((await result.json()) as { error: string }).error]).toEqual([
        400,
        'invalid_grant',
      ])
      expect(rows.map((row) => [row.event, row.data.reason])).toEqual([[event, reason]])
    }

    const endOf = async (value: string) => (await rowOf(server, value)).lineageEndsAt.getTime()

    test('there is none by default, nor for an application without the grant, and the impersonation ends with its access token', async () => {
      const plain = await boot(database, { beside: server })
      try {
        const body = await start(scenario, plain, newBrowser(plain))
        expect(body).not.toHaveProperty('refresh_token')
        expect(await endOf(body.access_token)).toBe(
          (await rowOf(server, body.access_token)).expiresAt.getTime(),
        )
      } finally {
        await plain.stop()
      }
      const oidc = { grantTypes: ['authorization_code', 'implicit', tokenExchange] }
      const application = await createApplication(server, { name: 'NO_REFRESH', oidc })
      const { applicationId } = application
      const permissions = ['internal_user_impersonate']
      const member = scenario.impersonator.id
      await createRole(server, { name: 'Impersonators', applicationId, permissions, member })
      const body = await start({ ...scenario, ...application })
      expect(body).not.toHaveProperty('refresh_token')
      expect(await endOf(body.access_token)).toBe(
        (await rowOf(server, body.access_token)).expiresAt.getTime(),
      )
    })

    test('where it is allowed the impersonation keeps the end of its authorization', async () => {
      const body = await start()
      expect(body.refresh_token).toMatch(/^[\w-]{43}$/)
      const access = await rowOf(server, body.access_token)
      const token = await rowOf(server, body.refresh_token ?? '')
      expect(token).toMatchObject({
        class: 'refresh',
        alive: true,
        lineageId: access.lineageId,
        impersonationId: access.impersonationId,
        actorId: scenario.impersonator.id,
        actor: { sub: scenario.impersonator.id },
        scopes: access.scopes,
        sessionId: access.sessionId,
      })
      expect(token.expiresAt.getTime()).toBeLessThanOrEqual(token.lineageEndsAt.getTime())
      // the subject token's 180 s and one access token after it (design.md §6.18)
      const left = token.lineageEndsAt.getTime() - access.issuedAt.getTime()
      expect(left).toBeGreaterThan(3_770_000)
      expect(left).toBeLessThanOrEqual(3_780_000)
      const stored = await server.db.selectFrom('token').selectAll().execute()
      expect(JSON.stringify(stored)).not.toContain(body.refresh_token ?? '?')
    })

    test('each refresh keeps user, actor, impersonation and scopes, has one audit row and no second e-mail', async () => {
      const first = await start()
      const { impersonationId, lineageId } = await rowOf(server, first.access_token)
      const mails = async () => (await server.db.selectFrom('outbox').select('id').execute()).length
      const sent = await mails()
      let token = first.refresh_token
      for (let round = 0; round < 3; round += 1) {
        const known = (await server.audit()).length
        const body = await refreshed(token)
        expect(body.scope).toBe(first.scope)
        expect(body.token_type).toBe('Bearer')
        expect(jose.decodeJwt(body.access_token)).toMatchObject({
          sub: scenario.subject.id,
          act: { sub: scenario.impersonator.id },
          client_id: scenario.clientId,
        })
        expect(await rowOf(server, body.access_token)).toMatchObject({
          impersonationId,
          lineageId,
          actorId: scenario.impersonator.id,
          alive: true,
        })
        const rows = (await server.audit()).slice(known)
        expect(rows).toHaveLength(1)
        expect(rows[0]).toMatchObject({
          event: 'token-refreshed',
          initiator: scenario.impersonator.id,
          target: scenario.subject.id,
          actor_id: scenario.impersonator.id,
          impersonation_id: impersonationId,
          outcome: 'Success',
        })
        token = body.refresh_token
        expect(token).toBeString()
      }
      expect(await mails()).toBe(sent)
    })

    test('a refresh narrows the scopes, and the next has them again; more than the impersonation has is refused', async () => {
      const first = await start()
      const less = await refreshed(first.refresh_token, { scope: 'internal_login' })
      expect(less.scope).toBe('internal_login')
      expect((await refreshed(less.refresh_token)).scope).toBe(first.scope)
      const more = await start()
      const response = await refresh(more.refresh_token, { scope: 'internal_role_mgt_view' })
      expect([response.status, ((await response.json()) as { error: string }).error]).toEqual([
        400,
        'invalid_scope',
      ])
      expect((await refreshed(more.refresh_token)).scope).toBe(more.scope)
    })

    test('each refresh decides anew: it gives what the subject still may, and nothing to who lost the permission', async () => {
      const first = await start()
      await removeFromRole(server, scenario.impersonatorRole, scenario.impersonator.id)
      await refused(() => refresh(first.refresh_token), 'impersonation-refused', 'missing_permission')
      await addToRole(server, scenario.impersonatorRole, scenario.impersonator.id)
      await removeFromRole(server, scenario.subjectRole, scenario.subject.id)
      const less = await refreshed(first.refresh_token)
      for (const scope of subjectScopes) expect(less.scope.split(' ')).not.toContain(scope)
      await addToRole(server, scenario.subjectRole, scenario.subject.id)
      expect((await refreshed(less.refresh_token)).scope).toBe(first.scope)
    })

    test('who is locked ends it for good', async () => {
      for (const who of ['subject', 'impersonator'] as const) {
        const { refresh_token } = await start(scenario, server, newBrowser(server))
        await setLocked(server, scenario[who].id, true)
        await refused(() => refresh(refresh_token), 'token-refused', 'ended')
        await setLocked(server, scenario[who].id, false)
        await refused(() => refresh(refresh_token), 'token-refused', 'ended')
      }
      browser = newBrowser(server)
    })

    test('it is refused where the server does not allow it any more', async () => {
      const { refresh_token } = await start()
      const plain = await boot(database, { beside: server })
      try {
        await refused(() => refresh(refresh_token, {}, plain), 'impersonation-refused', 'refresh_not_allowed')
      } finally {
        await plain.stop()
      }
      await refreshed(refresh_token)
    })

    test('nothing refreshed outlives the impersonation, and then there is nothing to refresh', async () => {
      const first = await start()
      const end = await endOf(first.access_token)
      try {
        let token = first.refresh_token
        for (const left of [1000, 100, 10, 1]) {
          setSystemTime(end - left * 1000)
          const body = await refreshed(token)
          expect(body.expires_in).toBeLessThanOrEqual(left)
          const row = await rowOf(server, body.access_token)
          expect(row.expiresAt.getTime()).toBeLessThanOrEqual(end)
          expect(row.lineageEndsAt.getTime()).toBe(end)
          token = body.refresh_token
        }
        setSystemTime(end)
        await refused(() => refresh(token), 'token-refused', 'expired')
      } finally {
        setSystemTime()
      }
    })

    test('max_duration ends it, too', async () => {
      const toml = `${allowed}\n[impersonation]\nmax_duration = "10m"`
      const short = await boot(database, { beside: server, toml })
      try {
        const body = await start(scenario, short, newBrowser(short))
        const { lineageEndsAt } = await rowOf(server, body.refresh_token ?? '')
        expect(lineageEndsAt.getTime() - Date.now()).toBeLessThanOrEqual(600_000)
        expect((await refreshed(body.refresh_token)).expires_in).toBeLessThanOrEqual(600)
      } finally {
        await short.stop()
      }
    })

    test('of 100 who exchange one subject token one has a refresh token', async () => {
      const tokens = await obtainSubjectToken(server, scenario, {}, browser)
      const answers = await Promise.all(Array.from({ length: 100 }, () => exchange(server, scenario, tokens)))
      const bodies = (await Promise.all(answers.map((answer) => answer.json()))) as Partial<Exchanged>[]
      const [won, ...others] = bodies.filter((body) => body.refresh_token !== undefined)
      expect(others).toEqual([])
      const { lineageId } = await rowOf(server, won?.refresh_token ?? '')
      const rows = await server.db
        .selectFrom('token')
        .select('class')
        .where('lineage_id', '=', lineageId)
        .execute()
      expect(rows.map((row) => row.class).sort()).toEqual(['access', 'refresh', 'subject'])
    })

    test('of 100 who refresh at once no two go on, and whoever has a token has act in it', async () => {
      const { refresh_token, access_token } = await start()
      const { lineageId } = await rowOf(server, access_token)
      const answers = await Promise.all(Array.from({ length: 100 }, () => refresh(refresh_token)))
      for (const answer of answers) {
        const body = (await answer.json()) as Exchanged
        if (answer.status !== 200) {
          expect([400, 503]).toContain(answer.status)
          continue
        }
        expect(jose.decodeJwt(body.access_token).act).toEqual({ sub: scenario.impersonator.id })
      }
      const unspent = await server.db
        .selectFrom('token')
        .select('id')
        .where('lineage_id', '=', lineageId)
        .where('class', '=', 'refresh')
        .where('spent_at', 'is', null)
        .execute()
      expect(unspent.length).toBeLessThanOrEqual(1)
    })
  })
}
