import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import * as jose from 'jose'
import { commit, write } from '../../lib/database/commit.ts'
import { endLineage } from '../../lib/tokens/lineage.ts'
import { findToken } from '../../lib/tokens/token.ts'
import { type Booted, boot, origin } from '../boot.ts'
import { type Browser, locationOf } from '../browser.ts'
import { databases } from '../databases.ts'
import { nothingElse } from '../nothing-else.ts'
import { addToRole, basic, removeFromRole, setLocked } from '../scenario.ts'
import {
  askToken,
  type Client,
  type Fields,
  newClient,
  newPerson,
  refresh,
  refusalOf,
  rowsSince,
  tokensOf,
} from './granted.ts'
import { newKey } from './proof.ts'

const grantType = 'urn:ietf:params:oauth:grant-type:device_code'
const grantTypes = [grantType, 'refresh_token', 'client_credentials']
const scope = 'openid profile internal_user_mgt_view'
const page = '/authenticationendpoint/device.do'

interface Begun {
  readonly device_code: string
  readonly user_code: string
  readonly verification_uri: string
  readonly verification_uri_complete: string
  readonly expires_in: number
  readonly interval: number
}

describe.each(databases)('device authorization on $name', (database) => {
  let server: Booted
  let client: Client
  let other: Client
  let publicClient: Client
  let person: Awaited<ReturnType<typeof newPerson>>

  beforeAll(async () => {
    server = await boot(database)
    client = await newClient(server, { grantTypes })
    other = await newClient(server, { grantTypes })
    publicClient = await newClient(server, { grantTypes, publicClient: true })
    person = await newPerson(server, client)
  }, 60_000)
  afterAll(() => server.stop())

  const ask = (fields: Fields, by: Client | null = client) => {
    const kept = Object.entries(fields).filter((pair): pair is [string, string] => pair[1] !== undefined)
    return server.request('/oauth2/device_authorize', {
      method: 'POST',
      body: new URLSearchParams(kept),
      headers: by ? { Authorization: basic(by.clientId, by.clientSecret) } : {},
    })
  }

  const begin = async (fields: Fields = { scope }, by: Client | null = client): Promise<Begun> => {
    const response = await ask(fields, by)
    expect(response.status).toBe(200)
    return (await response.json()) as Begun
  }

  const poll = (code: string, by: Client | null = client, changes: Fields = {}, init = {}) =>
    askToken(server, by ?? undefined, { grant_type: grantType, device_code: code, ...changes }, init)

  /** From the code to the page that asks. */
  const enter = async (
    browser: Browser,
    code: string,
    who: { userName: string; password: string } = person,
  ) => {
    const entered = await browser.post('/oauth2/device', { user_code: code })
    expect(entered.status).toBe(302)
    const next = locationOf(entered)
    const key = next.searchParams.get('sessionDataKey') ?? ''
    if (next.pathname === '/authenticationendpoint/login.do') {
      const login = await browser.get(`${next.pathname}${next.search}`)
      expect(login.status).toBe(200)
      const posted = await browser.post('/commonauth', {
        username: who.userName,
        password: who.password,
        sessionDataKey: key,
      })
      expect(locationOf(posted).pathname).toBe(page)
    }
    return { key, failure: next.searchParams.get('failure') }
  }

  const decide = (browser: Browser, key: string, consent = 'approve') =>
    browser.post('/oauth2/device', { sessionDataKey: key, consent })

  const approve = async (begun: Begun, browser = server.browser()) => {
    const { key } = await enter(browser, begun.user_code)
    const done = await decide(browser, key)
    expect([done.status, locationOf(done).search]).toEqual([302, '?done=approved'])
    return browser
  }

  const change = (set: Record<string, string | number | null>, code?: string) =>
    commit(server.db, [
      write(
        code === undefined
          ? server.db.updateTable('device_authorization').set(set)
          : server.db
              .updateTable('device_authorization')
              .set(set)
              .where('device_hash', '=', new Bun.CryptoHasher('sha256').update(code).digest('base64url')),
      ),
    ])

  test('it answers two codes, which are stored as hashes, and where the user enters his', async () => {
    const { result, changes } = await nothingElse(server.db, { device_authorization: { added: 1 } }, () =>
      ask({ scope: `${scope} internal_user_impersonate` }),
    )
    expect([result.status, result.headers.get('cache-control')]).toEqual([200, 'no-store'])
    const begun = (await result.json()) as Begun
    expect(begun).toEqual({
      device_code: expect.stringMatching(/^[\w-]{43}$/),
      user_code: expect.stringMatching(/^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$/),
      verification_uri: `${origin}${page}`,
      verification_uri_complete: `${origin}${page}?user_code=${begun.user_code}`,
      expires_in: 600,
      interval: 5,
    })
    const [row] = changes.added.device_authorization ?? []
    expect(row?.scopes).toBe(scope)
    expect(JSON.stringify(row)).not.toContain(begun.device_code)
    expect(JSON.stringify(row)).not.toContain(begun.user_code)
    const metadata = await server.request('/oauth2/token/.well-known/openid-configuration')
    const document = (await metadata.json()) as Record<string, unknown>
    expect(document.device_authorization_endpoint).toBe(`${origin}/oauth2/device_authorize`)
    expect(document.grant_types_supported).toContain(grantType)
  })

  test('a public client begins one by its id, and nobody else without credentials', async () => {
    await begin({ client_id: publicClient.clientId, scope }, null)
    const without = await newClient(server)
    const cases: readonly [Fields, Client | null, number, string][] = [
      [{ client_id: client.clientId }, null, 401, 'invalid_client'],
      [{}, null, 401, 'invalid_client'],
      [{ client_id: 'unknown' }, null, 401, 'invalid_client'],
      [{ scope }, without, 400, 'unauthorized_client'],
      [{ scope: 'open"id' }, client, 400, 'invalid_scope'],
      [{ scope: 'a'.repeat(5_000) }, client, 400, 'invalid_scope'],
    ]
    for (const [fields, by, status, error] of cases) {
      expect([fields, await refusalOf(await ask(fields, by))]).toEqual([fields, [status, error]])
    }
  })

  test('a request that is no form, has a name twice, is too long or not UTF-8 is refused', async () => {
    const Authorization = basic(client.clientId, client.clientSecret)
    const form = 'application/x-www-form-urlencoded'
    for (const [body, type] of [
      ['{}', 'application/json'],
      ['scope=a&scope=a', form],
      ['scope=%ff', form],
      [`scope=${'a'.repeat(65_536)}`, form],
    ] as const) {
      for (const path of ['/oauth2/device_authorize', '/oauth2/token']) {
        const response = await server.request(path, {
          method: 'POST',
          body,
          headers: { 'Content-Type': type, Authorization },
        })
        expect(await refusalOf(response)).toEqual([400, 'invalid_request'])
      }
      const entered = await server.request('/oauth2/device', {
        method: 'POST',
        body,
        headers: { 'Content-Type': type },
      })
      expect([entered.status, entered.headers.get('content-type')]).toEqual([400, 'text/html; charset=utf-8'])
    }
  })

  test('the code, a sign-in and a confirmation that says what for give the device its tokens, once', async () => {
    const begun = await begin()
    const browser = server.browser()
    const form = await (await browser.get(`${page}?user_code=${begun.user_code}`)).text()
    expect(form).toContain(`value="${begun.user_code}"`)
    // case and dash do not matter
    const { key } = await enter(browser, ` ${begun.user_code.replace('-', '').toLowerCase()} `)
    const asked = await browser.get(`${page}?sessionDataKey=${key}`)
    const text = await asked.text()
    expect(asked.status).toBe(200)
    for (const shown of [begun.user_code, person.userName, 'CLIENT_', 'internal_user_mgt_view', 'openid']) {
      expect(text).toContain(shown)
    }
    expect(asked.headers.get('content-security-policy')).toContain("frame-ancestors 'none'")
    expect(await refusalOf(await poll(begun.device_code))).toEqual([400, 'authorization_pending'])

    const { result: done, changes } = await nothingElse(
      server.db,
      {
        interaction: { changed: 1 },
        device_authorization: { changed: 1 },
        lineage: { added: 1 },
        session_application: { added: 1 },
        audit: { added: 1 },
      },
      () => decide(browser, key),
    )
    expect([done.status, locationOf(done).search]).toEqual([302, '?done=approved'])
    const row = changes.added.audit?.[0]
    expect([row?.event, row?.initiator, row?.target]).toEqual(['device-approved', person.id, client.clientId])
    expect(await (await browser.get(`${page}?done=approved`)).text()).toContain('The device is connected')

    const { result } = await nothingElse(
      server.db,
      {
        token: { added: 3 },
        device_authorization: { changed: 1 },
        audit: { added: 1 },
      },
      () => poll(begun.device_code),
    )
    const tokens = await tokensOf(result)
    expect([tokens.token_type, tokens.scope]).toEqual(['Bearer', scope])
    const claims = jose.decodeJwt(tokens.id_token ?? '')
    const access = jose.decodeJwt(tokens.access_token)
    expect([claims.sub, claims.aud, typeof claims.auth_time, typeof claims.at_hash]).toEqual([
      person.id,
      client.clientId,
      'number',
      'string',
    ])
    expect([access.sub, access.act]).toEqual([person.id, undefined])
    const known = (await server.audit()).length
    expect(await refusalOf(await poll(begun.device_code))).toEqual([400, 'invalid_grant'])
    expect(await rowsSince(server, known)).toEqual([['token-refused', 'spent']])
    // and the tokens of the first time go on
    await tokensOf(await refresh(server, client, tokens.refresh_token ?? ''))
  })

  test('a link with the code in it asks as well, and another browser cannot decide', async () => {
    const begun = await begin()
    const signedIn = await approve(await begin())
    const link = await signedIn.get(begun.verification_uri_complete.slice(origin.length))
    expect(await link.text()).toContain('id="deviceForm"')
    const { key } = await enter(signedIn, begun.user_code)
    const stranger = server.browser()
    await enter(stranger, (await begin()).user_code)
    await nothingElse(server.db, {}, async () => {
      expect((await stranger.get(`${page}?sessionDataKey=${key}`)).status).toBe(400)
      expect((await decide(stranger, key)).status).toBe(400)
      expect((await decide(signedIn, key, 'perhaps')).status).toBe(400)
      expect((await decide(signedIn, 'unknown')).status).toBe(400)
    })
    // nor a page of another origin, to which the browser gives no cookies
    const bare = await server.request('/oauth2/device', {
      method: 'POST',
      body: new URLSearchParams({ sessionDataKey: key, consent: 'approve' }),
    })
    expect(bare.status).toBe(400)
    expect(await refusalOf(await poll(begun.device_code))).toEqual([400, 'authorization_pending'])
  })

  test('a code that waits on another tab is not approved by what this tab shows', async () => {
    const [first, second] = [await begin(), await begin()]
    const browser = await approve(await begin())
    const one = await enter(browser, first.user_code)
    const two = await enter(browser, second.user_code)
    expect((await browser.get(`${page}?sessionDataKey=${one.key}`)).status).toBe(400)
    expect(await (await browser.get(`${page}?sessionDataKey=${two.key}`)).text()).toContain(second.user_code)
  })

  test('who comes back before signing in is sent to the login page', async () => {
    const browser = server.browser()
    const entered = await browser.post('/oauth2/device', { user_code: (await begin()).user_code })
    const key = locationOf(entered).searchParams.get('sessionDataKey') ?? ''
    const early = await browser.get(`${page}?sessionDataKey=${key}`)
    expect([early.status, locationOf(early).pathname]).toEqual([302, '/authenticationendpoint/login.do'])
    expect((await decide(browser, key)).status).toBe(400)
  })

  test('a sign-in for an application decides about no device, and one for a device answers no application', async () => {
    const withCode = await newClient(server)
    const browser = server.browser()
    const query = new URLSearchParams({
      client_id: withCode.clientId,
      redirect_uri: 'https://client.example/cb',
      response_type: 'code',
      scope: 'openid',
      device: 'x',
    })
    const paused = await browser.get(`/oauth2/authorize?${query}`)
    const key = locationOf(paused).searchParams.get('sessionDataKey') ?? ''
    await browser.post('/commonauth', {
      username: person.userName,
      password: person.password,
      sessionDataKey: key,
    })
    expect((await decide(browser, key)).status).toBe(400)
    const begun = await begin()
    const entered = await enter(browser, begun.user_code)
    const answer = await browser.get(`/oauth2/authorize?sessionDataKey=${entered.key}`)
    expect(answer.headers.get('location') ?? '').not.toContain('code=')
  })

  test('a denial is told to the device, and leaves its row', async () => {
    const begun = await begin()
    const browser = server.browser()
    const { key } = await enter(browser, begun.user_code)
    const known = (await server.audit()).length
    const done = await decide(browser, key, 'deny')
    expect(locationOf(done).search).toBe('?done=denied')
    expect(await refusalOf(await poll(begun.device_code))).toEqual([400, 'access_denied'])
    expect(await rowsSince(server, known)).toEqual([
      ['device-denied', null],
      ['token-refused', 'denied'],
    ])
    expect((await decide(browser, key)).status).toBe(400)
  })

  test('who asks too often has to wait five seconds longer each time', async () => {
    const begun = await begin()
    const intervals = async () =>
      (
        await server.db
          .selectFrom('device_authorization')
          .select('interval_seconds')
          .where('decision', 'is', null)
          .orderBy('id', 'desc')
          .executeTakeFirst()
      )?.interval_seconds
    const known = (await server.audit()).length
    expect(await refusalOf(await poll(begun.device_code))).toEqual([400, 'authorization_pending'])
    expect(await refusalOf(await poll(begun.device_code))).toEqual([400, 'slow_down'])
    expect(await intervals()).toBe(10)
    const ago = (seconds: number) => ({ polled_at: new Date(Date.now() - seconds * 1000).toISOString() })
    await change(ago(6), begun.device_code)
    expect(await refusalOf(await poll(begun.device_code))).toEqual([400, 'slow_down'])
    expect(await intervals()).toBe(15)
    await change(ago(16), begun.device_code)
    expect(await refusalOf(await poll(begun.device_code))).toEqual([400, 'authorization_pending'])
    // waiting leaves no rows
    expect(await rowsSince(server, known)).toEqual([])
  })

  test('polls at one moment are slowed down once, and none is an error of the server', async () => {
    const begun = await begin()
    const answers = await Promise.all(
      Array.from({ length: 20 }, async () => (await refusalOf(await poll(begun.device_code)))[1]),
    )
    expect(answers.filter((error) => error === 'authorization_pending').length).toBe(1)
    expect(answers.filter((error) => error === 'slow_down').length).toBe(19)
  })

  test('a code of another client, an unknown one, none and an expired one are refused', async () => {
    const begun = await begin()
    const known = (await server.audit()).length
    expect(await refusalOf(await poll(begun.device_code, other))).toEqual([400, 'invalid_grant'])
    expect(await refusalOf(await poll('unknown'))).toEqual([400, 'invalid_grant'])
    expect(await refusalOf(await poll(begun.user_code))).toEqual([400, 'invalid_grant'])
    const missing = await askToken(server, client, { grant_type: grantType })
    expect(await refusalOf(missing)).toEqual([400, 'invalid_request'])
    const approved = await begin()
    await approve(approved)
    await change({ expires_at: new Date(Date.now() - 1).toISOString() })
    expect(await refusalOf(await poll(begun.device_code))).toEqual([400, 'expired_token'])
    expect(await refusalOf(await poll(approved.device_code))).toEqual([400, 'expired_token'])
    expect((await rowsSince(server, known)).filter(([event]) => event === 'token-refused')).toEqual([
      ['token-refused', 'another_client'],
      ['token-refused', 'unknown'],
      ['token-refused', 'unknown'],
      ['token-refused', 'Missing parameters: device_code'],
      ['token-refused', 'expired'],
      ['token-refused', 'expired'],
    ])
    // and nobody can approve it any more
    const { failure } = await enter(server.browser(), begun.user_code)
    expect(failure).toBe('unknown')
  })

  test('who knows the ids of public clients leaves no rows by codes that nobody decided about', async () => {
    const another = await newClient(server, { grantTypes, publicClient: true })
    const { device_code } = await begin({ client_id: publicClient.clientId }, null)
    const pollAs = ({ clientId: client_id }: Client) =>
      askToken(server, undefined, { grant_type: grantType, device_code, client_id })
    const foreign = await nothingElse(server.db, {}, () => pollAs(another))
    expect(await refusalOf(foreign.result)).toEqual([400, 'invalid_grant'])
    await change({ expires_at: new Date(Date.now() - 1).toISOString() }, device_code)
    const expired = await nothingElse(server.db, {}, () => pollAs(publicClient))
    expect(await refusalOf(expired.result)).toEqual([400, 'expired_token'])
  })

  test('who guesses codes is stopped, for his browser and for his address', async () => {
    const guessing = server.browser()
    const failures: (string | null)[] = []
    for (let count = 0; count < 6; count += 1) {
      failures.push((await enter(guessing, 'BBBB-BBBB')).failure)
    }
    expect(failures).toEqual(['unknown', 'unknown', 'unknown', 'unknown', 'throttled', 'throttled'])
    const begun = await begin()
    expect((await enter(guessing, begun.user_code)).failure).toBe('throttled')
    expect(await (await guessing.get(`${page}?failure=throttled`)).text()).toContain('Too many attempts')
    // what no code can be is no guess
    const typing = server.browser()
    for (let count = 0; count < 8; count += 1) expect((await enter(typing, 'HELLO')).failure).toBe('unknown')
    await approve(begun, typing)
    // a new browser each time, and many at once
    const address = '192.0.2.77'
    const body = () => new URLSearchParams({ user_code: 'BBBB-BBBB' })
    const answers = await Promise.all(
      Array.from({ length: 80 }, () =>
        server.request('/oauth2/device', { method: 'POST', body: body(), address }),
      ),
    )
    const told = answers.map((answer) => locationOf(answer).searchParams.get('failure'))
    expect(told.filter((failure) => failure === 'unknown').length).toBeLessThan(50)
  })

  test('of 100 polls at once after the approval one gets the tokens', async () => {
    const begun = await begin()
    await approve(begun)
    const answers = await Promise.all(Array.from({ length: 100 }, () => poll(begun.device_code)))
    const statuses = await Promise.all(
      answers.map(async (answer) =>
        answer.status === 200 ? 'tokens' : ((await answer.json()) as { error: string }).error,
      ),
    )
    expect(statuses.filter((status) => status === 'tokens').length).toBe(1)
    expect(statuses.filter((status) => status === 'invalid_grant').length).toBe(99)
  }, 60_000)

  test('of two decisions at once one counts', async () => {
    const begun = await begin()
    const browser = await approve(await begin())
    const [one, two] = [await enter(browser, begun.user_code), await enter(browser, begun.user_code)]
    const done = await Promise.all([decide(browser, one.key), decide(browser, two.key, 'deny')])
    expect(done.map(({ status }) => status).sort()).toEqual([302, 400])
  })

  test('an account locked after the approval, a session that ended and a lost permission count at the poll', async () => {
    const locked = await newPerson(server, client)
    const begun = await begin()
    const browser = server.browser()
    const { key } = await enter(browser, begun.user_code, locked)
    await decide(browser, key)
    await setLocked(server, locked.id, true)
    expect(await refusalOf(await poll(begun.device_code))).toEqual([400, 'invalid_grant'])

    const ended = await begin()
    await approve(ended)
    const row = await server.db
      .selectFrom('device_authorization')
      .select('session_id')
      .where('decision', '=', 'approved')
      .orderBy('id', 'desc')
      .executeTakeFirstOrThrow()
    await commit(server.db, [
      endLineage(server.db, row.session_id ?? '', { by: 'test', reason: 'ended' }, new Date()),
    ])
    expect(await refusalOf(await poll(ended.device_code))).toEqual([400, 'invalid_grant'])

    const without = await newPerson(server, other)
    const narrowed = await begin()
    const another = server.browser()
    await decide(another, (await enter(another, narrowed.user_code, without)).key)
    expect((await tokensOf(await poll(narrowed.device_code))).scope).toBe('openid profile')
  })

  test('an application whose callback is a regexp= form has its devices signed in as well', async () => {
    const form = 'regexp=(https://a.example/cb|https://b.example/cb)'
    const forms = await newClient(server, {
      grantTypes: [...grantTypes, 'authorization_code'],
      callbackURLs: [form],
      subjectToken: { enable: false },
    })
    const begun = await begin({ scope: 'openid' }, forms)
    const browser = await approve(begun)
    expect((await poll(begun.device_code, forms)).status).toBe(200)
    const again = await browser.post('/oauth2/device', { user_code: begun.user_code })
    expect(locationOf(again).searchParams.get('failure')).toBe('unknown')
  })

  test('what one person entered nobody decides who signed in behind him, and nothing happens', async () => {
    const browser = server.browser()
    const begun = await begin()
    const { key } = await enter(browser, begun.user_code)
    const second = await newPerson(server, client)
    browser.cookies.delete('__Host-mayact-session')
    await enter(browser, (await begin()).user_code, second)
    for (const decision of ['approve', 'deny']) {
      const { result } = await nothingElse(server.db, {}, () => decide(browser, key, decision))
      expect(result.status).toBe(400)
    }
    expect(await refusalOf(await poll(begun.device_code))).toEqual([400, 'authorization_pending'])
  })

  test('a page of a device that is done leads to no application', async () => {
    const browser = server.browser()
    const { key } = await enter(browser, (await begin()).user_code)
    await decide(browser, key)
    const response = await browser.get(`${page}?sessionDataKey=${key}`)
    expect([response.status, (await response.text()).includes('<a ')]).toEqual([410, false])
  })

  test('a refresh gives no more than the device got, whatever its user may do by then', async () => {
    const late = await newPerson(server, client)
    await removeFromRole(server, late.role, late.id)
    const begun = await begin({ scope: 'openid internal_user_mgt_view' })
    const browser = server.browser()
    const { key } = await enter(browser, begun.user_code, late)
    await decide(browser, key)
    const tokens = await tokensOf(await poll(begun.device_code))
    expect(tokens.scope).toBe('openid')
    await addToRole(server, late.role, late.id)
    const refreshed = await tokensOf(await refresh(server, client, tokens.refresh_token ?? ''))
    expect(refreshed.scope).toBe('openid')
  })

  test('tokens end with the session, unless offline_access was asked for', async () => {
    for (const [asked, lasts] of [
      [scope, false],
      [`${scope} offline_access`, true],
    ] as const) {
      const begun = await begin({ scope: asked })
      await approve(begun)
      const tokens = await tokensOf(await poll(begun.device_code))
      const { sid } = jose.decodeJwt(tokens.id_token ?? '')
      await commit(server.db, [
        endLineage(server.db, String(sid), { by: 'test', reason: 'ended' }, new Date()),
      ])
      const found = await findToken(server.db, tokens.access_token, new Date())
      expect([asked, found?.alive]).toEqual([asked, lasts])
    }
  })

  test('an application whose device was connected hears of the logout, one that was denied does not', async () => {
    const remembered = () => server.db.selectFrom('session_application').selectAll().execute()
    const before = (await remembered()).length
    const browser = server.browser()
    await decide(browser, (await enter(browser, (await begin()).user_code)).key, 'deny')
    expect((await remembered()).length).toBe(before)
    const begun = await begin()
    await approve(begun)
    const { sid } = jose.decodeJwt((await tokensOf(await poll(begun.device_code))).id_token ?? '')
    const ofIt = (await remembered()).filter(({ session_id }) => session_id === sid)
    expect(ofIt).toMatchObject([{ client_id: client.clientId }])
  })

  test('what a device gets is bound to the key that it proves', async () => {
    const key = await newKey()
    const begun = await begin({ client_id: publicClient.clientId, scope: 'openid' }, null)
    await approve(begun)
    const attempt = async (nonce?: string) =>
      poll(
        begun.device_code,
        null,
        { client_id: publicClient.clientId },
        { headers: { DPoP: await key.proof('POST', '/oauth2/token', { nonce }) } },
      )
    const first = await attempt()
    const answer = first.status === 200 ? first : await attempt(first.headers.get('dpop-nonce') ?? '')
    const tokens = await tokensOf(answer)
    expect(tokens.token_type).toBe('DPoP')
    expect(jose.decodeJwt(tokens.access_token).cnf).toEqual({ jkt: key.jkt })
  })
})
