/** What an impersonation is for: said by its client, or asked on a page of ours; kept, audited, told, and in no token. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { decodeJwt, exportJWK, generateKeyPair, SignJWT } from 'jose'
import { app } from '../lib/app.ts'
import { createLog } from '../lib/log.ts'
import { asValidator } from '../lib/plugins/validator.ts'
import { type Booted, basic, boot } from './boot.ts'
import { type Browser, fragmentOf, locationOf, newBrowser } from './browser.ts'
import { databases } from './databases.ts'
import { changesOf, nothingElse } from './nothing-else.ts'
import {
  authorizePath,
  createApplication,
  createRole,
  exchange,
  logIn,
  obtainSubjectToken,
  type Scenario,
  setUp,
  subjectScopes,
  type TokenResponse,
} from './scenario.ts'

type Changes = Readonly<Record<string, string | undefined>>

const reasonPath = '/authenticationendpoint/impersonation_reason.do'
const reason = 'He cannot see his invoice "№ 7" <b>'
const ticket = 'CASE-42'
const strictToml = `[impersonation]
require_reason = true
require_ticket = true
ticket_pattern = "[A-Z]{2,10}-[0-9]{1,7}"
ticket_hint = "The number of the case, such as CASE-42"
`

describe.each(databases)('what an impersonation is for, on $name', (database) => {
  let server: Booted
  /** The same database, where everybody has to say both. */
  let strict: Booted
  let scenario: Scenario
  /** Of an application that requires a reason on its own, and asks for consent. */
  let careful: Scenario
  let keys: CryptoKeyPair

  beforeAll(async () => {
    server = await boot(database)
    strict = await boot(database, { beside: server, toml: strictToml })
    scenario = await setUp(server)
    keys = await generateKeyPair('ES256', { extractable: true })
    const jwks = { keys: [{ ...(await exportJWK(keys.publicKey)), kid: 'k1', alg: 'ES256', use: 'sig' }] }
    const made = await createApplication(server, {
      name: 'Careful',
      skipLoginConsent: false,
      oidc: { mayact: { requireImpersonationReason: true, jwks } },
    })
    const { applicationId } = made
    const of = (name: string, permissions: readonly string[], member: string) =>
      createRole(server, { name, applicationId, permissions, member })
    careful = {
      ...scenario,
      ...made,
      impersonatorRole: await of('Impersonators', ['internal_user_impersonate'], scenario.impersonator.id),
      subjectRole: await of('Users', subjectScopes, scenario.subject.id),
    }
  }, 60_000)
  afterAll(async () => {
    await strict.stop()
    await server.stop()
  })

  /** The answer to a request of somebody who has just signed in, or what he is shown. */
  const ask = async (
    at: Booted,
    of: Scenario,
    changes: Changes = {},
    browser = newBrowser(at),
  ): Promise<{ answer: Response; browser: Browser }> => {
    const paused = await browser.get(authorizePath(of, changes))
    expect(locationOf(paused).pathname).toBe('/authenticationendpoint/login.do')
    return { answer: await logIn(browser, paused, of.impersonator), browser }
  }
  /** The page that a redirect leads to. */
  const shown = async (browser: Browser, answer: Response) => {
    const { pathname, search, searchParams } = locationOf(answer)
    expect([answer.status, pathname]).toEqual([302, reasonPath])
    const page = await browser.get(`${pathname}${search}`)
    expect([page.status, page.headers.get('cache-control')]).toEqual([200, 'no-store'])
    return { html: await page.text(), key: searchParams.get('sessionDataKeyReason') ?? '' }
  }
  const submit = (browser: Browser, key: string, fields: Readonly<Record<string, string>>) =>
    browser.post('/oauth2/authorize', { sessionDataKeyReason: key, ...fields })
  const said = { impersonation_reason: reason, impersonation_ticket: ticket }
  const latest = async () => (await server.audit()).at(-1)
  const rowOf = (id: unknown) =>
    server.db
      .selectFrom('impersonation')
      .select(['reason', 'ticket'])
      .where('id', '=', String(id))
      .executeTakeFirstOrThrow()

  test('a request that says nothing is answered as ever, and nothing is said of it', async () => {
    const tokens = await obtainSubjectToken(server, scenario)
    const audited = await latest()
    expect(audited?.event).toBe('subject-token-issued')
    expect(Object.keys(audited?.data ?? {})).toEqual([
      'clientId',
      'subject',
      'impersonator',
      'scope',
      'impersonation',
    ])
    expect(await rowOf(audited?.impersonation_id)).toEqual({ reason: null, ticket: null })
    expect((await exchange(server, scenario, tokens)).status).toBe(200)
    expect(Object.keys((await latest())?.data ?? {})).not.toContain('impersonationReason')
  })

  test('what a client says is kept, audited when it is authorized and started, mailed, and in no token', async () => {
    const tokens = await obtainSubjectToken(server, scenario, said)
    const authorized = await latest()
    expect(authorized?.data).toMatchObject({ impersonationReason: reason, impersonationTicket: ticket })
    expect(await rowOf(authorized?.impersonation_id)).toEqual({ reason, ticket })
    const response = await exchange(server, scenario, tokens)
    const { access_token } = (await response.json()) as TokenResponse
    const started = await latest()
    expect([started?.event, started?.data]).toEqual([
      'impersonated-token-issued',
      expect.objectContaining({ impersonationReason: reason, impersonationTicket: ticket }),
    ])
    for (const token of [tokens.subjectToken, tokens.idToken, access_token]) {
      const claims = JSON.stringify(decodeJwt(token))
      expect(claims).not.toContain('invoice')
      expect(claims).not.toContain(ticket)
    }
    const mail = await server.db
      .selectFrom('outbox')
      .select('data')
      .where('impersonation_id', '=', started?.impersonation_id ?? '')
      .executeTakeFirstOrThrow()
    expect(JSON.parse(mail.data)).toMatchObject({ reason, ticket })
  })

  test('an older client says it by the parameter reason', async () => {
    await obtainSubjectToken(server, scenario, { reason: 'as before' })
    expect((await latest())?.data.impersonationReason).toBe('as before')
  })

  test('it may be pushed, and in a signed request object', async () => {
    const authorization = { Authorization: basic(careful.clientId, careful.clientSecret) }
    const parameters = new URLSearchParams(authorizePath(careful, said).split('?')[1])
    const pushed = await server.request('/oauth2/par', {
      method: 'POST',
      headers: authorization,
      body: parameters,
    })
    expect(pushed.status).toBe(201)
    const { request_uri } = (await pushed.json()) as { request_uri: string }
    const object = await new SignJWT({
      ...Object.fromEntries(parameters),
      iss: careful.clientId,
      aud: server.config.issuer,
    })
      .setProtectedHeader({ alg: 'ES256', kid: 'k1', typ: 'oauth-authz-req+jwt' })
      .setExpirationTime('1m')
      .sign(keys.privateKey)
    for (const request of [{ request_uri }, { request: object }]) {
      const browser = newBrowser(server)
      const query = new URLSearchParams({
        client_id: careful.clientId,
        response_type: 'id_token subject_token',
        scope: 'openid',
        ...request,
      })
      const paused = await browser.get(`/oauth2/authorize?${query}`)
      const consent = await logIn(browser, paused, careful.impersonator)
      const { pathname, search, searchParams } = locationOf(consent)
      expect(pathname).toBe('/authenticationendpoint/oauth2_authz.do')
      const html = await (await browser.get(`${pathname}${search}`)).text()
      expect(html).toContain(
        '<dd id="impersonation-reason">He cannot see his invoice &quot;№ 7&quot; &lt;b&gt;</dd>',
      )
      expect(html).toContain(`<dd id="impersonation-ticket">${ticket}</dd>`)
      const sessionDataKeyConsent = searchParams.get('sessionDataKeyConsent') ?? ''
      const answer = await browser.post('/oauth2/authorize', { sessionDataKeyConsent, consent: 'approve' })
      expect(fragmentOf(answer).has('subject_token')).toBe(true)
      expect((await latest())?.data).toMatchObject({
        impersonationReason: reason,
        impersonationTicket: ticket,
      })
    }
  })

  test('a pushed request with a reason that cannot be kept is refused there', async () => {
    const body = new URLSearchParams(
      authorizePath(careful, { impersonation_reason: 'a\u0001b' }).split('?')[1],
    )
    const headers = { Authorization: basic(careful.clientId, careful.clientSecret) }
    const { result } = await nothingElse(server.db, {}, () =>
      server.request('/oauth2/par', { method: 'POST', headers, body }),
    )
    expect([result.status, await result.json()]).toEqual([
      400,
      {
        error: 'invalid_request',
        error_description: 'impersonation_reason has a line break or another control character.',
      },
    ])
  })

  const wrong: readonly (readonly [string, Changes, string, string])[] = [
    [
      'a reason with a line break',
      { ...said, impersonation_reason: 'a\nb' },
      'reason_malformed',
      'impersonation_reason has a line break or another control character.',
    ],
    [
      'a reason with a line separator',
      { ...said, impersonation_reason: 'a\u2028b' },
      'reason_malformed',
      'impersonation_reason has a line break or another control character.',
    ],
    [
      'a reason that turns what stands behind it around',
      { ...said, impersonation_reason: 'help \u202Egnirob\u202C' },
      'reason_malformed',
      'impersonation_reason has a line break or another control character.',
    ],
    [
      'a reason of 501 characters',
      { ...said, impersonation_reason: 'x'.repeat(501) },
      'reason_too_long',
      'impersonation_reason is longer than 500 characters.',
    ],
    [
      'a ticket of 129 characters',
      { ...said, impersonation_ticket: 'x'.repeat(129) },
      'ticket_too_long',
      'impersonation_ticket is longer than 128 characters.',
    ],
    [
      'a ticket that only contains what the pattern wants',
      { ...said, impersonation_ticket: 'CASE-42 and more' },
      'ticket_mismatch',
      'impersonation_ticket does not have the form that is required here.',
    ],
    [
      'a wrong ticket beside a missing reason',
      { impersonation_ticket: 'x' },
      'ticket_mismatch',
      'impersonation_ticket does not have the form that is required here.',
    ],
  ]
  test.each(wrong)(
    '%s is refused where it is audited, and nobody is shown a page',
    async (_, changes, code, text) => {
      const browser = newBrowser(strict)
      const paused = await browser.get(authorizePath(scenario, changes))
      const { result, changes: changed } = await changesOf(strict.db, () =>
        logIn(browser, paused, scenario.impersonator),
      )
      expect([changed.added.token, changed.added.audit?.length]).toEqual([undefined, 2])
      const answer = fragmentOf(result)
      expect([answer.get('error'), answer.get('error_description')]).toEqual(['invalid_request', text])
      const refused = await latest()
      expect([refused?.event, refused?.data]).toEqual([
        'impersonation-refused',
        expect.objectContaining({ validator: 'reason', reason: code, phase: 'authorize' }),
      ])
      expect(refused?.data).not.toHaveProperty('impersonationReason')
    },
  )

  test('who did not say what is required is asked on a page, and what he says goes with the request', async () => {
    const { answer, browser } = await ask(strict, scenario)
    const { html, key } = await shown(browser, answer)
    for (const text of [
      'id="user-name">Impersonator<',
      `id="requested-subject">${scenario.subject.id}<`,
      'id="application-name">POSTMAN_SBA<',
      '<textarea id="impersonation_reason" name="impersonation_reason" required',
      'id="impersonation_ticket" name="impersonation_ticket" required',
      '>The number of the case, such as CASE-42<',
    ])
      expect(html).toContain(text)
    // whom the id belongs to is not told
    expect(html).not.toContain(scenario.subject.userName)
    const done = await submit(browser, key, {
      impersonation_reason: '  He cannot\r\n\r\nsee it ',
      impersonation_ticket: ticket,
    })
    expect(fragmentOf(done).has('subject_token')).toBe(true)
    expect((await latest())?.data).toMatchObject({
      impersonationReason: 'He cannot see it',
      impersonationTicket: ticket,
    })
    // the form was good once
    const again = await submit(browser, key, said)
    expect([again.status, await again.text()]).toEqual([400, expect.stringContaining('completed already')])
  })

  test('the page is the same whoever is asked for', async () => {
    const pages: string[] = []
    for (const id of [scenario.subject.id, crypto.randomUUID(), scenario.impersonator.id]) {
      const { answer, browser } = await ask(strict, scenario, { requested_subject: id })
      const { html, key } = await shown(browser, answer)
      pages.push(
        html
          .replaceAll(id, 'ID')
          .replaceAll(key, 'KEY')
          .replaceAll(/nonce="[^"]*"/g, ''),
      )
    }
    expect(new Set(pages).size).toBe(1)
  })

  test('what is not good is shown again with what was typed, and is no part of the request', async () => {
    const { answer, browser } = await ask(strict, scenario, { impersonation_reason: reason })
    const first = await shown(browser, answer)
    // what the application said cannot be overwritten
    expect(first.html).toContain(
      '<dd id="said-reason">He cannot see his invoice &quot;№ 7&quot; &lt;b&gt;</dd>',
    )
    expect(first.html).not.toContain('<textarea')
    const known = (await server.audit()).length
    const typed = { impersonation_reason: 'another', impersonation_ticket: '"><script>x' }
    const second = await shown(browser, await submit(browser, first.key, typed))
    expect(second.key).not.toBe(first.key)
    expect(second.html).toContain('value="&quot;&gt;&lt;script&gt;x"')
    expect(second.html).toContain(
      '<p class="wrong" id="impersonation_ticket-error">This is not written as tickets are here.</p>',
    )
    expect(second.html).toContain('aria-invalid="true"')
    const empty = await shown(browser, await submit(browser, second.key, {}))
    expect(empty.html).toContain('Say where it is written down.')
    expect((await server.audit()).length).toBe(known)
    const done = await submit(browser, empty.key, { impersonation_ticket: ticket })
    expect(fragmentOf(done).has('subject_token')).toBe(true)
    expect((await latest())?.data).toMatchObject({ impersonationReason: reason, impersonationTicket: ticket })
  })

  test('who gives up is not impersonating, and his application hears it', async () => {
    const { answer, browser } = await ask(strict, scenario)
    const { key } = await shown(browser, answer)
    const { result } = await nothingElse(
      strict.db,
      { audit: { added: 1 }, impersonation: { added: 1 }, interaction: { changed: 1 } },
      () => submit(browser, key, { cancel: 'true' }),
    )
    expect(fragmentOf(result).get('error')).toBe('access_denied')
    expect((await latest())?.data).toMatchObject({ validator: 'consent', reason: 'consent_denied' })
  })

  test('with prompt=none there is no page but interaction_required', async () => {
    const { browser } = await ask(strict, scenario)
    const { result } = await nothingElse(strict.db, {}, () =>
      browser.get(authorizePath(scenario, { prompt: 'none' })),
    )
    const answer = fragmentOf(result)
    expect([answer.get('error'), answer.get('error_description')]).toEqual([
      'interaction_required',
      'impersonation_reason and impersonation_ticket must be said for an impersonation here.',
    ])
    const spoken = await browser.get(authorizePath(scenario, { prompt: 'none', ...said }))
    expect(fragmentOf(spoken).has('subject_token')).toBe(true)
  })

  test('an application may require it on its own, and consent comes behind it', async () => {
    const { answer, browser } = await ask(server, careful)
    const { html, key } = await shown(browser, answer)
    expect(html).toContain('(may be left empty)')
    const consent = await submit(browser, key, { impersonation_reason: reason })
    const { pathname, searchParams } = locationOf(consent)
    expect(pathname).toBe('/authenticationendpoint/oauth2_authz.do')
    const sessionDataKeyConsent = searchParams.get('sessionDataKeyConsent') ?? ''
    const done = await browser.post('/oauth2/authorize', { sessionDataKeyConsent, consent: 'approve' })
    expect(fragmentOf(done).has('subject_token')).toBe(true)
    expect((await latest())?.data.impersonationReason).toBe(reason)
  })

  test('(S15) the page belongs to the browser that began it, and a link starts nothing', async () => {
    const { answer, browser } = await ask(strict, scenario)
    const { key } = await shown(browser, answer)
    const { browser: another } = await ask(strict, scenario)
    const { result: foreign } = await nothingElse(strict.db, {}, () => submit(another, key, said))
    expect([foreign.status, await foreign.text()]).toEqual([
      400,
      expect.stringContaining('started in another browser'),
    ])
    const page = await another.get(`${reasonPath}?sessionDataKeyReason=${key}`)
    expect(page.status).toBe(400)
    const query = new URLSearchParams({ sessionDataKeyReason: key, ...said })
    const { result: link } = await nothingElse(strict.db, {}, () => browser.get(`/oauth2/authorize?${query}`))
    expect(link.status).toBe(400)
    expect(fragmentOf(await submit(browser, key, said)).has('subject_token')).toBe(true)
  })

  test('(Q5) rules receive the actor, the reason and the ticket, when it is authorized and when it is exchanged', async () => {
    const seen: unknown[] = []
    const rule = asValidator(
      {
        name: 'watch',
        priority: 90,
        validate: ({ phase, impersonator, subject, reason: why, ticket: where, scopes }) => {
          seen.push([phase, impersonator.userName, subject.userName, why, where])
          return { allow: true, scopes }
        },
      },
      undefined,
      () => {},
    )
    const log = createLog({ level: 'silent', format: 'text' })
    const validators = [...server.validators, rule]
    const watched = app({ ...server, validators, log })
    const asked = {
      request: (path: string, init: RequestInit = {}) =>
        watched.fetch(
          new Request(new URL(path, 'https://localhost:9443').href, { redirect: 'manual', ...init }),
          '127.0.0.1',
        ),
    }
    const tokens = await obtainSubjectToken(asked, scenario, said)
    // the exchange cannot say another one
    const response = await exchange(asked, scenario, tokens, { reason: 'x', impersonation_reason: 'y' })
    expect(response.status).toBe(200)
    const { userName } = scenario.subject
    expect(seen).toEqual([
      ['authorize', 'Impersonator', userName, reason, ticket],
      ['exchange', 'Impersonator', userName, reason, ticket],
    ])
  })
})
