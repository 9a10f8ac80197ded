/** What is sent of e-mail templates: which one is chosen, what becomes of its placeholders, previews and test messages. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import pino from 'pino'
import { commit, readRevision, write } from '../lib/database/commit.ts'
import { hasTemplatesAt, templateAt, templateHeadsAt } from '../lib/directory/email-templates.ts'
import { choose } from '../lib/email/choice.ts'
import { localeOf, localesOf } from '../lib/email/locale.ts'
import { startMailer } from '../lib/email/mailer.ts'
import { enqueue, type Mail } from '../lib/email/outbox.ts'
import { fill } from '../lib/email/placeholders.ts'
import { plainText } from '../lib/email/plain-text.ts'
import { brandingValues, builtInTemplates, render, writeOut } from '../lib/email/template.ts'
import { durationOf } from '../lib/email/templates/time.ts'
import { type Booted, boot } from './boot.ts'
import { databases, temporaryDirectory } from './databases.ts'
import { account, application, impersonatedToken } from './fixtures.ts'
import {
  certificateAuthority,
  credentials,
  type MailServer,
  readMail,
  startMailServer,
} from './mail-server.ts'
import { operator } from './management.ts'
import { nothingElse } from './nothing-else.ts'

describe('placeholders', () => {
  const values = { 'user-name': '<b>"O\'&\r\nBcc: x', list: ['<i>', 'b'], nested: '{{user-name}}' }

  test('are escaped for the place where they stand', () => {
    const text = 'a {{user-name}} {{ list }}'
    expect(fill(text, values, 'html').text).toBe(
      'a &lt;b&gt;&quot;O&#39;&amp; Bcc: x <ul><li>&lt;i&gt;</li><li>b</li></ul>',
    )
    expect(fill(text, values, 'text').text).toBe('a <b>"O\'& Bcc: x   - <i>\n  - b')
    expect(fill(text, values, 'subject').text).toBe('a <b>"O\'& Bcc: x <i>, b')
  })

  test('of a value are not looked at, and names of objects are no values', () => {
    expect(fill('{{nested}}', values, 'text')).toEqual({ text: '{{user-name}}', unknown: [] })
    expect(fill('{{toString}}{{__proto__}}{{constructor}}', values, 'text')).toEqual({
      text: '',
      unknown: ['toString', '__proto__', 'constructor'],
    })
  })

  test('are filled as long as a mail can be read; a few bytes do not become a gigabyte', () => {
    const long = { a: Array.from({ length: 50 }, () => 'x'.repeat(4_000)) }
    const { text } = fill(`begin ${'{{a}}'.repeat(12_000)} end`, long, 'html')
    expect(text.length).toBeLessThan(2_000_000)
    expect([text.slice(0, 10), text.slice(-4)]).toEqual(['begin <ul>', ' end'])
  })

  test('without a value become nothing and are named once', () => {
    expect(fill('a{{x}}b{{y.z}}c{{x}}', values, 'html')).toEqual({ text: 'abc', unknown: ['x', 'y.z'] })
    expect(fill('{{ }} {{a b}} {user-name}', values, 'text').text).toBe('{{ }} {{a b}} {user-name}')
  })

  test('of branding have defaults of the deployment', () => {
    const branding = brandingValues({ organization: 'Example Ltd', supportAddress: 'help@example.com' })
    expect(branding).toMatchObject({
      'organization-name': 'Example Ltd',
      'organization.logo.altText': 'Example Ltd',
      'organization.copyright.text': '© Example Ltd',
      'organization.support.mail': 'help@example.com',
    })
    for (const name of ['logo.img', 'font', 'font.color', 'color.primary', 'color.background'])
      expect(branding[`organization.${name}`]).not.toBe('')
    for (const name of ['background', 'border'])
      expect(branding[`organization.theme.${name}.color`]).toMatch(/^#[\da-f]{6}$/)
  })
})

describe('the words of a page', () => {
  test.each([
    ['<p>a</p><p>b &amp; c</p>', 'a\n\nb & c\n'],
    ['<head><title>t</title></head><style>p{}</style>x<script>"</p>"</script>y', 'xy\n'],
    ['a<br>b<!-- c -->d', 'a\nbd\n'],
    ['<a title="x>y">z</a> 1 < 2 &#60;&#x3e;&unknown;', 'z 1 < 2 <>&unknown;\n'],
    ['<ul><li>a<li>b</ul>', '- a\n- b\n'],
    ['a<!-- never ends', 'a\n'],
    ['a<p title="never ends', 'a\n'],
    ['a<script>never ends', 'a\n'],
    ['&#0;&#xd800;&#1114112;x', 'x\n'],
  ])('of %j are %j', (html, text) => expect(plainText(html)).toBe(text))

  test.each(['<!--', '<p "', '<script>', '<', '&#', '</script ', '{{', '{{a'])(
    'are read at once, however often there is %j',
    (part) => {
      const began = performance.now()
      const text = part.repeat(Math.floor(65_536 / part.length))
      writeOut({ contentType: 'text/html', subject: 's', body: text, footer: null }, {})
      expect(performance.now() - began).toBeLessThan(1_000)
    },
  )
})

describe('locales', () => {
  test.each([
    ['en_US', 'en_US'],
    ['EN-us', 'en_US'],
    ['de', 'de'],
    ['zh-hant-tw', 'zh_Hant_TW'],
    ['es_419', 'es_419'],
    ['english', undefined],
    ['', undefined],
    ['en_US.UTF-8', undefined],
    ['../en', undefined],
  ])('%j is %p', (text, locale) => expect(localeOf(text)).toBe(locale))

  test('a list of languages is read in its order', () => {
    expect(localesOf('da, en-gb;q=0.8, *;q=0.1')).toEqual(['da', 'en_GB'])
    expect(localesOf('x'.repeat(100_000))).toEqual([])
  })

  const head = (applicationId: string | null, locale: string) => ({
    id: `${applicationId} ${locale}`,
    applicationId,
    locale,
  })
  const heads = [
    head('a', 'de_DE'),
    head('a', 'en_US'),
    head('b', 'fr_FR'),
    head(null, 'de_AT'),
    head(null, 'de_DE'),
    head(null, 'fr'),
  ]
  test.each<[string[], string | undefined, string, string]>([
    [['de_DE'], 'a', 'application', 'de_DE'],
    [['de_DE'], 'c', 'organization', 'de_DE'],
    [['de_DE'], undefined, 'organization', 'de_DE'],
    // the reader's own locale before another of his language
    [['de_AT'], 'a', 'organization', 'de_AT'],
    [['de_CH'], 'a', 'application', 'de_DE'],
    [['fr_CA'], 'a', 'organization', 'fr'],
    [['fr_FR'], 'a', 'organization', 'fr'],
    [['fr_FR'], 'b', 'application', 'fr_FR'],
    // his second language before none of his
    [['it', 'fr'], undefined, 'organization', 'fr'],
    [['it_IT'], 'a', 'application', 'en_US'],
    [['it_IT'], 'c', 'built-in', 'en_US'],
    [[], 'a', 'application', 'en_US'],
    [['en_GB'], 'c', 'built-in', 'en_US'],
  ])('%j in the application %p gets that of the %s in %s', (wanted, applicationId, level, locale) => {
    expect(choose({ heads, applicationId, builtIn: true }, wanted)).toMatchObject({ level, locale })
  })

  test('a type of which nothing is built in may have nothing', () => {
    expect(choose({ heads: [], applicationId: undefined, builtIn: false }, ['de'])).toBeUndefined()
  })
})

describe('built-in templates', () => {
  const letterhead = { organization: 'Example Ltd', supportAddress: 'help@example.com' }

  test.each(Object.entries(builtInTemplates))('%s has a value for each placeholder', (name, builtIn) => {
    for (const head of [letterhead, { organization: 'Example Ltd' }]) {
      const { subject, text, html, unknown } = render(name, builtIn.example, head)
      expect(unknown).toEqual([])
      expect(`${subject}${text}${html}`).not.toContain('{{')
      expect(html).not.toMatch(/src=|url\(|<link|<img|<script|@import/)
    }
  })

  test('the end of an impersonation is told with who, when, through what, why, how long and what', () => {
    const { text, html } = render(
      'impersonation-ended',
      {
        ...builtInTemplates['impersonation-ended'].example,
        reason: '<script>',
        changes: ['PATCH /scim2/Me', '<img src=x>\r\nBcc: eve@evil.example'],
      },
      letterhead,
    )
    expect(text).toContain(`  Account:     alice
  Started by:  bob
  Application: Example application
  Reason:      <script>
  Ticket:      HELP-42
  Started on:  June 18, 2024 at 07:30 AM UTC
  Ended on:    June 18, 2024 at 07:42 AM UTC
  Lasted:      12 minutes
  Ended by:    bob

What was changed:
  - PATCH /scim2/Me
  - <img src=x> Bcc: eve@evil.example
`)
    expect(html).toContain('<li>PATCH /scim2/Me</li><li>&lt;img src=x&gt; Bcc: eve@evil.example</li>')
    expect(html).not.toContain('<script')
  })

  test('when nothing was changed and no reason given it says so, and long lists are cut', () => {
    const { text } = render('impersonation-ended', { userName: 'alice', changes: [] }, letterhead)
    expect(text).toContain('  - Nothing was changed.\n')
    expect(text).toContain('Reason:      none was given\n  Ticket:      none was given\n')
    const changes = Array.from({ length: 60 }, (_, index) => `change ${index}`)
    const long = render('impersonation-ended', { changes }, letterhead).text
    expect(long).toContain('  - change 49\n  - and 10 more\n')
  })

  test.each([
    [0, '0 seconds'],
    [1, '1 second'],
    [59, '59 seconds'],
    [3_600, '1 hour'],
    [3_905, '1 hour 5 minutes'],
    [90_061, '1 day 1 hour'],
  ])('%i seconds are %s', (seconds, text) => {
    const from = Date.UTC(2024, 0, 1)
    const at = (milliseconds: number) => new Date(milliseconds).toISOString()
    expect(durationOf(at(from), at(from + seconds * 1000))).toBe(text)
  })
})

describe.each(databases)('mail by templates on $name', (database) => {
  let server: Booted
  let smtp: MailServer
  let app: { id: string; clientId: string }
  beforeAll(async () => {
    server = await boot(database)
    smtp = await startMailServer()
    app = await application(server.db, { name: 'MAILING' })
  }, 60_000)
  afterAll(async () => {
    await smtp.stop()
    await server.stop()
  })

  const v2 = '/api/server/v2/email/template-types'
  const ntm = '/api/server/v1/notification/email/template-types'
  const idOf = (name: string) => Buffer.from(name).toString('base64url')
  const started = idOf('ImpersonationEmailNotification')
  const html = (subject: string, locale: string) => ({
    locale,
    contentType: 'text/html',
    subject,
    body: `<html lang="${locale}"><p title="{{user-name}}">Hallo {{user.claim.givenname}}, {{impersonator-user-name}}, {{application-name}}, {{login-time}}, {{nobody-knows}}.</p></html>`,
    footer: '<p>{{organization-name}}</p>',
  })
  const store = async (place: string, template: object) => {
    const response = await server.send('POST', `${v2}/${started}/${place}`, template)
    expect(response.status).toBe(201)
  }

  /** What a person of these attributes gets of an impersonation that has just begun. */
  const received = async (name: string, attributes: Readonly<Record<string, unknown>>, more = {}) => {
    const { db } = server
    const recipient = `${name}@example.com`
    const subjectId = await account(db, { userName: name, email: recipient, attributes })
    const impersonatorId = await account(db, { userName: 'bob<br>&"co"' })
    const { impersonationId } = await impersonatedToken(db, {
      application: app,
      subjectId,
      impersonatorId,
      scopes: [],
    })
    const mail: Mail = {
      recipient,
      template: 'impersonation-started',
      data: {
        userName: `${name} <i>"'&\r\nBcc: eve@evil.example`,
        impersonatorUserName: 'bob<br>&"co"',
        application: 'MAILING',
        hostname: 'id.example.com',
        startedAt: '2024-06-18T07:30:00.000Z',
        ...more,
      },
      domain: 'example.com',
      impersonationId,
    }
    expect(await commit(db, [enqueue(db, mail, new Date())])).toBe('committed')
    return sent(recipient)
  }

  const sent = async (recipient: string) => {
    const mailer = startMailer(
      server.db,
      {
        dataDirectory: temporaryDirectory(),
        hostname: 'id.example.com',
        email: {
          fromAddress: 'no-reply@example.com',
          ...credentials,
          hostname: 'localhost',
          port: smtp.port,
          security: 'starttls',
          authentication: true,
          certificateAuthority: await certificateAuthority(),
          messagesPerSecond: 1000,
          organizationName: 'Example & Söhne',
        },
      },
      pino({ level: 'silent' }),
    )
    try {
      await mailer.flush()
    } finally {
      await mailer.stop()
    }
    const delivery = smtp.deliveries.filter(({ to }) => to.includes(recipient)).at(-1)
    if (!delivery) throw new Error(`nothing came for ${recipient}`)
    return { raw: delivery.raw, ...readMail(delivery.raw) }
  }

  test('without stored templates what is built in is sent', async () => {
    const { headers, alternatives } = await received('plain', { locale: 'de_DE' })
    expect(headers.get('subject')).toBe('User Impersonation Session Started')
    expect(alternatives.map(({ type }) => type)).toEqual([
      'text/plain; charset=utf-8',
      'text/html; charset=utf-8',
    ])
    const n = await readRevision(server.db)
    expect(await hasTemplatesAt(server.db, n, 'impersonationemailnotification')).toBeFalse()
  })

  test('an overridden template in another locale arrives in both forms with its values escaped', async () => {
    await store('org-templates', html('Sitzung für {{user-name}}', 'de_DE'))
    const attributes = { locale: 'de_DE', name: { givenName: '<u>Änne</u>' } }
    const { raw, headers, alternatives } = await received('anne', attributes)
    const [text, page, ...others] = alternatives
    expect(others).toEqual([])
    // the subject is one header, whatever the name says
    expect(headers.has('bcc')).toBeFalse()
    expect(raw.slice(0, raw.indexOf('\r\n\r\n'))).not.toMatch(/^Bcc:/m)
    expect(headers.get('subject')).toStartWith('=?UTF-8?')
    expect(page).toEqual({
      type: 'text/html; charset=utf-8',
      content: `<html lang="de_DE"><p title="anne &lt;i&gt;&quot;&#39;&amp; Bcc: eve@evil.example">Hallo &lt;u&gt;Änne&lt;/u&gt;, bob&lt;br&gt;&amp;&quot;co&quot;, MAILING, June 18, 2024 at 07:30 AM UTC, .</p></html><p>Example &amp; Söhne</p>`,
    })
    expect(text?.type).toBe('text/plain; charset=utf-8')
    expect(text?.content.trim()).toBe(
      'Hallo <u>Änne</u>, bob<br>&"co", MAILING, June 18, 2024 at 07:30 AM UTC, .\n\nExample & Söhne',
    )
  })

  test("the application's comes before the organization's, a language before none, and English at last", async () => {
    await store(`app-templates/${app.id}`, html('App de', 'de_DE'))
    await store('org-templates', html('Org fr', 'fr_FR'))
    const subjectFor = async (name: string, attributes: Readonly<Record<string, unknown>>, more = {}) =>
      (await received(name, attributes, more)).headers.get('subject')
    expect(await subjectFor('app-de', { locale: 'de_DE' })).toBe('App de')
    expect(await subjectFor('swiss', { preferredLanguage: 'de-CH, en;q=0.5' })).toBe('App de')
    expect(await subjectFor('quebec', { locale: 'fr-ca' })).toBe('Org fr')
    expect(await subjectFor('italian', { locale: 'it_IT' })).toBe('User Impersonation Session Started')
    expect(await subjectFor('odd', { locale: '../../etc' })).toBe('User Impersonation Session Started')
    // what was made with the mail decides
    expect(await subjectFor('said', { locale: 'it_IT' }, { locale: 'fr_FR' })).toBe('Org fr')
    // what is changed is sent at once
    const changed = { ...html('App de 2', 'de_DE') }
    await server.send('PUT', `${v2}/${started}/app-templates/${app.id}/de_DE`, changed)
    expect(await subjectFor('app-de-2', { locale: 'de_DE' })).toBe('App de 2')
  })

  test('templates are loaded once a revision', async () => {
    const { db } = server
    const n = await readRevision(db)
    const key = 'impersonationemailnotification'
    const heads = await templateHeadsAt(db, n, server.organization.id, key)
    expect(heads.map(({ locale }) => locale)).toEqual(['de_DE', 'de_DE', 'fr_FR'])
    expect(await templateHeadsAt(db, n, server.organization.id, key)).toBe(heads)
    const id = heads[0]?.id ?? ''
    expect(await templateAt(db, n, id)).toBe((await templateAt(db, n, id)) as never)
  })

  test('a template of plain text is a message of plain text', async () => {
    const template = {
      ...html('Ciao', 'it_IT'),
      contentType: 'text/plain',
      body: 'Ciao <{{user-name}}>\n',
      footer: '-- ',
    }
    await store('org-templates', template)
    // readMail expects alternatives, and there are none
    await expect(received('it', { locale: 'it_IT' })).rejects.toThrow('no alternatives')
    const raw = smtp.deliveries.at(-1)?.raw ?? ''
    expect(raw).toContain('Content-Type: text/plain; charset=utf-8')
    expect(raw).toContain('Ciao <it <i>"\'& Bcc: eve@evil.example>')
  })

  describe('a preview', () => {
    const preview = (body: unknown, type = started) => server.send('POST', `${ntm}/${type}/preview`, body)

    test('shows what is sent, as text in JSON, and names what has no value', async () => {
      const { result } = await nothingElse(server.db, {}, () =>
        preview({ locale: 'de_AT', applicationId: app.id, values: { 'user-name': '<x>' } }),
      )
      expect([result.status, result.headers.get('content-type')]).toEqual([200, 'application/json'])
      expect(await result.json()).toMatchObject({
        source: 'application',
        locale: 'de_DE',
        contentType: 'text/html',
        subject: 'App de 2',
        html: expect.stringContaining('<p title="&lt;x&gt;">Hallo Alice, bob, Example application'),
        unknownPlaceholders: ['nobody-knows'],
      })
    })

    test('shows what is built in, and a draft that nobody stored', async () => {
      const builtIn = await (await preview({})).json()
      expect(builtIn).toMatchObject({ source: 'built-in', locale: 'en_US', unknownPlaceholders: [] })
      const draft = { contentType: 'text/plain', subject: 'Hi {{user-name}}', body: '{{list}} {{y}}' }
      const shown = await (await preview({ template: draft, values: { list: ['a', 'b'] } })).json()
      expect(shown).toEqual({
        source: 'draft',
        locale: 'en_US',
        contentType: 'text/plain',
        subject: 'Hi alice',
        text: '  - a\n  - b ',
        unknownPlaceholders: ['y'],
      })
    })

    test('is refused for what could not be sent, and for what is not there', async () => {
      await nothingElse(server.db, {}, async () => {
        for (const [body, type, status, code] of [
          [{}, idOf('None'), 404, 'NTM-65002'],
          [{ applicationId: 'none' }, started, 404, 'APP-60006'],
          [{ locale: 'x y' }, started, 400, 'UE-10000'],
          [{ values: { 'a b': 'x' } }, started, 400, 'UE-10000'],
          [{ values: { a: 1 } }, started, 400, 'UE-10000'],
          [{ template: { contentType: 'text/html', subject: 'a\nb', body: 'c' } }, started, 400, 'UE-10000'],
          [{ more: 1 }, started, 400, 'UE-10000'],
        ] as const) {
          const response = await preview(body, type)
          const { code: got } = (await response.json()) as { code: string }
          expect([body, response.status, got]).toEqual([body, status, code])
        }
      })
    })

    test('of a type without templates is not there', async () => {
      await server.send('POST', v2, { displayName: 'Empty' })
      const response = await preview({}, idOf('Empty'))
      expect([response.status, await response.json()]).toMatchObject([404, { code: 'NTM-65004' }])
    })
  })

  describe('a test message', () => {
    const path = `${ntm}/${started}/test-send`
    const permissions = ['internal_template_mgt_update']
    const tester = async (name: string, email: string | null) => {
      const headers = await operator(server, name, permissions)
      const update = server.db.updateTable('account').set({ email }).where('user_name', '=', name)
      expect(await commit(server.db, [write(update)])).toBe('committed')
      return headers
    }

    test('goes to the caller himself, marked as one, and is audited', async () => {
      await store('org-templates', html('Ola', 'pt_BR'))
      const headers = await tester('Tess', 'Tess@example.com')
      const { result } = await nothingElse(
        server.db,
        { audit: { added: 1 }, outbox: { added: 1 }, used_value: { added: 1 } },
        () => server.send('POST', path, { to: 'tess@example.com', locale: 'pt_BR' }, headers),
      )
      expect([result.status, await result.json()]).toEqual([
        202,
        { to: 'Tess@example.com', subject: '[Test] Ola' },
      ])
      expect((await server.audit()).at(-1)).toMatchObject({
        event: 'email-template-tested',
        target: 'ImpersonationEmailNotification',
        data: { type: 'ImpersonationEmailNotification', locale: 'pt_BR', source: 'organization' },
      })
      const { headers: received, alternatives } = await sent('Tess@example.com')
      expect(received.get('subject')).toBe('[Test] Ola')
      expect(alternatives).toHaveLength(2)
    })

    test('goes to nobody else, and not from somebody without an address', async () => {
      const [own, without] = [await tester('Tom', 'tom@example.com'), await tester('Nora', null)]
      await nothingElse(server.db, {}, async () => {
        for (const [headers, body, status, code] of [
          [own, { to: 'eve@evil.example' }, 403, 'NTM-60017'],
          [own, { to: 'tom@example.com, eve@evil.example' }, 403, 'NTM-60017'],
          [own, { to: 'tom@example.com\r\nBcc: eve@evil.example' }, 403, 'NTM-60017'],
          [own, { to: ['tom@example.com'] }, 400, 'UE-10000'],
          // nobody sends what he has not stored
          [own, { template: { contentType: 'text/html', subject: 'a', body: 'b' } }, 400, 'UE-10000'],
          [without, {}, 400, 'NTM-60018'],
          [without, { to: 'nora@example.com' }, 403, 'NTM-60017'],
        ] as const) {
          const response = await server.send('POST', path, body, headers)
          const { code: got } = (await response.json()) as { code: string }
          expect([body, response.status, got]).toEqual([body, status, code])
        }
      })
    })

    test('may be sent ten times an hour, however many ask at once', async () => {
      const headers = await tester('Rush', 'rush@example.com')
      const answers = await Promise.all(
        Array.from({ length: 12 }, () => server.send('POST', path, {}, headers)),
      )
      const taken = answers.filter(({ status }) => status === 202).length
      // those who were overtaken too often ask again
      for (let more = taken; more < 10; more += 1)
        expect((await server.send('POST', path, {}, headers)).status).toBe(202)
      const { result } = await nothingElse(server.db, {}, () => server.send('POST', path, {}, headers))
      expect([result.status, await result.json()]).toMatchObject([429, { code: 'NTM-60019' }])
      expect(Number(result.headers.get('retry-after'))).toBeGreaterThan(0)
      const rows = await server.db
        .selectFrom('outbox')
        .select('id')
        .where('recipient', '=', 'rush@example.com')
        .execute()
      expect(rows).toHaveLength(10)
    })
  })
})
