/** OpenID Connect Front-Channel Logout 1.0: the frames of the page that follows a logout, and where it goes on to. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { type Booted, boot } from '../boot.ts'
import { databases } from '../databases.ts'
import { type Scenario, setUp } from '../scenario.ts'
import { confirmLogout, createClient, logoutPath, signIn } from './signed-in.ts'

const back = 'https://client.example/signed-out'
const text = (html: string) => html.replaceAll('&amp;', '&').replaceAll('&quot;', '"')
const framesOf = (html: string) =>
  [...html.matchAll(/<iframe src="([^"]*)"/g)].map(([, src = '']) => text(src))

for (const database of databases) {
  describe(`front-channel logout on ${database.name}`, () => {
    let server: Booted
    let scenario: Scenario

    beforeAll(async () => {
      server = await boot(database)
      scenario = await setUp(server)
    })
    afterAll(() => server.stop())

    const listening = (address: string, mayact: Readonly<Record<string, unknown>> = {}) =>
      createClient(server, scenario, {
        oidc: {
          logout: { frontChannelLogoutUrl: address },
          mayact: { postLogoutRedirectUris: [back], ...mayact },
        },
      })

    test('the page loads a hidden frame for each application, with iss and sid where it wants them, and goes on', async () => {
      const first = await listening('https://one.example/logout?a=1&b=2', {
        frontChannelLogoutSessionRequired: true,
      })
      const second = await listening('https://two.example:8443/logout')
      const silent = await createClient(server, scenario)
      const { browser, idToken, sid } = await signIn(server, scenario, first)
      await signIn(server, scenario, second, browser)
      await signIn(server, scenario, silent, browser)
      const response = await browser.get(
        logoutPath({ id_token_hint: idToken, post_logout_redirect_uri: back, state: 'a&b' }),
      )
      const html = await response.text()
      expect([response.status, response.headers.get('location')]).toEqual([200, null])
      expect(framesOf(html)).toEqual([
        `https://one.example/logout?a=1&b=2&iss=${encodeURIComponent(server.config.issuer)}&sid=${sid}`,
        'https://two.example:8443/logout',
      ])
      expect(html.match(/<iframe [^>]*hidden/g)?.length).toBe(2)
      const policy = response.headers.get('content-security-policy') ?? ''
      expect(policy).toContain('; frame-src https://one.example https://two.example:8443;')
      expect(policy).toContain("default-src 'none'")
      expect(policy).toContain("frame-ancestors 'none'")
      const next = `${back}?state=a%26b`
      // by the script, or where none runs: a browser that did both would be at the application twice
      const script = /<script nonce="[^"]+">([^<]*)<\/script>/.exec(html)?.[1] ?? ''
      const events: (() => void)[] = []
      const visits: string[] = []
      const later = (...given: readonly unknown[]) =>
        events.push(...given.filter((one): one is () => void => typeof one === 'function'))
      new Function('document', 'window', script)(
        { getElementById: () => ({ href: next }) },
        {
          addEventListener: later,
          setTimeout: later,
          location: { replace: (to: string) => visits.push(to) },
        },
      )
      // the frames are there, and the application takes longer than we wait for them
      expect(events).toHaveLength(2)
      for (const event of events) event()
      expect(visits).toEqual([next])
      expect(html).toContain(`<noscript><meta http-equiv="refresh" content="3;url=${next}"`)
      expect(html).toContain(`<a href="${next}" id="continue"`)
    })

    test('without post_logout_redirect_uri the page has the frames, and the browser stays', async () => {
      const client = await listening('https://one.example/logout')
      const { browser } = await signIn(server, scenario, client)
      const response = await confirmLogout(browser)
      const html = await response.text()
      expect(framesOf(html)).toEqual(['https://one.example/logout'])
      expect([
        html.includes('http-equiv="refresh"'),
        html.includes('<script'),
        html.includes('id="continue"'),
      ]).toEqual([false, false, false])
      // nobody is told twice
      expect(framesOf(await (await browser.get(logoutPath())).text())).toEqual([])
    })

    test('where nobody listens the browser goes on at once, and no page of ours may show a frame', async () => {
      const client = await createClient(server, scenario, {
        oidc: { mayact: { postLogoutRedirectUris: [back] } },
      })
      const { browser, idToken } = await signIn(server, scenario, client)
      const response = await browser.get(
        logoutPath({ id_token_hint: idToken, post_logout_redirect_uri: back }),
      )
      expect([response.status, response.headers.get('location')]).toEqual([302, back])
      const page = await browser.get(logoutPath())
      expect(page.headers.get('content-security-policy')).not.toContain('frame-src')
    })
  })
}
