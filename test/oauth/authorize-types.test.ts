/** What each response type answers, where, in which mode, for which application, and what it leaves behind. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import * as jose from 'jose'
import { passwordContext } from '../../lib/oauth/authentication-context.ts'
import { halfHash } from '../../lib/tokens/id-token.ts'
import { readAnswer } from '../authorize-answer.ts'
import { type Booted, boot, origin } from '../boot.ts'
import { type Browser, newBrowser } from '../browser.ts'
import { databases } from '../databases.ts'
import { nothingElse } from '../nothing-else.ts'
import { createPerson, logIn, type Person, redirectUri } from '../scenario.ts'
import {
  type Client,
  createClient,
  delivered,
  errorOf,
  everyGrant,
  requestOf,
  signedIn,
} from './authorizing.ts'

const issuer = `${origin}/oauth2/token`

const types = {
  code: { place: 'query', gives: ['code'] },
  token: { place: 'fragment', gives: ['access_token', 'token_type', 'expires_in', 'scope'] },
  id_token: { place: 'fragment', gives: ['id_token'] },
  'id_token token': {
    place: 'fragment',
    gives: ['id_token', 'access_token', 'token_type', 'expires_in', 'scope'],
  },
  'code id_token': { place: 'fragment', gives: ['id_token', 'code'] },
  'code token': { place: 'fragment', gives: ['code', 'access_token', 'token_type', 'expires_in', 'scope'] },
  'code id_token token': {
    place: 'fragment',
    gives: ['id_token', 'code', 'access_token', 'token_type', 'expires_in', 'scope'],
  },
  none: { place: 'query', gives: [] },
} as const

for (const database of databases) {
  describe(`on ${database.name}, a response type`, () => {
    let server: Booted
    let person: Person
    let client: Client
    let browser: Browser

    beforeAll(async () => {
      server = await boot(database)
      person = await createPerson(server, 'AdaLovelace')
      client = await createClient(server)
      browser = await signedIn(server, client, person)
    })
    afterAll(() => server.stop())

    const verified = async (jwt: string, typ?: string) => {
      const keys = jose.createLocalJWKSet(server.keys.jwks() as jose.JSONWebKeySet)
      const { payload, protectedHeader } = await jose.jwtVerify(jwt, keys, {
        issuer,
        audience: client.clientId,
      })
      expect(protectedHeader.typ).toBe(typ as string)
      return payload
    }

    test('a public client proves itself where there is something to redeem, and nowhere else', async () => {
      const page = await createClient(server, { publicClient: true })
      const its = await signedIn(server, client, person)
      for (const response_type of Object.keys(types)) {
        const answer = await delivered(its, page, { response_type })
        const redeemed = response_type.split(' ').includes('code')
        expect([response_type, answer.parameters.error]).toEqual([
          response_type,
          redeemed ? 'invalid_request' : undefined,
        ])
      }
    })

    for (const [response_type, { place, gives }] of Object.entries(types)) {
      test(`${response_type} gives what it names, at its place, and leaves one audit row`, async () => {
        const words = response_type.split(' ')
        const has = (word: string) => words.includes(word)
        const tokens = Number(has('token')) + Number(has('id_token'))
        const allowed = {
          ...(response_type === 'none' ? {} : { audit: { added: 1 } }),
          ...(has('code') ? { authorization_code: { added: 1 } } : {}),
          ...(has('code') || has('token') ? { lineage: { added: 1 } } : {}),
          ...(tokens > 0 ? { token: { added: tokens } } : {}),
        }
        const { result, changes } = await nothingElse(server.db, allowed, () =>
          delivered(browser, client, { response_type }),
        )
        expect([result.place, result.to]).toEqual([place, redirectUri])
        const names = Object.keys(result.parameters)
        const isId = (name: string) => name === 'id_token'
        expect(names).toEqual([
          ...gives.filter(isId),
          'session_state',
          'state',
          ...gives.filter((name) => !isId(name)),
          'iss',
        ])
        const { id_token, access_token, code, state, iss } = result.parameters
        expect([state, iss]).toEqual(['s1', issuer])
        if (response_type !== 'none') {
          expect(changes.added.audit?.[0]).toMatchObject({
            event: has('code') ? 'authorization-code-issued' : 'token-issued',
            initiator: person.id,
            target: client.clientId,
            outcome: 'Success',
          })
        }
        // nothing that was issued is in the database as it went out
        const rows = JSON.stringify(changes)
        for (const value of [id_token, access_token, code]) if (value) expect(rows).not.toContain(value)
        if (id_token !== undefined) {
          expect(await verified(id_token)).toMatchObject({
            sub: person.id,
            nonce: 'n1',
            acr: passwordContext,
            auth_time: expect.any(Number),
            ...(access_token === undefined ? {} : { at_hash: halfHash(access_token, 'RS256') }),
            ...(code === undefined ? {} : { c_hash: halfHash(code, 'RS256') }),
          })
        }
        if (access_token !== undefined) {
          expect(await verified(access_token, 'at+jwt')).toMatchObject({ sub: person.id, scope: 'openid' })
          expect(result.parameters).toMatchObject({
            token_type: 'Bearer',
            expires_in: '3600',
            scope: 'openid',
          })
        }
      })
    }

    test('in other words’ order is the same type; repeated or unknown words are none', async () => {
      const { parameters } = await delivered(browser, client, { response_type: 'token code id_token' })
      expect(Object.keys(parameters)).toEqual(expect.arrayContaining(['code', 'id_token', 'access_token']))
      for (const response_type of ['code code', 'code  id_token', 'Code', 'id_token none', 'code foo']) {
        expect(await errorOf(browser, client, { response_type })).toBe('unsupported_response_type')
      }
    })

    test('with an ID token needs a nonce and openid', async () => {
      for (const response_type of Object.keys(types)) {
        const needs = response_type.split(' ').includes('id_token') ? 'invalid_request' : 'answered'
        expect(await errorOf(browser, client, { response_type, nonce: undefined })).toBe(needs)
        expect(await errorOf(browser, client, { response_type, scope: 'profile' })).toBe(needs)
      }
    })

    test('is refused where the application’s grants do not allow it', async () => {
      const refused = async (oidc: Readonly<Record<string, unknown>>) => {
        const other = await createClient(server, oidc)
        const seen: string[] = []
        for (const response_type of Object.keys(types)) {
          const error = await errorOf(newBrowser(server), other, { response_type })
          if (error === 'unauthorized_client') seen.push(response_type)
          else expect(error).toBe('login')
        }
        return seen
      }
      const implicit = ['token', 'id_token', 'id_token token']
      const hybrids = ['code id_token', 'code token', 'code id_token token']
      const codeOnly = { grantTypes: ['authorization_code'] }
      expect(await refused({ ...codeOnly, hybridFlow: { enable: false } })).toEqual([...implicit, ...hybrids])
      expect(
        await refused({ ...codeOnly, hybridFlow: { enable: true, responseType: 'code token' } }),
      ).toEqual([...implicit, 'code id_token', 'code id_token token'])
      expect(await refused({ grantTypes: ['implicit'] })).toEqual(['code', ...hybrids])
      expect(await refused({ grantTypes: ['refresh_token'] })).toEqual(Object.keys(types))
      // what a client registered is what it may use
      const registered = { grantTypes: everyGrant, mayact: { responseTypes: ['code', 'id_token code'] } }
      expect(await refused({ ...registered, hybridFlow: { enable: false } })).toEqual([
        ...implicit,
        'code token',
        'code id_token token',
        'none',
      ])
    })

    describe('in a mode', () => {
      for (const response_mode of ['jwt', 'query.jwt', 'fragment.jwt', 'form_post.jwt']) {
        test(`${response_mode} is one JWT for this client and nothing else`, async () => {
          const { place, parameters } = await delivered(browser, client, { response_mode })
          const wanted = response_mode === 'jwt' ? 'query' : response_mode.slice(0, -'.jwt'.length)
          expect([place as string, Object.keys(parameters)]).toEqual([wanted, ['response']])
          const payload = await verified(parameters.response ?? '', 'oauth-authz-resp+jwt')
          const { iat = 0, exp = 0 } = payload
          expect(exp - iat).toBe(600)
          expect(payload).toMatchObject({
            state: 's1',
            code: expect.any(String),
            session_state: expect.any(String),
          })
          // a refusal comes the same way
          const refused = await delivered(browser, client, { response_mode, prompt: 'none', max_age: '0' })
          expect([refused.place as string, Object.keys(refused.parameters)]).toEqual([wanted, ['response']])
          expect(await verified(refused.parameters.response ?? '', 'oauth-authz-resp+jwt')).toMatchObject({
            error: 'login_required',
            state: 's1',
          })
        })
      }

      test('jwt of an implicit flow is in the fragment', async () => {
        const response_type = 'id_token token'
        const { place, parameters } = await delivered(browser, client, {
          response_type,
          response_mode: 'jwt',
        })
        expect(place).toBe('fragment')
        expect(Object.keys(await verified(parameters.response ?? '', 'oauth-authz-resp+jwt'))).toContain(
          'id_token',
        )
      })

      test('query never carries a token, and unknown modes are refused at the usual place', async () => {
        for (const response_type of ['token', 'id_token', 'code id_token', 'code token']) {
          for (const response_mode of ['query', 'query.jwt']) {
            const answer = await delivered(browser, client, { response_type, response_mode })
            expect(answer.place).toBe('fragment')
            const { error, response } = answer.parameters
            const said = response === undefined ? error : jose.decodeJwt(response).error
            expect(said).toBe('invalid_request')
          }
        }
        for (const response_mode of ['web_message', 'JWT', 'jwt.', '.jwt', 'form_post.JWT']) {
          const answer = await delivered(browser, client, { response_mode })
          expect([answer.place, answer.parameters.error]).toEqual(['query', 'invalid_request'])
        }
      })

      test('fragment and form_post carry a code as well', async () => {
        for (const response_mode of ['fragment', 'form_post'] as const) {
          const { place, parameters } = await delivered(browser, client, { response_mode })
          expect([place, Object.keys(parameters)]).toEqual([
            response_mode,
            ['session_state', 'state', 'code', 'iss'],
          ])
        }
      })
    })

    test('of a resumed sign-in has one winner of 100', async () => {
      const other = newBrowser(server)
      const paused = await other.get(requestOf(client))
      const login = await readAnswer(paused.clone() as Response)
      if (login.place !== 'login') throw new Error('no login page')
      await other.post('/commonauth', {
        username: person.userName,
        password: person.password,
        sessionDataKey: login.key,
      })
      const { changes } = await nothingElse(
        server.db,
        {
          audit: { added: 1 },
          authorization_code: { added: 1 },
          lineage: { added: 1 },
          interaction: { changed: 1 },
          session_application: { added: 1 },
        },
        () =>
          Promise.all(
            Array.from({ length: 100 }, () => other.get(`/oauth2/authorize?sessionDataKey=${login.key}`)),
          ),
      )
      expect(changes.added.authorization_code).toHaveLength(1)
    })

    test('is not given to somebody who was locked meanwhile', async () => {
      const late = await createPerson(server, 'LateComer')
      const other = newBrowser(server)
      expect((await logIn(other, await other.get(requestOf(client)), late)).status).toBe(302)
      const body = {
        schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
        Operations: [{ op: 'replace', value: { 'urn:scim:wso2:schema': { accountLocked: true } } }],
      }
      expect((await server.send('PATCH', `/scim2/Users/${late.id}`, body)).status).toBe(200)
      expect(await errorOf(other, client)).toBe('login')
      expect(await errorOf(other, client, { prompt: 'none' })).toBe('login_required')
    })
  })
}
