import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import * as jose from 'jose'
import { commit } from '../../lib/database/commit.ts'
import { halfHash } from '../../lib/tokens/id-token.ts'
import { endLineage } from '../../lib/tokens/lineage.ts'
import { findToken } from '../../lib/tokens/token.ts'
import { type Booted, boot } from '../boot.ts'
import { databases } from '../databases.ts'
import { nothingElse } from '../nothing-else.ts'
import { removeFromRole, setLocked } from '../scenario.ts'
import {
  type Client,
  challenge,
  newClient,
  newCode,
  newPerson,
  redeem,
  redirectUri,
  refusalOf,
  rowsSince,
  scope,
  tokensOf,
  verifier,
} from './granted.ts'

describe.each(databases)('authorization_code on $name', (database) => {
  let server: Booted
  let client: Client
  let other: Client
  let publicClient: Client
  let person: Awaited<ReturnType<typeof newPerson>>

  beforeAll(async () => {
    server = await boot(database)
    client = await newClient(server)
    other = await newClient(server)
    publicClient = await newClient(server, { publicClient: true })
    person = await newPerson(server, client)
  }, 60_000)
  afterAll(() => server.stop())

  const alive = async (value: string) => (await findToken(server.db, value, new Date()))?.alive ?? false

  test('it gives an access token, an ID token with at_hash, nonce and auth_time, and a refresh token', async () => {
    const code = await newCode(server, client, person)
    const { result, changes } = await nothingElse(
      server.db,
      { token: { added: 3 }, authorization_code: { changed: 1 }, audit: { added: 1 } },
      () => redeem(server, client, code.value),
    )
    expect(result.headers.get('cache-control')).toBe('no-store')
    const tokens = await tokensOf(result)
    expect(Object.keys(tokens)).toEqual([
      'access_token',
      'token_type',
      'expires_in',
      'scope',
      'id_token',
      'refresh_token',
    ])
    expect([tokens.token_type, tokens.scope, tokens.expires_in]).toEqual(['Bearer', scope, 3600])
    const access = jose.decodeJwt(tokens.access_token)
    expect(access).toMatchObject({
      sub: person.id,
      aut: 'APPLICATION_USER',
      client_id: client.clientId,
      aud: client.clientId,
      scope,
    })
    expect(access.act).toBeUndefined()
    const id = jose.decodeJwt(tokens.id_token ?? '')
    expect(id).toMatchObject({
      iss: access.iss ?? '',
      sub: person.id,
      aud: client.clientId,
      nonce: 'n-0S6_WzA2Mj',
      sid: code.sessionId,
      at_hash: halfHash(tokens.access_token, 'RS256'),
    })
    expect(Number(id.iat) - Number(id.auth_time)).toBeGreaterThanOrEqual(59)
    const [row] = changes.added.audit ?? []
    expect(row?.event).toBe('token-issued')
    // nothing that was given is in the database as it is
    const dump = JSON.stringify(changes)
    for (const secret of [tokens.access_token, tokens.refresh_token, code.value]) {
      expect(dump).not.toContain(secret ?? '')
    }
  })

  test('without openid there is no ID token, and without its grant no refresh token', async () => {
    const plain = await newClient(server, { grantTypes: ['authorization_code'] })
    const code = await newCode(server, plain, person, { scopes: ['profile'] })
    const tokens = await tokensOf(await redeem(server, plain, code.value))
    expect(Object.keys(tokens)).toEqual(['access_token', 'token_type', 'expires_in', 'scope'])
  })

  test('the scopes are those that the user may have now', async () => {
    const somebody = await newPerson(server, client)
    const code = await newCode(server, client, somebody)
    await removeFromRole(server, somebody.role, somebody.id)
    expect((await tokensOf(await redeem(server, client, code.value))).scope).toBe('openid profile')
  })

  test('a public client redeems it by its id and its verifier', async () => {
    const code = await newCode(server, publicClient, person)
    const body = new URLSearchParams({
      grant_type: 'authorization_code',
      client_id: publicClient.clientId,
      code: code.value,
      redirect_uri: redirectUri,
      code_verifier: verifier,
    })
    const response = await server.request('/oauth2/token', { method: 'POST', body })
    await tokensOf(response)
  })

  const refusals: readonly (readonly [
    string,
    Parameters<typeof newCode>[3],
    Parameters<typeof redeem>[3],
    string,
    string,
  ])[] = [
    [
      'another redirect URI',
      {},
      { redirect_uri: `${redirectUri}/` },
      'invalid_grant',
      'redirect_uri_differs',
    ],
    ['no redirect URI', {}, { redirect_uri: undefined }, 'invalid_grant', 'redirect_uri_differs'],
    [
      'a redirect URI that the request had not',
      { redirectUri: null },
      {},
      'invalid_grant',
      'redirect_uri_differs',
    ],
    ['no verifier', {}, { code_verifier: undefined }, 'invalid_grant', 'pkce_failed'],
    ['another verifier', {}, { code_verifier: 'w'.repeat(43) }, 'invalid_grant', 'pkce_failed'],
    ['the challenge as verifier', {}, { code_verifier: challenge.slice(5) }, 'invalid_grant', 'pkce_failed'],
    ['a verifier without a challenge', { codeChallenge: null }, {}, 'invalid_grant', 'pkce_failed'],
    ['another key', { confirmation: { jkt: 'k'.repeat(43) } }, {}, 'invalid_grant', 'another_key'],
    ['an expired code', { seconds: -1 }, {}, 'invalid_grant', 'expired'],
  ]
  test.each(refusals)('%s is refused', async (_, changes, fields, error, reason) => {
    const code = await newCode(server, client, person, changes)
    const known = (await server.audit()).length
    const { result } = await nothingElse(server.db, { audit: { added: 1 } }, () =>
      redeem(server, client, code.value, fields),
    )
    expect(await refusalOf(result)).toEqual([400, error])
    expect(await rowsSince(server, known)).toEqual([['token-refused', reason]])
  })

  test('a code of another client is refused, and its own client can still redeem it', async () => {
    const code = await newCode(server, client, person)
    expect(await refusalOf(await redeem(server, other, code.value))).toEqual([400, 'invalid_grant'])
    await tokensOf(await redeem(server, client, code.value))
    // nor can another client end what it gave
    const known = (await server.audit()).length
    expect(await refusalOf(await redeem(server, other, code.value))).toEqual([400, 'invalid_grant'])
    expect(await rowsSince(server, known)).toEqual([['token-refused', 'another_client']])
  })

  test('what was never issued is refused, and leaves its row', async () => {
    const known = (await server.audit()).length
    const { result } = await nothingElse(server.db, { audit: { added: 1 } }, () =>
      redeem(server, client, 'x'.repeat(43)),
    )
    expect(await refusalOf(result)).toEqual([400, 'invalid_grant'])
    expect(await rowsSince(server, known)).toEqual([['token-refused', 'unknown']])
  })

  test('a locked account, an ended session and an ended grant give nothing', async () => {
    const somebody = await newPerson(server, client)
    const [locked, session, grant] = [
      await newCode(server, client, somebody),
      await newCode(server, client, person, { offline: true }),
      await newCode(server, client, person),
    ]
    await setLocked(server, somebody.id, true)
    const now = new Date()
    await commit(server.db, [
      endLineage(server.db, session.sessionId, { by: 'test', reason: 'ended' }, now),
      endLineage(server.db, grant.lineageId, { by: 'test', reason: 'ended' }, now),
    ])
    for (const { value } of [locked, session, grant]) {
      expect(await refusalOf(await redeem(server, client, value))).toEqual([400, 'invalid_grant'])
    }
  })

  test('a second time is refused and ends all that it gave, with its audit row', async () => {
    const code = await newCode(server, client, person)
    const tokens = await tokensOf(await redeem(server, client, code.value))
    const values = [tokens.access_token, tokens.refresh_token ?? '', tokens.id_token ?? '']
    expect(await Promise.all(values.map(alive))).toEqual([true, true, true])
    const known = (await server.audit()).length
    const { result } = await nothingElse(server.db, { lineage: { changed: 1 }, audit: { added: 1 } }, () =>
      redeem(server, client, code.value),
    )
    expect(await refusalOf(result)).toEqual([400, 'invalid_grant'])
    expect(await rowsSince(server, known)).toEqual([['authorization-code-replayed', null]])
    expect(await Promise.all(values.map(alive))).toEqual([false, false, false])
  })

  test('of a hundred who race for a code at most one has tokens, and they end with the replay', async () => {
    const code = await newCode(server, client, person)
    const known = (await server.audit()).length
    const answers = await Promise.all(Array.from({ length: 100 }, () => redeem(server, client, code.value)))
    const won = answers.filter(({ status }) => status === 200)
    expect(won).toHaveLength(1)
    expect(answers.filter(({ status }) => status === 400 || status === 503)).toHaveLength(99)
    const rows = await rowsSince(server, known)
    expect(rows).toHaveLength(100)
    expect(rows.filter(([event]) => event === 'token-issued')).toHaveLength(1)
    expect(await alive((await tokensOf(won[0] as Response)).access_token)).toBe(false)
  }, 60_000)

  test('a resource may be one of those that were asked for, and no other', async () => {
    const code = await newCode(server, client, person)
    const response = await redeem(server, client, code.value, { resource: 'https://api.example/' })
    expect(await refusalOf(response)).toEqual([400, 'invalid_target'])
  })

  test('with offline_access it outlives the session, without it does not', async () => {
    const [bound, offline] = [
      await newCode(server, client, person),
      await newCode(server, client, person, { offline: true }),
    ]
    const [first, second] = [
      await tokensOf(await redeem(server, client, bound.value)),
      await tokensOf(await redeem(server, client, offline.value)),
    ]
    expect(second.scope).toContain('offline_access')
    const now = new Date()
    for (const { sessionId } of [bound, offline]) {
      await commit(server.db, [endLineage(server.db, sessionId, { by: 'test', reason: 'ended' }, now)])
    }
    expect(await alive(first.refresh_token ?? '')).toBe(false)
    expect(await alive(second.refresh_token ?? '')).toBe(true)
  })
})
