/** Token exchange of access tokens (RFC 8693): who acts for whom, for whom it is, and how long; and every refusal. */
import { afterAll, beforeAll, describe, expect, setSystemTime, test } from 'bun:test'
import * as jose from 'jose'
import { bump, commit, write } from '../../lib/database/commit.ts'
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
  tokenExchange,
  tokenType,
} from '../scenario.ts'
import { leavingOnlyAudit } from '../token-exchange-snapshot.ts'
import {
  ask,
  bookings,
  bookingsToml,
  type Client,
  clientToken,
  createService,
  delegation,
  type Exchanged,
  exchanged,
  organization,
  type Parameters,
  rowOf,
  userTokens,
} from './exchanged-tokens.ts'
import { type Key, newKey } from './proof.ts'

for (const database of databases) {
  describe(`a token exchange of access tokens on ${database.name}`, () => {
    let server: Booted
    let scenario: Scenario
    let frontend: Client
    let backend: Client
    let alice: Person
    let bob: Person

    beforeAll(async () => {
      server = await boot(database, { toml: bookingsToml })
      scenario = await setUp(server)
      alice = await createPerson(server, 'Alice')
      bob = await createPerson(server, 'Bertram')
      frontend = await createService(server, 'FRONTEND', [alice.id, bob.id])
      backend = await createService(server, 'BACKEND', [alice.id])
    })
    afterAll(() => server.stop())

    const tokenOf = (person: Person, options = {}, client = frontend) =>
      userTokens(server, client, person.id, options)

    const lastRow = async () => (await server.audit()).at(-1)

    const expectRefusal = async (
      parameters: Parameters,
      {
        error,
        reason,
        description,
        status = 400,
      }: Readonly<Record<'error' | 'reason', string>> & {
        readonly description?: string
        readonly status?: number
      },
      client = frontend,
    ) => {
      const { result, rows } = await leavingOnlyAudit(server, () => ask(server, client, parameters))
      const body = (await result.json()) as { error: string; error_description: string }
      expect([result.status, body.error, rows[0]?.data.reason]).toEqual([status, error, reason])
      if (description !== undefined) expect(body.error_description).toBe(description)
      expect(body.error_description).toMatch(/^[\x20\x21\x23-\x5b\x5d-\x7e]+$/)
      expect(Object.keys(body).sort()).toEqual(['error', 'error_description'])
      expect(result.headers.get('cache-control')).toBe('no-store')
      expect(rows).toHaveLength(1)
      expect(rows[0]).toMatchObject({
        event: 'token-refused',
        initiator: client.clientId,
        outcome: 'Refused',
        application_id: client.applicationId,
      })
    }

    describe('gives', () => {
      test('the same user’s token of the same grant, in which nobody acts', async () => {
        const { accessToken, lineageId, sessionId, tokenId } = await tokenOf(alice)
        const body = await exchanged(server, frontend, delegation(accessToken))
        expect(body).toEqual({
          access_token: expect.any(String),
          issued_token_type: tokenType('access_token'),
          token_type: 'Bearer',
          scope: 'openid profile booking_read booking_write booking_cancel',
          expires_in: expect.any(Number),
        })
        expect(jose.decodeProtectedHeader(body.access_token).typ).toBe('at+jwt')
        expect(jose.decodeJwt(body.access_token)).toMatchObject({
          sub: alice.id,
          client_id: frontend.clientId,
          aud: frontend.clientId,
          aut: 'APPLICATION_USER',
        })
        expect(jose.decodeJwt(body.access_token)).not.toHaveProperty('act')
        expect(await rowOf(server, body.access_token)).toMatchObject({
          lineageId,
          sessionId,
          subjectId: alice.id,
          actor: null,
          actorId: null,
          impersonationId: null,
        })
        expect(await lastRow()).toMatchObject({
          event: 'delegated-token-issued',
          target: alice.id,
          outcome: 'Success',
          actor_id: null,
          application_id: frontend.applicationId,
          organization_id: organization.id,
          data: { clientId: frontend.clientId, subject: alice.id, from: tokenId },
        })
      })

      test('with an actor token the actor, by a user’s access token, a client’s, or an ID token', async () => {
        const { accessToken } = await tokenOf(alice)
        const actor = await tokenOf(bob)
        const byId = { actor_token: actor.idToken, actor_token_type: tokenType('id_token') }
        const ways = [
          [delegation(accessToken, actor.accessToken), bob.id],
          [delegation(accessToken, actor.accessToken, { actor_token_type: tokenType('jwt') }), bob.id],
          [delegation(accessToken, undefined, byId), bob.id],
          [delegation(accessToken, await clientToken(server, frontend)), frontend.clientId],
        ] as const
        for (const [parameters, sub] of ways) {
          const { access_token } = await exchanged(server, frontend, parameters)
          expect(jose.decodeJwt(access_token)).toMatchObject({ sub: alice.id, act: { sub } })
          expect(await rowOf(server, access_token)).toMatchObject({ actor: { sub }, actorId: sub })
          expect(await lastRow()).toMatchObject({
            event: 'delegated-token-issued',
            initiator: sub,
            actor_id: sub,
            subject_id: alice.id,
            data: { act: { sub } },
          })
        }
      })

      test('the former chain below a new actor, and the same chain without one or with the same one (RFC 8693, figure 6)', async () => {
        const { accessToken } = await tokenOf(alice, { audience: [backend.clientId] })
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
        const act = { sub: backend.clientId, act: { sub: frontend.clientId } }
        const claims = jose.decodeJwt(second.access_token)
        expect(claims).toMatchObject({ sub: alice.id, client_id: backend.clientId, aud: backend.clientId })
        expect(claims.act).toEqual(act)
        for (const actor of [undefined, await clientToken(server, backend)]) {
          const again = await exchanged(server, backend, delegation(second.access_token, actor))
          expect(jose.decodeJwt(again.access_token).act).toEqual(act)
        }
      })

      test('what was asked for: an opaque token, or a JWT', async () => {
        const opaque = await createService(server, 'OPAQUE', [alice.id], { accessToken: { type: 'Default' } })
        const { accessToken } = await userTokens(server, opaque, alice.id)
        const one = await exchanged(server, opaque, delegation(accessToken))
        expect([one.issued_token_type, one.access_token.includes('.')]).toEqual([
          tokenType('access_token'),
          false,
        ])
        const other = await exchanged(
          server,
          opaque,
          delegation(accessToken, undefined, { requested_token_type: tokenType('jwt') }),
        )
        expect(other.issued_token_type).toBe(tokenType('jwt'))
        expect(jose.decodeJwt(other.access_token).sub).toBe(alice.id)
      })

      test('an ID token of the sign-in, where nobody acts, that ends with the grant', async () => {
        const { accessToken, lineageId, sessionId } = await tokenOf(alice, { seconds: 600 })
        const body = await exchanged(
          server,
          frontend,
          delegation(accessToken, undefined, { requested_token_type: tokenType('id_token') }),
        )
        expect(body).toMatchObject({ issued_token_type: tokenType('id_token'), token_type: 'N_A' })
        expect(body.expires_in).toBeLessThanOrEqual(600)
        const claims = jose.decodeJwt(body.access_token)
        expect(claims).toMatchObject({ sub: alice.id, aud: frontend.clientId, sid: sessionId })
        expect(await rowOf(server, body.access_token)).toMatchObject({ class: 'id', lineageId })
      })

      test('a token for an API by its identifier, for a client, and for a resource', async () => {
        const { accessToken } = await tokenOf(alice)
        for (const [parameters, aud] of [
          [{ audience: bookings }, bookings],
          [{ audience: '/scim2/Users' }, '/scim2/Users'],
          [{ audience: backend.clientId }, backend.clientId],
          [{ resource: bookings }, bookings],
          [{ audience: backend.clientId, resource: bookings }, [backend.clientId, bookings]],
        ] as const) {
          const { access_token } = await exchanged(
            server,
            frontend,
            delegation(accessToken, undefined, parameters),
          )
          expect(jose.decodeJwt(access_token).aud).toEqual(aud as string)
        }
        const bound = await tokenOf(alice, { audience: [bookings] })
        const kept = await exchanged(server, frontend, delegation(bound.accessToken))
        expect(jose.decodeJwt(kept.access_token).aud).toBe(bookings)
      })

      test('less scope, never more, and only what the user may have in this client', async () => {
        const { accessToken } = await tokenOf(alice, { scopes: ['openid', 'booking_read', 'booking_write'] })
        const scopeOf = async (scope: string | undefined, client = frontend) =>
          (await exchanged(server, client, delegation(accessToken, undefined, { scope }))).scope
        expect(await scopeOf('booking_read')).toBe('booking_read')
        expect(await scopeOf('booking_read booking_cancel email')).toBe('booking_read')
        expect(await scopeOf(undefined)).toBe('openid booking_read booking_write')
        const impersonating = await tokenOf(alice, {
          scopes: ['openid', 'internal_user_impersonate', 'not_registered', 'booking_read'],
        })
        expect((await exchanged(server, frontend, delegation(impersonating.accessToken))).scope).toBe(
          'openid booking_read',
        )
        // bob has no role in the backend
        const ofBob = await tokenOf(bob, { audience: [backend.clientId] })
        expect((await exchanged(server, backend, delegation(ofBob.accessToken))).scope).toBe('openid profile')
      })

      test('no more time than the subject token, its grant and the application have', async () => {
        const expectEnd = async (options: object, seconds: number, client = frontend) => {
          const { accessToken } = await userTokens(server, client, alice.id, options)
          const { expires_in } = await exchanged(server, client, delegation(accessToken))
          expect(expires_in).toBeGreaterThan(seconds - 10)
          expect(expires_in).toBeLessThanOrEqual(seconds)
        }
        await expectEnd({ seconds: 100 }, 100)
        await expectEnd({ lineageSeconds: 50 }, 50)
        const brief = await createService(server, 'BRIEF', [alice.id], {
          accessToken: { type: 'JWT', userAccessTokenExpiryInSeconds: 30 },
        })
        await expectEnd({}, 30, brief)
      })

      test('a client less of what it has for itself', async () => {
        const own = await clientToken(server, frontend, { scopes: ['booking_read', 'booking_write'] })
        const body = await exchanged(
          server,
          frontend,
          delegation(own, undefined, { scope: 'booking_read', audience: bookings }),
        )
        expect(jose.decodeJwt(body.access_token)).toMatchObject({
          sub: frontend.clientId,
          aut: 'APPLICATION',
          scope: 'booking_read',
          aud: bookings,
        })
      })
    })

    describe('of an impersonated token', () => {
      test('keeps the impersonation and its actors, puts the new one on top, and only narrows', async () => {
        const { access_token } = await impersonate(server, scenario)
        const parent = await rowOf(server, access_token)
        const actor = await clientToken(server, scenario, { scopes: ['internal_user_mgt_view'] })
        const body = await exchanged(
          server,
          scenario,
          delegation(access_token, actor, { scope: 'internal_login internal_user_mgt_view' }),
        )
        expect(body.scope).toBe('internal_login internal_user_mgt_view')
        const row = await rowOf(server, body.access_token)
        expect(row).toMatchObject({
          impersonationId: parent.impersonationId,
          actorId: scenario.impersonator.id,
          lineageId: parent.lineageId,
          subjectId: scenario.subject.id,
        })
        expect(row.expiresAt.getTime()).toBeLessThanOrEqual(parent.expiresAt.getTime())
        const act = { sub: scenario.clientId, act: { sub: scenario.impersonator.id } }
        expect(jose.decodeJwt(body.access_token).act).toEqual(act)
        expect(await lastRow()).toMatchObject({
          event: 'delegated-token-issued',
          actor_id: scenario.clientId,
          impersonation_id: parent.impersonationId,
          data: { act },
        })
        const plain = await exchanged(server, scenario, delegation(access_token))
        expect(jose.decodeJwt(plain.access_token).act).toEqual({ sub: scenario.impersonator.id })
        // the end of the impersonation is the end of both
        await commit(server.db, [
          endLineage(server.db, parent.lineageId, { by: 'test', reason: 'ended' }, new Date()),
        ])
        for (const value of [access_token, body.access_token, plain.access_token]) {
          expect((await rowOf(server, value)).alive).toBe(false)
          await expectRefusal(
            delegation(value),
            { error: 'invalid_request', reason: 'subject_token_ended' },
            scenario,
          )
        }
      })

      test('is decided anew: nobody who lost the permission, or whose subject is locked, goes on', async () => {
        const { access_token } = await impersonate(server, scenario)
        await removeFromRole(server, scenario.impersonatorRole, scenario.impersonator.id)
        await expectRefusal(
          delegation(access_token),
          {
            error: 'invalid_request',
            reason: 'missing_permission',
            description: 'The impersonation was refused.',
          },
          scenario,
        )
        await addToRole(server, scenario.impersonatorRole, scenario.impersonator.id)
        await exchanged(server, scenario, delegation(access_token))
        await setLocked(server, scenario.subject.id, true)
        await expectRefusal(
          delegation(access_token),
          { error: 'invalid_request', reason: 'subject_token_ended' },
          scenario,
        )
        await setLocked(server, scenario.subject.id, false)
      })

      test('gives no ID token, and nothing to a client that may not impersonate', async () => {
        const { access_token } = await impersonate(server, scenario)
        await expectRefusal(
          delegation(access_token, undefined, { requested_token_type: tokenType('id_token') }),
          { error: 'invalid_request', reason: 'unsupported_token_type' },
          scenario,
        )
        const passed = await exchanged(
          server,
          scenario,
          delegation(access_token, undefined, { audience: backend.clientId }),
        )
        // the impersonator has no role in the backend
        await expectRefusal(
          delegation(passed.access_token),
          { error: 'invalid_request', reason: 'missing_permission' },
          backend,
        )
      })

      test('is no actor token, and neither is any other in which somebody acts', async () => {
        const { access_token } = await impersonate(server, scenario)
        const { accessToken } = await userTokens(server, scenario, alice.id)
        await expectRefusal(
          delegation(accessToken, access_token),
          { error: 'invalid_request', reason: 'actor_token_delegated' },
          scenario,
        )
        const delegated = await exchanged(
          server,
          frontend,
          delegation((await tokenOf(alice)).accessToken, await clientToken(server, frontend)),
        )
        await expectRefusal(delegation((await tokenOf(bob)).accessToken, delegated.access_token), {
          error: 'invalid_request',
          reason: 'actor_token_delegated',
        })
      })
    })

    describe('at our own APIs', () => {
      test('whoever acts by delegation may do no more than an impersonator', async () => {
        const { accessToken } = await tokenOf(alice, { scopes: ['openid', 'internal_user_mgt_view'] })
        const { access_token } = await exchanged(
          server,
          frontend,
          delegation(accessToken, (await tokenOf(bob)).accessToken),
        )
        const call = (value: string, method: string, path: string) =>
          server.request(path, {
            method,
            headers: { Authorization: `Bearer ${value}`, 'Content-Type': 'application/scim+json' },
            ...(method === 'GET' ? {} : { body: '{"schemas":[],"Operations":[]}' }),
          })
        expect((await call(access_token, 'GET', `/scim2/Users/${alice.id}`)).status).toBe(200)
        const { rows } = await leavingOnlyAudit(server, () =>
          call(access_token, 'PATCH', `/scim2/Users/${alice.id}`),
        )
        expect(rows.map(({ event, actor_id }) => [event, actor_id])).toEqual([
          ['resource-modification-via-impersonation', bob.id],
        ])
        await setLocked(server, bob.id, true)
        expect((await call(access_token, 'GET', `/scim2/Users/${alice.id}`)).status).toBe(401)
        await setLocked(server, bob.id, false)
      })
    })

    describe('of a token that is bound to a key', () => {
      /** The exchange with a proof, and once more with the nonce that the server asks for. */
      const proved = async (key: Key, parameters: Parameters, client = frontend) => {
        const attempt = async (nonce?: string) =>
          ask(server, client, parameters, {
            DPoP: await key.proof('POST', '/oauth2/token', nonce === undefined ? {} : { nonce }),
          })
        const first = await attempt()
        const nonce = first.headers.get('dpop-nonce')
        return first.status === 400 && nonce !== null ? attempt(nonce) : first
      }

      test('whoever proves the key has a token that is bound to it, nobody else has any', async () => {
        const [key, other] = [await newKey(), await newKey()]
        const { accessToken } = await tokenOf(alice, { confirmation: { jkt: key.jkt } })
        const good = await proved(key, delegation(accessToken))
        const body = (await good.json()) as Exchanged
        expect([good.status, body.token_type]).toEqual([200, 'DPoP'])
        expect(jose.decodeJwt(body.access_token).cnf).toEqual({ jkt: key.jkt })
        expect((await rowOf(server, body.access_token)).confirmation).toEqual({ jkt: key.jkt })
        const bad = await proved(other, delegation(accessToken))
        expect([bad.status, ((await bad.json()) as { error: string }).error]).toEqual([
          400,
          'invalid_request',
        ])
        expect((await lastRow())?.data.reason).toBe('subject_token_key_unproven')
      })

      test('an actor token wants its key, too, so tokens of two keys are never exchanged together', async () => {
        const [key, other] = [await newKey(), await newKey()]
        const subject = await tokenOf(alice, { confirmation: { jkt: key.jkt } })
        const same = await tokenOf(bob, { confirmation: { jkt: key.jkt } })
        const another = await tokenOf(bob, { confirmation: { jkt: other.jkt } })
        expect((await proved(key, delegation(subject.accessToken, same.accessToken))).status).toBe(200)
        expect((await proved(key, delegation(subject.accessToken, another.accessToken))).status).toBe(400)
        expect((await lastRow())?.data.reason).toBe('actor_token_key_unproven')
      })

      test('a subject token of an impersonation is one of them', async () => {
        const [key, other] = [await newKey(), await newKey()]
        const { subjectToken, idToken } = await obtainSubjectToken(server, scenario)
        const { id } = await rowOf(server, subjectToken)
        const confirmation = JSON.stringify({ jkt: key.jkt })
        const bound = server.db.updateTable('token').set({ confirmation }).where('id', '=', id)
        expect(await commit(server.db, [write(bound)])).toBe('committed')
        const parameters = {
          subject_token: subjectToken,
          subject_token_type: tokenType('jwt'),
          actor_token: idToken,
          actor_token_type: tokenType('id_token'),
        }
        for (const refuse of [
          () => ask(server, scenario, parameters),
          () => proved(other, parameters, scenario),
        ]) {
          expect((await refuse()).status).toBe(400)
          expect(await lastRow()).toMatchObject({
            event: 'impersonation-refused',
            data: { reason: 'subject_token_key_unproven' },
          })
        }
        const good = await proved(key, parameters, scenario)
        const body = (await good.json()) as Exchanged
        expect([good.status, body.token_type]).toEqual([200, 'DPoP'])
        expect(jose.decodeJwt(body.access_token)).toMatchObject({
          cnf: { jkt: key.jkt },
          act: { sub: scenario.impersonator.id },
        })
      })

      test('one that is not bound becomes bound by a proof', async () => {
        const key = await newKey()
        const { accessToken } = await tokenOf(alice)
        const body = (await (await proved(key, delegation(accessToken))).json()) as Exchanged
        expect(jose.decodeJwt(body.access_token).cnf).toEqual({ jkt: key.jkt })
      })
    })

    describe('refuses', () => {
      test('a subject token without its actor token, in every form of asking for it', async () => {
        const { subjectToken, idToken } = await obtainSubjectToken(server, scenario)
        for (const parameters of [
          { subject_token_type: tokenType('jwt') },
          { subject_token_type: tokenType('access_token') },
          { subject_token_type: tokenType('access_token'), requested_token_type: tokenType('access_token') },
        ]) {
          const { result, rows } = await leavingOnlyAudit(server, () =>
            ask(server, scenario, { subject_token: subjectToken, ...parameters }),
          )
          const description = 'Missing parameters: actor_token, actor_token_type'
          expect([result.status, await result.json(), rows]).toMatchObject([
            400,
            { error: 'invalid_request', error_description: description },
            [{ event: 'token-refused', data: { error: 'invalid_request', reason: description } }],
          ])
        }
        for (const actor of [await clientToken(server, scenario), idToken]) {
          const { result } = await leavingOnlyAudit(server, () =>
            ask(server, scenario, delegation(subjectToken, actor)),
          )
          expect(result.status).toBe(400)
        }
      })

      test('parameters that are missing, and an actor token type without its token', async () => {
        const { accessToken } = await tokenOf(alice)
        const whole = delegation(accessToken, (await tokenOf(bob)).accessToken)
        for (const name of ['subject_token', 'subject_token_type', 'actor_token', 'actor_token_type']) {
          for (const value of [undefined, '']) {
            const { result, rows } = await leavingOnlyAudit(server, () =>
              ask(server, frontend, { ...whole, [name]: value }),
            )
            const reason = `Missing parameters: ${name}`
            expect([await result.json(), rows]).toMatchObject([
              { error: 'invalid_request', error_description: reason },
              [
                {
                  event: 'token-refused',
                  data: { clientId: frontend.clientId, grantType: tokenExchange, reason },
                },
              ],
            ])
          }
        }
      })

      test('types that it does not know, naming them, and a JWT that is none', async () => {
        const { accessToken } = await tokenOf(alice)
        const actor = (await tokenOf(bob)).accessToken
        const reason = 'unsupported_token_type'
        for (const [name, words] of [
          ['subject_token_type', 'subject token type'],
          ['actor_token_type', 'actor token type'],
          ['requested_token_type', 'requested token type'],
        ] as const) {
          for (const type of ['refresh_token', 'saml1', 'saml2', 'x"y\\z']) {
            const given = type.startsWith('x') ? type : tokenType(type)
            await expectRefusal(delegation(accessToken, actor, { [name]: given }), {
              error: 'invalid_request',
              reason,
              description: `Unsupported ${words} : ${given.replace(/["\\]/g, '?')} provided`,
            })
          }
        }
        const opaque = await clientToken(
          server,
          await createService(server, 'OPAQUE_ACTOR', [], { accessToken: { type: 'Default' } }),
        )
        await expectRefusal(delegation(accessToken, opaque, { actor_token_type: tokenType('jwt') }), {
          error: 'invalid_request',
          reason,
        })
      })

      test('an ID token where it says nothing true: with an actor, without openid, for others, without a session', async () => {
        const requested_token_type = tokenType('id_token')
        const expected = { error: 'invalid_request', reason: 'unsupported_token_type' }
        const { accessToken } = await tokenOf(alice)
        const actor = await clientToken(server, frontend)
        await expectRefusal(delegation(accessToken, actor, { requested_token_type }), expected)
        await expectRefusal(
          delegation(accessToken, undefined, { requested_token_type, scope: 'profile' }),
          expected,
        )
        await expectRefusal(
          delegation(accessToken, undefined, { requested_token_type, audience: bookings }),
          expected,
        )
        const offline = await tokenOf(alice, { inSession: false })
        await expectRefusal(delegation(offline.accessToken, undefined, { requested_token_type }), expected)
        const passed = await tokenOf(alice, { audience: [backend.clientId] })
        await expectRefusal(
          delegation(passed.accessToken, undefined, { requested_token_type }),
          expected,
          backend,
        )
      })

      test('an audience and a resource that are not registered, or not the application’s', async () => {
        const { accessToken } = await tokenOf(alice)
        for (const audience of ['nobody', 'system:impersonation', `${bookings} x`, 'ä', 'x'.repeat(300)]) {
          await expectRefusal(delegation(accessToken, undefined, { audience }), {
            error: 'invalid_target',
            reason: 'audience_not_registered',
          })
        }
        for (const resource of ['https://elsewhere.example', `${bookings}#x`, 'relative', '/scim2/Users']) {
          await expectRefusal(delegation(accessToken, undefined, { resource }), {
            error: 'invalid_target',
            reason: 'resource_not_authorized',
          })
        }
      })

      test('a scope that is malformed, or of which the subject token has nothing', async () => {
        const { accessToken } = await tokenOf(alice, { scopes: ['openid'] })
        for (const [scope, reason] of [
          ['a"b', 'malformed_scope'],
          ['booking_read', 'scope_not_in_subject_token'],
        ] as const) {
          await expectRefusal(delegation(accessToken, undefined, { scope }), {
            error: 'invalid_scope',
            reason,
          })
        }
      })

      test('a token of another client that does not name this one, as subject and as actor', async () => {
        const ours = await tokenOf(alice)
        const theirs = await tokenOf(alice, {}, backend)
        await expectRefusal(delegation(theirs.accessToken), {
          error: 'invalid_target',
          reason: 'subject_token_of_another_client',
          description: 'Invalid audience values provided for subject token.',
        })
        await expectRefusal(delegation(ours.accessToken, await clientToken(server, backend)), {
          error: 'invalid_target',
          reason: 'actor_token_of_another_client',
          description: 'Invalid audience values provided for actor token.',
        })
        // what another client has for itself is its own, even when it is meant for this one
        const meant = await clientToken(server, backend, { audience: [frontend.clientId] })
        await expectRefusal(delegation(meant), {
          error: 'invalid_request',
          reason: 'subject_token_of_a_client',
        })
      })

      test('a token that is too old, has expired or was ended, as subject and as actor', async () => {
        const now = new Date(Date.now() - 4_000_000)
        const old = await tokenOf(alice, { now, seconds: 8000, lineageSeconds: 8000 })
        const expired = await tokenOf(alice, { now, seconds: 60, lineageSeconds: 8000 })
        const ended = await tokenOf(alice)
        await commit(server.db, [
          endLineage(server.db, ended.lineageId, { by: 'test', reason: 'ended' }, new Date()),
        ])
        const signedOut = await tokenOf(alice)
        await commit(server.db, [
          endLineage(server.db, signedOut.sessionId, { by: 'test', reason: 'ended' }, new Date()),
        ])
        const { accessToken } = await tokenOf(bob)
        for (const [token, what] of [
          [old, 'expired'],
          [expired, 'expired'],
          [ended, 'ended'],
          [signedOut, 'ended'],
        ] as const) {
          const error = 'invalid_request'
          await expectRefusal(delegation(token.accessToken), { error, reason: `subject_token_${what}` })
          await expectRefusal(delegation(accessToken, token.accessToken), {
            error,
            reason: `actor_token_${what}`,
          })
        }
      })

      test('an actor who is not active, the subject himself, and a chain without end', async () => {
        const { accessToken } = await tokenOf(alice)
        const actor = await tokenOf(bob)
        const lock = (value: string | null) =>
          commit(server.db, [
            write(
              server.db
                .updateTable('account')
                .set((eb) => ({ locked_at: value, version: eb('version', '+', 1) }))
                .where('id', '=', bob.id),
            ),
          ])
        await lock(new Date().toISOString())
        await expectRefusal(delegation(accessToken, actor.accessToken), {
          error: 'access_denied',
          reason: 'actor_inactive',
          description: 'Actor account is inactive.',
        })
        await expectRefusal(delegation(actor.accessToken), {
          error: 'invalid_request',
          reason: 'subject_inactive',
        })
        await lock(null)
        await expectRefusal(delegation(accessToken, (await tokenOf(alice)).accessToken), {
          error: 'invalid_request',
          reason: 'actor_is_subject',
        })
        const actors = [actor.accessToken, await clientToken(server, frontend)]
        let token = accessToken
        for (let depth = 1; depth <= 10; depth += 1) {
          token = (await exchanged(server, frontend, delegation(token, actors[depth % 2]))).access_token
        }
        await expectRefusal(delegation(token, actors[1]), {
          error: 'invalid_request',
          reason: 'actor_chain_too_long',
        })
      })

      test('a client whose application was switched off after it had the token', async () => {
        const third = await createService(server, 'THIRD', [alice.id])
        const { accessToken } = await userTokens(server, third, alice.id, { audience: [backend.clientId] })
        const set = (disabled_at: string | null) =>
          commit(server.db, [
            write(
              server.db.updateTable('application').set({ disabled_at }).where('id', '=', third.applicationId),
            ),
            bump,
          ])
        await set(new Date().toISOString())
        await expectRefusal(
          delegation(accessToken),
          { error: 'invalid_request', reason: 'subject_token_ended' },
          backend,
        )
        await set(null)
        await exchanged(server, backend, delegation(accessToken))
      })

      test('a bound token whose key the request does not prove, as subject and as actor', async () => {
        const confirmation = { jkt: 'x'.repeat(43) }
        const bound = await tokenOf(alice, { confirmation })
        await expectRefusal(delegation(bound.accessToken), {
          error: 'invalid_request',
          reason: 'subject_token_key_unproven',
        })
        const { accessToken } = await tokenOf(bob)
        await expectRefusal(delegation(accessToken, bound.accessToken), {
          error: 'invalid_request',
          reason: 'actor_token_key_unproven',
        })
      })

      test('every parameter that is repeated, far too long, no UTF-8 or nonsense, in the shape of RFC 6749', async () => {
        const { accessToken } = await tokenOf(alice)
        const whole = delegation(accessToken, (await tokenOf(bob)).accessToken, {
          grant_type: tokenExchange,
          requested_token_type: tokenType('jwt'),
          audience: bookings,
          resource: bookings,
          scope: 'booking_read',
        })
        const authorization = basic(frontend.clientId, frontend.clientSecret)
        const headers = {
          Authorization: authorization,
          'Content-Type': 'application/x-www-form-urlencoded',
        }
        const post = (body: string | Uint8Array<ArrayBuffer>) =>
          server.request('/oauth2/token', { method: 'POST', body, headers })
        const formOf = (parameters: Parameters) =>
          new URLSearchParams(
            Object.entries(parameters).filter((pair): pair is [string, string] => pair[1] !== undefined),
          ).toString()
        for (const name of Object.keys(whole)) {
          const rest = formOf({ ...whole, [name]: undefined })
          const bad: (string | Uint8Array<ArrayBuffer>)[] = [
            `${rest}&${name}=x&${name}=y`,
            `${rest}&${name}=${'x'.repeat(65_536)}`,
            `${rest}&${name}=${'x'.repeat(60_000)}`,
            `${rest}&${name}=%C3%28`,
            `${rest}&${name}=a%00b`,
            `${rest}&${name}=%22%5C%0A%E2%80%A8`,
            new Uint8Array([...new TextEncoder().encode(`${rest}&${name}=`), 0xc3, 0x28]),
          ]
          for (const body of bad) {
            const { result, rows } = await leavingOnlyAudit(server, () => post(body))
            const { error, error_description } = (await result.json()) as Record<string, string>
            expect([name, result.status]).toEqual([name, 400])
            expect(error).toMatch(/^(invalid_(request|scope|target)|unsupported_grant_type)$/)
            expect(error_description).toMatch(/^[\x20\x21\x23-\x5b\x5d-\x7e]{1,256}$/)
            for (const row of rows) expect(row.event).toBe('token-refused')
          }
        }
        expect((await post(formOf(whole))).status).toBe(200)
      })

      test('a client without the grant', async () => {
        const without = await createService(server, 'WITHOUT', [alice.id], {
          grantTypes: ['authorization_code'],
          subjectToken: { enable: false },
        })
        const { accessToken } = await userTokens(server, without, alice.id)
        const { result } = await leavingOnlyAudit(server, () => ask(server, without, delegation(accessToken)))
        expect([result.status, ((await result.json()) as { error: string }).error]).toEqual([
          400,
          'unauthorized_client',
        ])
      })

      test('every access token where the server exchanges subject tokens only', async () => {
        const toml = `${bookingsToml}\n[oauth.grant_type.token_exchange]\ndelegation = false`
        const strict = await boot(database, { beside: server, toml })
        try {
          const { accessToken } = await tokenOf(alice)
          const { result } = await leavingOnlyAudit(server, () =>
            ask(strict, frontend, delegation(accessToken)),
          )
          expect(await result.json()).toEqual({
            error: 'invalid_request',
            error_description: 'Missing parameters: actor_token, actor_token_type',
          })
          await exchanged(server, frontend, delegation(accessToken))
        } finally {
          await strict.stop()
        }
      })
    })

    test('of 100 who exchange while the grant is being ended none has a living token afterwards', async () => {
      const { accessToken, lineageId } = await tokenOf(alice)
      const actor = await clientToken(server, frontend)
      const racers = Array.from({ length: 100 }, () => ask(server, frontend, delegation(accessToken, actor)))
      const ended = commit(server.db, [
        endLineage(server.db, lineageId, { by: 'test', reason: 'ended' }, new Date()),
      ])
      const answers = await Promise.all(racers)
      expect(await ended).toBe('committed')
      const issued: string[] = []
      for (const answer of answers) {
        expect([200, 400]).toContain(answer.status)
        if (answer.status === 200)
          issued.push(((await answer.json()) as { access_token: string }).access_token)
      }
      for (const value of issued) expect((await rowOf(server, value)).alive).toBe(false)
      const rows = await server.db
        .selectFrom('token')
        .select('id')
        .where('lineage_id', '=', lineageId)
        .execute()
      expect(rows).toHaveLength(issued.length + 1)
      expect((await ask(server, frontend, delegation(accessToken, actor))).status).toBe(400)
    })

    test('a refusal by the clock is one at that instant: the last moment is good', async () => {
      const { accessToken } = await tokenOf(alice, { seconds: 60 })
      const end = (await rowOf(server, accessToken)).expiresAt.getTime()
      try {
        setSystemTime(end - 1000)
        expect((await exchanged(server, frontend, delegation(accessToken))).expires_in).toBe(1)
        setSystemTime(end)
        await expectRefusal(delegation(accessToken), {
          error: 'invalid_request',
          reason: 'subject_token_expired',
        })
      } finally {
        setSystemTime()
      }
    })
  })
}
