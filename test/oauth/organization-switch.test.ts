/** `grant_type=organization_switch` (facts/impersonation.md §5), as far as there are organizations: to the root. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import * as jose from 'jose'
import { commit } from '../../lib/database/commit.ts'
import { endLineage } from '../../lib/tokens/lineage.ts'
import { type Booted, boot } from '../boot.ts'
import { databases } from '../databases.ts'
import {
  addToRole,
  basic,
  createPerson,
  impersonate,
  obtainSubjectToken,
  type Person,
  removeFromRole,
  type Scenario,
  setLocked,
  setUp,
} from '../scenario.ts'
import { leavingOnlyAudit } from '../token-exchange-snapshot.ts'
import {
  ask,
  bookings,
  bookingsToml,
  type Client,
  clientToken,
  createService,
  organization,
  rowOf,
  userTokens,
} from './exchanged-tokens.ts'

const shipped = await Bun.file(new URL('../../deployment.toml', import.meta.url)).text()
const withoutFeature = shipped.replace(/\[\[oauth\.custom_response_type\]\]\n(?:\w+ *= .*\n)+/g, '')

type Fields = Readonly<Record<string, string | undefined>>

const bookingScope = 'booking_read booking_write booking_cancel'
const grantTypes = ['authorization_code', 'refresh_token', 'client_credentials', 'organization_switch']

for (const database of databases) {
  describe(`a switch of organizations on ${database.name}`, () => {
    let server: Booted
    let scenario: Scenario
    let service: Client
    let other: Client
    let alice: Person
    beforeAll(async () => {
      server = await boot(database, { toml: bookingsToml })
      scenario = await setUp(server)
      alice = await createPerson(server, 'Alice')
      service = await createService(server, 'SERVICE', [alice.id], { grantTypes })
      other = await createService(server, 'OTHER', [alice.id], { grantTypes })
    })
    afterAll(() => server.stop())

    const post = (token: string | undefined, changes: Fields = {}, client: Client = service) =>
      ask(server, client, {
        grant_type: 'organization_switch',
        token,
        switching_organization: organization.id,
        ...changes,
      })
    const switched = async (token: string, changes: Fields = {}, client: Client = service) => {
      const response = await post(token, changes, client)
      const body = (await response.json()) as { access_token: string; scope: string; expires_in: number }
      expect({ status: response.status, body }).toMatchObject({ status: 200 })
      expect(response.headers.get('cache-control')).toBe('no-store')
      return body
    }
    const refused = async (
      token: string | undefined,
      changes: Fields,
      expected: { readonly error: string; readonly description?: string; readonly reason?: string },
      client: Client = service,
    ) => {
      const { result, rows } = await leavingOnlyAudit(server, () => post(token, changes, client))
      const body = (await result.json()) as { error: string; error_description: string }
      expect([result.status, body.error]).toEqual([400, expected.error])
      if (expected.description !== undefined) expect(body.error_description).toBe(expected.description)
      expect(rows.map(({ event, outcome, data }) => [event, outcome, data.reason])).toEqual(
        expected.reason === undefined ? [] : [['token-refused', 'Refused', expected.reason]],
      )
      return rows[0]
    }

    test('a user’s token becomes another one of the same grant, without issued_token_type', async () => {
      const { accessToken, lineageId, sessionId, tokenId } = await userTokens(server, service, alice.id)
      const body = await switched(accessToken)
      expect(body).toEqual({
        access_token: expect.any(String),
        scope: `openid profile ${bookingScope}`,
        token_type: 'Bearer',
        expires_in: expect.any(Number),
      } as unknown as typeof body)
      const claims = jose.decodeJwt(body.access_token)
      expect(claims).toMatchObject({
        sub: alice.id,
        aut: 'APPLICATION_USER',
        client_id: service.clientId,
        org_id: organization.id,
        org_name: organization.name,
      })
      expect(claims).not.toHaveProperty('act')
      // only who is in another organization than his own has one
      expect(claims).not.toHaveProperty('user_org')
      expect(await rowOf(server, body.access_token)).toMatchObject({
        lineageId,
        sessionId,
        subjectId: alice.id,
      })
      expect((await server.audit()).at(-1)).toMatchObject({
        event: 'delegated-token-issued',
        target: alice.id,
        outcome: 'Success',
        application_id: service.applicationId,
        data: { from: tokenId, organization: organization.id },
      })
    })

    test('an impersonated token keeps its impersonation and its actor, and only narrows', async () => {
      const { access_token } = await impersonate(server, scenario)
      const parent = await rowOf(server, access_token)
      let token = access_token
      for (const scope of [undefined, 'internal_login internal_user_mgt_view', 'internal_user_mgt_view']) {
        const body = await switched(token, { scope }, scenario)
        const row = await rowOf(server, body.access_token)
        expect(row).toMatchObject({
          impersonationId: parent.impersonationId,
          lineageId: parent.lineageId,
          actorId: scenario.impersonator.id,
          subjectId: scenario.subject.id,
        })
        expect(jose.decodeJwt(body.access_token).act).toEqual({ sub: scenario.impersonator.id })
        if (scope !== undefined) expect(body.scope).toBe(scope)
        expect(row.expiresAt.getTime()).toBeLessThanOrEqual(parent.expiresAt.getTime())
        token = body.access_token
      }
      const all = { scope: 'internal_user_mgt_view internal_user_mgt_list' }
      expect((await switched(token, all, scenario)).scope).toBe('internal_user_mgt_view')
      await commit(server.db, [
        endLineage(server.db, parent.lineageId, { by: 'test', reason: 'ended' }, new Date()),
      ])
      for (const value of [access_token, token]) {
        const expected = {
          error: 'invalid_grant',
          description: 'Invalid token received.',
          reason: 'subject_token_ended',
        }
        await refused(value, {}, expected, scenario)
      }
    })

    test('an impersonation is decided anew: without the permission, or of somebody locked, nothing is switched', async () => {
      const { access_token } = await impersonate(server, scenario)
      await removeFromRole(server, scenario.impersonatorRole, scenario.impersonator.id)
      const expected = { error: 'invalid_request', description: 'The impersonation was refused.' }
      await refused(access_token, {}, { ...expected, reason: 'missing_permission' }, scenario)
      await addToRole(server, scenario.impersonatorRole, scenario.impersonator.id)
      await setLocked(server, scenario.subject.id, true)
      const { result } = await leavingOnlyAudit(server, () => post(access_token, {}, scenario))
      expect(result.status).toBe(400)
      await setLocked(server, scenario.subject.id, false)
    })

    test('a client switches what it has for itself', async () => {
      const own = await clientToken(server, service, { scopes: ['booking_read'] })
      const body = await switched(own)
      expect(jose.decodeJwt(body.access_token)).toMatchObject({
        sub: service.clientId,
        aut: 'APPLICATION',
        scope: 'booking_read',
      })
    })

    test('what is missing, unknown, old or somebody else’s is refused, and nothing else happens', async () => {
      const { accessToken, idToken } = await userTokens(server, service, alice.id)
      const missing = (names: string) => ({
        error: 'invalid_request',
        description: `Missing parameters: ${names}`,
        reason: `Missing parameters: ${names}`,
      })
      await refused(undefined, {}, missing('token'))
      await refused('', {}, missing('token'))
      await refused(accessToken, { switching_organization: undefined }, missing('switching_organization'))
      await refused(undefined, { switching_organization: '' }, missing('token, switching_organization'))
      const elsewhere = crypto.randomUUID()
      await refused(
        accessToken,
        { switching_organization: elsewhere },
        {
          error: 'invalid_request',
          description: `Invalid organization id: ${elsewhere}`,
          reason: 'organization_unknown',
        },
      )
      await refused(
        accessToken,
        { scope: 'a"b' },
        { error: 'invalid_scope', description: 'Invalid Scope!', reason: 'malformed_scope' },
      )
      await refused(
        accessToken,
        { scope: 'internal_user_mgt_delete' },
        { error: 'invalid_scope', reason: 'scope_not_in_subject_token' },
      )
      const invalid = (reason: string) => ({
        error: 'invalid_grant',
        description: 'Invalid token received.',
        reason,
      })
      await refused('no token of ours', {}, invalid('subject_token_unknown'))
      await refused(idToken, {}, invalid('subject_token_unknown'))
      const { subjectToken } = await obtainSubjectToken(server, scenario)
      await refused(subjectToken, {}, invalid('subject_token_unknown'), scenario)
      await refused(accessToken, {}, invalid('subject_token_of_another_client'), other)
      // that it is for another one lets that one exchange it, not switch it: a switch stays with its client
      const shared = await userTokens(server, service, alice.id, { audience: [other.clientId] })
      await refused(shared.accessToken, {}, invalid('subject_token_of_another_client'), other)
      expect(jose.decodeJwt((await switched(shared.accessToken)).access_token)).toMatchObject({
        client_id: service.clientId,
        aud: other.clientId,
      })
      const old = await userTokens(server, service, alice.id, { seconds: -1 })
      await refused(old.accessToken, {}, invalid('subject_token_expired'))
      const bound = await userTokens(server, service, alice.id, { confirmation: { jkt: 'x'.repeat(43) } })
      await refused(bound.accessToken, {}, invalid('subject_token_key_unproven'))
      // how long ago it was issued does not count while it lives
      const issued = new Date(Date.now() - 5_400_000)
      const long = { now: issued, seconds: 10_800, lineageSeconds: 10_800 }
      await switched((await userTokens(server, service, alice.id, long)).accessToken)
    })

    test('each refusal’s row says that it was a switch, and whose token it was', async () => {
      const { access_token } = await impersonate(server, scenario)
      const { impersonationId } = await rowOf(server, access_token)
      const asked = [
        [{ switching_organization: 'nowhere' }, 'invalid_request', 'organization_unknown'],
        [{ scope: 'a"b' }, 'invalid_scope', 'malformed_scope'],
        [{ scope: 'booking_read' }, 'invalid_scope', 'scope_not_in_subject_token'],
      ] as const
      for (const [changes, error, reason] of asked) {
        const row = await refused(access_token, changes, { error, reason }, scenario)
        expect(row).toMatchObject({
          initiator: scenario.clientId,
          target: scenario.subject.id,
          actor_id: scenario.impersonator.id,
          subject_id: scenario.subject.id,
          impersonation_id: impersonationId,
          data: { grantType: 'organization_switch', validator: 'organization-switch', reason },
        })
      }
    })

    test('by a public client’s id alone a token is switched for the same audience, and nothing fills the audit', async () => {
      const open = await createService(server, 'OPEN', [alice.id], { grantTypes, publicClient: true })
      const ask = (token: string, organizationId = organization.id) =>
        server.request('/oauth2/token', {
          method: 'POST',
          body: new URLSearchParams({
            grant_type: 'organization_switch',
            client_id: open.clientId,
            token,
            switching_organization: organizationId,
          }),
        })
      const { accessToken } = await userTokens(server, open, alice.id, { audience: [bookings] })
      const response = await ask(accessToken)
      expect(response.status).toBe(200)
      const { access_token } = (await response.json()) as { access_token: string }
      const { aud } = jose.decodeJwt(access_token)
      expect(aud).toEqual(jose.decodeJwt(accessToken).aud)
      for (const refuse of [() => ask('no token of ours'), () => ask('no token of ours', 'nowhere')]) {
        const { result, rows } = await leavingOnlyAudit(server, refuse)
        expect([result.status, rows]).toEqual([400, []])
      }
    })

    test('with impersonation off nothing of one is switched; a user’s own token is', async () => {
      const { access_token } = await impersonate(server, scenario)
      const { accessToken } = await userTokens(server, service, alice.id)
      const off = await boot(database, {
        insteadOfShipped: withoutFeature,
        beside: { directory: server.directory, config: server.config },
      })
      try {
        const ask = async (token: string, client: Client) => {
          const fields = { grant_type: 'organization_switch', token, switching_organization: organization.id }
          const headers = { Authorization: basic(client.clientId, client.clientSecret) }
          const body = new URLSearchParams(fields)
          return off.request('/oauth2/token', { method: 'POST', headers, body })
        }
        const { result, rows } = await leavingOnlyAudit(server, () => ask(access_token, scenario))
        expect([result.status, ((await result.json()) as { error: string }).error]).toEqual([
          400,
          'unauthorized_client',
        ])
        expect(rows.map(({ event, data }) => [event, data.reason])).toEqual([
          ['token-refused', 'not_enabled'],
        ])
        expect((await ask(accessToken, service)).status).toBe(200)
      } finally {
        await off.stop()
      }
    })

    test('an application without the grant may not, and discovery names it', async () => {
      const without = await createService(server, 'WITHOUT', [alice.id], {
        grantTypes: ['client_credentials'],
      })
      const { accessToken } = await userTokens(server, without, alice.id)
      const reason = 'The authenticated client is not authorized to use this authorization grant type'
      await refused(accessToken, {}, { error: 'unauthorized_client', reason }, without)
      const discovery = await server.request('/oauth2/token/.well-known/openid-configuration')
      const { grant_types_supported } = (await discovery.json()) as { grant_types_supported: string[] }
      expect(grant_types_supported).toContain('organization_switch')
    })
  })
}
