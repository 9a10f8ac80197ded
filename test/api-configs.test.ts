/** The impersonation setting: its default, its change, and its place in the configuration store. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { readRevision, runScript } from '../lib/database/commit.ts'
import { isEmailNotificationEnabled, isNoticeOn } from '../lib/directory/impersonation-setting.ts'
import { admin, type Booted, boot } from './boot.ts'
import { databases } from './databases.ts'
import { expectRefusal, operator, stateOf } from './management.ts'
import { nothingElse } from './nothing-else.ts'

const path = '/api/server/v1/configs/impersonation'
const base = '/api/identity/config-mgt/v1.0'
const stored = `${base}/resource/IMPERSONATION_CONFIGURATION/TENANT_IMPERSONATION_CONFIGURATION`
/** The seed's line for Postgres. */
const seed =
  "INSERT INTO IDN_CONFIG_TYPE (ID, NAME, DESCRIPTION) VALUES ('3e5b1f91-72d8-4fbc-94d1-1b9a4f8c3b07', 'IMPERSONATION_CONFIGURATION', 'A resource type to keep the tenant impersonation preferences.');"

for (const database of databases) {
  describe(`configs/impersonation on ${database.name}`, () => {
    let server: Booted
    beforeAll(async () => {
      server = await boot(database)
    })
    afterAll(() => server.stop())

    const patch = (value: unknown, operation = 'REPLACE') =>
      server.send('PATCH', path, [{ operation, path: '/enableEmailNotification', value }])
    const get = async () => {
      const response = await server.send('GET', path)
      expect(response.status).toBe(200)
      return (await response.json()) as unknown
    }

    test('without the type it is on, and a change names the call that creates the type', async () => {
      expect(await get()).toEqual({ enableEmailNotification: true })
      const body = await expectRefusal(server, () => patch(false), { status: 409, code: 'CNF-65019' })
      expect(body.message).toBe('Unable to update Impersonation configuration.')
      expect(body.description).toContain('POST /api/identity/config-mgt/v1.0/resource-type')
      const before = await stateOf(server)
      const nothing = await server.send('PATCH', path, [])
      expect([nothing.status, await nothing.text()]).toEqual([200, ''])
      expect(await stateOf(server)).toEqual(before)
    })

    test("it works after the seed's script", async () => {
      await runScript(server.db, seed)
      expect(await get()).toEqual({ enableEmailNotification: true })
      const before = await stateOf(server)
      const response = await patch(false)
      expect([response.status, await response.text()]).toEqual([200, ''])
      expect(await stateOf(server)).toEqual({
        ...before,
        idn_config_resource: 1,
        idn_config_attribute: 1,
        audit: (before.audit ?? 0) + 1,
        revision: (before.revision ?? 0) + 1,
      })
      expect(await get()).toEqual({ enableEmailNotification: false })
      expect(await isEmailNotificationEnabled(server.db)).toBe(false)
      expect((await server.audit()).at(-1)).toMatchObject({
        event: 'configuration-changed',
        target: 'IMPERSONATION_CONFIGURATION/TENANT_IMPERSONATION_CONFIGURATION',
        data: { setting: 'EnableEmailNotification', from: true, to: false },
      })
      const resource = (await (await server.send('GET', stored)).json()) as Record<string, unknown>
      expect(resource.attributes).toEqual([{ key: 'EnableEmailNotification', value: 'false' }])
      expect((await patch(true, 'ADD')).status).toBe(200)
      const later = (await (await server.send('GET', stored)).json()) as Record<string, unknown>
      expect(later).toMatchObject({ resourceId: resource.resourceId, created: resource.created })
      expect(later.attributes).toEqual([{ key: 'EnableEmailNotification', value: 'true' }])
    })

    test('the last of several operations counts', async () => {
      const item = { operation: 'REPLACE', path: '/enableEmailNotification' }
      const response = await server.send('PATCH', path, [
        { ...item, value: true },
        { ...item, value: false },
      ])
      expect(response.status).toBe(200)
      expect(await get()).toEqual({ enableEmailNotification: false })
    })

    test('writers at the same time leave one value', async () => {
      const responses = await Promise.all([patch(true), patch(false), patch(true)])
      expect(responses.map(({ status }) => status)).toEqual([200, 200, 200])
      expect(await stateOf(server)).toMatchObject({ idn_config_resource: 1, idn_config_attribute: 1 })
    })

    test('a resource without the attribute says no', async () => {
      await runScript(server.db, 'DELETE FROM IDN_CONFIG_ATTRIBUTE')
      expect(await get()).toEqual({ enableEmailNotification: false })
    })

    const item = { operation: 'REPLACE', path: '/enableEmailNotification', value: true }
    test.each([
      ['REMOVE', [{ ...item, operation: 'REMOVE' }]],
      ['another path', [{ ...item, path: '/enableemailnotification' }]],
      ['no boolean', [{ ...item, value: 'maybe' }]],
      ['no value', [{ operation: 'ADD', path: item.path }]],
      ['a wrong one behind a right one', [item, { ...item, path: '/x' }]],
    ])('it refuses %s', async (_, body) => {
      await expectRefusal(server, () => server.send('PATCH', path, body), {
        status: 400,
        code: 'CNF-60003',
        description: 'One of the given inputs is invalid. Unsupported patch operation.',
      })
    })

    test('it refuses what is no list of operations', async () => {
      for (const body of [item, 'x', [1]])
        await expectRefusal(server, () => server.send('PATCH', path, body), { status: 400, code: 'UE-10000' })
    })

    test('what is decided sees a change at once, by whichever call it came', async () => {
      const seen = async () => {
        const n = await readRevision(server.db)
        expect(await isNoticeOn(server.db, n)).toBe(await isEmailNotificationEnabled(server.db))
        return isNoticeOn(server.db, n)
      }
      const type = `${base}/resource-type`
      const resources = `${base}/resource/IMPERSONATION_CONFIGURATION`
      const of = (value: string) => [{ key: 'EnableEmailNotification', value }]
      const name = 'TENANT_IMPERSONATION_CONFIGURATION'
      const steps = [
        ['PATCH', path, [{ operation: 'ADD', path: '/enableEmailNotification', value: true }], true],
        ['PUT', resources, { name, attributes: of('false') }, false],
        ['PUT', stored, of('TRUE')[0], true],
        ['DELETE', `${stored}/EnableEmailNotification`, undefined, false],
        ['POST', stored, of('true')[0], true],
        ['PATCH', path, [{ operation: 'REPLACE', path: '/enableEmailNotification', value: false }], false],
        ['DELETE', path, undefined, true],
        ['POST', resources, { name, attributes: of('no') }, false],
        ['DELETE', stored, undefined, true],
        ['PUT', resources, { name }, false],
        ['DELETE', `${type}/IMPERSONATION_CONFIGURATION`, undefined, true],
        ['POST', type, { name: 'IMPERSONATION_CONFIGURATION' }, true],
      ] as const
      for (const [method, place, body, on] of steps) {
        const { status } = await server.send(method, place, body)
        expect([method, place, status < 300]).toEqual([method, place, true])
        expect([method, place, await seen()]).toEqual([method, place, on])
      }
    })

    test('DELETE goes back to the default, and has nothing to do after that', async () => {
      expect((await patch(false)).status).toBe(200)
      const remove = () => server.send('DELETE', path)
      const { result } = await nothingElse(
        server.db,
        {
          audit: { added: 1 },
          revision: { changed: 1 },
          idn_config_resource: { removed: 1 },
          idn_config_attribute: { removed: 1 },
        },
        remove,
      )
      expect([result.status, await result.text()]).toEqual([204, ''])
      expect((await server.audit()).at(-1)).toMatchObject({
        event: 'configuration-changed',
        target: 'IMPERSONATION_CONFIGURATION/TENANT_IMPERSONATION_CONFIGURATION',
        data: { setting: 'EnableEmailNotification', from: false, to: true },
      })
      expect(await get()).toEqual({ enableEmailNotification: true })
      const { result: again } = await nothingElse(server.db, {}, remove)
      expect(again.status).toBe(204)
    })

    test('If-Match changes what was read and nothing newer', async () => {
      const tagOf = async () => (await server.send('GET', path)).headers.get('ETag') ?? ''
      const on = await tagOf()
      expect((await patch(false)).status).toBe(200)
      expect(await tagOf()).not.toBe(on)
      const refused = { status: 412, code: 'UE-10012' }
      const late = { Authorization: admin, 'If-Match': on }
      const body = [{ operation: 'ADD', path: '/enableEmailNotification', value: true }]
      await expectRefusal(server, () => server.send('PATCH', path, body, late), refused)
      await expectRefusal(server, () => server.send('DELETE', path, undefined, late), refused)
      const now = { Authorization: admin, 'If-Match': await tagOf() }
      const known = { Authorization: admin, 'If-None-Match': await tagOf() }
      expect((await server.send('GET', path, undefined, known)).status).toBe(304)
      expect((await server.send('PATCH', path, body, now)).status).toBe(200)
    })

    test('/configs tells what the deployment says, and cannot change it', async () => {
      const response = await server.send('GET', '/api/server/v1/configs')
      expect([response.status, await response.json()]).toEqual([
        200,
        {
          idleSessionTimeoutPeriod: '15',
          homeRealmIdentifiers: ['localhost'],
          provisioning: { inbound: { scim: { provisioningUserstore: 'PRIMARY', enableProxyMode: false } } },
          authenticators: [
            {
              id: btoa('BasicAuthenticator'),
              name: 'BasicAuthenticator',
              displayName: 'Username & Password',
              isEnabled: true,
              type: 'LOCAL',
            },
          ],
        },
      ])
      const change = [{ operation: 'REPLACE', path: '/idleSessionTimeoutPeriod', value: '30' }]
      await expectRefusal(server, () => server.send('PATCH', '/api/server/v1/configs', change), {
        status: 405,
        code: '405',
        description: 'This path has GET.',
      })
    })

    test('anybody signed in may read it, few may change it', async () => {
      const headers = await operator(server, 'nobody', [])
      expect((await server.send('GET', path, undefined, headers)).status).toBe(200)
      expect((await server.send('GET', '/api/server/v1/configs', undefined, headers)).status).toBe(200)
      const updater = await operator(server, 'updater', ['internal_config_update'])
      await expectRefusal(server, () => server.send('DELETE', path, [item], updater), {
        status: 403,
        code: 403,
      })
      const deleter = await operator(server, 'deleter', ['internal_config_delete'])
      expect((await server.send('DELETE', path, undefined, deleter)).status).toBe(204)
      await expectRefusal(server, () => server.send('PATCH', path, [item], headers), {
        status: 403,
        code: 403,
      })
    })
  })
}
