/** The configuration management API: what the seed's set-up needs of it, and what it refuses. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { runScript } from '../lib/database/commit.ts'
import { admin, type Booted, boot } from './boot.ts'
import { databases } from './databases.ts'
import { expectRefusal, operator, stateOf } from './management.ts'
import { seedType } from './scenario.ts'

const types = '/api/identity/config-mgt/v1.0/resource-type'
const uuid = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/

for (const database of databases) {
  describe(`configuration management on ${database.name}`, () => {
    let server: Booted
    beforeAll(async () => {
      server = await boot(database)
    })
    afterAll(() => server.stop())

    test("it takes the seed's curl", async () => {
      const before = await stateOf(server)
      const response = await server.request(types, {
        method: 'POST',
        headers: {
          accept: 'application/json',
          'Content-Type': 'application/json',
          Authorization: 'Basic YWRtaW46YWRtaW4=',
        },
        body: '{"name": "IMPERSONATION_CONFIGURATION", "description": "A resource type to keep the tenant impersonation preferences."}',
      })
      expect(response.status).toBe(201)
      const type = (await response.json()) as Record<string, unknown>
      expect(type).toEqual({ ...seedType, id: expect.stringMatching(uuid), links: [] })
      expect(response.headers.get('Location')).toBe(`https://localhost:9443${types}/${type.id}`)
      expect(await stateOf(server)).toEqual({
        ...before,
        idn_config_type: (before.idn_config_type ?? 0) + 1,
        audit: (before.audit ?? 0) + 1,
        revision: (before.revision ?? 0) + 1,
      })
      const [row] = (await server.audit()).slice(-1)
      expect(row).toMatchObject({
        event: 'configuration-type-created',
        target: seedType.name,
        data: { id: type.id, name: seedType.name },
        outcome: 'Success',
        trace_id: response.headers.get('activityid'),
      })
      const found = await server.send('GET', `/t/carbon.super${types}/${seedType.name}`)
      expect(found.status).toBe(200)
      expect(await found.json()).toEqual(type)
      await expectRefusal(server, () => server.send('POST', types, seedType), {
        status: 409,
        code: 'CONFIGM_00006',
        description: 'Resource type with the name: IMPERSONATION_CONFIGURATION already exists.',
      })
    })

    test('it creates a type once, however many ask at the same time', async () => {
      const body = { name: 'RACED' }
      const responses = await Promise.all(Array.from({ length: 8 }, () => server.send('POST', types, body)))
      expect(responses.map(({ status }) => status).sort()).toEqual([201, ...Array(7).fill(409)])
      const rows = (await server.audit()).filter(({ target }) => target === 'RACED')
      expect(rows).toHaveLength(1)
    })

    test('it serves what a script wrote', async () => {
      await runScript(
        server.db,
        `INSERT INTO IDN_CONFIG_TYPE (ID, NAME, DESCRIPTION) VALUES ('t1', 'BY_SCRIPT', NULL);
         INSERT INTO IDN_CONFIG_RESOURCE (ID, TENANT_ID, NAME, CREATED_TIME, LAST_MODIFIED, HAS_FILE, HAS_ATTRIBUTE, TYPE_ID)
           VALUES ('r1', -1234, 'a b', '2026-01-02 03:04:05', '2026-01-02 03:04:05.678', true, true, 't1'),
                  ('r2', 7, 'of another tenant', '2026-01-02 03:04:05', '2026-01-02 03:04:05', false, false, 't1');
         INSERT INTO IDN_CONFIG_ATTRIBUTE (ID, RESOURCE_ID, ATTR_KEY, ATTR_VALUE) VALUES ('a1', 'r1', 'k', NULL), ('a2', 'r1', 'b', 'v');`,
      )
      const type = await server.send('GET', `${types}/BY_SCRIPT`)
      const href = '/t/carbon.super/api/identity/config-mgt/v1.0/resource/BY_SCRIPT/a%20b'
      expect(await type.json()).toEqual({ name: 'BY_SCRIPT', id: 't1', links: [{ href, rel: 'resource' }] })
      const resource = await server.send('GET', href)
      expect(resource.status).toBe(200)
      expect(await resource.json()).toEqual({
        resourceId: 'r1',
        tenantDomain: 'carbon.super',
        resourceName: 'a b',
        resourceType: 'BY_SCRIPT',
        lastModified: '2026-01-02T03:04:05.678+0000',
        created: '2026-01-02T03:04:05.000+0000',
        attributes: [
          { key: 'b', value: 'v' },
          { key: 'k', value: null },
        ],
        files: [{ rel: 'file', href: `${href}/file` }],
      })
      const other = `${href.slice('/t/carbon.super'.length, -5)}of%20another%20tenant`
      await expectRefusal(server, () => server.send('GET', other), { status: 404, code: 'CONFIGM_00017' })
    })

    test.each([
      [
        '/resource-type/NO%00SUCH',
        'CONFIGM_00008',
        /^Resource type with the name: NO.SUCH does not exists\.$/,
      ],
      ['/resource-type/%zz', 'CONFIGM_00008', /does not exists/],
      ['/resource/NONE/x', 'CONFIGM_00008', 'Resource type with the name: NONE does not exists.'],
      ['/resource/IDP_TEMPLATE/$&', 'CONFIGM_00017', 'Resource with the name: $& does not exists.'],
    ])('it does not find %s', async (path, code, description) => {
      const get = () => server.send('GET', `/api/identity/config-mgt/v1.0${path}`)
      await expectRefusal(server, get, { status: 404, code, description })
    })

    const post = (body: NonNullable<RequestInit['body']>, headers: Record<string, string> = {}) =>
      server.request(types, {
        method: 'POST',
        headers: { Authorization: admin, 'Content-Type': 'application/json', ...headers },
        body,
      })
    const format = 'Provided request body content is not in the expected format.'
    test.each([
      ['no JSON', '{"name":', 400, 'UE-10000', format],
      ['nothing', '', 400, 'UE-10000', format],
      ['an array', '[]', 400, 'UE-10000', format],
      ['null', 'null', 400, 'UE-10000', format],
      ['a number as name', '{"name":5}', 400, 'UE-10000', /^Provided request body .* name: /],
      ['no name', '{"description":"x"}', 400, 'CONFIGM_00004', 'Resource type name:  validation failed.'],
      ['a blank name', '{"name":"  "}', 400, 'CONFIGM_00004', /validation failed/],
      [
        'a name too long',
        JSON.stringify({ name: 'x'.repeat(256) }),
        400,
        'CONFIGM_00004',
        /validation failed/,
      ],
      [
        'a long description',
        JSON.stringify({ name: 'x', description: 'y'.repeat(1024) }),
        400,
        'UE-10000',
        /description/,
      ],
      ['NUL', '{"name":"a\\u0000b"}', 400, 'UE-10000', format],
      ['a broken surrogate', '{"name":"a\\ud800"}', 400, 'UE-10000', format],
      ['what is not UTF-8', new Uint8Array([0x22, 0xff, 0x22]), 400, 'UE-10000', format],
      ['brackets without end', '['.repeat(100_000), 400, 'UE-10000', format],
      ['a prototype', '{"name":"PROTO","__proto__":{"description":"x"}}', 400, 'UE-10000', format],
      ['a number without end', '{"name":"x","links":[1e999]}', 400, 'UE-10000', format],
      ['more than 1 MiB', JSON.stringify({ name: 'x'.repeat(1_048_577) }), 413, 'UE-10000', /1048576 bytes/],
    ])('it refuses %s', async (_, body, status, code, description) => {
      await expectRefusal(server, () => post(body), { status, code, description })
    })

    test('it refuses more than 1 MiB that does not say its length', async () => {
      const chunk = new TextEncoder().encode(' '.repeat(262_144))
      let sent = 0
      const body = () =>
        new ReadableStream({
          pull(controller) {
            sent += 1
            if (sent > 8) controller.close()
            else controller.enqueue(chunk)
          },
        })
      await expectRefusal(server, () => post(body()), { status: 413, code: 'UE-10000' })
    })

    test('it refuses another media type', async () => {
      const headers = { 'Content-Type': 'text/plain' }
      await expectRefusal(server, () => post('{"name":"x"}', headers), { status: 415, code: 'UE-10000' })
    })

    test('it tells the unauthenticated nothing', async () => {
      for (const [method, path] of [
        ['POST', types],
        ['GET', `${types}/IDP_TEMPLATE`],
        ['GET', '/api/no/such/path'],
      ] as const) {
        const before = await stateOf(server)
        const response = await server.send(method, path, method === 'POST' ? seedType : undefined, {})
        expect(response.status).toBe(401)
        expect(response.headers.get('WWW-Authenticate')).toBe('Bearer realm="localhost"')
        expect(response.headers.get('Content-Type')).toBe('application/json;charset=UTF-8')
        expect(await response.text()).toBe(`{
  "code": 401,
  "message": "Unauthorized",
  "description": "Authorization failure. Authorization information was invalid or missing from your request.",
  "traceId": "${response.headers.get('activityid')}"
}`)
        expect(await stateOf(server)).toEqual(before)
      }
    })

    test('it asks for the permission of each call', async () => {
      const viewer = await operator(server, 'config-viewer', ['internal_config_mgt_view'])
      const post = () => server.send('POST', types, { name: 'DENIED' }, viewer)
      const body = await expectRefusal(server, post, { status: 403, code: 403 })
      expect(body.message).toBe('Forbidden')
      expect((await server.send('GET', `${types}/IDP_TEMPLATE`, undefined, viewer)).status).toBe(200)
      await expectRefusal(server, () => server.send('GET', '/api/no/such/path'), { status: 404, code: '404' })
    })
  })
}
