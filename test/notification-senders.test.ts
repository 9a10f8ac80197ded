/** Notification senders: stored as configuration resources with their secrets sealed, shown without them. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test'
import { commit, write } from '../lib/database/commit.ts'
import { type Booted, boot, origin } from './boot.ts'
import { databases } from './databases.ts'
import { expectRefusal, operator } from './management.ts'
import { nothingElse } from './nothing-else.ts'

const sms = {
  name: 'Twilio',
  provider: 'Twilio',
  providerURL: 'https://sms.example/send',
  contentType: 'JSON',
  key: 'account-key-1',
  secret: 'S3cret/of+sms=',
  sender: '+4366012345678',
  properties: [
    { key: 'body', value: '{"to":"$to"}' },
    { key: 'http.headers', value: 'Authorization: Bearer abcdef' },
  ],
}
const shownSms = {
  name: 'Twilio',
  provider: 'Twilio',
  providerURL: 'https://sms.example/send',
  contentType: 'JSON',
  sender: '+4366012345678',
  properties: [{ key: 'body', value: '{"to":"$to"}' }, { key: 'http.headers' }],
}
const push = { provider: 'FCM', properties: [{ key: 'json', value: 'push-private-key' }] }

describe.each(databases)('notification senders on $name', (database) => {
  let server: Booted
  beforeAll(async () => {
    server = await boot(database)
  })
  afterEach(() => commit(server.db, [write(server.db.deleteFrom('idn_config_resource'))]))
  afterAll(() => server.stop())

  const at = (path: string, version = 'v1') => `/api/server/${version}/notification-senders/${path}`
  const create = async (channel: string, body: object, version = 'v1') => {
    const response = await server.send('POST', at(channel, version), body)
    expect(response.status).toBe(201)
    return response
  }
  const stored = async () => {
    const rows = await server.db
      .selectFrom('idn_config_attribute')
      .select(['attr_key', 'attr_value'])
      .orderBy('attr_key')
      .execute()
    return Object.fromEntries(rows.map(({ attr_key, attr_value }) => [attr_key, attr_value]))
  }

  test.each(['v1', 'v2'])(
    'one of text messages is made, read, replaced and removed by %s',
    async (version) => {
      const { result, changes } = await nothingElse(
        server.db,
        {
          idn_config_resource: { added: 1 },
          idn_config_attribute: { added: 9 },
          audit: { added: 1 },
          revision: { changed: 1 },
        },
        () => create('sms', sms, version),
      )
      expect(result.headers.get('location')).toBe(`${origin}${at('sms/Twilio', version)}`)
      expect(result.headers.get('cache-control')).toBe('no-store')
      expect(await result.json()).toEqual(shownSms)
      expect(changes.added.audit).toMatchObject([
        { event: 'configuration-resource-created', target: 'Publisher/Twilio' },
      ])
      expect(JSON.stringify(changes)).not.toMatch(/S3cret|account-key-1|abcdef/)
      const read = await server.send('GET', at('sms/Twilio', version))
      const tag = read.headers.get('etag') ?? ''
      expect([read.status, await read.json()]).toEqual([200, shownSms])
      expect(await (await server.send('GET', at('sms', version))).json()).toEqual([shownSms])
      const edit = { ...sms, sender: 'mayact', properties: [] }
      const replaced = await server.send('PUT', at('sms/Twilio', version), edit)
      expect([replaced.status, await replaced.json()]).toEqual([
        200,
        { ...shownSms, sender: 'mayact', properties: [] },
      ])
      const stale = await server.send('DELETE', at('sms/Twilio', version), undefined, {
        Authorization: `Basic ${btoa('admin:admin')}`,
        'If-Match': tag,
      })
      expect(stale.status).toBe(412)
      expect((await server.send('DELETE', at('sms/Twilio', version))).status).toBe(204)
      expect((await server.send('GET', at('sms/Twilio', version))).status).toBe(404)
      expect(await stored()).toEqual({})
    },
  )

  test('without a name it has the usual one, and push and text messages are kept apart', async () => {
    const { name: _, ...unnamed } = sms
    expect(((await (await create('sms', unnamed)).json()) as { name: string }).name).toBe('SMSPublisher')
    expect(await (await create('push', push)).json()).toEqual({
      name: 'PushPublisher',
      provider: 'FCM',
      properties: [{ key: 'json' }],
    })
    const namesOf = async (channel: string) =>
      ((await (await server.send('GET', at(channel))).json()) as { name: string }[]).map(({ name }) => name)
    expect([await namesOf('sms'), await namesOf('push')]).toEqual([['SMSPublisher'], ['PushPublisher']])
    await expectRefusal(server, () => server.send('GET', at('push/SMSPublisher')), {
      status: 404,
      code: 'NSM-60006',
    })
    await expectRefusal(server, () => server.send('POST', at('push'), { ...push, name: 'SMSPublisher' }), {
      status: 409,
      code: 'NSM-60002',
    })
  })

  test('a secret that is left out stays while it goes to the same provider, and nowhere else', async () => {
    await create('sms', {
      ...sms,
      authentication: { type: 'BASIC', properties: { username: 'u', password: 'p4ssw0rd' } },
    })
    const before = await stored()
    expect(before.secret).toStartWith('v1.')
    expect(JSON.stringify(before)).not.toMatch(/S3cret|account-key-1|abcdef|p4ssw0rd/)
    const { key: _key, secret: _secret, ...withoutSecrets } = sms
    const edit = {
      ...withoutSecrets,
      authentication: { type: 'BASIC' },
      properties: [{ key: 'http.headers' }],
    }
    const kept = await server.send('PUT', at('sms/Twilio'), edit)
    expect(await kept.json()).toMatchObject({ authentication: { type: 'BASIC' } })
    const { body: _, ...rest } = before
    expect(await stored()).toEqual(rest)
    await server.send('PUT', at('sms/Twilio'), { ...edit, authentication: { type: 'NONE' }, secret: null })
    expect(Object.keys(await stored())).not.toContain('secret')
    expect(Object.keys(await stored())).not.toContain('authentication.properties')
    const elsewhere = {
      ...withoutSecrets,
      providerURL: 'https://evil.example/',
      properties: [{ key: 'http.headers' }],
    }
    await server.send('PUT', at('sms/Twilio'), elsewhere)
    expect(Object.keys(await stored()).sort()).toEqual([
      'contentType',
      'provider',
      'providerURL',
      'sender',
      'type',
    ])
  })

  test('e-mail is configured in deployment.toml: 405 with nothing, for whoever may', async () => {
    for (const version of ['v1', 'v2']) {
      for (const [method, path] of [
        ['GET', 'email'],
        ['POST', 'email'],
        ['GET', 'email/EmailPublisher'],
        ['PUT', 'email/EmailPublisher'],
        ['DELETE', 'email/EmailPublisher'],
      ] as const) {
        const { result } = await nothingElse(server.db, {}, () => server.send(method, at(path, version), {}))
        expect([result.status, await result.text(), result.headers.get('allow')]).toEqual([405, '', ''])
      }
    }
    expect((await server.send('GET', at('email'), undefined, {})).status).toBe(401)
  })

  const long = 'x'.repeat(1_000)
  test.each([
    ['no provider', 'sms', { ...sms, provider: undefined }, 400, 'NSM-60003'],
    ['a blank provider', 'sms', { ...sms, provider: ' ' }, 400, 'NSM-60003'],
    ['no content type', 'sms', { ...sms, contentType: undefined }, 400, 'NSM-60004'],
    ['no URL', 'sms', { ...sms, providerURL: undefined }, 400, 'NSM-60005'],
    ['an unknown content type', 'sms', { ...sms, contentType: 'XML' }, 400, 'UE-10000'],
    ['a URL that is none', 'sms', { ...sms, providerURL: 'sms.example' }, 400, 'UE-10000'],
    ['a URL with a password', 'sms', { ...sms, providerURL: 'https://a:b@sms.example' }, 400, 'UE-10000'],
    ['a file as URL', 'sms', { ...sms, providerURL: 'file:///etc/passwd' }, 400, 'UE-10000'],
    ['a name that is none', 'sms', { ...sms, name: '..' }, 400, 'UE-10000'],
    ['an unknown attribute', 'sms', { ...sms, extra: 1 }, 400, 'UE-10000'],
    ['a secret of another type', 'sms', { ...sms, secret: 1 }, 400, 'UE-10000'],
    ['a secret that does not fit', 'sms', { ...sms, secret: long }, 400, 'UE-10000'],
    [
      'a property twice',
      'sms',
      { ...sms, properties: [...sms.properties, ...sms.properties] },
      400,
      'UE-10000',
    ],
    [
      'a property called as a field',
      'sms',
      { ...sms, properties: [{ key: 'type', value: 'push' }] },
      400,
      'UE-10000',
    ],
    [
      'authentication without properties',
      'sms',
      { ...sms, authentication: { type: 'BASIC' } },
      400,
      'UE-10000',
    ],
    ['unknown authentication', 'sms', { ...sms, authentication: { type: 'DIGEST' } }, 400, 'UE-10000'],
    ['no push provider', 'push', { properties: [] }, 400, 'UE-10000'],
    ['no push properties', 'push', { provider: 'FCM' }, 400, 'UE-10000'],
    ['an array', 'push', [], 400, 'UE-10000'],
  ])('%s is refused', (_, channel, body, status, code) =>
    expectRefusal(server, () => server.send('POST', at(channel), body), { status, code }),
  )

  test('the channel type cannot be changed, and what is not there cannot be replaced', async () => {
    const typed = (value: string) => ({ ...sms, properties: [{ key: 'channel.type', value }] })
    await create('sms', typed('choreo'))
    await expectRefusal(server, () => server.send('PUT', at('sms/Twilio'), typed('default')), {
      status: 400,
      code: 'NSM-60007',
    })
    for (const method of ['GET', 'PUT', 'DELETE'])
      await expectRefusal(
        server,
        () => server.send(method, at('sms/a%00b'), method === 'PUT' ? sms : undefined),
        {
          status: 404,
          code: 'NSM-60006',
        },
      )
  })

  test('each verb needs its permission', async () => {
    const scope = (verb: string) => `internal_notification_senders_${verb}`
    const view = await operator(server, `v${crypto.randomUUID()}`, [scope('view')])
    const others = await operator(server, `o${crypto.randomUUID()}`, [
      scope('create'),
      scope('update'),
      scope('delete'),
    ])
    const status = async (headers: Record<string, string>, method: string, path: string, body?: object) =>
      (await server.send(method, at(path), body, headers)).status
    expect(await status(view, 'POST', 'sms', sms)).toBe(403)
    expect(await status(others, 'POST', 'sms', sms)).toBe(201)
    expect(await status(others, 'GET', 'sms')).toBe(403)
    expect(await status(others, 'GET', 'sms/Twilio')).toBe(403)
    expect(await status(view, 'GET', 'sms/Twilio')).toBe(200)
    expect(await status(view, 'PUT', 'sms/Twilio', sms)).toBe(403)
    expect(await status(view, 'DELETE', 'sms/Twilio')).toBe(403)
    expect(await status(others, 'DELETE', 'sms/Twilio')).toBe(204)
    expect(await status({}, 'GET', 'sms')).toBe(401)
  })
})
