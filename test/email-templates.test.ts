/** E-mail templates by their three APIs: what each call does, each refusal, and that nothing else happens. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { commit, write } from '../lib/database/commit.ts'
import { mostBytes } from '../lib/directory/email-template-changes.ts'
import { admin, type Booted, boot } from './boot.ts'
import { databases } from './databases.ts'
import { operator } from './management.ts'
import { type Allowed, changesOf, nothingElse } from './nothing-else.ts'
import { createApplication } from './scenario.ts'

const v1 = '/api/server/v1/email/template-types'
const v2 = '/api/server/v2/email/template-types'
const ntm = '/api/server/v1/notification/email/template-types'
const sms = '/api/server/v1/notification/sms/template-types'

const idOf = (name: string) => Buffer.from(name).toString('base64url')
const started = idOf('ImpersonationEmailNotification')
const ended = idOf('ImpersonationEndedNotification')
const invitation = idOf('OrganizationUserInvitation')
const none = idOf('NoSuchType')

const content = (subject = 'Hallo {{user-name}}') => ({
  contentType: 'text/html',
  subject,
  body: '<p>{{user-name}}</p>',
  footer: '<p>f</p>',
})
const german = { id: 'de_DE', ...content() }
const french = { locale: 'fr_FR', ...content('Bonjour') }

const changed: Allowed = {
  audit: { added: 1 },
  revision: { changed: 1 },
}

describe.each(databases)('e-mail templates on $name', (database) => {
  let server: Booted
  let applicationId: string
  beforeAll(async () => {
    server = await boot(database, {
      toml: '[output_adapter.email]\nhostname = "localhost"\nport = 25\nfrom_address = "no-reply@example.com"\nenable_authentication = false\nenable_start_tls = false\norganization_name = "Example Ltd"\nsupport_address = "help@example.com"\n',
    })
    applicationId = (await createApplication(server)).applicationId
  }, 60_000)
  afterAll(() => server.stop())

  const last = async () => (await server.audit()).at(-1)
  const json = async (response: Response) => (await response.json()) as Record<string, unknown>
  const send = (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
    server.send(method, path, body, {
      Authorization: `Basic ${Buffer.from('admin:admin').toString('base64')}`,
      ...headers,
    })
  const get = async (path: string) => {
    const response = await send('GET', path)
    expect([path, response.status]).toEqual([path, 200])
    return response.json()
  }
  const refused = async (method: string, path: string, body: unknown, status: number, code: string) => {
    const response = await send(method, path, body)
    const answer = await json(response)
    expect([method, path, body, response.status, answer.code]).toEqual([method, path, body, status, code])
    expect(answer.traceId).toBe(response.headers.get('activityid'))
  }
  /** Each is refused, and after all of them nothing has happened. */
  const allRefused = (rows: readonly (readonly [string, string, unknown, number, string])[]) =>
    nothingElse(server.db, {}, async () => {
      for (const row of rows) await refused(...row)
    })

  describe('v1', () => {
    test('lists the built-in types by ids that are Base64-URL of their names', async () => {
      const types = (await get(v1)) as { id: string; displayName: string; self: string }[]
      expect(types.slice(0, 3)).toEqual([
        {
          id: 'SW1wZXJzb25hdGlvbkVtYWlsTm90aWZpY2F0aW9u',
          displayName: 'ImpersonationEmailNotification',
          self: `/t/carbon.super${v1}/SW1wZXJzb25hdGlvbkVtYWlsTm90aWZpY2F0aW9u`,
        },
        {
          id: ended,
          displayName: 'ImpersonationEndedNotification',
          self: `/t/carbon.super${v1}/${ended}`,
        },
        {
          id: invitation,
          displayName: 'OrganizationUserInvitation',
          self: `/t/carbon.super${v1}/${invitation}`,
        },
      ])
      const whole = (await get(`${v1}?requiredAttributes=templates`)) as { templates: { id: string }[] }[]
      expect(whole.map(({ templates }) => templates.map(({ id }) => id))).toEqual([
        ['en_US'],
        ['en_US'],
        ['en_US'],
      ])
      expect(await get(`/t/carbon.super${v1}/${started}/templates`)).toEqual([
        { id: 'en_US', self: `/t/carbon.super${v1}/${started}/templates/en_US` },
      ])
    })

    test('a type is made with its templates, shown, and removed with them', async () => {
      const made = await nothingElse(
        server.db,
        { ...changed, email_template_type: { added: 1 }, email_template: { added: 2 } },
        () => send('POST', v1, { displayName: ' My Täst ', templates: [german, { ...german, id: 'fr-ca' }] }),
      )
      const id = idOf('My Täst')
      const shown = { id, displayName: 'My Täst', self: `/t/carbon.super${v1}/${id}` }
      expect([made.result.status, await made.result.json()]).toEqual([201, shown])
      expect(made.result.headers.get('location')).toBe(`https://localhost:9443${shown.self}`)
      expect(await last()).toMatchObject({
        event: 'email-template-type-created',
        target: 'My Täst',
        data: { type: 'My Täst', locales: ['de_DE', 'fr_CA'] },
        outcome: 'Success',
      })
      expect(await get(`${v1}/${id}`)).toEqual({
        ...shown,
        templates: [
          { id: 'de_DE', ...content() },
          { id: 'fr_CA', ...content() },
        ],
      })
      // neither case nor spaces tell types apart
      expect(await get(`${v1}/${idOf('myTÄST')}`)).toMatchObject({ displayName: 'My Täst' })
      await refused('POST', v1, { displayName: 'mytäst', templates: [] }, 409, 'ETM-50005')
      const { result } = await nothingElse(
        server.db,
        { ...changed, email_template_type: { removed: 1 }, email_template: { removed: 2 } },
        () => send('DELETE', `${v1}/${id}`),
      )
      expect([result.status, await result.text()]).toEqual([204, ''])
      expect(await last()).toMatchObject({ event: 'email-template-type-deleted', target: 'My Täst' })
      await refused('GET', `${v1}/${id}`, undefined, 404, 'ETM-50002')
    })

    test('a template is added, changed and removed; entity tags tell of others', async () => {
      const path = `${v1}/${started}/templates/de_DE`
      const made = await nothingElse(server.db, { ...changed, email_template: { added: 1 } }, () =>
        send('POST', `${v1}/${started}`, german),
      )
      expect([made.result.status, await made.result.json()]).toEqual([
        201,
        { id: 'de_DE', self: `/t/carbon.super${path}` },
      ])
      expect(made.result.headers.get('location')).toBe(`https://localhost:9443/t/carbon.super${path}`)
      expect(await last()).toMatchObject({
        event: 'email-template-created',
        target: 'ImpersonationEmailNotification',
        data: {
          type: 'ImpersonationEmailNotification',
          locale: 'de_DE',
          sha256: expect.stringMatching(/^[\da-f]{64}$/),
        },
      })
      await refused('POST', `${v1}/${started}`, german, 409, 'ETM-50004')
      const read = await send('GET', `${v1}/${started}/templates/de-de`)
      const tag = read.headers.get('etag') ?? ''
      expect([await read.json(), tag]).toEqual([german, made.result.headers.get('etag') ?? ''])
      expect((await send('GET', path, undefined, { 'If-None-Match': tag })).status).toBe(304)
      const put = await nothingElse(server.db, { ...changed, email_template: { changed: 1 } }, () =>
        send('PUT', path, { ...german, subject: 'Neu', footer: undefined }, { 'If-Match': tag }),
      )
      expect([put.result.status, await put.result.json()]).toEqual([
        200,
        { id: 'de_DE', self: `/t/carbon.super${path}` },
      ])
      expect(await last()).toMatchObject({ event: 'email-template-updated', data: { locale: 'de_DE' } })
      expect(await get(path)).toEqual({ ...german, subject: 'Neu', footer: '' })
      for (const [method, body] of [
        ['PUT', german],
        ['DELETE', undefined],
      ] as const) {
        const stale = await nothingElse(server.db, {}, () => send(method, path, body, { 'If-Match': tag }))
        expect([stale.result.status, (await json(stale.result)).code]).toEqual([412, 'UE-10012'])
      }
      const { result } = await nothingElse(server.db, { ...changed, email_template: { removed: 1 } }, () =>
        send('DELETE', path, undefined, { 'If-Match': put.result.headers.get('etag') ?? '' }),
      )
      expect(result.status).toBe(204)
      expect(await last()).toMatchObject({ event: 'email-template-deleted', data: { locale: 'de_DE' } })
      // made anew it is another, although its edition is the first again
      const anew = await send('POST', `${v1}/${started}`, german)
      expect(anew.headers.get('etag')).not.toBe(tag)
      await send('DELETE', path)
    })

    test('what is built in is shown, overridden and comes back', async () => {
      const path = `${v1}/${started}/templates/en_US`
      const builtIn = (await get(path)) as Record<string, string>
      expect(builtIn).toMatchObject({
        id: 'en_US',
        contentType: 'text/html',
        subject: 'User Impersonation Session Started',
        footer: '',
      })
      expect(builtIn.body).toContain('Hi {{user-name}},')
      expect(builtIn.body).toContain('mailto:{{organization.support.mail}}')
      await refused('POST', `${v1}/${started}`, { id: 'en_US', ...content() }, 409, 'ETM-50004')
      await refused('DELETE', path, undefined, 403, 'ETM-60016')
      await refused('DELETE', `${v1}/${started}`, undefined, 403, 'ETM-60016')
      const put = await nothingElse(server.db, { ...changed, email_template: { added: 1 } }, () =>
        // what was read is taken back
        send('PUT', path, { ...builtIn, subject: 'Ours' }),
      )
      expect(put.result.status).toBe(200)
      expect(await get(path)).toEqual({ ...builtIn, subject: 'Ours' })
      expect((await send('DELETE', path)).status).toBe(204)
      expect(await get(path)).toEqual(builtIn)
    })

    test('PUT of a type replaces all its templates', async () => {
      const path = `${v1}/${ended}`
      await send('POST', path, german)
      const tag = (await send('GET', path)).headers.get('etag') ?? ''
      const put = await nothingElse(server.db, { ...changed, email_template: { added: 2, removed: 1 } }, () =>
        send(
          'PUT',
          path,
          [
            { ...german, id: 'fr_FR' },
            { ...german, id: 'en_US' },
          ],
          { 'If-Match': tag },
        ),
      )
      expect([put.result.status, await put.result.json()]).toMatchObject([200, { id: ended }])
      expect(await last()).toMatchObject({
        event: 'email-templates-replaced',
        data: { locales: ['fr_FR', 'en_US'] },
      })
      const { templates } = (await get(path)) as { templates: { id: string; subject: string }[] }
      expect(templates.map(({ id, subject }) => [id, subject])).toEqual([
        ['en_US', german.subject],
        ['fr_FR', german.subject],
      ])
      const stale = await nothingElse(server.db, {}, () => send('PUT', path, [], { 'If-Match': tag }))
      expect(stale.result.status).toBe(412)
      expect((await send('PUT', path, [])).status).toBe(200)
      expect(await get(`${path}/templates`)).toEqual([
        { id: 'en_US', self: `/t/carbon.super${path}/templates/en_US` },
      ])
    })

    test('each refusal has its code and status, and changes nothing', () =>
      allRefused([
        ['GET', `${v1}?limit=10`, undefined, 501, 'ETM-55011'],
        ['GET', `${v1}?offset=-1`, undefined, 501, 'ETM-55011'],
        ['GET', `${v1}?sortBy=x`, undefined, 501, 'ETM-55012'],
        ['GET', `${v1}?sortOrder=ASC`, undefined, 501, 'ETM-55012'],
        ['GET', `${v1}?requiredAttributes=templates,other`, undefined, 400, 'ETM-50006'],
        ['GET', `${v1}/${none}`, undefined, 404, 'ETM-50002'],
        ['GET', `${v1}/not*base64`, undefined, 404, 'ETM-50002'],
        ['GET', `${v1}/${started}=`, undefined, 404, 'ETM-50002'],
        ['GET', `${v1}/__79`, undefined, 404, 'ETM-50002'],
        ['GET', `${v1}/${idOf('a\0b')}`, undefined, 404, 'ETM-50002'],
        ['GET', `${v1}/%00`, undefined, 404, 'ETM-50002'],
        ['PUT', `${v1}/${none}`, [], 404, 'ETM-50002'],
        ['DELETE', `${v1}/${none}`, undefined, 404, 'ETM-50002'],
        ['POST', `${v1}/${none}`, german, 404, 'ETM-50002'],
        ['GET', `${v1}/${none}/templates`, undefined, 404, 'ETM-50002'],
        ['GET', `${v1}/${none}/templates/en_US`, undefined, 404, 'ETM-50002'],
        ['GET', `${v1}/${started}/templates/it_IT`, undefined, 404, 'ETM-50003'],
        ['GET', `${v1}/${started}/templates/%00`, undefined, 404, 'ETM-50003'],
        ['GET', `${v1}/${started}/templates/english`, undefined, 404, 'ETM-50003'],
        ['PUT', `${v1}/${started}/templates/it_IT`, content(), 404, 'ETM-50003'],
        ['DELETE', `${v1}/${started}/templates/it_IT`, undefined, 404, 'ETM-50003'],
        ['PUT', `${v1}/${started}/templates/en_US`, german, 400, 'UE-10000'],
        ['POST', v1, { displayName: 'ImpersonationEmailNotification', templates: [] }, 409, 'ETM-50005'],
        ['POST', v1, { displayName: 'impersonation emailnotification', templates: [] }, 409, 'ETM-50005'],
        ['POST', v1, { displayName: 'x' }, 400, 'UE-10000'],
        ['POST', v1, { displayName: ' ', templates: [] }, 400, 'UE-10000'],
        ['POST', v1, { displayName: 'a\r\nb', templates: [] }, 400, 'UE-10000'],
        ['POST', v1, { displayName: 'x'.repeat(256), templates: [] }, 400, 'UE-10000'],
        ['POST', v1, { displayName: 'x', templates: [], more: 1 }, 400, 'UE-10000'],
        ['POST', v1, { displayName: 'x', templates: [german, german] }, 400, 'UE-10000'],
        ['POST', v1, [], 400, 'UE-10000'],
        ['PUT', `${v1}/${started}`, [german, { ...german, id: 'de-de' }], 400, 'UE-10000'],
        ['PUT', `${v1}/${started}`, { templates: [] }, 400, 'UE-10000'],
      ]))
  })

  const unsendable: Readonly<Record<string, object>> = Object.fromEntries([
    ['a content type that is not sent', { contentType: 'text/xml' }],
    ['another charset', { contentType: 'text/html; charset=latin1' }],
    ['a content type with a header behind it', { contentType: 'text/html\r\nBcc: eve@evil.example' }],
    ['a subject of two lines', { subject: 'Hi\r\nBcc: eve@evil.example' }],
    ['a subject with a line separator', { subject: 'Hi\u2028there' }],
    ['a blank subject', { subject: ' ' }],
    ['a long subject', { subject: 'x'.repeat(256) }],
    ['no body', { body: undefined }],
    ['an empty body', { body: '' }],
    ['64 KiB and a byte', { body: 'x'.repeat(65_537), footer: null }],
    ['64 KiB with its footer', { body: 'ä'.repeat(32_768), footer: 'x' }],
    ['a number as body', { body: 1 }],
    ['an unknown attribute', { from: 'eve@evil.example' }],
    ['no locale', { id: undefined, locale: undefined }],
    ['a locale that is none', { id: 'english', locale: '../x' }],
  ])

  test('a template that could not be sent is refused by all three', () =>
    nothingElse(server.db, {}, async () => {
      for (const more of Object.values(unsendable)) {
        const identified = { ...german, ...more, locale: undefined }
        await refused('POST', `${v1}/${started}`, identified, 400, 'UE-10000')
        const localized = { ...french, ...more, id: undefined }
        for (const path of [v2, ntm])
          await refused('POST', `${path}/${started}/org-templates`, localized, 400, 'UE-10000')
      }
    }))

  test('a template of 64 KiB and a content type with its charset are taken', async () => {
    const path = `${v2}/${started}/org-templates`
    const made = await send('POST', path, {
      ...french,
      contentType: 'text/plain; charset=UTF-8',
      body: 'x'.repeat(65_536),
      footer: null,
    })
    expect(made.status).toBe(201)
    expect((await send('DELETE', `${path}/fr_FR`)).status).toBe(204)
  })

  const forms = [
    {
      name: 'v2',
      path: v2,
      codes: { type: 'ETM-50002', template: 'ETM-50003', exists: 'ETM-50004', typeExists: 'ETM-50005' },
      builtIn: 'ETM-60016',
    },
    {
      name: 'notification',
      path: ntm,
      codes: { type: 'NTM-65002', template: 'NTM-65004', exists: 'NTM-65003', typeExists: 'NTM-65001' },
      builtIn: 'NTM-60016',
    },
  ]

  describe.each(forms)('$name', ({ name, path, codes, builtIn }) => {
    test('a type is made without templates, shown with a tag, and removed', async () => {
      const made = await nothingElse(server.db, { ...changed, email_template_type: { added: 1 } }, () =>
        send('POST', path, { displayName: `Of ${name}` }),
      )
      const id = idOf(`Of ${name}`)
      const shown = { id, displayName: `Of ${name}`, self: `/t/carbon.super${path}/${id}` }
      expect([made.result.status, await made.result.json()]).toEqual([201, shown])
      expect(made.result.headers.get('location')).toBe(`https://localhost:9443${shown.self}`)
      expect(await get(path)).toContainEqual(shown)
      const read = await send('GET', `${path}/${id}`)
      const tag = read.headers.get('etag') ?? ''
      expect([await read.json(), tag.startsWith('W/"')]).toEqual([shown, true])
      await refused('POST', path, { displayName: `of${name}` }, 409, codes.typeExists)
      expect((await send('DELETE', `${path}/${id}`, undefined, { 'If-Match': 'W/"0"' })).status).toBe(412)
      const { result } = await nothingElse(
        server.db,
        { ...changed, email_template_type: { removed: 1 } },
        () => send('DELETE', `${path}/${id}`, undefined, { 'If-Match': tag }),
      )
      expect(result.status).toBe(204)
    })

    test.each(['org-templates', 'app-templates'])('%s: made, read, changed, removed', async (level) => {
      const base =
        level === 'org-templates'
          ? `${path}/${started}/${level}`
          : `${path}/${started}/${level}/${applicationId}`
      expect(await get(base)).toEqual([])
      const made = await nothingElse(server.db, { ...changed, email_template: { added: 1 } }, () =>
        send('POST', base, french),
      )
      const self = `/t/carbon.super${base}/fr_FR`
      expect([made.result.status, await made.result.json()]).toEqual([201, { locale: 'fr_FR', self }])
      expect(made.result.headers.get('location')).toBe(`https://localhost:9443${self}`)
      const data = (await last())?.data
      expect(data).toMatchObject({ type: 'ImpersonationEmailNotification', locale: 'fr_FR' })
      expect(data?.application).toBe(level === 'app-templates' ? applicationId : undefined)
      expect(await get(base)).toEqual([{ locale: 'fr_FR', self }])
      const read = await send('GET', `${base}/fr_FR`)
      const tag = read.headers.get('etag') ?? ''
      expect(await read.json()).toEqual(french)
      await refused('POST', base, french, 409, codes.exists)
      await refused('PUT', `${base}/fr_FR`, { ...french, locale: 'fr_CA' }, 400, 'UE-10000')
      const put = await nothingElse(server.db, { ...changed, email_template: { changed: 1 } }, () =>
        send('PUT', `${base}/fr_FR`, { ...french, body: 'b' }, { 'If-Match': tag }),
      )
      expect([put.result.status, await put.result.json()]).toEqual([200, { ...french, body: 'b' }])
      for (const [method, body] of [
        ['PUT', french],
        ['DELETE', undefined],
      ] as const) {
        const stale = await nothingElse(server.db, {}, () =>
          send(method, `${base}/fr_FR`, body, { 'If-Match': tag }),
        )
        expect(stale.result.status).toBe(412)
      }
      const { result } = await nothingElse(server.db, { ...changed, email_template: { removed: 1 } }, () =>
        send('DELETE', `${base}/fr_FR`),
      )
      expect(result.status).toBe(204)
      for (const [method, body] of [
        ['GET', undefined],
        ['PUT', french],
        ['DELETE', undefined],
      ] as const)
        await refused(method, `${base}/fr_FR`, body, 404, codes.template)
    })

    test('each refusal has its code and status, and changes nothing', () =>
      allRefused([
        ['GET', `${path}/${none}`, undefined, 404, codes.type],
        ['DELETE', `${path}/${none}`, undefined, 404, codes.type],
        ['DELETE', `${path}/${started}`, undefined, 403, builtIn],
        ['GET', `${path}/${none}/org-templates`, undefined, 404, codes.type],
        ['POST', `${path}/${none}/org-templates`, french, 404, codes.type],
        ['GET', `${path}/${none}/org-templates/fr_FR`, undefined, 404, codes.type],
        ['PUT', `${path}/${none}/org-templates/fr_FR`, french, 404, codes.type],
        ['DELETE', `${path}/${none}/org-templates/fr_FR`, undefined, 404, codes.type],
        // stored templates alone: what is built in has a place of its own
        ['GET', `${path}/${started}/org-templates/en_US`, undefined, 404, codes.template],
        ['PUT', `${path}/${started}/org-templates/en_US`, content(), 404, codes.template],
        ['GET', `${path}/${started}/app-templates/no-such`, undefined, 404, 'APP-60006'],
        ['POST', `${path}/${started}/app-templates/no-such`, french, 404, 'APP-60006'],
        ['GET', `${path}/${started}/app-templates/%00/fr_FR`, undefined, 404, 'APP-60006'],
        ['POST', path, { displayName: 'ImpersonationEmailNotification' }, 409, codes.typeExists],
        ['POST', path, { displayName: 'x', templates: [] }, 400, 'UE-10000'],
        ['POST', path, {}, 400, 'UE-10000'],
      ]))
  })

  test('v2 refuses pages and orders of its list as well', async () => {
    await refused('GET', `${v2}?limit=1`, undefined, 501, 'ETM-55011')
    await refused('GET', `${v2}?sortBy=displayName`, undefined, 501, 'ETM-55012')
  })

  describe('notification', () => {
    test('system templates are read-only', async () => {
      const base = `${ntm}/${invitation}/system-templates`
      expect(await get(base)).toEqual([{ locale: 'en_US', self: `/t/carbon.super${base}/en_US` }])
      const shown = (await get(`${base}/en_US`)) as Record<string, string>
      expect(shown).toMatchObject({ locale: 'en_US', contentType: 'text/html', footer: '' })
      expect(shown.body).toContain('{{accept-url}}')
      await refused('GET', `${base}/de_DE`, undefined, 404, 'NTM-65004')
      await refused('GET', `${ntm}/${none}/system-templates`, undefined, 404, 'NTM-65002')
      for (const method of ['PUT', 'DELETE', 'POST'])
        expect((await send(method, `${base}/en_US`, french)).status).toBe(405)
    })

    test('?resolve=true shows what is inherited, the nearest first', async () => {
      const [org, app] = [
        `${ntm}/${ended}/org-templates`,
        `${ntm}/${ended}/app-templates/${applicationId}`,
      ] as const
      await send('POST', org, { locale: 'de_DE', ...content('org de') })
      await send('POST', org, { locale: 'fr_FR', ...content('org fr') })
      await send('POST', app, { locale: 'de_DE', ...content('app de') })
      const locales = async (path: string) =>
        ((await get(path)) as { locale: string }[]).map(({ locale }) => locale)
      expect(await locales(org)).toEqual(['de_DE', 'fr_FR'])
      expect(await locales(`${org}?resolve=true`)).toEqual(['de_DE', 'en_US', 'fr_FR'])
      expect(await locales(app)).toEqual(['de_DE'])
      expect(await locales(`${app}?resolve=true`)).toEqual(['de_DE', 'en_US', 'fr_FR'])
      const subject = async (path: string) => ((await get(path)) as { subject: string }).subject
      expect(await subject(`${app}/de_DE?resolve=true`)).toBe('app de')
      expect(await subject(`${app}/fr_FR?resolve=true`)).toBe('org fr')
      expect(await subject(`${app}/en_US?resolve=true`)).toBe('User Impersonation Session Ended')
      await refused('GET', `${app}/fr_FR?resolve=false`, undefined, 404, 'NTM-65004')
      await refused('GET', `${app}?resolve=maybe`, undefined, 400, 'UE-10000')
      await refused('GET', `${app}?resolve=true&resolve=false`, undefined, 400, 'UE-10000')
    })

    test("a reset removes the organization's own templates and leaves those of applications", async () => {
      const path = '/api/server/v1/notification/reset-template-type'
      const body = { templateTypeId: ended, channel: 'EMAIL' }
      const { result } = await nothingElse(server.db, { ...changed, email_template: { removed: 2 } }, () =>
        send('POST', path, body),
      )
      expect([result.status, await result.text()]).toEqual([204, ''])
      expect(await last()).toMatchObject({
        event: 'email-templates-reset',
        target: 'ImpersonationEndedNotification',
      })
      expect(await get(`${ntm}/${ended}/org-templates`)).toEqual([])
      // nothing is left to be removed, and nothing is written
      const again = await nothingElse(server.db, {}, () => send('POST', path, body))
      expect(again.result.status).toBe(204)
      await refused('POST', path, { ...body, channel: 'PIGEON' }, 400, 'NTM-60015')
      await refused('POST', path, { ...body, channel: 'SMS' }, 404, 'NTM-65002')
      await refused('POST', path, { ...body, templateTypeId: none }, 404, 'NTM-65002')
      await refused('POST', path, { channel: 'EMAIL' }, 400, 'UE-10000')
    })

    test('there are no text messages, and no types of them', async () => {
      expect(await get(sms)).toEqual([])
      await refused('POST', sms, { displayName: 'x' }, 405, '405')
      for (const [method, path] of [
        ['GET', `${sms}/${started}`],
        ['DELETE', `${sms}/${started}`],
        ['GET', `${sms}/${started}/org-templates`],
        ['POST', `${sms}/${started}/app-templates/${applicationId}`],
        ['PUT', `${sms}/${started}/org-templates/en_US`],
        ['DELETE', `${sms}/${started}/org-templates/en_US`],
      ] as const)
        await refused(method, path, undefined, 404, 'NTM-65002')
    })
  })

  test('of ten who add the same template at once one does, and each hears what became of his', async () => {
    const path = `${v2}/${invitation}/org-templates`
    const { result } = await nothingElse(server.db, { ...changed, email_template: { added: 1 } }, () =>
      Promise.all(Array.from({ length: 10 }, () => send('POST', path, french))),
    )
    expect(result.map(({ status }) => status).sort()).toEqual([201, ...Array(9).fill(409)])
    expect((await send('DELETE', `${path}/fr_FR`)).status).toBe(204)
  })

  test('there is room for so much, and what frees some is taken', async () => {
    const path = `${v2}/${invitation}/org-templates`
    expect((await send('POST', path, french)).status).toBe(201)
    const full = server.db
      .updateTable('email_template')
      .set({ size: mostBytes })
      .where('locale', '=', 'fr_FR')
    expect(await commit(server.db, [write(full)])).toBe('committed')
    await nothingElse(server.db, {}, async () => {
      await refused('POST', path, { ...french, locale: 'it_IT' }, 400, 'UE-10000')
      await refused('POST', v1, { displayName: 'Big', templates: [german] }, 400, 'UE-10000')
    })
    expect((await send('DELETE', `${path}/fr_FR`)).status).toBe(204)
    expect((await send('POST', path, french)).status).toBe(201)
    expect((await send('DELETE', `${path}/fr_FR`)).status).toBe(204)
  })

  test('what is not JSON, too deep or too large is refused by each call that reads a body', () =>
    nothingElse(server.db, {}, async () => {
      const calls = [
        ['POST', v1],
        ['PUT', `${v1}/${started}`],
        ['POST', `${v1}/${started}`],
        ['PUT', `${v1}/${started}/templates/en_US`],
        ['POST', v2],
        ['POST', `${ntm}/${started}/org-templates`],
        ['PUT', `${ntm}/${started}/app-templates/${applicationId}/en_US`],
        ['POST', `${ntm}/${started}/preview`],
        ['POST', `${ntm}/${started}/test-send`],
        ['POST', '/api/server/v1/notification/reset-template-type'],
      ] as const
      const bodies: readonly (readonly [string | Uint8Array<ArrayBuffer>, number])[] = [
        ['{', 400],
        ['null', 400],
        ['"text"', 400],
        ['['.repeat(50_000), 400],
        ['{"displayName":"a\\u0000"}', 400],
        ['{"displayName":"\\ud800"}', 400],
        [new Uint8Array([0x22, 0xff, 0x22]), 400],
        ['x'.repeat(1_048_577), 413],
      ]
      for (const [method, path] of calls)
        for (const [body, status] of bodies) {
          const headers = { Authorization: admin, 'Content-Type': 'application/json' }
          const response = await server.request(path, { method, headers, body })
          expect([method, path, response.status]).toEqual([method, path, status])
        }
    }))

  test('an application takes its templates with it', async () => {
    const { applicationId: gone } = await createApplication(server, { name: 'Gone' })
    expect((await send('POST', `${v2}/${started}/app-templates/${gone}`, french)).status).toBe(201)
    const { changes } = await changesOf(server.db, () =>
      send('DELETE', `/api/server/v1/applications/${gone}`),
    )
    expect(changes.removed.email_template).toHaveLength(1)
  })

  describe('permissions', () => {
    const scopes = ['view', 'create', 'update', 'delete']
    test.each(['email', 'template'])('each verb of internal_%s_mgt_* opens its calls alone', async (kind) => {
      const base = kind === 'email' ? v1 : ntm
      const calls: Record<string, readonly (readonly [string, string, unknown?])[]> = {
        view: [
          ['GET', base],
          ['GET', `${base}/${started}`],
        ],
        create: [['POST', base, {}]],
        update:
          kind === 'email'
            ? [['PUT', `${base}/${started}`, {}]]
            : [['PUT', `${base}/${started}/org-templates/de_DE`, {}]],
        delete: [['DELETE', `${base}/${none}`]],
      }
      for (const verb of scopes) {
        const headers = await operator(server, `${kind}-${verb}`, [`internal_${kind}_mgt_${verb}`])
        for (const [needed, all] of Object.entries(calls)) {
          for (const [method, path, body] of all) {
            const { status } = await server.send(method, path, body, headers)
            expect([verb, method, path, status === 403]).toEqual([verb, method, path, verb !== needed])
          }
        }
      }
      const other = await operator(server, `${kind}-other`, [
        `internal_${kind === 'email' ? 'template' : 'email'}_mgt_view`,
      ])
      expect((await server.send('GET', base, undefined, other)).status).toBe(403)
      expect((await server.request(base)).status).toBe(401)
    })
  })
})
