/** What ends impersonations, that it is recorded exactly once, and that the end is final; on both databases. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import * as jose from 'jose'
import { noMemory } from '../lib/impersonation/sweep.ts'
import { type Booted, basic, boot } from './boot.ts'
import { databases } from './databases.ts'
import { impersonatedToken } from './fixtures.ts'
import {
  endedRows,
  everywhere,
  get,
  type Live,
  path,
  refreshToml,
  start,
  sweep,
  takenAt,
} from './impersonations.ts'
import {
  addToRole,
  createApplication,
  createPerson,
  createRole,
  removeFromRole,
  type Scenario,
  setLocked,
  setUp,
  subjectScopes,
} from './scenario.ts'

const patch = (operation: Readonly<Record<string, unknown>>) => ({
  schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
  Operations: [operation],
})

describe.each(databases)('what ends impersonations on $name', (database) => {
  let server: Booted
  let shared: Scenario
  beforeAll(async () => {
    server = await boot(database, { toml: refreshToml })
    shared = await setUp(server)
  })
  afterAll(() => server.stop())

  /** An application with roles and people of its own. */
  const fresh = async (oidc: Readonly<Record<string, unknown>> = {}): Promise<Scenario> => {
    const name = crypto.randomUUID().slice(0, 8)
    const [impersonator, subject] = [
      await createPerson(server, `Imp-${name}`),
      await createPerson(server, `Sub-${name}`),
    ]
    const application = await createApplication(server, { name, oidc })
    const { applicationId } = application
    const role = (kind: string, permissions: readonly string[], member: string) =>
      createRole(server, { name: `${kind}-${name}`, applicationId, permissions, member })
    const impersonatorRole = await role('imp', ['internal_user_impersonate'], impersonator.id)
    const subjectRole = await role('sub', subjectScopes, subject.id)
    return { impersonator, subject, ...application, impersonatorRole, subjectRole }
  }

  const ok = async (response: Response | Promise<Response>) => {
    const { status } = await response
    expect([200, 201, 204]).toContain(status)
  }
  const oidcOf = (scenario: Scenario) =>
    `/api/server/v1/applications/${scenario.applicationId}/inbound-protocols/oidc`
  const apiOf = async (scenario: Scenario) => {
    const place = `/api/server/v1/applications/${scenario.applicationId}/authorized-apis`
    const apis = (await (await server.send('GET', place)).json()) as { id: string; identifier: string }[]
    return `${place}/${apis.find(({ identifier }) => identifier === 'system:impersonation')?.id}`
  }

  interface Ending {
    readonly title: string
    readonly reason: string
    readonly by: 'admin' | 'system' | 'impersonator' | 'client'
    act(scenario: Scenario, live: Live): Promise<unknown>
    /** Gives back what was taken. */
    undo?(scenario: Scenario): Promise<unknown>
    /** It waits for the sweeper. */
    readonly later?: true
  }
  const subjectTokenOff = async (scenario: Scenario, enable: boolean) => {
    const settings = (await (await server.send('GET', oidcOf(scenario))).json()) as Record<string, unknown>
    await ok(
      server.send('PUT', oidcOf(scenario), {
        ...settings,
        subjectToken: { enable, applicationSubjectTokenExpiryInSeconds: 180 },
      }),
    )
  }
  const endings: readonly Ending[] = [
    {
      title: 'the impersonator logs out',
      reason: 'logout',
      by: 'impersonator',
      act: async (_, { browser }) => {
        const asked = await browser.get('/oidc/logout')
        const fields = Object.fromEntries(
          [...(await asked.text()).matchAll(/<input[^>]*name="([^"]+)"[^>]*value="([^"]*)"/g)].map(
            ([, name = '', value = '']) => [name, value],
          ),
        )
        expect((await browser.post('/oidc/logout', fields)).status).toBeLessThan(400)
      },
    },
    {
      title: 'an operator ends his sessions',
      reason: 'session-ended',
      by: 'admin',
      act: ({ impersonator }) => ok(server.send('DELETE', `/api/users/v1/${impersonator.id}/sessions`)),
    },
    {
      title: 'the impersonator is locked',
      reason: 'account-changed',
      by: 'admin',
      act: ({ impersonator }) => setLocked(server, impersonator.id, true),
      undo: ({ impersonator }) => setLocked(server, impersonator.id, false),
    },
    {
      title: 'the subject is locked',
      reason: 'account-changed',
      by: 'admin',
      act: ({ subject }) => setLocked(server, subject.id, true),
      undo: ({ subject }) => setLocked(server, subject.id, false),
    },
    {
      title: 'the subject is disabled',
      reason: 'account-changed',
      by: 'admin',
      act: ({ subject }) =>
        ok(
          server.send(
            'PATCH',
            `/scim2/Users/${subject.id}`,
            patch({ op: 'replace', path: 'active', value: false }),
          ),
        ),
      undo: ({ subject }) =>
        ok(
          server.send(
            'PATCH',
            `/scim2/Users/${subject.id}`,
            patch({ op: 'replace', path: 'active', value: true }),
          ),
        ),
    },
    {
      title: 'the impersonator is deleted',
      reason: 'account-deleted',
      by: 'admin',
      act: ({ impersonator }) => ok(server.send('DELETE', `/scim2/Users/${impersonator.id}`)),
    },
    {
      title: 'the subject is deleted',
      reason: 'account-deleted',
      by: 'admin',
      act: ({ subject }) => ok(server.send('DELETE', `/scim2/Users/${subject.id}`)),
    },
    {
      title: 'the impersonator loses the role',
      reason: 'permission-removed',
      by: 'system',
      later: true,
      act: ({ impersonator, impersonatorRole }) => removeFromRole(server, impersonatorRole, impersonator.id),
      undo: ({ impersonator, impersonatorRole }) => addToRole(server, impersonatorRole, impersonator.id),
    },
    {
      title: 'the role loses the permission',
      reason: 'permission-removed',
      by: 'system',
      later: true,
      act: ({ impersonatorRole }) =>
        ok(
          server.send(
            'PATCH',
            `/scim2/v2/Roles/${impersonatorRole}`,
            patch({ op: 'replace', path: 'permissions', value: [] }),
          ),
        ),
      undo: ({ impersonatorRole }) =>
        ok(
          server.send(
            'PATCH',
            `/scim2/v2/Roles/${impersonatorRole}`,
            patch({ op: 'replace', path: 'permissions', value: [{ value: 'internal_user_impersonate' }] }),
          ),
        ),
    },
    {
      title: 'the role is deleted',
      reason: 'permission-removed',
      by: 'system',
      later: true,
      act: ({ impersonatorRole }) => ok(server.send('DELETE', `/scim2/v2/Roles/${impersonatorRole}`)),
    },
    {
      title: 'the application loses the API',
      reason: 'permission-removed',
      by: 'system',
      later: true,
      act: async (scenario) => ok(server.send('DELETE', await apiOf(scenario))),
    },
    {
      title: 'the application is disabled',
      reason: 'application-disabled',
      by: 'system',
      later: true,
      act: ({ applicationId }) =>
        ok(
          server.send('PATCH', `/api/server/v1/applications/${applicationId}`, { applicationEnabled: false }),
        ),
      undo: ({ applicationId }) =>
        ok(
          server.send('PATCH', `/api/server/v1/applications/${applicationId}`, { applicationEnabled: true }),
        ),
    },
    {
      title: 'its subject token is switched off',
      reason: 'application-impersonation-disabled',
      by: 'system',
      later: true,
      act: (scenario) => subjectTokenOff(scenario, false),
      undo: (scenario) => subjectTokenOff(scenario, true),
    },
    {
      title: 'the application is revoked',
      reason: 'application-revoked',
      by: 'admin',
      act: (scenario) => ok(server.send('POST', `${oidcOf(scenario)}/revoke`)),
    },
    {
      title: 'the application is deleted',
      reason: 'application-deleted',
      by: 'admin',
      act: ({ applicationId }) => ok(server.send('DELETE', `/api/server/v1/applications/${applicationId}`)),
    },
    {
      title: 'the client revokes its access token',
      reason: 'revoked',
      by: 'client',
      act: ({ clientId, clientSecret }, { access }) =>
        ok(
          server.request('/oauth2/revoke', {
            method: 'POST',
            headers: { Authorization: basic(clientId, clientSecret) },
            body: new URLSearchParams({ token: access }),
          }),
        ),
    },
  ]

  test.each(endings.map((ending) => [ending.title, ending] as const))(
    '%s: dead everywhere, recorded once, and never alive again (S11)',
    async (_, { reason, by, act, undo, later }) => {
      const scenario = await fresh()
      const live = await start(server, scenario)
      expect(await takenAt(server, scenario, live)).toEqual(everywhere)
      const memory = noMemory()
      await sweep(server, memory)
      await act(scenario, live)
      if (!later) expect(await takenAt(server, scenario, live)).toEqual([])
      // half a second later, long before it looks at all of them again
      await sweep(server, memory)
      expect(await takenAt(server, scenario, live)).toEqual([])
      const rows = await endedRows(server, live.id)
      expect(rows.map(({ data }) => data.reason)).toEqual([reason])
      const admin = await server.db
        .selectFrom('account')
        .select('id')
        .where('user_name', '=', 'admin')
        .executeTakeFirstOrThrow()
      const whose = {
        admin: admin.id,
        system: 'system',
        impersonator: scenario.impersonator.id,
        client: scenario.clientId,
      }[by]
      const shown = await get(server, live.id)
      expect(shown).toMatchObject({ state: 'ended', endReason: reason, endedBy: whose })
      expect(rows[0]).toMatchObject({
        initiator: whose,
        actor_id: scenario.impersonator.id,
        subject_id: scenario.subject.id,
        data: { startedAt: shown.startedAt, endedAt: shown.endedAt },
      })
      await undo?.(scenario)
      await sweep(server, memory)
      expect(await takenAt(server, scenario, live)).toEqual([])
      expect(await endedRows(server, live.id)).toHaveLength(1)
    },
  )

  test('a role that comes by a group is lost with the group', async () => {
    const scenario = await fresh()
    await removeFromRole(server, scenario.impersonatorRole, scenario.impersonator.id)
    const group = (await (
      await server.send('POST', '/scim2/Groups', {
        displayName: crypto.randomUUID(),
        members: [{ value: scenario.impersonator.id }],
      })
    ).json()) as { id: string }
    await ok(
      server.send(
        'PATCH',
        `/scim2/v2/Roles/${scenario.impersonatorRole}`,
        patch({ op: 'add', path: 'groups', value: [{ value: group.id }] }),
      ),
    )
    const live = await start(server, scenario)
    const memory = noMemory()
    await sweep(server, memory)
    expect(await takenAt(server, scenario, live)).toContain('gate')
    await ok(server.send('DELETE', `/scim2/Groups/${group.id}`))
    await sweep(server, memory)
    expect(await takenAt(server, scenario, live)).toEqual([])
    expect((await endedRows(server, live.id)).map(({ data }) => data.reason)).toEqual(['permission-removed'])
  })

  test('what begins between two looks is looked at when its impersonator changes', async () => {
    const scenario = await fresh()
    const memory = noMemory()
    await sweep(server, memory)
    const live = await start(server, scenario)
    await sweep(server, memory)
    await removeFromRole(server, scenario.impersonatorRole, scenario.impersonator.id)
    await sweep(server, memory)
    expect(await takenAt(server, scenario, live)).toEqual([])
  })

  test('two sweepers at once record each end once', async () => {
    const lives = await Promise.all(Array.from({ length: 6 }, () => start(server, shared)))
    await server.send('POST', `${path}/end`, { subject: shared.subject.id })
    await Promise.all([sweep(server), sweep(server), sweep(server)])
    await sweep(server)
    for (const { id } of lives) expect(await endedRows(server, id)).toHaveLength(1)
  })

  test('it expires: recorded when it is over, by the system', async () => {
    const live = await start(server, shared)
    const { expiresAt } = await get(server, live.id)
    const just = new Date(new Date(String(expiresAt)).getTime() + 1)
    await sweep(server, noMemory(), just)
    const [row, ...more] = await endedRows(server, live.id)
    expect(more).toEqual([])
    expect(row).toMatchObject({ initiator: 'system', data: { reason: 'expired', endedAt: expiresAt } })
    expect(await get(server, live.id)).toMatchObject({
      state: 'expired',
      endedAt: expiresAt,
      endReason: 'expired',
    })
  })

  test('through refreshes and exchanges the actor stays, and nothing outlives its end (S8)', async () => {
    const scenario = await fresh()
    const live = await start(server, scenario)
    const end = new Date(String((await get(server, live.id)).expiresAt)).getTime() / 1000
    const headers = { Authorization: basic(scenario.clientId, scenario.clientSecret) }
    let { refresh } = live
    for (let n = 0; n < 3; n += 1) {
      const response = await server.request('/oauth2/token', {
        method: 'POST',
        headers,
        body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token: refresh }),
      })
      expect(response.status).toBe(200)
      const tokens = (await response.json()) as { access_token: string; refresh_token: string }
      refresh = tokens.refresh_token
      const { act, exp } = jose.decodeJwt(tokens.access_token)
      expect(act).toEqual({ sub: scenario.impersonator.id })
      expect(exp).toBeLessThanOrEqual(Math.ceil(end))
    }
    expect(await takenAt(server, scenario, { ...live, refresh })).toEqual(everywhere)
  })

  test('an application may say how long one lasts at most', async () => {
    const scenario = await fresh({ mayact: { impersonationMaxDuration: 60 } })
    const live = await start(server, scenario)
    const { authorizedAt, expiresAt } = await get(server, live.id)
    const lasts = new Date(String(expiresAt)).getTime() - new Date(String(authorizedAt)).getTime()
    expect(lasts).toBeLessThanOrEqual(60_000)
    expect(lasts).toBeGreaterThan(50_000)
    const { exp = 0, iat = 0 } = jose.decodeJwt(live.access)
    expect(exp - iat).toBeLessThanOrEqual(60)
    for (const impersonationMaxDuration of [0, -1, 1.5, 'long', 40_000_000]) {
      const settings = (await (await server.send('GET', oidcOf(scenario))).json()) as Record<string, unknown>
      const refused = await server.send('PUT', oidcOf(scenario), {
        ...settings,
        mayact: { impersonationMaxDuration },
      })
      expect([impersonationMaxDuration, refused.status]).toEqual([impersonationMaxDuration, 400])
    }
  })

  test('the kill switch is fast with ten thousand, and each is recorded', async () => {
    const application = { id: shared.applicationId, clientId: shared.clientId }
    const asked = {
      application,
      impersonatorId: shared.impersonator.id,
      subjectId: shared.subject.id,
      scopes: [],
    }
    const model = await impersonatedToken(server.db, asked)
    const { sql } = await import('kysely')
    const { commit, write } = await import('../lib/database/commit.ts')
    const raw = (query: ReturnType<typeof sql>) => write({ compile: () => query.compile(server.db) })
    const numbers = sql`with recursive n(i) as (select 10000 union all select i + 1 from n where i < 19999)`
    const outcome = await commit(server.db, [
      raw(
        sql`insert into lineage (id, kind, session_id, account_id, application_id, ends_at) ${numbers} select 'many-' || i, 'impersonation', ${model.sessionId}, ${asked.impersonatorId}, ${application.id}, '2999-01-01T00:00:00.000Z' from n`,
      ),
      raw(
        sql`insert into impersonation (id, lineage_id, application_id, client_id, organization_id, impersonator_id, subject_id, scopes, authorized_at, started_at) ${numbers} select '00000000-' || i, 'many-' || i, ${application.id}, ${application.clientId}, organization_id, impersonator_id, subject_id, '', authorized_at, started_at from n, impersonation where impersonation.id = ${model.impersonationId}`,
      ),
    ])
    expect(outcome).toBe('committed')
    const began = performance.now()
    const response = await server.send('POST', `${path}/end`, { all: true })
    const took = performance.now() - began
    expect(response.status).toBe(200)
    expect(((await response.json()) as { ended: number }).ended).toBeGreaterThan(10_000)
    expect(took).toBeLessThan(1_000)
    await sweep(server)
    const { n } = await server.db
      .selectFrom('audit')
      .select((eb) => eb.fn.countAll().as('n'))
      .where('event', '=', 'impersonation-ended')
      .where('impersonation_id', 'like', '00000000-%')
      .executeTakeFirstOrThrow()
    expect(Number(n)).toBe(10_000)
  }, 60_000)

  test('a server without the feature takes none of them, and ends them for good (S14)', async () => {
    const scenario = await fresh()
    const live = await start(server, scenario)
    const off = await boot(database, {
      beside: server,
      insteadOfShipped: '[server]\nhostname = "localhost"\n',
    })
    expect(await takenAt(off, scenario, live)).toEqual([])
    await sweep(server, noMemory(), new Date(), false)
    expect((await endedRows(server, live.id)).map(({ data }) => data.reason)).toEqual(['switched-off'])
    expect(await takenAt(server, scenario, live)).toEqual([])
    await off.stop()
  })
})
