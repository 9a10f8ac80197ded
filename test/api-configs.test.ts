/** The impersonation setting: its default, its change, and its place in the configuration store. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { runScript } from '../lib/database/commit.ts'
import { isEmailNotificationEnabled } from '../lib/directory/impersonation-setting.ts'
import { type Booted, boot } from './boot.ts'
import { databases } from './databases.ts'
import { expectRefusal, operator, stateOf } from './management.ts'

const path = '/api/server/v1/configs/impersonation'
const stored =
  '/api/identity/config-mgt/v1.0/resource/IMPERSONATION_CONFIGURATION/TENANT_IMPERSONATION_CONFIGURATION'
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

    test('anybody signed in may read it, few may change it', async () => {
      const headers = await operator(server, 'nobody', [])
      expect((await server.send('GET', path, undefined, headers)).status).toBe(200)
      await expectRefusal(server, () => server.send('PATCH', path, [item], headers), {
        status: 403,
        code: 403,
      })
    })
  })
}
