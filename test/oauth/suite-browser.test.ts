/**
 * docs/conformance.md: what it tells the suite's browser to do leads through our pages. Here it is done without scripts,
 * by the commands as the suite's BrowserControl understands them.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { type Booted, boot } from '../boot.ts'
import { type Browser, newBrowser } from '../browser.ts'
import { databases } from '../databases.ts'
import { createPerson, type Person } from '../scenario.ts'
import { conforming } from './conforming.ts'
import { fieldsOf } from './signed-in.ts'

type Command = readonly [string, string, string, ...(string | number)[]]
interface Task {
  readonly task: string
  readonly optional?: boolean
  readonly match?: string
  readonly commands?: readonly Command[]
}
interface Automation {
  readonly browser: readonly { readonly match: string; readonly tasks: readonly Task[] }[]
}

const origin = 'https://localhost:9443'
const atSuite = 'https://suite.example/test/a/mayact'
const callback = `${atSuite}/callback`
const afterLogout = `${atSuite}/post_logout_redirect`

const automation = async ({ userName, password }: Person): Promise<Automation> => {
  const text = await Bun.file(new URL('../../docs/conformance.md', import.meta.url)).text()
  const json = /```json\n([^`]*)```/.exec(text)?.[1] ?? ''
  return JSON.parse(
    json
      .replaceAll('https://login.example.com', origin)
      .replaceAll('https://www.certification.openid.net', 'https://suite.example')
      .replace('"USER"', JSON.stringify(userName))
      .replace('"PASSWORD"', JSON.stringify(password)),
  )
}

/** Spring's PatternMatchUtils.simpleMatch. */
const matches = (pattern: string, text: string) =>
  new RegExp(`^${pattern.split('*').map(RegExp.escape).join('.*')}$`, 's').test(text)

const elementOf = (html: string, id: string) => new RegExp(`<[a-z]+[^>]* id="${id}"[^>]*>`).exec(html)?.[0]
const attribute = (element: string, name: string) => new RegExp(` ${name}="([^"]*)"`).exec(element)?.[1]

/** Opens an address as the suite does: the tasks that were done, where it ended, and what filled the placeholder. */
const visit = async (browser: Browser, { browser: entries }: Automation, address: string) => {
  let url = new URL(address)
  let html = ''
  let placeholder: string | undefined
  const done: string[] = []
  const open = async (first: Promise<Response>) => {
    let response = await first
    for (
      let location = response.headers.get('location');
      location;
      location = response.headers.get('location')
    ) {
      url = new URL(location, url)
      if (url.origin !== origin) {
        html = '<p id="submission_complete"></p><p id="complete"></p>'
        return response
      }
      response = await browser.get(`${url.pathname}${url.search}`)
    }
    html = await response.text()
    return response
  }
  let response = await open(browser.get(`${url.pathname}${url.search}`))
  const typed: Record<string, string> = {}
  const run = async ([what, kind, target, ...more]: Command) => {
    const ids = kind === 'id' ? [target] : [...target.matchAll(/@id='([^']*)'/g)].map(([, id = '']) => id)
    const [element] = ids.flatMap((id) => elementOf(html, id) ?? [])
    if (what === 'wait') {
      expect([target, element !== undefined || (target === '//main' && html.includes('<main>'))]).toEqual([
        target,
        true,
      ])
      if (more[2] !== undefined) placeholder = html
    } else if (element === undefined) {
      expect([target, more.at(-1)]).toEqual([target, 'optional'])
    } else if (what === 'text') {
      typed[attribute(element, 'name') ?? ''] = String(more[0])
    } else {
      const action = /<form method="post" action="([^"]*)"/.exec(html)?.[1] ?? ''
      const name = attribute(element, 'name')
      const button = name === undefined ? {} : { [name]: attribute(element, 'value') ?? '' }
      url = new URL(action, url)
      response = await open(browser.post(url.pathname, { ...fieldsOf(html), ...typed, ...button }))
    }
  }
  const entry = entries.find(({ match }) => matches(match, address))
  for (const { task, optional, match = '*', commands = [] } of entry?.tasks ?? []) {
    if (!matches(match, url.href)) {
      expect([task, optional]).toEqual([task, true])
      continue
    }
    done.push(task)
    for (const command of commands) await run(command)
  }
  const policy = response.headers.get('content-security-policy')
  return { done, url, placeholder, html, status: response.status, policy }
}

for (const database of databases) {
  describe(`the suite's browser on ${database.name}`, () => {
    let server: Booted
    let suite: ReturnType<typeof conforming>
    let told: Automation

    beforeAll(async () => {
      server = await boot(database, { toml: '[oauth.dcr]\nauthentication_required = false\n' })
      const person = await createPerson(server, 'Conforming')
      suite = conforming(server, person)
      told = await automation(person)
    })
    afterAll(() => server.stop())

    const register = (metadata: object = {}) =>
      suite.register({
        redirect_uris: [callback],
        response_types: ['code', 'id_token', 'code id_token'],
        grant_types: ['authorization_code', 'implicit'],
        post_logout_redirect_uris: [afterLogout],
        ...metadata,
      })
    const request = (
      client: { readonly client_id: string },
      changes: Readonly<Record<string, string>> = {},
    ) => `${origin}${suite.request(client, { redirect_uri: callback, ...changes })}`

    test('signs in, agrees once, and shows the page of a second sign-in', async () => {
      const browser = newBrowser(server)
      const client = await register()
      const first = await visit(browser, told, request(client))
      expect([first.done, first.url.origin]).toEqual([
        ['Sign in', 'Agree', 'Answer'],
        'https://suite.example',
      ])
      const second = await visit(browser, told, request(client, { response_type: 'code id_token' }))
      expect([second.done, second.placeholder]).toEqual([['Answer'], undefined])
      const third = await visit(browser, told, request(client, { prompt: 'login' }))
      expect(third.done).toEqual(['Sign in', 'Answer'])
      expect(third.placeholder).toContain('<h1>Sign in</h1>')
      const posted = await visit(browser, { browser: [] }, request(client, { response_mode: 'form_post' }))
      expect(posted.html).toMatch(/<script nonce="[^"]*">document\.forms\[0\]\.submit\(\)</)
      expect(elementOf(posted.html, 'continue')).toBeDefined()
    })

    test('has the error page as its screenshot, which leads nowhere', async () => {
      const client = await register()
      const shown = await visit(
        newBrowser(server),
        told,
        request(client, { redirect_uri: `${callback}/other` }),
      )
      expect([shown.done, shown.status]).toEqual([['Error page'], 400])
      expect(shown.placeholder).toContain('The redirect_uri of the request')
    })

    test('signs out and is at the application, on our page, or told what was wrong', async () => {
      const browser = newBrowser(server)
      const client = await register()
      const signedIn = async () => {
        const { url } = await visit(browser, told, request(client, { response_type: 'id_token' }))
        return new URLSearchParams(url.hash.slice(1)).get('id_token') ?? ''
      }
      const hint = { id_token_hint: await signedIn(), post_logout_redirect_uri: afterLogout }
      const logout = (fields: Readonly<Record<string, string>>) =>
        visit(browser, told, `${origin}/oidc/logout?${new URLSearchParams(fields)}`)
      for (const wrong of [
        { ...hint, post_logout_redirect_uri: `${afterLogout}?foo=bar` },
        { post_logout_redirect_uri: afterLogout },
      ]) {
        const told = await logout(wrong)
        expect([told.done.length, told.placeholder?.includes('id="error-message"')]).toEqual([2, true])
      }
      const away = await logout({ ...hint, state: 's' })
      expect([away.done, away.url.href]).toEqual([['Sign out'], `${afterLogout}?state=s`])
      await signedIn()
      const ours = await logout({})
      expect([ours.done.length, ours.placeholder?.includes('You are signed out')]).toEqual([2, true])
    })

    test('sees the logo, the policy and the terms of the application where it signs in and agrees', async () => {
      const client = await register({
        logo_uri: 'https://suite.example/images/openid.png?a&b',
        policy_uri: 'https://openid.net/policy',
        tos_uri: 'https://openid.net/terms',
      })
      const browser = newBrowser(server)
      const signIn = { browser: told.browser.map((entry) => ({ ...entry, tasks: entry.tasks.slice(0, 1) })) }
      const login = await visit(browser, { browser: [] }, request(client))
      const consent = await visit(browser, signIn, request(client))
      expect(consent.url.pathname).toEndWith('/oauth2_authz.do')
      for (const { html, policy } of [login, consent]) {
        expect(html).toContain('src="https://suite.example/images/openid.png?a&amp;b" alt=""')
        expect(html).toMatch(
          /<a [^>]*href="https:\/\/openid.net\/policy" target="_blank" rel="noopener noreferrer">/,
        )
        expect(html).toMatch(/<a [^>]*href="https:\/\/openid.net\/terms"/)
        expect(html.match(/<\/a> \(openid\.net\)/g)?.length).toBe(2)
        expect(policy).toContain('; img-src https://suite.example;')
      }
    })

    for (const [what, metadata] of [
      ['elsewhere', { logo_uri: 'https://elsewhere.example/logo.png' }],
      ['nowhere', {}],
    ] as const) {
      test(`loads no logo of a client that registered itself from ${what}`, async () => {
        const login = await visit(newBrowser(server), { browser: [] }, request(await register(metadata)))
        expect([login.html.includes('id="loginForm"'), login.html.includes('<img')]).toEqual([true, false])
        expect(login.policy).not.toContain('img-src')
      })
    }
  })
}
