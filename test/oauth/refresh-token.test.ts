import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import * as jose from 'jose'
import { commit, write } from '../../lib/database/commit.ts'
import { endLineage } from '../../lib/tokens/lineage.ts'
import { type FoundToken, findToken } from '../../lib/tokens/token.ts'
import { type Booted, boot } from '../boot.ts'
import { databases } from '../databases.ts'
import { nothingElse } from '../nothing-else.ts'
import { removeFromRole, sender, setLocked } from '../scenario.ts'
import {
  type Client,
  newClient,
  newCode,
  newPerson,
  redeem,
  refresh,
  refusalOf,
  rowsSince,
  scope,
  type Tokens,
  tokensOf,
} from './granted.ts'

describe.each(databases)('refresh_token on $name', (database) => {
  let server: Booted
  let strict: Booted
  let client: Client
  let other: Client
  let keeping: Client
  let person: Awaited<ReturnType<typeof newPerson>>

  beforeAll(async () => {
    server = await boot(database)
    // the same database without a grace
    strict = await boot(database, {
      toml: '[oauth.grant_type.refresh_token]\nreuse_grace = 0\n',
      beside: { directory: server.directory, config: server.config },
    })
    client = await newClient(server)
    other = await newClient(server)
    keeping = await newClient(server, { refreshToken: { renewRefreshToken: false } })
    person = await newPerson(server, client)
  }, 60_000)
  afterAll(async () => {
    await strict.stop()
    await server.stop()
  })

  const found = async (value: string | undefined): Promise<FoundToken> => {
    const token = await findToken(server.db, value ?? '', new Date())
    if (!token) throw new Error('no such token')
    return token
  }
  const alive = async (value: string | undefined) => (await found(value)).alive
  const begin = async (of = client, changes: Parameters<typeof newCode>[3] = {}) => {
    const code = await newCode(server, of, person, changes)
    return { ...(await tokensOf(await redeem(server, of, code.value))), ...code } as Tokens &
      typeof code & { refresh_token: string }
  }

  test('it rotates, with the same sub, auth_time and iss, and no nonce', async () => {
    const first = await begin()
    const { result } = await nothingElse(
      server.db,
      { token: { added: 3, changed: 1 }, audit: { added: 1 } },
      () => refresh(server, client, first.refresh_token),
    )
    const second = await tokensOf(result)
    expect(second.scope).toBe(scope)
    expect(second.refresh_token).not.toBe(first.refresh_token)
    const [before, after] = [first.id_token, second.id_token].map((token) => jose.decodeJwt(token ?? ''))
    for (const claim of ['iss', 'sub', 'aud', 'auth_time', 'sid'])
      expect(after?.[claim]).toBe(before?.[claim])
    expect([before?.nonce, after?.nonce]).toEqual(['n-0S6_WzA2Mj', undefined])
    expect(after?.at_hash).not.toBe(before?.at_hash)
    // the end of the family stays where it was
    const [old, renewed] = [await found(first.refresh_token), await found(second.refresh_token)]
    expect(renewed.expiresAt).toEqual(old.expiresAt)
    expect([renewed.follows, renewed.scopes]).toEqual([old.id, old.scopes])
  })

  test('it keeps the same one where the application says so', async () => {
    const first = await begin(keeping)
    for (let n = 0; n < 3; n += 1) {
      const again = await tokensOf(await refresh(server, keeping, first.refresh_token))
      expect(again.refresh_token).toBe(first.refresh_token)
    }
  })

  test('one of a public client that is bound to no key is rotated, whatever the application says', async () => {
    const open = await newClient(server, {
      publicClient: true,
      refreshToken: { renewRefreshToken: false },
    })
    const code = await newCode(server, open, person)
    const byId = { ...open, clientSecret: '' }
    const first = await tokensOf(await redeem(server, byId, code.value))
    const second = await tokensOf(await refresh(server, byId, first.refresh_token ?? ''))
    expect(second.refresh_token).not.toBe(first.refresh_token)
  })

  test('its end moves only where the application says so', async () => {
    const extending = await newClient(server, {
      refreshToken: { expiryInSeconds: 600, extendRenewedRefreshTokenExpiryTime: true },
    })
    const first = await begin(extending)
    await Bun.sleep(20)
    const second = await tokensOf(await refresh(server, extending, first.refresh_token))
    const [old, renewed] = [await found(first.refresh_token), await found(second.refresh_token)]
    expect(renewed.expiresAt > old.expiresAt).toBe(true)
    expect(renewed.lineageEndsAt >= renewed.expiresAt).toBe(true)
  })

  test('scope narrows the access token and never widens, and the next one is whole again', async () => {
    const first = await begin()
    const narrowed = await tokensOf(
      await refresh(server, client, first.refresh_token, { scope: 'internal_user_mgt_view' }),
    )
    expect([narrowed.scope, narrowed.id_token]).toEqual(['internal_user_mgt_view', undefined])
    for (const wide of [`${scope} email`, 'internal_user_mgt_delete', 'openid "']) {
      const answer = await refresh(server, client, narrowed.refresh_token ?? '', { scope: wide })
      expect(await refusalOf(answer)).toEqual([400, 'invalid_scope'])
    }
    const whole = await tokensOf(await refresh(server, client, narrowed.refresh_token ?? ''))
    expect(whole.scope).toBe(scope)
  })

  test('the scopes are those that the user may have now', async () => {
    const somebody = await newPerson(server, client)
    const code = await newCode(server, client, somebody)
    const first = await tokensOf(await redeem(server, client, code.value))
    await removeFromRole(server, somebody.role, somebody.id)
    const second = await tokensOf(await refresh(server, client, first.refresh_token ?? ''))
    expect(second.scope).toBe('openid profile')
  })

  test('a lost answer may be repeated while what it gave is unused; the lost one is worthless', async () => {
    const first = await begin()
    const lost = await tokensOf(await refresh(server, client, first.refresh_token))
    const again = await tokensOf(await refresh(server, client, first.refresh_token))
    expect(again.refresh_token).not.toBe(lost.refresh_token)
    expect((await found(lost.refresh_token)).spentAt).not.toBeNull()
    await tokensOf(await refresh(server, client, again.refresh_token ?? ''))
    // now its successor was used
    const known = (await server.audit()).length
    expect(await refusalOf(await refresh(server, client, first.refresh_token))).toEqual([
      400,
      'invalid_grant',
    ])
    expect(await rowsSince(server, known)).toEqual([['refresh-token-reused', null]])
  })

  test('reuse ends the family, with its audit row, and once ended nothing of it is alarming any more', async () => {
    const first = await begin()
    const second = await tokensOf(await refresh(strict, client, first.refresh_token))
    const known = (await server.audit()).length
    const { result } = await nothingElse(server.db, { lineage: { changed: 1 }, audit: { added: 1 } }, () =>
      refresh(strict, client, first.refresh_token),
    )
    expect(await refusalOf(result)).toEqual([400, 'invalid_grant'])
    expect(await rowsSince(server, known)).toEqual([['refresh-token-reused', null]])
    for (const value of [first.access_token, second.access_token, second.refresh_token, second.id_token]) {
      expect(await alive(value)).toBe(false)
    }
    for (const value of [first.refresh_token, second.refresh_token ?? '']) {
      expect(await refusalOf(await refresh(server, client, value))).toEqual([400, 'invalid_grant'])
    }
    expect((await rowsSince(server, known)).slice(1)).toEqual([
      ['token-refused', 'ended'],
      ['token-refused', 'ended'],
    ])
  })

  test.each([
    ['of another client', 'another_client'],
    ['of an ended session', 'ended'],
    ['of an account that somebody locked in the database', 'account_inactive'],
  ])('one %s is refused with its audit row', async (_, reason) => {
    const somebody = reason === 'account_inactive' ? await newPerson(server, client) : person
    const code = await newCode(server, client, somebody, { offline: reason === 'account_inactive' })
    const { refresh_token = '' } = await tokensOf(await redeem(server, client, code.value))
    if (reason === 'ended') {
      await commit(server.db, [
        endLineage(server.db, code.sessionId, { by: 'test', reason: 'ended' }, new Date()),
      ])
    }
    if (reason === 'account_inactive') {
      const locked_at = new Date().toISOString()
      const lock = server.db.updateTable('account').set({ locked_at }).where('id', '=', somebody.id)
      await commit(server.db, [write(lock)])
    }
    const known = (await server.audit()).length
    const by = reason === 'another_client' ? other : client
    const { result } = await nothingElse(server.db, { audit: { added: 1 } }, () =>
      refresh(server, by, refresh_token),
    )
    expect(await refusalOf(result)).toEqual([400, 'invalid_grant'])
    expect(await rowsSince(server, known)).toEqual([['token-refused', reason]])
  })

  test('nothing else is a refresh token', async () => {
    const first = await begin()
    for (const value of [first.access_token, first.id_token ?? '', first.value, 'x'.repeat(43)]) {
      const known = (await server.audit()).length
      const { result } = await nothingElse(server.db, { audit: { added: 1 } }, () =>
        refresh(server, client, value),
      )
      expect(await refusalOf(result)).toEqual([400, 'invalid_grant'])
      expect(await rowsSince(server, known)).toEqual([['token-refused', 'unknown']])
    }
    const none = await refresh(server, client, '')
    expect(await refusalOf(none)).toEqual([400, 'invalid_request'])
  })

  test('a client that lost the grant refreshes no more', async () => {
    const leaving = await newClient(server)
    const first = await begin(leaving)
    const path = `/api/server/v1/applications/${leaving.applicationId}/inbound-protocols/oidc`
    const model = (await (await server.send('GET', path)).json()) as Record<string, unknown>
    const changed = await server.send('PUT', path, { ...model, grantTypes: ['authorization_code'] })
    expect(changed.status).toBe(200)
    const answer = await refresh(server, leaving, first.refresh_token)
    expect(await refusalOf(answer)).toEqual([400, 'unauthorized_client'])
  })

  test('a lock and a new password end the grant for good, even one that outlives its session', async () => {
    for (const offline of [false, true]) {
      for (const change of ['lock', 'password'] as const) {
        const somebody = await newPerson(server, client)
        const code = await newCode(server, client, somebody, { offline })
        const first = await tokensOf(await redeem(server, client, code.value))
        const second = await tokensOf(await refresh(server, client, first.refresh_token ?? ''))
        if (change === 'lock') {
          await setLocked(server, somebody.id, true)
          await setLocked(server, somebody.id, false)
        } else {
          const Operations = [{ op: 'replace', value: { password: 'Another-Wonder-4711' } }]
          const body = { schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'], Operations }
          expect((await sender(server)('PATCH', `/scim2/Users/${somebody.id}`, body)).status).toBe(200)
        }
        const { refresh_token, access_token } = second
        expect([change, offline, await alive(access_token), await alive(refresh_token)]).toEqual([
          change,
          offline,
          false,
          false,
        ])
        expect(await refusalOf(await refresh(server, client, refresh_token ?? ''))).toEqual([
          400,
          'invalid_grant',
        ])
      }
    }
    // and nobody else's
    const other = await begin(client, { offline: true })
    await setLocked(server, (await newPerson(server, client)).id, true)
    expect(await alive(other.refresh_token)).toBe(true)
  })

  test('of a hundred who race for one, without a grace one has tokens and the family ends', async () => {
    const first = await begin()
    const answers = await Promise.all(
      Array.from({ length: 100 }, () => refresh(strict, client, first.refresh_token)),
    )
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    expect(await alive(first.access_token)).toBe(false)
  }, 60_000)

  test('of a hundred who race for one, with a grace one unspent successor is left', async () => {
    const first = await begin()
    const answers = await Promise.all(
      Array.from({ length: 100 }, () => refresh(server, client, first.refresh_token)),
    )
    const tokens = await Promise.all(
      answers.filter(({ status }) => status === 200).map((response) => tokensOf(response)),
    )
    expect(tokens.length).toBeGreaterThan(0)
    const rows = await Promise.all(tokens.map(({ refresh_token }) => found(refresh_token)))
    expect(rows.filter(({ spentAt, alive }) => alive && spentAt === null)).toHaveLength(1)
  }, 60_000)

  test('whatever is done in whatever order, scope never widens and nothing outlives its parent', async () => {
    type Step =
      | { readonly do: 'refresh'; readonly which: number; readonly scope: readonly string[] | undefined }
      | { readonly do: 'revoke' | 'logout' }
    const all = scope.split(' ')
    const step: fc.Arbitrary<Step> = fc.oneof(
      {
        weight: 8,
        arbitrary: fc.record({
          do: fc.constant('refresh' as const),
          which: fc.nat({ max: 20 }),
          scope: fc.option(fc.subarray([...all, 'email', 'internal_user_mgt_delete'], { minLength: 1 }), {
            nil: undefined,
          }),
        }),
      },
      { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('revoke' as const, 'logout' as const) }) },
    )
    const run = async (steps: readonly Step[], offline: boolean, on: Booted) => {
      const first = await begin(client, { offline })
      const granted = offline ? [...all, 'offline_access'] : all
      const given: Tokens[] = [first]
      const spent = new Set<string>()
      let ended = false
      for (const one of steps) {
        if (one.do !== 'refresh') {
          const id = one.do === 'revoke' ? first.lineageId : first.sessionId
          await commit(server.db, [endLineage(server.db, id, { by: 'test', reason: 'ended' }, new Date())])
          ended ||= one.do === 'revoke' || !offline
          continue
        }
        const token = given[one.which % given.length]?.refresh_token ?? ''
        const answer = await refresh(on, client, token, { scope: one.scope?.join(' ') })
        if (answer.status === 200) {
          expect(ended).toBe(false)
          if (on === strict) expect(spent.has(token)).toBe(false)
          spent.add(token)
          const tokens = await tokensOf(answer)
          const asked = one.scope ?? granted
          for (const name of tokens.scope.split(' ')) {
            expect(granted).toContain(name)
            expect(asked).toContain(name)
          }
          given.push(tokens)
        } else {
          expect(answer.status).toBe(400)
          const { error } = (await answer.json()) as { error: string }
          const isWide = one.scope?.some((name) => !granted.includes(name)) ?? false
          expect(['invalid_grant', ...(isWide ? ['invalid_scope'] : [])]).toContain(error)
          if (error === 'invalid_grant') ended ||= !(await alive(first.access_token))
        }
      }
      for (const { access_token, refresh_token, id_token } of given) {
        for (const value of [access_token, refresh_token, id_token]) {
          if (value === undefined) continue
          const row = await found(value)
          expect(row.expiresAt <= row.lineageEndsAt).toBe(true)
          if (ended) expect(row.alive).toBe(false)
        }
      }
    }
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 1, maxLength: 10 }),
        fc.boolean(),
        fc.boolean(),
        (steps, offline, grace) => run(steps, offline, grace ? server : strict),
      ),
      { numRuns: 25 },
    )
  }, 120_000)
})
