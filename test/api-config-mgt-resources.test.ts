/** Types, resources and attributes of the configuration store by REST: what each operation does and how it refuses. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { runScript } from '../lib/database/commit.ts'
import { type Booted, boot } from './boot.ts'
import { databases } from './databases.ts'
import { expectRefusal, operator } from './management.ts'
import { nothingElse } from './nothing-else.ts'

const base = '/api/identity/config-mgt/v1.0'
const tenanted = `/t/carbon.super${base}`
const uuid = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/
const instant = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000$/
const tag = /^W\/"[\w-]{22}"$/
const anything = ''
type Body = Record<string, unknown>

for (const database of databases) {
  describe(`config-mgt on ${database.name}`, () => {
    let server: Booted
    beforeAll(async () => {
      server = await boot(database)
      expect((await send('POST', '/resource-type', { name: 'HOME' })).status).toBe(201)
      const kept = { name: 'kept', attributes: [{ key: 'there', value: 'yes' }] }
      expect((await send('POST', '/resource/HOME', kept)).status).toBe(201)
    })
    afterAll(() => server.stop())

    const send = (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
      server.request(`${base}${path}`, {
        method,
        headers: {
          Authorization: 'Basic YWRtaW46YWRtaW4=',
          ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
    const read = async (path: string) => {
      const response = await send('GET', path)
      expect(response.status).toBe(200)
      return { tag: response.headers.get('ETag') ?? '', body: (await response.json()) as Body }
    }
    const counted = { audit: { added: 1 }, revision: { changed: 1 } }
    const lastEvent = async () => {
      const { event, target, data, outcome } = (await server.audit()).at(-1) ?? {}
      return { event, target, data, outcome }
    }
    const flagsOf = async (name: string) => {
      const { has_attribute, has_file } = await server.db
        .selectFrom('idn_config_resource')
        .select(['has_attribute', 'has_file'])
        .where('name', '=', name)
        .executeTakeFirstOrThrow()
      return [Boolean(has_attribute), Boolean(has_file)]
    }

    test('PUT of a type creates it, then replaces its description and keeps its id', async () => {
      const { result: created } = await nothingElse(
        server.db,
        { ...counted, idn_config_type: { added: 1 } },
        () => send('PUT', '/resource-type', { name: 'PUT_TYPE', description: 'first' }),
      )
      expect(created.status).toBe(200)
      expect(created.headers.get('ETag')).toMatch(tag)
      const first = (await created.json()) as Body
      expect(first).toEqual({
        name: 'PUT_TYPE',
        id: expect.stringMatching(uuid),
        description: 'first',
        links: [],
      })
      expect(await lastEvent()).toMatchObject({ event: 'configuration-type-created', target: 'PUT_TYPE' })
      const { result: replaced } = await nothingElse(
        server.db,
        { ...counted, idn_config_type: { changed: 1 } },
        () => send('PUT', '/resource-type', { ...first, description: 'second' }),
      )
      expect(await replaced.json()).toEqual({ ...first, description: 'second' })
      expect(await lastEvent()).toEqual({
        event: 'configuration-type-updated',
        target: 'PUT_TYPE',
        data: { id: first.id, name: 'PUT_TYPE' },
        outcome: 'Success',
      })
      expect((await send('PUT', '/resource-type', { name: 'PUT_TYPE' })).status).toBe(200)
      const { description: _, ...bare } = first
      expect((await read('/resource-type/PUT_TYPE')).body).toEqual(bare)
    })

    test('DELETE of a type takes its resources with it', async () => {
      await send('POST', '/resource-type', { name: 'GOING' })
      const attributes = [
        { key: 'a', value: '1' },
        { key: 'b', value: '2' },
      ]
      await send('POST', '/resource/GOING', { name: 'one', attributes })
      await send('POST', '/resource/GOING', { name: 'two' })
      const { result } = await nothingElse(
        server.db,
        {
          ...counted,
          idn_config_type: { removed: 1 },
          idn_config_resource: { removed: 2 },
          idn_config_attribute: { removed: 2 },
        },
        () => send('DELETE', '/resource-type/GOING'),
      )
      expect([result.status, await result.text()]).toEqual([200, ''])
      expect(await lastEvent()).toMatchObject({
        event: 'configuration-type-deleted',
        target: 'GOING',
        data: { name: 'GOING', resources: 2 },
      })
    })

    test('a resource is created, read by the links of its type, replaced, and removed', async () => {
      const asked = {
        name: 'a/b ü',
        attributes: [{ key: 'z', value: '' }, { key: 'A', value: "it's" }, { key: 'none' }],
      }
      const { result: created } = await nothingElse(
        server.db,
        { ...counted, idn_config_resource: { added: 1 }, idn_config_attribute: { added: 3 } },
        () => send('POST', '/resource/HOME', asked),
      )
      expect(created.status).toBe(201)
      const path = '/resource/HOME/a%2Fb%20%C3%BC'
      expect(created.headers.get('Location')).toBe(`https://localhost:9443${base}${path}`)
      const resource = (await created.json()) as Body
      expect(resource).toEqual({
        resourceId: expect.stringMatching(uuid),
        tenantDomain: 'carbon.super',
        resourceName: 'a/b ü',
        resourceType: 'HOME',
        lastModified: expect.stringMatching(instant),
        created: resource.lastModified,
        attributes: [
          { key: 'A', value: "it's" },
          { key: 'none', value: null },
          { key: 'z', value: '' },
        ],
        files: [],
      })
      expect(await lastEvent()).toEqual({
        event: 'configuration-resource-created',
        target: 'HOME/a/b ü',
        data: { id: resource.resourceId, keys: ['z', 'A', 'none'] },
        outcome: 'Success',
      })
      const type = await read('/resource-type/HOME')
      expect(type.body.links).toEqual([
        { href: `${tenanted}${path}`, rel: 'resource' },
        { href: `${tenanted}/resource/HOME/kept`, rel: 'resource' },
      ])
      const found = await read(path)
      expect(found).toEqual({ tag: created.headers.get('ETag') ?? '', body: resource })
      expect(await flagsOf('a/b ü')).toEqual([true, false])

      const { result: replaced } = await nothingElse(
        server.db,
        {
          ...counted,
          idn_config_resource: { changed: 1 },
          idn_config_attribute: { added: 1, removed: 3 },
        },
        () => send('PUT', '/resource/HOME', { name: 'a/b ü', attributes: [{ key: 'A', value: 'new' }] }),
      )
      expect(replaced.status).toBe(200)
      const second = (await replaced.json()) as Body
      expect(second).toMatchObject({
        resourceId: resource.resourceId,
        created: resource.created,
        attributes: [{ key: 'A', value: 'new' }],
      })
      expect(await read(path)).toEqual({ tag: replaced.headers.get('ETag') ?? '', body: second })
      expect(await lastEvent()).toMatchObject({
        event: 'configuration-resource-updated',
        data: { keys: ['A'] },
      })
      await send('PUT', '/resource/HOME', { name: 'a/b ü', attributes: null })
      expect(await flagsOf('a/b ü')).toEqual([false, false])

      const { result: removed } = await nothingElse(
        server.db,
        { ...counted, idn_config_resource: { removed: 1 } },
        () => send('DELETE', path),
      )
      expect([removed.status, await removed.text()]).toEqual([200, ''])
      expect(await lastEvent()).toMatchObject({
        event: 'configuration-resource-deleted',
        target: 'HOME/a/b ü',
        data: { id: resource.resourceId, keys: [] },
      })
    })

    test('PUT of a new resource creates it with 200', async () => {
      const put = await send('PUT', '/resource/HOME', { name: 'by-put' })
      expect(put.status).toBe(200)
      expect(await put.json()).toMatchObject({ resourceName: 'by-put', attributes: [], files: [] })
      expect(await lastEvent()).toMatchObject({ event: 'configuration-resource-created' })
      expect((await send('DELETE', '/resource/HOME/by-put')).status).toBe(200)
    })

    test('an attribute is added, read, replaced and removed, and the resource keeps step', async () => {
      await send('POST', '/resource/HOME', { name: 'bare' })
      const path = '/resource/HOME/bare'
      const before = await read(path)
      const attribute = { key: 'a b/c', value: 'v'.repeat(1023) }
      const { result: added } = await nothingElse(
        server.db,
        { ...counted, idn_config_resource: { changed: 1 }, idn_config_attribute: { added: 1 } },
        () => send('POST', path, attribute),
      )
      expect([added.status, await added.json()]).toEqual([201, attribute])
      expect(await lastEvent()).toEqual({
        event: 'configuration-attribute-added',
        target: 'HOME/bare',
        data: { key: 'a b/c' },
        outcome: 'Success',
      })
      expect(await flagsOf('bare')).toEqual([true, false])
      const after = await read(path)
      expect(after.tag).not.toBe(before.tag)
      expect(after.body.attributes).toEqual([attribute])
      expect((await read(`${path}/a%20b%2Fc`)).body).toEqual(attribute)

      const { result: replaced } = await nothingElse(
        server.db,
        { ...counted, idn_config_resource: { changed: 1 }, idn_config_attribute: { added: 1, removed: 1 } },
        () => send('PUT', path, { key: 'a b/c', value: null }),
      )
      expect([replaced.status, await replaced.json()]).toEqual([200, { key: 'a b/c', value: null }])
      expect(await lastEvent()).toMatchObject({ event: 'configuration-attribute-updated' })
      const put = await send('PUT', path, { key: 'second', value: 'é' })
      expect(put.status).toBe(200)
      expect(await lastEvent()).toMatchObject({ event: 'configuration-attribute-added' })

      const { result: removed } = await nothingElse(
        server.db,
        { ...counted, idn_config_resource: { changed: 1 }, idn_config_attribute: { removed: 1 } },
        () => send('DELETE', `${path}/second`),
      )
      expect([removed.status, await removed.text()]).toEqual([200, ''])
      expect(await lastEvent()).toMatchObject({
        event: 'configuration-attribute-deleted',
        data: { key: 'second' },
      })
      expect(await flagsOf('bare')).toEqual([true, false])
      await send('DELETE', `${path}/a%20b%2Fc`)
      expect(await flagsOf('bare')).toEqual([false, false])
    })

    test('no value of an attribute is in the audit', async () => {
      const secret = 'never-to-be-audited'
      await send('POST', '/resource/HOME', { name: 'silent', attributes: [{ key: 'k', value: secret }] })
      await send('PUT', '/resource/HOME', { name: 'silent', attributes: [{ key: 'k', value: secret }] })
      await send('PUT', '/resource/HOME/silent', { key: 'k', value: `${secret}!` })
      await send('DELETE', '/resource/HOME/silent/k')
      await send('DELETE', '/resource/HOME/silent')
      expect(JSON.stringify(await server.audit())).not.toContain(secret)
    })

    test('it takes what a script wrote for what it is', async () => {
      const types = { '1': `'yes'`, '2': `'0'` } as const
      const flag = (n: keyof typeof types) =>
        database.name === 'SQLite' ? types[n] : n === '1' ? 'true' : 'false'
      const time = database.name === 'SQLite' ? `'when it rained'` : `'infinity'`
      await runScript(
        server.db,
        `INSERT INTO IDN_CONFIG_RESOURCE (ID, TENANT_ID, NAME, CREATED_TIME, LAST_MODIFIED, HAS_FILE, HAS_ATTRIBUTE, TYPE_ID)
           SELECT 'scripted', -1234, 'scripted', '2026-03-04 05:06:07.123456', ${time}, ${flag('2')}, ${flag('1')}, ID FROM IDN_CONFIG_TYPE WHERE NAME = 'HOME';
         INSERT INTO IDN_CONFIG_ATTRIBUTE (ID, RESOURCE_ID, ATTR_KEY, ATTR_VALUE)
           VALUES ('s1', 'scripted', 'twice', 'b'), ('s2', 'scripted', 'twice', 'a'), ('s3', 'scripted', 'other', NULL);
         INSERT INTO IDN_CONFIG_FILE (ID, VALUE, NAME, RESOURCE_ID) VALUES ('f1', NULL, NULL, 'scripted');`,
      )
      expect((await read('/resource/HOME/scripted')).body).toMatchObject({
        created: '2026-03-04T05:06:07.123+0000',
        lastModified: '1970-01-01T00:00:00.000+0000',
        attributes: [
          { key: 'other', value: null },
          { key: 'twice', value: 'a' },
          { key: 'twice', value: 'b' },
        ],
        files: [{ rel: 'file', href: `${tenanted}/resource/HOME/scripted/file` }],
      })
      expect((await read('/resource/HOME/scripted/twice')).body).toEqual({ key: 'twice', value: 'a' })
      expect((await send('PUT', '/resource/HOME/scripted', { key: 'twice', value: 'c' })).status).toBe(200)
      expect((await read('/resource/HOME/scripted')).body.attributes).toEqual([
        { key: 'other', value: null },
        { key: 'twice', value: 'c' },
      ])
      expect((await send('DELETE', '/resource/HOME/scripted')).status).toBe(200)
    })

    test('If-Match changes what was read and nothing newer; absent, the last write wins', async () => {
      await send('POST', '/resource-type', { name: 'TAGGED' })
      await send('POST', '/resource/TAGGED', { name: 'r', attributes: [{ key: 'k', value: '1' }] })
      const stale = { 'If-Match': 'W/"stale"' }
      const refused = { status: 412, code: 'UE-10012' }
      const type = await read('/resource-type/TAGGED')
      const resource = await read('/resource/TAGGED/r')
      const attribute = await read('/resource/TAGGED/r/k')
      const calls = [
        ['PUT', '/resource-type', { name: 'TAGGED' }],
        ['PUT', '/resource-type', { name: 'NOT_THERE' }],
        ['DELETE', '/resource-type/TAGGED', undefined],
        ['PUT', '/resource/TAGGED', { name: 'r' }],
        ['PUT', '/resource/TAGGED', { name: 'not there' }],
        ['DELETE', '/resource/TAGGED/r', undefined],
        ['PUT', '/resource/TAGGED/r', { key: 'k', value: '2' }],
        ['PUT', '/resource/TAGGED/r', { key: 'new', value: '2' }],
        ['DELETE', '/resource/TAGGED/r/k', undefined],
      ] as const
      for (const [method, path, body] of calls)
        await expectRefusal(server, () => send(method, path, body, stale), refused)
      await expectRefusal(
        server,
        () => send('PUT', '/resource/TAGGED', { name: 'not there' }, { 'If-Match': '*' }),
        refused,
      )
      for (const [path, { tag: known }] of [
        ['/resource-type/TAGGED', type],
        ['/resource/TAGGED/r', resource],
        ['/resource/TAGGED/r/k', attribute],
      ] as const) {
        expect(known).toMatch(tag)
        const again = await send('GET', path, undefined, { 'If-None-Match': known })
        expect([again.status, await again.text(), again.headers.get('ETag')]).toEqual([304, '', known])
      }
      const put = (body: unknown, ifMatch: string) =>
        send('PUT', '/resource/TAGGED/r', body, { 'If-Match': ifMatch })
      const changed = await put({ key: 'k', value: '2' }, attribute.tag)
      expect(changed.status).toBe(200)
      await expectRefusal(server, () => put({ key: 'k', value: '3' }, attribute.tag), refused)
      await expectRefusal(server, () => put({ key: 'k', value: '3' }, resource.tag), refused)
      expect((await put({ key: 'k', value: '3' }, (await read('/resource/TAGGED/r')).tag)).status).toBe(200)
      const { tag: latest } = await read('/resource/TAGGED/r')
      expect((await send('DELETE', '/resource/TAGGED/r', undefined, { 'If-Match': latest })).status).toBe(200)
      const last = await read('/resource-type/TAGGED')
      const described = await send('PUT', '/resource-type', { name: 'TAGGED' }, { 'If-Match': last.tag })
      expect([described.status, described.headers.get('ETag')]).toEqual([200, last.tag])
      const gone = await send('DELETE', '/resource-type/TAGGED', undefined, { 'If-Match': '*' })
      expect(gone.status).toBe(200)
    })

    test('of many who write at the same time each is answered, and one row is left', async () => {
      const put = (value: string) => send('PUT', '/resource/HOME/kept', { key: 'raced', value })
      const statuses = (await Promise.all(['1', '2', '3'].map(put))).map(({ status }) => status)
      expect(statuses).toEqual([200, 200, 200])
      const together = await Promise.all(
        Array.from({ length: 20 }, (_, n) => send('PUT', '/resource/HOME', { name: `together-${n}` })),
      )
      expect(together.map(({ status }) => status)).toEqual(Array(20).fill(200))
      const rows = server.db.selectFrom('idn_config_attribute').select('id').where('attr_key', '=', 'raced')
      expect(await rows.execute()).toHaveLength(1)
      const posts = await Promise.all([1, 2, 3].map(() => send('POST', '/resource/HOME', { name: 'raced' })))
      expect(posts.map(({ status }) => status).sort()).toEqual([201, 409, 409])
    })

    const long = (n: number) => 'x'.repeat(n)
    const format = /^Provided request body content is not in the expected format\./
    test.each([
      ['PUT', '/resource-type', {}, 400, 'CONFIGM_00004', 'Resource type name:  validation failed.'],
      ['PUT', '/resource-type', { name: long(256) }, 400, 'CONFIGM_00004', /validation failed/],
      ['POST', '/resource-type', { name: '..' }, 400, 'CONFIGM_00004', /name: \.\. validation/],
      ['PUT', '/resource-type', { name: 'a', more: 1 }, 400, 'UE-10000', format],
      [
        'DELETE',
        '/resource-type/NO',
        undefined,
        404,
        'CONFIGM_00008',
        'Resource type with the name: NO does not exists.',
      ],
      [
        'POST',
        '/resource/NO',
        { name: 'x' },
        404,
        'CONFIGM_00008',
        'Resource type with the name: NO does not exists.',
      ],
      ['PUT', '/resource/NO', { name: 'x' }, 404, 'CONFIGM_00008', anything],
      ['GET', '/resource/NO/x', undefined, 404, 'CONFIGM_00008', anything],
      ['DELETE', '/resource/NO/x', undefined, 404, 'CONFIGM_00008', anything],
      [
        'POST',
        '/resource/HOME',
        {},
        400,
        'CONFIGM_00010',
        'Resource add request validation failed. Invalid resource add request.',
      ],
      ['POST', '/resource/HOME', { name: ' ' }, 400, 'CONFIGM_00010', anything],
      ['POST', '/resource/HOME', { name: long(256) }, 400, 'CONFIGM_00010', anything],
      [
        'POST',
        '/resource/HOME',
        { name: 'kept' },
        409,
        'CONFIGM_00013',
        'Resource with the name: kept already exists.',
      ],
      [
        'PUT',
        '/resource/HOME',
        { attributes: [] },
        400,
        'CONFIGM_00033',
        'Resource replace request validation failed.',
      ],
      ['PUT', '/resource/HOME', { name: '.' }, 400, 'CONFIGM_00033', anything],
      ['PUT', '/resource/HOME', { name: 'x', atributes: [] }, 400, 'UE-10000', format],
      ['POST', '/resource/HOME', { name: 'x', attributes: {} }, 400, 'UE-10000', format],
      ['POST', '/resource/HOME', { name: 'x', attributes: [{ key: 1 }] }, 400, 'UE-10000', format],
      [
        'POST',
        '/resource/HOME',
        { name: 'x', attributes: [{ key: 'k', value: true }] },
        400,
        'UE-10000',
        format,
      ],
      [
        'POST',
        '/resource/HOME',
        { name: 'x', attributes: [{ value: 'v' }] },
        400,
        'CONFIGM_00026',
        'Attribute validation failed for the attribute: .',
      ],
      [
        'PUT',
        '/resource/HOME',
        { name: 'x', attributes: [{ key: 'k', value: long(1024) }] },
        400,
        'CONFIGM_00026',
        'Attribute validation failed for the attribute: k.',
      ],
      [
        'PUT',
        '/resource/HOME',
        { name: 'x', attributes: [{ key: 'k', value: '\u4e2d'.repeat(1000) }] },
        400,
        'CONFIGM_00026',
        anything,
      ],
      [
        'POST',
        '/resource/HOME',
        { name: 'x', attributes: [{ key: 'k' }, { key: 'k', value: '2' }] },
        409,
        'CONFIGM_00031',
        'Attribute with the name: k already exists.',
      ],
      [
        'PUT',
        '/resource/HOME',
        { name: 'kept', attributes: [{ key: 'k' }, { key: 'k' }] },
        409,
        'CONFIGM_00031',
        anything,
      ],
      [
        'GET',
        '/resource/HOME/no',
        undefined,
        404,
        'CONFIGM_00017',
        'Resource with the name: no does not exists.',
      ],
      ['DELETE', '/resource/HOME/no', undefined, 404, 'CONFIGM_00017', anything],
      ['POST', '/resource/HOME/no', { key: 'k', value: 'v' }, 404, 'CONFIGM_00017', anything],
      ['PUT', '/resource/HOME/no', { key: 'k', value: 'v' }, 404, 'CONFIGM_00017', anything],
      ['GET', '/resource/HOME/no/k', undefined, 404, 'CONFIGM_00017', anything],
      ['DELETE', '/resource/HOME/no/k', undefined, 404, 'CONFIGM_00017', anything],
      [
        'POST',
        '/resource/HOME/kept',
        { key: 'there', value: 'v' },
        409,
        'CONFIGM_00031',
        'Attribute with the name: there already exists.',
      ],
      ['POST', '/resource/HOME/kept', {}, 400, 'CONFIGM_00026', anything],
      ['POST', '/resource/HOME/kept', { key: long(1024), value: '' }, 400, 'CONFIGM_00026', anything],
      ['PUT', '/resource/HOME/kept', { key: '', value: 'v' }, 400, 'CONFIGM_00026', anything],
      ['PUT', '/resource/HOME/kept', [], 400, 'UE-10000', format],
      [
        'GET',
        '/resource/HOME/kept/no%00',
        undefined,
        400,
        'CONFIGM_00027',
        /^Attribute with the key: no.? does not exists\.$/u,
      ],
      [
        'DELETE',
        '/resource/HOME/kept/no',
        undefined,
        400,
        'CONFIGM_00027',
        'Attribute with the key: no does not exists.',
      ],
    ] as const)('%s %s of %j is %d %s', async (method, path, body, status, code, description) => {
      const seen = await expectRefusal(server, () => send(method, path, body), {
        status,
        code,
        ...(description === '' ? {} : { description }),
      })
      expect(seen.message).toBe(
        code === 'UE-10000' ? 'Invalid Request' : status === 404 ? 'Not Found' : 'Bad Request',
      )
    })

    test('an attribute as large as there may be is stored on both databases', async () => {
      const largest = [
        { key: 'k'.repeat(1023), value: 'v'.repeat(1023) },
        { key: 'wide', value: '\u4e2d'.repeat(798) },
      ]
      for (const attribute of largest)
        expect((await send('PUT', '/resource/HOME/kept', attribute)).status).toBe(200)
      const random = Array.from(crypto.getRandomValues(new Uint8Array(798)), (n) =>
        String.fromCodePoint(0x4e00 + n * 7),
      )
      const wide = { key: 'rand', value: random.join('') }
      expect((await send('PUT', '/resource/HOME/kept', wide)).status).toBe(200)
      expect((await read('/resource/HOME/kept/rand')).body).toEqual(wide)
    })

    test('each verb asks for its permission, and /t/carbon.super is another name of every path', async () => {
      const calls = [
        ['add', 'POST', '/resource-type', {}, 400],
        ['update', 'PUT', '/resource-type', {}, 400],
        ['view', 'GET', '/resource-type/HOME', undefined, 200],
        ['delete', 'DELETE', '/resource-type/NO', undefined, 404],
        ['add', 'POST', '/resource/HOME', {}, 400],
        ['update', 'PUT', '/resource/HOME', {}, 400],
        ['view', 'GET', '/resource/HOME/kept', undefined, 200],
        ['delete', 'DELETE', '/resource/HOME/no', undefined, 404],
        ['add', 'POST', '/resource/HOME/kept', {}, 400],
        ['update', 'PUT', '/resource/HOME/kept', {}, 400],
        ['view', 'GET', '/resource/HOME/kept/there', undefined, 200],
        ['delete', 'DELETE', '/resource/HOME/kept/no', undefined, 400],
        ['add', 'POST', '/resource/HOME/kept/file', {}, 415],
        ['view', 'GET', '/resource/HOME/kept/file', undefined, 400],
        ['delete', 'DELETE', '/resource/HOME/no/file', undefined, 404],
        ['view', 'GET', '/resource/HOME/kept/file/no', undefined, 400],
        ['delete', 'DELETE', '/resource/HOME/kept/file/no', undefined, 400],
        ['list', 'GET', '/search', undefined, 400],
      ] as const
      const verbs = ['list', 'view', 'add', 'update', 'delete'] as const
      const people = new Map<string, Record<string, string>>()
      for (const verb of verbs) {
        const scopes = [`internal_config_mgt_${verb}`]
        people.set(verb, await operator(server, `only-${verb}`, scopes))
      }
      for (const [verb, method, path, body, status] of calls) {
        const denied = people.get(verb === 'view' ? 'add' : 'view')
        await expectRefusal(server, () => send(method, path, body, denied), { status: 403, code: 403 })
        const allowed = { 'Content-Type': 'application/json', ...people.get(verb) }
        const long = await server.request(`${tenanted}${path}`, {
          method,
          headers: allowed,
          ...(body ? { body: JSON.stringify(body) } : {}),
        })
        expect([method, path, long.status]).toEqual([method, path, status])
      }
      expect((await server.send('PUT', `/t/other${base}/resource-type`, { name: 'x' })).status).toBe(404)
    })
  })
}
