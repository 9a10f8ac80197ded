/** A server that a proxy publishes under a path of its own: the seed's flow, as a browser and a client walk it there. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { type Booted, boot } from './boot.ts'
import { type Browser, newBrowser, type Server } from './browser.ts'
import { databases } from './databases.ts'
import {
  authorizePath,
  basic,
  createApplication,
  exchange,
  patchCountry,
  type Scenario,
  setUp,
} from './scenario.ts'

const prefix = '/sso'
const origin = 'https://localhost:9443'
const shipped = await Bun.file(new URL('../deployment.toml', import.meta.url)).text()
const toml = shipped.replace('[server]\n', `[server]\nbase_path = "${origin}${prefix}"\n`)

/** What the proxy publishes, and how it hands it on. */
const fronts = {
  'takes the path off': (server: Server): Server => ({
    request: (path, init) => server.request(path.slice(prefix.length), init),
  }),
  'hands the path on': (server: Server): Server => server,
}

for (const database of databases) {
  describe(`on ${database.name}`, () => {
    let server: Booted
    let scenario: Scenario

    beforeAll(async () => {
      server = await boot(database, { insteadOfShipped: toml })
      scenario = await setUp(server)
    })
    afterAll(() => server.stop())

    for (const [how, front] of Object.entries(fronts)) {
      describe(`behind a proxy that ${how}`, () => {
        /** The world knows no other path of this host. */
        const world: Server = {
          async request(path, init) {
            expect(path).toStartWith(`${prefix}/`)
            return front(server).request(path, init)
          },
        }
        /** A client that was given the base URL. */
        const client: Server = { request: (path, init) => world.request(`${prefix}${path}`, init) }

        const fieldsOf = (html: string) =>
          Object.fromEntries(
            [...html.matchAll(/<input type="hidden" name="([^"]+)" value="([^"]*)"/g)].map(
              ([, name, value]) => [name ?? '', value ?? ''],
            ),
          )

        const isOurs = (url: URL) => url.origin === origin

        /** Goes where redirects and forms lead, until it leaves the server or a page has no form. */
        const walk = async (browser: Browser, path: string, filled: Readonly<Record<string, string>>) => {
          const way = [path]
          let answer = await browser.get(path)
          for (let step = 0; step < 10; step += 1) {
            const location = answer.headers.get('location')
            const html = location === null ? await answer.clone().text() : ''
            const action = /<form method="post" action="([^"]*)"/.exec(html)?.[1]
            if (location === null && action === undefined) break
            const to = browser.resolve(location ?? action ?? '')
            if (!isOurs(to)) break
            way.push(to.pathname)
            const at = `${to.pathname}${to.search}`
            answer =
              location === null
                ? await browser.post(at, { ...fieldsOf(html), ...filled })
                : await browser.get(at)
          }
          return { way, answer }
        }

        const person = () => ({
          username: scenario.impersonator.userName,
          password: scenario.impersonator.password,
        })

        test('the flow of an impersonation goes through, from the login page to the resource', async () => {
          const browser = newBrowser(world)
          const { way, answer } = await walk(browser, `${prefix}${authorizePath(scenario)}`, person())
          expect(way.slice(1)).toEqual([
            `${prefix}/authenticationendpoint/login.do`,
            `${prefix}/commonauth`,
            `${prefix}/oauth2/authorize`,
          ])
          const given = new URLSearchParams(
            browser.resolve(answer.headers.get('location') ?? '').hash.slice(1),
          )
          const tokens = {
            subjectToken: given.get('subject_token') ?? '',
            idToken: given.get('id_token') ?? '',
          }
          expect(given.get('iss')).toBe(`${origin}${prefix}/oauth2/token`)
          const token = await exchange(client, scenario, tokens)
          expect(token.status).toBe(200)
          const { access_token: accessToken } = (await token.json()) as { access_token: string }
          const patched = await patchCountry(client, accessToken)
          expect(patched.status).toBe(200)
          expect(patched.headers.get('location')).toBe(
            `${origin}${prefix}/scim2/Users/${scenario.subject.id}`,
          )
          const left = await walk(browser, `${prefix}/oidc/logout`, {})
          expect(left.way).toEqual([`${prefix}/oidc/logout`, `${prefix}/oidc/logout`])
          expect(await left.answer.text()).toContain('You are signed out')
        })

        test('a wrong password leads back to the page, and the consent page to the answer', async () => {
          const asking = await createApplication(server, { name: `Asking, ${how}`, skipLoginConsent: false })
          const browser = newBrowser(world)
          const path = `${prefix}${authorizePath(
            { ...scenario, ...asking },
            {
              response_type: 'code',
              requested_subject: undefined,
              scope: 'openid',
            },
          )}`
          const paused = await browser.get(path)
          const key =
            browser.resolve(paused.headers.get('location') ?? '').searchParams.get('sessionDataKey') ?? ''
          const failed = await browser.post(`${prefix}/commonauth`, {
            ...person(),
            password: 'not his',
            sessionDataKey: key,
          })
          expect(failed.headers.get('location')).toStartWith(`${prefix}/authenticationendpoint/login.do?`)
          const { way, answer } = await walk(browser, path, { ...person(), consent: 'approve' })
          expect(way.slice(1)).toEqual([
            `${prefix}/authenticationendpoint/login.do`,
            `${prefix}/commonauth`,
            `${prefix}/oauth2/authorize`,
            `${prefix}/authenticationendpoint/oauth2_authz.do`,
            `${prefix}/oauth2/authorize`,
          ])
          expect(
            browser.resolve(answer.headers.get('location') ?? '').searchParams.get('code'),
          ).not.toBeNull()
        })

        test('a device is connected', async () => {
          const device = await createApplication(server, {
            name: `Device, ${how}`,
            oidc: { grantTypes: ['urn:ietf:params:oauth:grant-type:device_code'] },
          })
          const Authorization = basic(device.clientId, device.clientSecret)
          const begun = await client.request('/oauth2/device_authorize', {
            method: 'POST',
            headers: { Authorization },
            body: new URLSearchParams({ scope: 'openid' }),
          })
          expect(begun.status).toBe(200)
          const said = (await begun.json()) as Record<string, string>
          expect(said.verification_uri).toBe(`${origin}${prefix}/authenticationendpoint/device.do`)
          const page = `${prefix}/authenticationendpoint/device.do`
          const { way, answer } = await walk(newBrowser(world), page, {
            ...person(),
            user_code: said.user_code ?? '',
            consent: 'approve',
          })
          expect(way).toEqual([
            page,
            `${prefix}/oauth2/device`,
            `${prefix}/authenticationendpoint/login.do`,
            `${prefix}/commonauth`,
            page,
            `${prefix}/oauth2/device`,
            page,
          ])
          expect(await answer.text()).toContain('The device is connected')
        })

        test('every address of the metadata is under the path, and the metadata where each standard looks', async () => {
          const found = await client.request('/oauth2/token/.well-known/openid-configuration')
          const said = (await found.json()) as Record<string, unknown>
          for (const [name, value] of Object.entries(said)) {
            if (typeof value === 'string' && name !== 'service_documentation')
              expect([name, value]).toEqual([name, expect.stringMatching(/^https:\/\/localhost:9443\/sso\//)])
          }
          // these are at the root of the host, where the proxy hands them on as they are
          for (const place of [
            `/.well-known/oauth-authorization-server${prefix}/oauth2/token`,
            `/.well-known/openid-configuration${prefix}/oauth2/token`,
            `/.well-known/oauth-protected-resource${prefix}/scim2`,
          ])
            expect([place, (await server.request(place)).status]).toEqual([place, 200])
        })

        test('a path that only begins alike is none of the server’s', async () => {
          expect((await server.request(`${prefix}x/oauth2/jwks`)).status).toBe(404)
        })
      })
    }
  })
}
