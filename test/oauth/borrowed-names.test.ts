/** Attempts to be taken for somebody else: by a name that is his elsewhere, and by a token that should have died with him. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import * as jose from 'jose'
import { bump, commit, readRevision, write } from '../../lib/database/commit.ts'
import { findClient } from '../../lib/directory/applications.ts'
import { tokenExchange as exchangeGrant } from '../../lib/oauth/grants/token-exchange.ts'
import { subjectIdentifier } from '../../lib/tokens/subject-identifier.ts'
import { findToken } from '../../lib/tokens/token.ts'
import { type Booted, boot, origin } from '../boot.ts'
import { databases } from '../databases.ts'
import { account } from '../fixtures.ts'
import { nothingElse } from '../nothing-else.ts'
import {
  basic,
  createPerson,
  impersonate,
  oidcSettings,
  type Person,
  setLocked,
  setUp,
  tokenExchange,
  tokenType,
} from '../scenario.ts'
import {
  ask,
  bookings,
  bookingsToml,
  type Client,
  clientToken,
  createService,
  delegation,
  exchanged,
  organization,
  rowOf,
  userTokens,
} from './exchanged-tokens.ts'

for (const database of databases) {
  describe(`names and lives of others on ${database.name}`, () => {
    let server: Booted
    let frontend: Client
    let backend: Client
    let alice: Person
    let bob: Person

    beforeAll(async () => {
      server = await boot(database, { toml: bookingsToml })
      alice = await createPerson(server, 'Alice')
      bob = await createPerson(server, 'Bertram')
      frontend = await createService(server, 'FRONTEND', [alice.id, bob.id])
      backend = await createService(server, 'BACKEND', [alice.id])
    })
    afterAll(() => server.stop())

    const post = (path: string, client: Client, form: Readonly<Record<string, string>>) =>
      server.request(path, {
        method: 'POST',
        body: new URLSearchParams(form),
        headers: { Authorization: basic(client.clientId, client.clientSecret) },
      })
    const isActive = async (token: string, client: Client) => {
      const response = await post('/oauth2/introspect', client, { token })
      return ((await response.json()) as { active: boolean }).active
    }
    const view = (token: string) =>
      server.request(`/scim2/Users/${alice.id}`, { headers: { Authorization: `Bearer ${token}` } })
    const isAlive = async (token: string) => (await findToken(server.db, token, new Date()))?.alive === true
    const switched = async (client: Client, disabled_at: string | null) => {
      const update = server.db
        .updateTable('application')
        .set({ disabled_at })
        .where('id', '=', client.applicationId)
      expect(await commit(server.db, [write(update), bump])).toBe('committed')
    }

    test('whoever is locked acts no more, however many act on top of him', async () => {
      const scopes = ['openid', 'internal_user_mgt_view']
      const subject = await userTokens(server, frontend, alice.id, { scopes })
      const actor = await userTokens(server, frontend, bob.id)
      const service = await clientToken(server, frontend)
      const first = await exchanged(server, frontend, delegation(subject.accessToken, actor.accessToken))
      const second = await exchanged(server, frontend, delegation(first.access_token, service))
      expect(jose.decodeJwt(second.access_token).act).toEqual({
        sub: frontend.clientId,
        act: { sub: bob.id },
      })
      const statuses = async () => [
        (await view(first.access_token)).status,
        (await view(second.access_token)).status,
        await isActive(second.access_token, frontend),
      ]
      expect(await statuses()).toEqual([200, 200, true])
      await setLocked(server, bob.id, true)
      expect(await statuses()).toEqual([401, 401, false])
      for (const token of [first.access_token, second.access_token]) {
        for (const parameters of [delegation(token), delegation(token, service)]) {
          const response = await ask(server, frontend, parameters)
          expect([response.status, await response.json()]).toMatchObject([400, { error: 'access_denied' }])
          expect((await server.audit()).at(-1)).toMatchObject({
            event: 'token-refused',
            data: { reason: 'actor_inactive' },
          })
        }
      }
      await setLocked(server, bob.id, false)
    })

    test('a client that is switched off acts no more below another one either', async () => {
      const { accessToken } = await userTokens(server, frontend, alice.id, { audience: [backend.clientId] })
      const first = await exchanged(
        server,
        frontend,
        delegation(accessToken, await clientToken(server, frontend), { audience: backend.clientId }),
      )
      const second = await exchanged(
        server,
        backend,
        delegation(first.access_token, await clientToken(server, backend)),
      )
      expect(await isActive(second.access_token, backend)).toBe(true)
      await switched(frontend, new Date().toISOString())
      expect(await isActive(second.access_token, backend)).toBe(false)
      expect((await ask(server, backend, delegation(second.access_token))).status).toBe(400)
      await switched(frontend, null)
      expect(await isActive(second.access_token, backend)).toBe(true)
    })

    test('who has a token by exchange never ends the grant, issued in the same second or left alone', async () => {
      for (let round = 0; round < 10; round += 1) {
        const { accessToken } = await userTokens(server, frontend, alice.id, { audience: [backend.clientId] })
        const derived = await exchanged(server, backend, delegation(accessToken))
        if (round === 9) {
          // housekeeping has taken away the first one
          const { id } = await rowOf(server, accessToken)
          await commit(server.db, [write(server.db.deleteFrom('token').where('id', '=', id))])
        }
        const { lineageId } = await rowOf(server, derived.access_token)
        expect((await post('/oauth2/revoke', backend, { token: derived.access_token })).status).toBe(200)
        expect(await isAlive(derived.access_token)).toBe(false)
        const lineage = await server.db
          .selectFrom('lineage')
          .select('ended_at')
          .where('id', '=', lineageId)
          .executeTakeFirstOrThrow()
        expect([round, lineage.ended_at]).toEqual([round, null])
      }
    })

    test('the subject token that is revoked between decision and commit gives nothing', async () => {
      const { accessToken } = await userTokens(server, frontend, alice.id, { audience: [backend.clientId] })
      const { access_token } = await exchanged(server, backend, delegation(accessToken))
      const revision = await readRevision(server.db)
      const client = await findClient(server.db, revision, backend.clientId)
      if (!client) throw new Error('no backend')
      const { db } = server
      const lifetimes = { userAccessTokenSeconds: 3600, maxDurationSeconds: undefined }
      const grant = exchangeGrant({
        db,
        issuer: { ...server.keys, issuer: server.config.issuer },
        organization,
        lifetimes,
        idTokenSeconds: 3600,
        iatValiditySeconds: 3600,
        delegation: true,
        enabled: true,
        validators: [],
        claims: [],
        timeoutMilliseconds: 1000,
        mail: { domain: 'x.example', hostname: 'x' },
        unaddressed: () => {},
        contributionFailed: () => {},
      })
      const actor = await clientToken(server, backend)
      for (const revoked of [actor, access_token]) {
        const answer = await grant.decide({
          parameters: new Map(
            Object.entries(delegation(access_token, revoked === actor ? actor : undefined)) as [
              string,
              string,
            ][],
          ),
          client,
          revision,
          confirmation: null,
          trace: { id: 'trace', address: '192.0.2.1' } as never,
          now: new Date(),
        })
        expect('response' in answer).toBe(true)
        expect((await post('/oauth2/revoke', backend, { token: revoked })).status).toBe(200)
        expect(await commit(db, answer.writes)).toBe('lost')
      }
    })

    test('a client that takes the id of another one gets nothing of his', async () => {
      const old = await createService(server, 'OLD', [alice.id])
      const scopes = ['openid', 'internal_user_mgt_view']
      const { accessToken, idToken } = await userTokens(server, old, alice.id, { scopes })
      expect((await view(accessToken)).status).toBe(200)
      const update = server.db
        .updateTable('application')
        .set({ client_id: 'renamed-client' })
        .where('id', '=', old.applicationId)
      expect(await commit(server.db, [write(update), bump])).toBe('committed')
      expect((await view(accessToken)).status).toBe(401)
      const heir = await createService(server, 'HEIR', [alice.id], { clientId: old.clientId })
      expect(heir.clientId).toBe(old.clientId)
      expect((await view(accessToken)).status).toBe(401)
      expect(await isActive(accessToken, heir)).toBe(false)
      const response = await ask(server, heir, delegation(accessToken))
      expect([response.status, await response.json()]).toMatchObject([400, { error: 'invalid_target' }])
      const own = await userTokens(server, heir, bob.id)
      const asActor = { actor_token: idToken, actor_token_type: tokenType('id_token') }
      const acted = await ask(server, heir, delegation(own.accessToken, undefined, asActor))
      expect([acted.status, await acted.json()]).toMatchObject([400, { error: 'invalid_target' }])
      const { result } = await nothingElse(server.db, { audit: { added: 1 } }, () =>
        post('/oauth2/revoke', heir, { token: accessToken }),
      )
      expect([result.status, await result.json()]).toMatchObject([400, { error: 'unauthorized_client' }])
    })

    test('a client that takes the id of one that acted, or that a token was made for, brings none of them to life', async () => {
      const scenario = await setUp(server)
      const acting = await createService(server, 'ACTING', [alice.id])
      const scopes = ['openid', 'internal_user_mgt_view']
      const own = await userTokens(server, frontend, alice.id, { scopes })
      const impersonated = await impersonate(server, scenario)
      const byClient = await clientToken(server, acting, { audience: [frontend.clientId, scenario.clientId] })
      const service = await clientToken(server, frontend)
      const acted = await exchanged(server, frontend, delegation(own.accessToken, byClient))
      // it acts below another one
      const below = await exchanged(server, frontend, delegation(acted.access_token, service))
      const kept = await exchanged(server, frontend, delegation(below.access_token))
      const actedFor = await exchanged(server, scenario, delegation(impersonated.access_token, byClient))
      const madeFor = await exchanged(
        server,
        frontend,
        delegation(own.accessToken, undefined, { audience: acting.clientId }),
      )
      const passedOn = await exchanged(server, frontend, delegation(madeFor.access_token))
      const chains = [acted, below, kept].map(({ access_token }) => access_token)
      const lives = () =>
        Promise.all([
          ...chains.map((token) => isActive(token, frontend)),
          ...chains.map(async (token) => (await view(token)).status === 200),
          isActive(actedFor.access_token, scenario),
        ])
      expect(new Set(await lives())).toEqual(new Set([true]))
      for (const { access_token } of [madeFor, passedOn])
        expect(await isActive(access_token, acting)).toBe(true)
      const path = `/api/server/v1/applications/${acting.applicationId}`
      expect((await server.send('DELETE', path)).status).toBe(204)
      expect(new Set(await lives())).toEqual(new Set([false]))
      const heir = await createService(server, 'ACTING HEIR', [alice.id], { clientId: acting.clientId })
      expect(heir.clientId).toBe(acting.clientId)
      expect(new Set(await lives())).toEqual(new Set([false]))
      const newcomer = await clientToken(server, heir, { audience: [frontend.clientId] })
      for (const token of chains) {
        for (const parameters of [
          delegation(token),
          delegation(token, service),
          delegation(token, newcomer),
        ]) {
          const response = await ask(server, frontend, parameters)
          expect([response.status, await response.json()]).toMatchObject([400, { error: 'access_denied' }])
          expect((await server.audit()).at(-1)).toMatchObject({ data: { reason: 'actor_inactive' } })
        }
      }
      // what was made for the former one neither lives nor goes on for the heir, and lives where it was issued
      for (const { access_token } of [madeFor, passedOn]) {
        expect(await isActive(access_token, heir)).toBe(false)
        const response = await ask(server, heir, delegation(access_token))
        expect([response.status, await response.json()]).toMatchObject([400, { error: 'invalid_target' }])
        expect(await isActive(access_token, frontend)).toBe(true)
      }
      // and the heir acts for himself
      for (const token of [own.accessToken, madeFor.access_token]) {
        const again = await exchanged(server, frontend, delegation(token, newcomer))
        expect(await isActive(again.access_token, frontend)).toBe(true)
      }
      const forHeir = await exchanged(
        server,
        frontend,
        delegation(madeFor.access_token, undefined, { audience: heir.clientId }),
      )
      expect(await isActive(forHeir.access_token, heir)).toBe(true)
    })

    test('no client goes by the name of an API, which tokens are made for', async () => {
      for (const clientId of [bookings, '/scim2/Users']) {
        const response = await server.send('POST', '/api/server/v1/applications', {
          name: `Named ${clientId.length}`,
          inboundProtocolConfiguration: { oidc: { ...oidcSettings, clientId } },
        })
        expect([clientId, response.status]).toEqual([clientId, 409])
        const registered = await server.send('POST', '/api/identity/oauth2/dcr/v1.1/register', {
          redirect_uris: ['https://client.example/cb'],
          ext_param_client_id: clientId,
        })
        expect([clientId, registered.status]).toEqual([clientId, 400])
      }
    })

    test('no client goes by the id of a user, nor by one that a user had: his rows and chains name him still', async () => {
      const leaver = await createPerson(server, `Leaver-${database.name}`)
      const subject = await userTokens(server, frontend, alice.id, {
        scopes: ['openid', 'internal_user_mgt_view'],
      })
      const actor = await userTokens(server, frontend, leaver.id)
      const { access_token } = await exchanged(
        server,
        frontend,
        delegation(subject.accessToken, actor.accessToken),
      )
      expect(await isActive(access_token, frontend)).toBe(true)
      const taking = (clientId: string) => ({
        name: `Taking ${clientId}`,
        inboundProtocolConfiguration: { oidc: { ...oidcSettings, clientId } },
      })
      const refused = async (clientId: string) => {
        await nothingElse(server.db, {}, async () => {
          const made = await server.send('POST', '/api/server/v1/applications', taking(clientId))
          expect([made.status, await made.json()]).toMatchObject([409, { code: 'OAUTH-60008' }])
          const registered = await server.send('POST', '/api/identity/oauth2/dcr/v1.1/register', {
            redirect_uris: ['https://client.example/cb'],
            ext_param_client_id: clientId,
          })
          expect([registered.status, await registered.json()]).toMatchObject([
            400,
            { error: 'invalid_client_metadata' },
          ])
        })
      }
      await refused(leaver.id)
      expect((await server.send('DELETE', `/scim2/Users/${leaver.id}`)).status).toBe(204)
      expect(await isActive(access_token, frontend)).toBe(false)
      for (const clientId of [leaver.id, leaver.id.toUpperCase(), Bun.randomUUIDv7()]) await refused(clientId)
      expect(await isActive(access_token, frontend)).toBe(false)
      // what others make ids of clients of is fine
      const other = taking(crypto.randomUUID())
      expect((await server.send('POST', '/api/server/v1/applications', other)).status).toBe(201)
    })

    test('nobody takes the name that somebody without the attribute, or a client, goes by', async () => {
      const claimConfiguration = { subject: { claim: { uri: 'http://wso2.org/claims/nickname' } } }
      const update = await server.send('PATCH', `/api/server/v1/applications/${backend.applicationId}`, {
        claimConfiguration,
      })
      expect(update.status).toBe(200)
      const n = await readRevision(server.db)
      const client = await findClient(server.db, n, backend.clientId)
      if (!client) throw new Error('no backend')
      for (const [index, taken] of [alice.id, frontend.clientId].entries()) {
        const mallory = await account(server.db, {
          userName: `mallory${index}`,
          attributes: { nickName: taken },
        })
        expect(await subjectIdentifier(server.db, client, mallory)).toBe(mallory)
      }
      expect(await subjectIdentifier(server.db, client, alice.id)).toBe(alice.id)
    })

    test('who gives a name up goes by it no longer, at once', async () => {
      const update = await server.send('PATCH', `/api/server/v1/applications/${frontend.applicationId}`, {
        claimConfiguration: { subject: { claim: { uri: 'http://wso2.org/claims/nickname' } } },
      })
      expect(update.status).toBe(200)
      const [one, other] = [await createPerson(server, 'NickOne'), await createPerson(server, 'NickTwo')]
      const call = (person: Person, nickName: string) =>
        server.send(
          'PATCH',
          '/scim2/Me',
          {
            schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
            Operations: [{ op: 'replace', value: { nickName } }],
          },
          { Authorization: basic(person.userName, person.password) },
        )
      const sub = async (person: Person) => {
        const n = await readRevision(server.db)
        const client = await findClient(server.db, n, frontend.clientId)
        if (!client) throw new Error('no frontend')
        return subjectIdentifier(server.db, client, person.id)
      }
      expect((await call(one, 'nick')).status).toBe(200)
      expect(await sub(one)).toBe('nick')
      expect((await call(one, 'another')).status).toBe(200)
      expect((await call(other, 'nick')).status).toBe(200)
      expect([await sub(one), await sub(other)]).toEqual(['another', 'nick'])
    })

    test('who holds a token of a public client gets by its id no other audience and no ID token', async () => {
      const open = await createService(server, 'OPEN', [alice.id], {
        publicClient: true,
        pkce: { mandatory: true },
      })
      const asked = (form: Readonly<Record<string, string | undefined>>) => {
        const all = { grant_type: tokenExchange, client_id: open.clientId, ...form }
        const kept = Object.entries(all).filter((pair): pair is [string, string] => pair[1] !== undefined)
        return server.request('/oauth2/token', { method: 'POST', body: new URLSearchParams(kept) })
      }
      const own = await userTokens(server, open, alice.id)
      const forApi = await userTokens(server, open, alice.id, { audience: [bookings] })
      const passed = await userTokens(server, frontend, alice.id, { audience: [open.clientId] })
      const widening = [
        delegation(own.accessToken, undefined, { resource: bookings }),
        delegation(own.accessToken, undefined, { audience: backend.clientId }),
        delegation(own.accessToken, undefined, { requested_token_type: tokenType('id_token') }),
        delegation(forApi.accessToken, undefined, { audience: '/scim2/Users' }),
        delegation(forApi.accessToken, undefined, { audience: open.clientId, resource: bookings }),
        delegation(passed.accessToken),
      ]
      for (const parameters of widening) {
        const { result, changes } = await nothingElse(server.db, { audit: { added: 1 } }, () =>
          asked(parameters),
        )
        expect([result.status, await result.json()]).toMatchObject([400, { error: 'invalid_target' }])
        expect(JSON.stringify(changes.added.audit?.[0])).toContain('public_client_unproven')
      }
      for (const parameters of [
        delegation(own.accessToken, undefined, { scope: 'booking_read' }),
        delegation(forApi.accessToken),
        delegation(forApi.accessToken, undefined, { resource: bookings }),
      ]) {
        expect((await asked(parameters)).status).toBe(200)
      }
    })

    describe('userinfo', () => {
      const userinfo = (token: string, method = 'GET') =>
        server.request('/oauth2/userinfo', { method, headers: { Authorization: `Bearer ${token}` } })

      test('tells nothing to an API that a token was made for', async () => {
        const forApi = await userTokens(server, frontend, alice.id, { audience: [bookings] })
        const refused = await userinfo(forApi.accessToken)
        expect([refused.status, await refused.json()]).toMatchObject([401, { error: 'invalid_token' }])
        const forBoth = await userTokens(server, frontend, alice.id, {
          audience: [bookings, `${origin}/oauth2/userinfo`],
        })
        expect((await userinfo(forBoth.accessToken)).status).toBe(200)
      })

      test('leaves the row of a use by delegation, as our own APIs do', async () => {
        const subject = await userTokens(server, frontend, alice.id)
        const actor = await userTokens(server, frontend, bob.id)
        const { access_token } = await exchanged(
          server,
          frontend,
          delegation(subject.accessToken, actor.accessToken),
        )
        for (const method of ['GET', 'HEAD']) {
          const { result } = await nothingElse(server.db, {}, () => userinfo(access_token, method))
          expect(result.status).toBe(200)
        }
        const { result, changes } = await nothingElse(server.db, { audit: { added: 1 } }, () =>
          userinfo(access_token, 'POST'),
        )
        expect(await result.json()).toMatchObject({ sub: alice.id, act: { sub: bob.id } })
        expect(changes.added.audit?.[0]).toMatchObject({
          initiator: bob.id,
          target: alice.id,
          actor_id: bob.id,
          subject_id: alice.id,
          impersonation_id: null,
        })
      })
    })
  })
}
