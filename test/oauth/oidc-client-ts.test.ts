/** oidc-client-ts, as its authors ship it, in a real Chromium: sign-in, silent renewal, being signed out, and logout. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Page } from 'playwright-core'
import { closeChromium, hasChromium, newVisitor } from '../chromium.ts'
import { deployment, folder, freePort, type Running, start } from '../compiled/binary.ts'
import { createApplication, createPerson, type Person } from '../scenario.ts'

const library = join(
  dirname(Bun.resolveSync('oidc-client-ts/package.json', import.meta.dir)),
  'dist/browser/oidc-client-ts.js',
)

interface Settings {
  readonly authority: string
  readonly clientId: string
  readonly scope: string
}

/** A single-page application of three static pages; `settings` are set once its client exists. */
const singlePageApplication = (tls?: { readonly cert: string; readonly key: string }) => {
  let settings: Settings | undefined
  const page = (title: string, script: string) =>
    new Response(
      `<!doctype html><html lang="en"><title>${title}</title><h1>${title}</h1>
<script src="/oidc-client-ts.js"></script><script>
const { authority, clientId, scope } = ${JSON.stringify(settings)}
const manager = new oidc.UserManager({
  authority, client_id: clientId, scope,
  redirect_uri: location.origin + '/app',
  silent_redirect_uri: location.origin + '/silent',
  post_logout_redirect_uri: location.origin + '/bye',
  automaticSilentRenew: false, monitorSession: true, checkSessionIntervalInSeconds: 1,
  silentRequestTimeoutInSeconds: 5, loadUserInfo: true,
})
${script}
</script></html>`,
      { headers: { 'Content-Type': 'text/html; charset=utf-8' } },
    )
  const frames: string[] = []
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    ...(tls ? { tls } : {}),
    fetch(request) {
      const { pathname, search } = new URL(request.url)
      switch (pathname) {
        case '/front-channel':
          frames.push(search)
          return new Response('told')
        case '/oidc-client-ts.js':
          return new Response(Bun.file(library))
        case '/app':
          return page(
            'Application',
            `window.signedOut = 0
manager.events.addUserSignedOut(() => { window.signedOut += 1 })
window.ready = location.search.includes('code=') ? manager.signinCallback() : manager.getUser()`,
          )
        case '/silent':
          return page('Silent', 'manager.signinSilentCallback()')
        case '/bye':
          return page('Bye', 'window.ready = manager.signoutRedirectCallback()')
        default:
          return new Response('Not found', { status: 404 })
      }
    },
  })
  const origin = `${tls ? 'https' : 'http'}://localhost:${server.port}`
  return {
    origin,
    /** The queries with which the front channel told of a logout. */
    frames,
    set(given: Settings) {
      settings = given
    },
    stop: () => server.stop(true),
  }
}

interface User {
  readonly access_token: string
  readonly id_token: string
  readonly refresh_token?: string
  readonly session_state: string
  readonly profile: { readonly sub: string; readonly sid: string; readonly given_name?: string }
  readonly state?: unknown
}

describe.skipIf(!hasChromium)('oidc-client-ts', () => {
  let server: Running
  let crossSite: Running
  let person: Person
  let stranger: Person
  const applications: ReturnType<typeof singlePageApplication>[] = []

  const begin = async (changes: (toml: string) => string = (toml) => toml) => {
    const port = await freePort()
    const directory = folder({ 'deployment.toml': deployment(port, changes) })
    const running = await start(directory, port)
    return { running, directory, made: await createPerson(running, 'Anna') }
  }
  let tls: { cert: string; key: string }

  beforeAll(async () => {
    const first = await begin()
    const second = await begin((toml) => `${toml}\n[session]\nsame_site = "none"\n`)
    server = first.running
    crossSite = second.running
    person = first.made
    stranger = second.made
    const read = (name: string) => readFileSync(join(first.directory, 'data/tls', name), 'utf8')
    tls = { cert: read('certificate.pem'), key: read('key.pem') }
    await (await newVisitor()).context.close()
  }, 90_000)
  afterAll(async () => {
    await closeChromium()
    for (const application of applications) application.stop()
    await server.stop()
    await crossSite.stop()
  })

  const application = async (
    at: Running,
    {
      https = true,
      refresh = false,
      frame = false,
    }: { https?: boolean; refresh?: boolean; frame?: boolean } = {},
  ) => {
    const made = singlePageApplication(https ? tls : undefined)
    applications.push(made)
    const { clientId } = await createApplication(at, {
      name: `SPA ${applications.length}`,
      oidc: {
        grantTypes: ['authorization_code', ...(refresh ? ['refresh_token'] : [])],
        publicClient: true,
        pkce: { mandatory: true, supportPlainTransformAlgorithm: false },
        callbackURLs: [`${made.origin}/app`],
        allowedOrigins: [made.origin],
        subjectToken: { enable: false },
        ...(frame ? { logout: { frontChannelLogoutUrl: `${made.origin}/front-channel` } } : {}),
        mayact: {
          redirectUris: [`${made.origin}/silent`],
          postLogoutRedirectUris: [`${made.origin}/bye`],
          frontChannelLogoutSessionRequired: frame,
        },
      },
      apis: {},
    })
    made.set({ authority: `${at.origin}/oauth2/token`, clientId, scope: 'openid profile' })
    return made
  }

  const onPage = (page: Page, heading: string) =>
    page.getByRole('heading', { level: 1, name: heading }).waitFor()

  const signIn = async (page: Page, origin: string, who: Person): Promise<User> => {
    await page.goto(`${origin}/app`)
    await page.evaluate(`void manager.signinRedirect({ state: { from: 'here' } })`)
    await page.getByLabel('User name').fill(who.userName)
    await page.getByLabel('Password').fill(who.password)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await onPage(page, 'Application')
    // the heading may be there before its script has run
    await page.waitForFunction(`typeof ready !== 'undefined'`)
    return page.evaluate<User>('ready')
  }

  const isAccepted = async (at: Running, token: string) =>
    (await at.request('/oauth2/userinfo', { headers: { Authorization: `Bearer ${token}` } })).status === 200

  test('one signs in with code and PKCE, renews in a hidden frame, and signs out', async () => {
    const { origin } = await application(server)
    const { page, context, problems } = await newVisitor()
    const user = await signIn(page, origin, person)
    expect(user.profile).toMatchObject({ sub: person.id, given_name: person.userName })
    expect(user.refresh_token).toBeUndefined()
    expect(user.state).toEqual({ from: 'here' })
    const renewed = await page.evaluate<User>('manager.signinSilent()')
    expect(renewed.profile).toMatchObject({ sub: person.id, sid: user.profile.sid })
    expect(renewed.access_token).not.toBe(user.access_token)
    expect(await isAccepted(server, renewed.access_token)).toBe(true)
    expect(await page.evaluate(`manager.querySessionStatus().then(({ sub }) => sub)`)).toBe(person.id)
    // there is a person to ask, and the ID token is of this very sign-in: no question
    await page.evaluate(`void manager.signoutRedirect({ state: { to: 'there' } })`)
    await onPage(page, 'Bye')
    expect(await page.evaluate('ready.then(({ userState }) => userState)')).toEqual({ to: 'there' })
    expect(await isAccepted(server, renewed.access_token)).toBe(false)
    expect(await isAccepted(server, user.access_token)).toBe(false)
    await page.goto(`${origin}/app`)
    expect(await page.evaluate('ready')).toBeNull()
    expect(await page.evaluate('manager.signinSilent().catch((error) => error.error)')).toBe('login_required')
    expect(problems).toEqual([])
    await context.close()
  }, 60_000)

  test('with a refresh token it renews without a frame', async () => {
    const { origin } = await application(server, { refresh: true })
    const { page, context, problems } = await newVisitor()
    const user = await signIn(page, origin, person)
    expect(user.refresh_token).toBeTruthy()
    const renewed = await page.evaluate<User>('manager.signinSilent()')
    expect(renewed.refresh_token).not.toBe(user.refresh_token)
    expect(await isAccepted(server, renewed.access_token)).toBe(true)
    await page.evaluate('void manager.signoutRedirect()')
    await onPage(page, 'Bye')
    expect(await isAccepted(server, renewed.access_token)).toBe(false)
    expect(problems).toEqual([])
    await context.close()
  }, 60_000)

  test('its session monitor sees by the check-session frame that one has signed out in another tab', async () => {
    const { origin } = await application(server)
    const { page, context, problems } = await newVisitor()
    await signIn(page, origin, person)
    // two rounds in which nothing has changed
    await page.waitForTimeout(2_500)
    expect(await page.evaluate('signedOut')).toBe(0)
    const tab = await context.newPage()
    await tab.goto(`${server.origin}/oidc/logout`)
    await tab.getByRole('button', { name: 'Sign out' }).click()
    await onPage(tab, 'You are signed out')
    await page.waitForFunction('signedOut === 1', undefined, { timeout: 10_000 })
    expect(problems).toEqual([])
    await context.close()
  }, 60_000)

  for (const javaScriptEnabled of [true, false]) {
    test(`with${javaScriptEnabled ? '' : 'out'} JavaScript our last page tells the front channel and goes on`, async () => {
      const { origin, frames } = await application(server, { frame: true })
      const { page, context, problems } = await newVisitor()
      const user = await signIn(page, origin, person)
      const leave = new URL(`${server.origin}/oidc/logout`)
      leave.searchParams.set('id_token_hint', user.id_token)
      leave.searchParams.set('post_logout_redirect_uri', `${origin}/bye`)
      const state = await context.storageState()
      const other = await newVisitor({ javaScriptEnabled, storageState: state })
      await other.page.goto(leave.href)
      await onPage(other.page, 'Bye')
      const issuer = `${server.origin}/oauth2/token`
      expect(frames.map((query) => Object.fromEntries(new URLSearchParams(query)))).toEqual([
        { iss: issuer, sid: user.profile.sid },
      ])
      expect(await isAccepted(server, user.access_token)).toBe(false)
      expect([...problems, ...other.problems]).toEqual([])
      await other.context.close()
      await context.close()
    }, 60_000)
  }

  test('an application on another site renews in a frame where the session cookie may go there', async () => {
    const near = await application(server, { https: false })
    const far = await application(crossSite, { https: false })
    const first = await newVisitor()
    await signIn(first.page, near.origin, person)
    expect(await first.page.evaluate('manager.signinSilent().catch((error) => error.error)')).toBe(
      'login_required',
    )
    await first.context.close()
    const second = await newVisitor()
    const user = await signIn(second.page, far.origin, stranger)
    const renewed = await second.page.evaluate<User>('manager.signinSilent()')
    expect(renewed.profile.sid).toBe(user.profile.sid)
    expect(renewed.access_token).not.toBe(user.access_token)
    expect(second.problems).toEqual([])
    await second.context.close()
  }, 60_000)
})
