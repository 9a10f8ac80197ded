/** Impersonations as the one acted for sees them: he reads what was done, ends them, and may say that nobody does. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test'
import { commit, write } from '../lib/database/commit.ts'
import { type Booted, basic, boot } from './boot.ts'
import { fragmentOf, newBrowser } from './browser.ts'
import { databases } from './databases.ts'
import { expectRefusal } from './management.ts'
import { nothingElse } from './nothing-else.ts'
import {
  authorizePath,
  createPerson,
  exchange,
  impersonate,
  logIn,
  obtainSubjectToken,
  type Person,
  patchCountry,
  type Scenario,
  setUp,
  type TokenResponse,
} from './scenario.ts'

const list = '/api/users/v1/me/impersonations'
const preferences = '/api/users/v1/me/impersonation-preferences'
const said = { impersonation_reason: 'He cannot see his invoice', impersonation_ticket: 'CASE-42' }

interface Own {
  readonly id: string
  readonly state: string
  readonly requests: readonly object[]
}
interface OwnList {
  readonly impersonations: readonly Own[]
  readonly links: readonly { readonly rel: string; readonly href: string }[]
}

describe.each(databases)('the own view of impersonations, on $name', (database) => {
  let server: Booted
  /** The same database, where nobody may opt out. */
  let plain: Booted
  let scenario: Scenario
  let stranger: Person
  const as = ({ userName, password }: Pick<Person, 'userName' | 'password'>) => ({
    Authorization: basic(userName, password),
  })

  beforeAll(async () => {
    server = await boot(database, { toml: '[impersonation]\nallow_opt_out = true\n' })
    plain = await boot(database, { beside: server })
    scenario = await setUp(server)
    stranger = await createPerson(server, 'Stranger')
  }, 60_000)
  afterAll(async () => {
    await plain.stop()
    await server.stop()
  })
  beforeEach(async () => {
    await server.send('PUT', preferences, { allowImpersonation: true }, as(scenario.subject))
  })

  const get = async <Body>(path: string, who: Person = scenario.subject): Promise<Body> => {
    const response = await server.request(path, { headers: as(who) })
    expect([response.status, response.headers.get('cache-control')]).toEqual([200, 'no-store'])
    return (await response.json()) as Body
  }
  /** An impersonation with its token, the newest of all. */
  const begun = async () => {
    const tokens = await obtainSubjectToken(server, scenario, said)
    const response = await exchange(server, scenario, tokens)
    const { access_token } = (await response.json()) as TokenResponse
    const { impersonations } = await get<OwnList>(`${list}?limit=1`)
    return { token: access_token, id: impersonations[0]?.id ?? '' }
  }
  const isActive = async (token: string) => {
    const response = await server.request('/oauth2/introspect', {
      method: 'POST',
      headers: { Authorization: basic(scenario.clientId, scenario.clientSecret) },
      body: new URLSearchParams({ token }),
    })
    return ((await response.json()) as { active: boolean }).active
  }
  const latest = async () => (await server.audit()).at(-1)

  test('a user reads who acted for him, when, through what, why, and what was changed', async () => {
    const { token, id } = await begun()
    expect((await patchCountry(server, token)).status).toBe(200)
    const { result } = await nothingElse(server.db, {}, () =>
      server.request(`${list}/${id}`, { headers: as(scenario.subject) }),
    )
    const shown = (await result.json()) as Own
    const instant = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
    const { impersonator, applicationId } = scenario
    expect(shown as unknown).toEqual({
      id,
      state: 'active',
      impersonator: { id: impersonator.id, userName: impersonator.userName },
      application: { id: applicationId, name: 'POSTMAN_SBA' },
      scopes: expect.arrayContaining(['internal_user_mgt_view']),
      reason: said.impersonation_reason,
      ticket: said.impersonation_ticket,
      authorizedAt: instant,
      startedAt: instant,
      expiresAt: instant,
      requests: [
        {
          at: instant,
          method: 'PATCH',
          path: '/scim2/Me',
          outcome: 'AUTHORIZED',
          changes: [{ event: 'user-claims-changed', target: expect.any(String) }],
        },
      ],
      hasMoreRequests: false,
    })
    const { impersonations } = await get<OwnList>(`${list}?limit=1`)
    expect(impersonations).toEqual([shown])
  })

  test('what was done is told in the order of time, the latest first, before and after it is sealed', async () => {
    const { token, id } = await begun()
    for (const country of ['Norway', 'Iceland', 'Finland']) await patchCountry(server, token, country)
    const before = await get<Own>(`${list}/${id}`)
    expect(before.requests).toHaveLength(3)
    const [oldest] = await server.db
      .selectFrom('audit')
      .select('id')
      .where('impersonation_id', '=', id)
      .where('event', '=', 'resource-modification-via-impersonation')
      .orderBy('id')
      .execute()
    // as the sealer numbers them
    await commit(server.db, [
      write(
        server.db
          .updateTable('audit')
          .set({ position: 1_000_000, link: 'x' })
          .where('id', '=', oldest?.id ?? ''),
      ),
    ])
    expect(await get<Own>(`${list}/${id}`)).toEqual(before)
  })

  test('the list has pages, and filters', async () => {
    const [older, newer] = [await begun(), await begun()]
    const first = await get<OwnList>(`${list}?limit=1&state=active`)
    expect(first.impersonations.map(({ id }) => id)).toEqual([newer.id])
    const next = new URL(first.links.find(({ rel }) => rel === 'next')?.href ?? '')
    expect(next.pathname).toBe(list)
    const second = await get<OwnList>(`${next.pathname}${next.search}`)
    expect(second.impersonations.map(({ id }) => id)).toEqual([older.id])
    expect(second.links.map(({ rel }) => rel)).toContain('previous')
    expect((await get<OwnList>(`${list}?impersonator=${stranger.id}`)).impersonations).toEqual([])
    expect((await get<OwnList>(list, stranger)).impersonations).toEqual([])
    // somebody who acts for others sees there what others do for him
    expect(
      (await get<OwnList>(`${list}?subject=${scenario.subject.id}`, scenario.impersonator)).impersonations,
    ).toEqual([])
    for (const query of ['limit=0', 'limit=-1', 'state=x', 'after=%00', 'from=now', 'after=YQ&before=YQ'])
      await expectRefusal(
        server,
        () => server.request(`${list}?${query}`, { headers: as(scenario.subject) }),
        { status: 400, code: 'IMP-60001' },
      )
  })

  test('an attempt that was refused is not among them', async () => {
    const browser = newBrowser(server)
    const paused = await browser.get(authorizePath({ ...scenario, subject: stranger }))
    const stolen = await logIn(browser, paused, scenario.subject)
    expect(fragmentOf(stolen).get('error')).toBe('access_denied')
    expect((await get<OwnList>(list, stranger)).impersonations).toEqual([])
    const refused = await server.db
      .selectFrom('impersonation')
      .select('id')
      .where('subject_id', '=', stranger.id)
      .executeTakeFirstOrThrow()
    await expectRefusal(server, () => server.request(`${list}/${refused.id}`, { headers: as(stranger) }), {
      status: 404,
      code: 'IMP-60002',
    })
  })

  test('he ends one, and it is dead at once; ending it again changes nothing', async () => {
    const { token, id } = await begun()
    expect(await isActive(token)).toBe(true)
    const ended = await server.send(
      'POST',
      `${list}/${id}/end`,
      { reason: 'I know nobody there' },
      as(scenario.subject),
    )
    expect([ended.status, await ended.text()]).toEqual([204, ''])
    expect(await isActive(token)).toBe(false)
    expect((await patchCountry(server, token)).status).toBe(401)
    const row = (await server.audit()).find(
      ({ event, impersonation_id }) => event === 'impersonation-ended' && impersonation_id === id,
    )
    expect(row).toMatchObject({ initiator: scenario.subject.id, target: scenario.subject.id })
    const { result } = await nothingElse(server.db, {}, () =>
      server.send('POST', `${list}/${id}/end`, undefined, as(scenario.subject)),
    )
    expect(result.status).toBe(204)
    expect(await get<Own>(`${list}/${id}`)).toMatchObject({
      state: 'ended',
      endedBy: 'you',
      endReason: 'ended',
    })
  })

  test('(S9) nobody else ends it there, neither who acts nor anybody: for them it is not there', async () => {
    const { token, id } = await begun()
    for (const who of [scenario.impersonator, stranger, { userName: 'admin', password: 'admin' }]) {
      const { result } = await nothingElse(server.db, {}, () =>
        server.send('POST', `${list}/${id}/end`, undefined, as(who)),
      )
      expect([result.status, ((await result.json()) as { code: string }).code]).toEqual([404, 'IMP-60002'])
      await expectRefusal(server, () => server.request(`${list}/${id}`, { headers: as(who) }), {
        status: 404,
        code: 'IMP-60002',
      })
    }
    // the login of the one acted for is his own, and independent of it
    const browser = newBrowser(server)
    await logIn(browser, await browser.get(authorizePath(scenario)), scenario.subject)
    expect(await isActive(token)).toBe(true)
    for (const unknown of [crypto.randomUUID(), '%00', 'x'.repeat(5_000), '..%2f'])
      expect([404, 400]).toContain(
        (await server.send('POST', `${list}/${unknown}/end`, undefined, as(scenario.subject))).status,
      )
  })

  test('(S19) who acts for him may do none of it', async () => {
    const { access_token } = await impersonate(server, scenario)
    const { impersonations } = await get<OwnList>(`${list}?limit=1`)
    const headers = { Authorization: `Bearer ${access_token}`, 'Content-Type': 'application/json' }
    const calls: readonly (readonly [string, string, string?])[] = [
      ['GET', list],
      ['GET', `${list}/${impersonations[0]?.id}`],
      ['POST', `${list}/${impersonations[0]?.id}/end`],
      ['GET', preferences],
      ['PUT', preferences, '{"allowImpersonation":false}'],
    ]
    for (const [method, path, body] of calls) {
      const known = (await server.audit()).length
      const response = await server.request(path, { method, headers, ...(body ? { body } : {}) })
      expect([method, path, response.status]).toEqual([method, path, 403])
      const rows = (await server.audit()).slice(known)
      expect(rows.map(({ outcome, actor_id }) => [outcome, actor_id])).toEqual(
        method === 'GET' ? [] : [['403', scenario.impersonator.id]],
      )
    }
    expect(await isActive(access_token)).toBe(true)
  })

  test('without a login there is nothing', async () => {
    for (const [method, path] of [
      ['GET', list],
      ['GET', preferences],
      ['PUT', preferences],
    ] as const)
      await expectRefusal(server, () => server.request(path, { method }), { status: 401, code: 401 })
  })

  describe('opting out', () => {
    const optOut = (allowImpersonation = false, at = server) =>
      at.send('PUT', preferences, { allowImpersonation }, as(scenario.subject))
    const ask = async (at = server) => {
      const browser = newBrowser(at)
      const answer = await logIn(browser, await browser.get(authorizePath(scenario)), scenario.impersonator)
      return fragmentOf(answer)
    }

    test('(Q11) who opts out is nobody’s subject any more, and what lives ends at once', async () => {
      const { token, id } = await begun()
      const { subjectToken, idToken } = await obtainSubjectToken(server, scenario)
      expect(await get<object>(preferences)).toEqual({ allowImpersonation: true, changeable: true })
      const { result } = await nothingElse(
        server.db,
        { account: { changed: 1 }, audit: { added: 1 }, lineage: { changed: await living() } },
        () => optOut(),
      )
      expect([result.status, await result.json()]).toEqual([
        200,
        { allowImpersonation: false, changeable: true },
      ])
      expect(await latest()).toMatchObject({
        event: 'impersonation-preference-changed',
        initiator: scenario.subject.id,
        subject_id: scenario.subject.id,
        data: { allowImpersonation: false },
      })
      expect(await isActive(token)).toBe(false)
      expect(await get<Own>(`${list}/${id}`)).toMatchObject({
        state: 'ended',
        endedBy: 'you',
        endReason: 'opted-out',
      })
      expect((await exchange(server, scenario, { subjectToken, idToken })).status).toBe(400)
      const refused = await ask()
      expect([refused.get('error'), refused.get('error_description')]).toEqual([
        'access_denied',
        'The impersonation was refused.',
      ])
      expect((await latest())?.data).toMatchObject({
        validator: 'SubjectPreferenceValidator',
        reason: 'opted_out',
        phase: 'authorize',
      })
      expect(await get<object>(preferences)).toEqual({ allowImpersonation: false, changeable: true })
      expect((await optOut(true)).status).toBe(200)
      expect((await ask()).has('subject_token')).toBe(true)
    })

    /** How many lineages of impersonations of the subject are not ended. */
    const living = async () => {
      const rows = await server.db
        .selectFrom('lineage')
        .innerJoin('impersonation', 'impersonation.lineage_id', 'lineage.id')
        .select('lineage.id')
        .where('impersonation.subject_id', '=', scenario.subject.id)
        .where('lineage.ended_at', 'is', null)
        .execute()
      return rows.length
    }

    test('(Q11) it is asked again at the exchange', async () => {
      const tokens = await obtainSubjectToken(server, scenario)
      const { db } = server
      const optedOut = db.updateTable('account').set({ opted_out_at: new Date().toISOString() })
      await commit(db, [write(optedOut.where('id', '=', scenario.subject.id))])
      const refused = await exchange(server, scenario, tokens)
      expect([refused.status, await refused.json()]).toEqual([
        400,
        { error: 'invalid_request', error_description: 'The impersonation was refused.' },
      ])
      expect((await latest())?.data).toMatchObject({
        validator: 'SubjectPreferenceValidator',
        reason: 'opted_out',
        phase: 'exchange',
      })
    })

    test('saying the same again changes nothing', async () => {
      expect((await optOut()).status).toBe(200)
      const { result } = await nothingElse(server.db, {}, () => optOut())
      expect([result.status, await result.json()]).toEqual([
        200,
        { allowImpersonation: false, changeable: true },
      ])
    })

    test('where it is not allowed nobody opts out, and what was said before is not in force', async () => {
      expect((await optOut()).status).toBe(200)
      await expectRefusal(plain, () => optOut(true, plain), { status: 403, code: 'IMP-60003' })
      const shown = await plain.request(preferences, { headers: as(scenario.subject) })
      expect(await shown.json()).toEqual({ allowImpersonation: true, changeable: false })
      expect((await ask(plain)).has('subject_token')).toBe(true)
    })

    test('of an impersonation that begins at the same moment nothing lives on', async () => {
      const browser = newBrowser(server)
      for (let round = 0; round < 5; round += 1) {
        const tokens = await obtainSubjectToken(server, scenario, {}, browser)
        const [started, spoken] = await Promise.all([exchange(server, scenario, tokens), optOut()])
        expect(spoken.status).toBe(200)
        expect(await living()).toBe(0)
        if (started.status === 200) {
          const { access_token } = (await started.json()) as TokenResponse
          expect(await isActive(access_token)).toBe(false)
        }
        expect((await optOut(true)).status).toBe(200)
      }
    })

    test.each([
      ['no JSON', 'x', 400, 'UE-10000'],
      ['nothing', '', 400, 'UE-10000'],
      ['a text', '{"allowImpersonation":"false"}', 400, 'UE-10000'],
      ['null', '{"allowImpersonation":null}', 400, 'UE-10000'],
      ['an empty object', '{}', 400, 'UE-10000'],
      ['an unknown key', '{"allowImpersonation":false,"x":1}', 400, 'UE-10000'],
      ['deep JSON', '['.repeat(10_000), 400, 'UE-10000'],
      ['NUL', '{"allowImpersonation\\u0000":false}', 400, 'UE-10000'],
      ['invalid UTF-8', new Uint8Array([0x22, 0xff, 0x22]), 400, 'UE-10000'],
      ['10 MB', `"${'x'.repeat(10_000_000)}"`, 413, 'UE-10000'],
    ] as const)('%s is refused', async (_, body, status, code) => {
      await expectRefusal(
        server,
        () =>
          server.request(preferences, {
            method: 'PUT',
            headers: { ...as(scenario.subject), 'Content-Type': 'application/json' },
            body,
          }),
        { status, code },
      )
    })
  })
})
