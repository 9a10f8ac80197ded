/** The impersonation as a resource: listed, shown, ended; on both databases. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { rootOrganization } from '../lib/database/migrate.ts'
import { type Booted, boot } from './boot.ts'
import { databases } from './databases.ts'
import { impersonatedToken, userToken } from './fixtures.ts'
import {
  endedRows,
  everywhere,
  get,
  type Live,
  list,
  path,
  refreshToml,
  start,
  sweep,
  takenAt,
} from './impersonations.ts'
import { operator } from './management.ts'
import { nothingElse } from './nothing-else.ts'
import { authorizePath, createPerson, logIn, obtainSubjectToken, type Scenario, setUp } from './scenario.ts'

describe.each(databases)('impersonations on $name', (database) => {
  let server: Booted
  let scenario: Scenario
  let live: Live
  beforeAll(async () => {
    server = await boot(database, { toml: refreshToml })
    scenario = await setUp(server)
    live = await start(server, scenario)
  })
  afterAll(() => server.stop())

  test('one is shown with who, whom, through what, tokens without values, requests and events (Q13)', async () => {
    expect(await takenAt(server, scenario, live)).toEqual(everywhere)
    const patched = await server.send(
      'PATCH',
      '/scim2/Me',
      {
        schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
        Operations: [{ op: 'replace', value: { nickName: 'Nick' } }],
      },
      { Authorization: `Bearer ${live.access}`, 'Content-Type': 'application/scim+json' },
    )
    expect(patched.status).toBe(200)
    await sweep(server)
    const shown = await get(server, live.id)
    expect(shown).toMatchObject({
      id: live.id,
      state: 'active',
      impersonator: { id: scenario.impersonator.id, userName: 'Impersonator' },
      subject: { id: scenario.subject.id, userName: 'EndUser' },
      application: { id: scenario.applicationId, name: 'POSTMAN_SBA', clientId: scenario.clientId },
      organization: { id: rootOrganization.id },
      scopes: ['internal_login', 'internal_user_mgt_list', 'internal_user_mgt_view', 'openid'],
    })
    for (const instant of ['authorizedAt', 'startedAt', 'lastUsedAt', 'expiresAt'])
      expect(String(shown[instant])).toMatch(/^\d{4}-.*Z$/)
    expect(Object.keys(shown).filter((name) => /^(ended|refus|end[A-Z])/.test(name))).toEqual([])
    expect(shown.tokens.map((token) => token.class).sort()).toEqual(
      expect.arrayContaining(['access', 'refresh', 'subject']),
    )
    const text = JSON.stringify(shown)
    for (const value of [live.access, live.refresh]) expect(text).not.toContain(value)
    const { db } = server
    const hashes = await db.selectFrom('token').select('hash').execute()
    for (const { hash } of hashes) expect(text).not.toContain(hash)
    expect(shown.requests).toMatchObject([
      {
        action: 'resource-modification-via-impersonation',
        method: 'PATCH',
        path: '/scim2/Me',
        outcome: 'AUTHORIZED',
        changes: [{ event: 'user-claims-changed', initiator: scenario.subject.id }],
      },
    ])
    expect(shown.events.map(({ event }) => event)).toEqual(
      expect.arrayContaining(['subject-token-issued', 'impersonated-token-issued']),
    )
  })

  test('it is authorized first; a refusal is listed when the user asked for exists', async () => {
    await obtainSubjectToken(server, scenario, {}, live.browser)
    const [authorized] = (await list(server, { state: 'authorized' })).impersonations
    expect(authorized).toMatchObject({ state: 'authorized', subject: { id: scenario.subject.id } })
    expect(authorized?.startedAt).toBeUndefined()

    const stranger = await createPerson(server, `Stranger-${crypto.randomUUID().slice(0, 8)}`)
    const browser = server.browser()
    const { changes } = await nothingElse(
      server.db,
      {
        audit: { added: 2 },
        impersonation: { added: 1 },
        interaction: { added: 1 },
        lineage: { added: 1 },
        session: { added: 1 },
      },
      async () => logIn(browser, await browser.get(authorizePath(scenario)), stranger),
    )
    const row = changes.added.impersonation?.[0]
    const [refused] = (await list(server, { state: 'refused', impersonator: stranger.id })).impersonations
    expect(refused).toMatchObject({
      id: String(row?.id),
      state: 'refused',
      subject: { id: scenario.subject.id },
      refusal: 'ImpersonatorPermissionValidator: missing_permission',
    })
    expect(refused?.refusedAt).toBeDefined()
    expect((await get(server, String(row?.id))).events).toMatchObject([{ event: 'impersonation-refused' }])
    // nobody has that id: there is an audit row, and no impersonation
    await nothingElse(server.db, { audit: { added: 1 } }, () =>
      browser.get(authorizePath(scenario, { requested_subject: 'nobody' })),
    )
    const ended = await server.send('POST', `${path}/${String(row?.id)}/end`)
    expect([ended.status, (await get(server, String(row?.id))).state]).toEqual([204, 'refused'])
  })

  test('ending one is one commit with its audit row, and it is dead everywhere (S7, S11)', async () => {
    const one = await start(server, scenario)
    expect(await takenAt(server, scenario, one)).toEqual(everywhere)
    const { id } = one
    const { result } = await nothingElse(
      server.db,
      { audit: { added: 1 }, impersonation: { changed: 1 }, lineage: { changed: 1 } },
      () => server.send('POST', `${path}/${id}/end`, { reason: 'ticket closed' }),
    )
    expect([result.status, await result.text(), result.headers.get('cache-control')]).toEqual([
      204,
      '',
      'no-store',
    ])
    expect(await takenAt(server, scenario, one)).toEqual([])
    const [row, ...more] = await endedRows(server, id)
    const { userId } = {
      userId: (
        await server.db
          .selectFrom('account')
          .select('id')
          .where('user_name', '=', 'admin')
          .executeTakeFirstOrThrow()
      ).id,
    }
    expect(more).toEqual([])
    expect(row).toMatchObject({
      initiator: userId,
      target: scenario.subject.id,
      actor_id: scenario.impersonator.id,
      subject_id: scenario.subject.id,
      application_id: scenario.applicationId,
      organization_id: rootOrganization.id,
      outcome: 'Success',
      data: { reason: 'ended', comment: 'ticket closed', clientId: scenario.clientId, requests: 0 },
    })
    const shown = await get(server, id)
    expect(shown).toMatchObject({
      state: 'ended',
      endedBy: userId,
      endReason: 'ended',
      endComment: 'ticket closed',
    })
    expect([row?.data.startedAt, row?.data.endedAt]).toEqual([shown.startedAt, shown.endedAt])
    // once more changes nothing, and neither does the sweeper
    await sweep(server)
    await nothingElse(server.db, {}, async () => {
      expect((await server.send('POST', `${path}/${id}/end`)).status).toBe(204)
      await sweep(server)
    })
    // the others go on
    expect(await takenAt(server, scenario, live)).toContain('gate')
  })

  test('what was only authorized is ended without an impersonation-ended, and cannot be started', async () => {
    const tokens = await obtainSubjectToken(server, scenario, {}, live.browser)
    const { id } = (await list(server, { state: 'authorized', limit: '1' })).impersonations[0] ?? { id: '' }
    expect((await server.send('POST', `${path}/${id}/end`, {})).status).toBe(204)
    const { exchange } = await import('./scenario.ts')
    expect((await exchange(server, scenario, tokens)).status).toBe(400)
    expect([(await get(server, id)).state, await endedRows(server, id)]).toEqual(['ended', []])
  })

  test('of twenty ends at once one has done it, and all say so', async () => {
    const { id } = await start(server, scenario)
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => server.send('POST', `${path}/${id}/end`)),
    )
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([204]))
    expect(await endedRows(server, id)).toHaveLength(1)
  })

  test('the kill switch ends those of an impersonator, a subject, an application, or all', async () => {
    const application = { id: scenario.applicationId, clientId: scenario.clientId }
    const fixture = (impersonatorId: string, subjectId: string) =>
      impersonatedToken(server.db, { application, impersonatorId, subjectId, scopes: ['internal_login'] })
    const [a, b, c] = [
      await createPerson(server, `A-${crypto.randomUUID().slice(0, 8)}`),
      await createPerson(server, `B-${crypto.randomUUID().slice(0, 8)}`),
      await createPerson(server, `C-${crypto.randomUUID().slice(0, 8)}`),
    ]
    const made = {
      ab: await fixture(a.id, b.id),
      ac: await fixture(a.id, c.id),
      bc: await fixture(b.id, c.id),
      ba: await fixture(b.id, a.id),
    }
    const alive = async () => {
      const names: string[] = []
      for (const [name, { value }] of Object.entries(made)) {
        const { status } = await server.request('/scim2/Me', {
          headers: { Authorization: `Bearer ${value}` },
        })
        if (status === 200) names.push(name)
      }
      return names
    }
    expect(await alive()).toEqual(['ab', 'ac', 'bc', 'ba'])
    const end = async (body: unknown) => {
      const response = await server.send('POST', `${path}/end`, body)
      return [response.status, await response.json()]
    }
    const { result } = await nothingElse(server.db, { audit: { added: 1 }, lineage: { changed: 2 } }, () =>
      end({ impersonator: a.id, reason: 'left' }),
    )
    expect(result).toEqual([200, { ended: 2 }])
    expect(await alive()).toEqual(['bc', 'ba'])
    // the list says so before the sweeper does
    expect(await get(server, made.ab.impersonationId)).toMatchObject({ state: 'ended', endComment: 'left' })
    expect(await end({ subject: c.id })).toEqual([200, { ended: 1 }])
    expect(await alive()).toEqual(['ba'])
    expect(await end({ application: scenario.applicationId, subject: b.id })).toEqual([200, { ended: 0 }])
    expect(await end({ application: scenario.applicationId, subject: a.id })).toEqual([200, { ended: 1 }])
    expect(await alive()).toEqual([])
    await sweep(server)
    for (const { impersonationId } of Object.values(made)) {
      const [row, ...more] = await endedRows(server, impersonationId)
      expect([row?.data.reason, more]).toEqual(['ended', []])
    }
    const one = await start(server, scenario)
    expect((await end({ all: true }))[0]).toBe(200)
    expect(await takenAt(server, scenario, one)).toEqual([])
    expect((await list(server, { state: 'active' })).impersonations).toEqual([])
    await nothingElse(server.db, {}, async () =>
      expect(await end({ all: true })).toEqual([200, { ended: 0 }]),
    )
    await sweep(server)
  })

  test('the list has filters, states and pages, the newest first', async () => {
    const application = { id: scenario.applicationId, clientId: scenario.clientId }
    const [a, b] = [
      await createPerson(server, `P-${crypto.randomUUID().slice(0, 8)}`),
      await createPerson(server, `Q-${crypto.randomUUID().slice(0, 8)}`),
    ]
    const ids: string[] = []
    for (let n = 0; n < 5; n += 1) {
      const made = await impersonatedToken(server.db, {
        application,
        impersonatorId: a.id,
        subjectId: b.id,
        scopes: [],
      })
      ids.unshift(made.impersonationId)
    }
    const [newest = '', second = ''] = ids
    await server.send('POST', `${path}/${second}/end`)
    const idsOf = async (query: Readonly<Record<string, string>>) =>
      (await list(server, query)).impersonations.map(({ id }) => id)
    const by = { impersonator: a.id }
    expect(await idsOf(by)).toEqual(ids)
    expect(await idsOf({ subject: b.id, application: application.id })).toEqual(ids)
    expect(await idsOf({ ...by, application: 'another' })).toEqual([])
    expect(await idsOf({ ...by, organization: rootOrganization.id })).toEqual(ids)
    expect(await idsOf({ ...by, organization: 'another' })).toEqual([])
    expect(await idsOf({ ...by, state: 'ended' })).toEqual([second])
    expect(await idsOf({ ...by, state: 'active' })).toEqual(ids.filter((id) => id !== second))
    expect(await idsOf({ ...by, state: 'refused' })).toEqual([])
    expect(await idsOf({ ...by, state: 'expired' })).toEqual([])
    expect(await idsOf({ ...by, from: '2020-01-01T00:00:00Z', to: '2999-01-01T00:00:00+02:00' })).toEqual(ids)
    expect(await idsOf({ ...by, from: '2999-01-01T00:00:00Z' })).toEqual([])
    expect(await idsOf({ ...by, to: '2020-01-01T00:00Z' })).toEqual([])
    expect((await idsOf({})).slice(0, 5)).toEqual(ids)

    const seen: string[] = []
    let next: string | undefined = `${path}?${new URLSearchParams({ ...by, limit: '2' })}`
    let previous: string | undefined
    while (next !== undefined) {
      const body = (await (await server.send('GET', next)).json()) as Awaited<ReturnType<typeof list>>
      seen.push(...body.impersonations.map(({ id }) => id))
      previous = body.links.find(({ rel }) => rel === 'previous')?.href
      next = body.links.find(({ rel }) => rel === 'next')?.href
    }
    expect(seen).toEqual(ids)
    const back = (await (await server.send('GET', previous ?? '')).json()) as Awaited<ReturnType<typeof list>>
    expect(back.impersonations.map(({ id }) => id)).toEqual(ids.slice(2, 4))
    expect(back.links.map(({ rel }) => rel)).toEqual(['previous', 'next'])
    await server.send('POST', `${path}/end`, by)
    expect(await idsOf({ ...by, state: 'active' })).toEqual([])
    expect((await get(server, newest)).state).toBe('ended')
  })

  test.each([
    ['GET', '?limit=0', undefined, 400, 'IMP-60001'],
    ['GET', '?limit=-1', undefined, 400, 'IMP-60001'],
    ['GET', '?limit=many', undefined, 400, 'IMP-60001'],
    ['GET', '?state=gone', undefined, 400, 'IMP-60001'],
    ['GET', '?state=active&state=ended', undefined, 400, 'IMP-60001'],
    ['GET', '?from=yesterday', undefined, 400, 'IMP-60001'],
    ['GET', '?to=2020-13-01T00:00:00Z', undefined, 400, 'IMP-60001'],
    ['GET', '?after=%00', undefined, 400, 'IMP-60001'],
    ['GET', '?after=YQ&before=YQ', undefined, 400, 'IMP-60001'],
    ['GET', '?subject=%00', undefined, 400, 'IMP-60001'],
    ['GET', '/unknown', undefined, 404, 'IMP-60002'],
    ['GET', '/%00', undefined, 404, 'IMP-60002'],
    ['POST', '/unknown/end', undefined, 404, 'IMP-60002'],
    ['POST', '/unknown/end', { reason: 7 }, 400, 'UE-10000'],
    ['POST', '/unknown/end', { reason: 'x'.repeat(501) }, 400, 'UE-10000'],
    ['POST', '/unknown/end', { reason: 'a\0b' }, 400, 'UE-10000'],
    ['POST', '/unknown/end', { why: 'x' }, 400, 'UE-10000'],
    ['POST', '/end', {}, 400, 'UE-10000'],
    ['POST', '/end', { all: false }, 400, 'UE-10000'],
    ['POST', '/end', { all: true, subject: 'x' }, 400, 'UE-10000'],
    ['POST', '/end', { subject: '' }, 400, 'UE-10000'],
    ['POST', '/end', { subject: ['x'] }, 400, 'UE-10000'],
    ['POST', '/end', [], 400, 'UE-10000'],
    ['POST', '/end', undefined, 415, 'UE-10000'],
  ])('%s %s with %j is %d %s, and nothing happens', async (method, suffix, body, status, code) => {
    const { result } = await nothingElse(server.db, {}, () => server.send(method, `${path}${suffix}`, body))
    expect([result.status, ((await result.json()) as { code: string }).code]).toEqual([status, code])
  })

  test('who may view does not end, who may end does not view, and nobody does either while impersonating', async () => {
    const name = () => `op-${crypto.randomUUID().slice(0, 8)}`
    const [viewer, ender, nobody] = [
      await operator(server, name(), ['internal_impersonation_view']),
      await operator(server, name(), ['internal_impersonation_end']),
      await operator(server, name(), []),
    ]
    const one = await start(server, scenario)
    const calls: readonly [string, string, unknown][] = [
      ['GET', path, undefined],
      ['GET', `${path}/${one.id}`, undefined],
      ['POST', `${path}/unknown/end`, undefined],
      ['POST', `${path}/end`, { subject: 'nobody' }],
    ]
    const statuses = async (headers: Record<string, string>) => {
      const answers: number[] = []
      for (const [method, place, body] of calls)
        answers.push((await server.send(method, place, body, headers)).status)
      return answers
    }
    expect(await statuses(viewer)).toEqual([200, 200, 403, 403])
    expect(await statuses(ender)).toEqual([403, 403, 404, 200])
    expect(await statuses(nobody)).toEqual([403, 403, 403, 403])
    expect(await statuses({})).toEqual([401, 401, 401, 401])
    expect(await statuses({ Authorization: `Bearer ${one.access}` })).toEqual([403, 403, 403, 403])
    expect(await takenAt(server, scenario, one)).toContain('gate')
  })

  test('it belongs to the impersonator: the subject signing in or out has no part in it (S9)', async () => {
    const one = await start(server, scenario)
    const browser = server.browser()
    const own = { response_type: 'code', scope: 'openid', requested_subject: undefined }
    expect(
      (await logIn(browser, await browser.get(authorizePath(scenario, own)), scenario.subject)).status,
    ).toBe(302)
    const application = { id: scenario.applicationId, clientId: scenario.clientId }
    const token = await userToken(server.db, {
      application,
      subjectId: scenario.subject.id,
      scopes: ['internal_login'],
    })
    const tried = await server.send('POST', `${path}/${one.id}/end`, {}, { Authorization: `Bearer ${token}` })
    expect(tried.status).toBe(403)
    expect((await browser.get('/oidc/logout')).status).toBeLessThan(400)
    await sweep(server)
    expect(await takenAt(server, scenario, one)).toEqual(everywhere)
  })

  test('begun and ended again and again, the impersonator stays signed in as himself (Q10)', async () => {
    const browser = server.browser()
    await start(server, scenario, browser)
    const cookies = () =>
      [...browser.cookies].filter(([name]) => !/interaction/i.test(name)).map((pair) => pair.join('='))
    const before = cookies()
    for (let n = 0; n < 3; n += 1) {
      const one = await start(server, scenario, browser)
      expect((await server.send('POST', `${path}/${one.id}/end`)).status).toBe(204)
      expect([await takenAt(server, scenario, one), cookies()]).toEqual([[], before])
    }
    const last = await start(server, scenario, browser)
    // signing out ends both
    expect((await server.send('DELETE', `/api/users/v1/${scenario.impersonator.id}/sessions`)).status).toBe(
      204,
    )
    expect(await takenAt(server, scenario, last)).toEqual([])
    await sweep(server)
    expect((await endedRows(server, last.id)).map(({ data }) => data.reason)).toEqual(['session-ended'])
  })
})
