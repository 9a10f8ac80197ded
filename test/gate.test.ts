/**
 * What an access token does at our APIs it does only while it counts: when it is revoked between the gate and the commit,
 * alone and without its grant, nothing is committed, and the gate, which asks once more, refuses.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { guard } from '../lib/access/guard.ts'
import { commit, write } from '../lib/database/commit.ts'
import type { Caller } from '../lib/directory/caller.ts'
import { change } from '../lib/directory/change.ts'
import { revocationOf } from '../lib/tokens/revocation.ts'
import { type Booted, boot } from './boot.ts'
import { databases } from './databases.ts'
import { changesOf } from './nothing-else.ts'
import { bookingsToml, type Client, createService, rowOf, userTokens } from './oauth/exchanged-tokens.ts'
import { createPerson, type Person } from './scenario.ts'

describe.each(databases)('a token at the gate on $name', (database) => {
  let server: Booted
  let client: Client
  let person: Person

  beforeAll(async () => {
    server = await boot(database, { toml: bookingsToml })
    person = await createPerson(server, 'Caller')
    client = await createService(server, 'CALLING', [person.id], {})
  }, 60_000)
  afterAll(() => server.stop())

  /** By another client than the one whose grant it is: it ends alone. */
  const revoke = async (value: string) => {
    const token = await rowOf(server, value)
    const revocation = await revocationOf(server.db, { value, token }, 'another', new Date())
    expect(revocation?.reach).toBe('token')
    expect(await commit(server.db, revocation ? [revocation.write] : [])).toBe('committed')
    expect((await rowOf(server, value)).lineageEndedAt).toBeNull()
  }

  const gateFor = (handler: (caller: Caller) => Promise<Response>) => {
    const { db, config, organization } = server
    const needs = {
      db,
      proofs: { db, baseUrl: config.server.baseUrl, nonces: undefined },
      organizationId: organization.id,
      impersonationEnabled: true,
      traceOf: () => ({ id: 'gate', address: '127.0.0.1' }),
      certificateOf: () => undefined,
      log: () => {},
    }
    const statuses = { unauthenticated: 401, forbidden: 403, contended: 503 }
    const gated = guard(needs, (refusal) => new Response(null, { status: statuses[refusal] }))<{
      req: { raw: Request; path: string }
    }>({ permission: undefined, actor: false }, handler)
    return (value: string) => {
      const headers = { Authorization: `Bearer ${value}` }
      return gated({ req: { raw: new Request('https://localhost:9443/x', { headers }), path: '/x' } })
    }
  }

  /** Something that would be seen: the person's account is touched. */
  const touch = (caller: Caller) =>
    change(server.db, caller, new Date(), {
      writes: [
        write(server.db.updateTable('account').set({ modified_at: 'touched' }).where('id', '=', person.id)),
      ],
      events: [],
      administrative: false,
    })

  const touched = async () =>
    (
      await server.db
        .selectFrom('account')
        .select('modified_at')
        .where('id', '=', person.id)
        .executeTakeFirstOrThrow()
    ).modified_at === 'touched'

  test('that was revoked alone between the gate and the commit changes nothing and is refused', async () => {
    const { accessToken } = await userTokens(server, client, person.id, { scopes: ['internal_login'] })
    let calls = 0
    const call = gateFor(async (caller) => {
      calls += 1
      await revoke(accessToken)
      await touch(caller)
      return new Response(null, { status: 204 })
    })
    const { result, changes } = await changesOf(server.db, () => call(accessToken))
    expect([result.status, calls]).toEqual([401, 1])
    // the revocation itself, and nothing else
    expect(Object.keys(changes.changed)).toEqual(['token'])
    expect([changes.added, changes.removed]).toEqual([{}, {}])
    expect(await touched()).toBe(false)
  })

  test('is taken while it counts, whatever became of others, and is asked for once', async () => {
    const { accessToken } = await userTokens(server, client, person.id, { scopes: ['internal_login'] })
    const other = await userTokens(server, client, person.id, { scopes: ['internal_login'] })
    await revoke(other.accessToken)
    let calls = 0
    const call = gateFor(async (caller) => {
      calls += 1
      await touch(caller)
      return new Response(null, { status: 204 })
    })
    expect((await call(other.accessToken)).status).toBe(401)
    expect([(await call(accessToken)).status, calls, await touched()]).toEqual([204, 1, true])
  })
})
