/** The pages in a real Chromium, served by the compiled binary: the flow, what people do to it, and how it looks. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import {
  type Contrast,
  clientApplication,
  closeChromium,
  controlContrasts,
  focused,
  hasChromium,
  newVisitor,
  structure,
  textContrasts,
} from './chromium.ts'
import { deployment, folder, freePort, type Running, start } from './compiled/binary.ts'
import {
  authorizePath,
  createApplication,
  createPerson,
  createRole,
  exchange,
  type Person,
} from './scenario.ts'

interface Application {
  readonly applicationId: string
  readonly clientId: string
  readonly clientSecret: string
}

interface Stage {
  readonly server: Running
  readonly redirectUri: string
  readonly impersonator: Person
  readonly subject: Person
  /** The one that asks for consent, and the one that does not. */
  readonly asking: Application
  readonly trusted: Application
  /** Where a reason and a ticket have to be said; it asks for no consent. */
  readonly careful: Application
}

const tickets =
  '[impersonation]\nticket_pattern = "[A-Z]{2,10}-[0-9]{1,7}"\nticket_hint = "The number of the case, such as CASE-42"\n'
const wrong = 'The user name or the password is not right.'
const over =
  'This sign-in is over or was started in another browser. Go back to the application and start again.'
const completed = 'This sign-in was completed already. Go back to the application and start again.'

const subjectScopes = ['internal_user_mgt_view', 'internal_user_mgt_list']

const prepare = async (redirectUri: string, changes: (toml: string) => string): Promise<Stage> => {
  const port = await freePort()
  const server = await start(folder({ 'deployment.toml': deployment(port, changes) }), port)
  const impersonator = await createPerson(server, 'Impersonator')
  const subject = await createPerson(server, 'EndUser')
  const application = async (
    name: string,
    skipLoginConsent: boolean,
    mayact: Readonly<Record<string, boolean>> = {},
  ): Promise<Application> => {
    const made = await createApplication(server, {
      name,
      skipLoginConsent,
      oidc: { callbackURLs: [redirectUri], mayact },
    })
    const role = { applicationId: made.applicationId }
    const permissions = ['internal_user_impersonate']
    await createRole(server, { ...role, name: 'Impersonators', permissions, member: impersonator.id })
    await createRole(server, { ...role, name: 'Users', permissions: subjectScopes, member: subject.id })
    return made
  }
  const asking = await application('Customer Care', false)
  const trusted = await application('Trusted Desk', true)
  const careful = await application('Careful Desk', true, {
    requireImpersonationReason: true,
    requireImpersonationTicket: true,
  })
  return { server, redirectUri, impersonator, subject, asking, trusted, careful }
}

describe.skipIf(!hasChromium)('in a real browser', () => {
  let stage: Stage
  let client: ReturnType<typeof clientApplication>

  beforeAll(async () => {
    client = clientApplication()
    const [prepared, first] = await Promise.all([
      prepare(client.redirectUri, (toml) => `${toml}\n${tickets}`),
      newVisitor(),
    ])
    await first.context.close()
    stage = prepared
  }, 60_000)
  afterAll(async () => {
    await closeChromium()
    await stage.server.stop()
    client.stop()
  })

  type Changes = Readonly<Record<string, string | undefined>>

  const requestOf = (of: Stage, application: Application, changes: Changes = {}) =>
    `${of.server.origin}${authorizePath(
      { clientId: application.clientId, subject: of.subject },
      { redirect_uri: of.redirectUri, ...changes },
    )}`

  const signIn = async (page: Page, password = stage.impersonator.password) => {
    await page.getByLabel('User name').fill(stage.impersonator.userName)
    await page.getByLabel('Password').fill(password)
    await page.getByRole('button', { name: 'Sign in' }).click()
  }

  const onPage = (page: Page, heading: string) =>
    page.getByRole('heading', { level: 1, name: heading }).waitFor()
  const onLogin = (page: Page) => onPage(page, 'Sign in')
  const onConsent = (page: Page) => onPage(page, 'Act as another user?')
  const onReason = (page: Page) => onPage(page, 'Why act as another user?')
  const onClient = (page: Page) => onPage(page, 'Client application')
  const onError = async (page: Page, message: string) => {
    await onPage(page, 'This request cannot be answered')
    expect(await page.locator('#error-message').textContent()).toBe(message)
  }

  const fragmentOf = (page: Page) => {
    const [place, fragment = ''] = page.url().split('#')
    expect(place).toBe(stage.redirectUri)
    return new URLSearchParams(fragment)
  }

  const inOrder = ['id_token', 'session_state', 'state', 'subject_token', 'iss']
  const answerOf = async (page: Page) => {
    await onClient(page)
    const answer = fragmentOf(page)
    expect([...answer.keys()]).toEqual(inOrder)
    return answer
  }

  const isExchangeable = async (application: Application, answer: URLSearchParams) => {
    const tokens = {
      subjectToken: answer.get('subject_token') ?? '',
      idToken: answer.get('id_token') ?? '',
    }
    return (await exchange(stage.server, application, tokens)).status === 200
  }

  for (const javaScriptEnabled of [true, false]) {
    describe(`with${javaScriptEnabled ? '' : 'out'} JavaScript`, () => {
      test('one signs in, sees what is asked, agrees and lands at the application', async () => {
        const { page, context, problems } = await newVisitor({ javaScriptEnabled })
        await page.goto(requestOf(stage, stage.asking, { state: 'a b&c=d/ü' }))
        expect(await page.locator('#application-name').textContent()).toBe('Customer Care')
        await signIn(page)
        await onConsent(page)
        const main = (await page.locator('main').textContent()) ?? ''
        for (const said of [
          'Customer Care',
          stage.impersonator.userName,
          stage.subject.id,
          'Act as another user',
          'List users',
          'View users',
        ])
          expect(main).toContain(said)
        // whom the id belongs to is not told before anything is allowed
        expect(main).not.toContain(stage.subject.userName)
        await page.getByRole('button', { name: 'Act as this user' }).click()
        const answer = await answerOf(page)
        expect(answer.get('state')).toBe('a b&c=d/ü')
        expect(answer.get('iss')).toBe(`${stage.server.origin}/oauth2/token`)
        expect(await isExchangeable(stage.asking, answer)).toBe(true)
        expect(problems).toEqual([])
        await context.close()
      })

      test('one is asked what it is for, mends what was wrong, and lands at the application', async () => {
        const { page, context, problems } = await newVisitor({ javaScriptEnabled })
        await page.goto(requestOf(stage, stage.careful))
        await signIn(page)
        await onReason(page)
        expect((await focused(page)).id).toBe('impersonation_reason')
        // the browser itself asks for what is missing
        await page.getByRole('button', { name: 'Continue' }).click()
        await onReason(page)
        await page.getByLabel('Reason').fill('He cannot see\nhis invoice <7>')
        await page.getByLabel('Ticket').fill('case 42')
        await page.getByRole('button', { name: 'Continue' }).click()
        await page.locator('#impersonation_ticket-error').waitFor()
        expect(await page.title()).toBe('Error: Why act as another user')
        expect((await focused(page)).id).toBe('impersonation_ticket')
        expect(await page.getByLabel('Reason').inputValue()).toBe('He cannot see his invoice <7>')
        await page.getByLabel('Ticket').fill('CASE-42')
        await page.keyboard.press('Enter')
        const answer = await answerOf(page)
        expect(await isExchangeable(stage.careful, answer)).toBe(true)
        await page.goBack()
        await onPage(page, 'This sign-in is finished')
        await page.goto(requestOf(stage, stage.careful))
        await onReason(page)
        await page.getByRole('button', { name: 'Cancel' }).click()
        await onClient(page)
        expect(fragmentOf(page).get('error')).toBe('access_denied')
        expect(problems).toEqual([])
        await context.close()
      })

      test('one denies and the application is told', async () => {
        const { page, context, problems } = await newVisitor({ javaScriptEnabled })
        await page.goto(requestOf(stage, stage.asking))
        await signIn(page)
        await page.getByRole('button', { name: 'Deny' }).click()
        await onClient(page)
        const answer = fragmentOf(page)
        expect([...answer.keys()]).toEqual(['error', 'error_description', 'session_state', 'state', 'iss'])
        expect(answer.get('error')).toBe('access_denied')
        expect(problems).toEqual([])
        await context.close()
      })

      test('an answer by form post is posted', async () => {
        const { page, context, problems } = await newVisitor({ javaScriptEnabled })
        client.received.length = 0
        await page.goto(requestOf(stage, stage.asking, { response_mode: 'form_post', state: '"><x>&amp;' }))
        await signIn(page)
        await page.getByRole('button', { name: 'Act as this user' }).click()
        if (!javaScriptEnabled) await page.getByRole('button', { name: 'Continue' }).click()
        await onClient(page)
        expect(page.url()).toBe(stage.redirectUri)
        const [received, ...more] = client.received.filter(({ method }) => method === 'POST')
        expect(more).toEqual([])
        expect(received?.query).toEqual([])
        expect(received?.body.map(([name]) => name)).toEqual(inOrder)
        const answer = new URLSearchParams(
          received?.body.map(([name, value]): [string, string] => [name, value]),
        )
        expect(answer.get('state')).toBe('"><x>&amp;')
        expect(await isExchangeable(stage.asking, answer)).toBe(true)
        expect(problems).toEqual([])
        await context.close()
      })
    })
  }

  describe('what people do', () => {
    test('a wrong password is said on the form, which keeps the focus', async () => {
      const { page, context, problems } = await newVisitor()
      await page.goto(requestOf(stage, stage.trusted))
      await signIn(page, 'not this one')
      await page.getByRole('alert').waitFor()
      expect(await page.getByRole('alert').textContent()).toBe(wrong)
      expect(await page.title()).toBe('Error: Sign in')
      expect((await focused(page)).id).toBe('username')
      for (const field of ['#username', '#password']) {
        expect(await page.locator(field).getAttribute('aria-invalid')).toBe('true')
        expect(await page.locator(field).getAttribute('aria-describedby')).toBe('error-msg')
      }
      await signIn(page)
      await answerOf(page)
      expect(problems).toEqual([])
      await context.close()
    })

    test('two tabs, begun before either signed in, both come to their end', async () => {
      const { page: first, context, problems } = await newVisitor()
      const second = await context.newPage()
      await first.goto(requestOf(stage, stage.asking, { state: 'first' }))
      await second.goto(requestOf(stage, stage.asking, { state: 'second' }))
      await signIn(second)
      await signIn(first)
      await onConsent(second)
      await onConsent(first)
      await second.getByRole('button', { name: 'Act as this user' }).click()
      expect((await answerOf(second)).get('state')).toBe('second')
      await first.getByRole('button', { name: 'Act as this user' }).click()
      const answer = await answerOf(first)
      expect(answer.get('state')).toBe('first')
      expect(await isExchangeable(stage.asking, answer)).toBe(true)
      expect(problems).toEqual([])
      await context.close()
    })

    test('the way back leads to pages that say what to do, and forward again to where one was', async () => {
      const { page, context, problems } = await newVisitor()
      await page.goto(requestOf(stage, stage.asking))
      await signIn(page)
      await onConsent(page)
      await page.goBack()
      await onPage(page, 'This sign-in is finished')
      await page.goForward()
      await onConsent(page)
      await page.getByRole('button', { name: 'Act as this user' }).click()
      await answerOf(page)
      await page.goBack()
      await onPage(page, 'This sign-in is finished')
      await page.goForward()
      await answerOf(page)
      // a new request starts anew, and nobody has to sign in again
      await page.goto(requestOf(stage, stage.asking))
      await onConsent(page)
      expect(problems).toEqual([])
      await context.close()
    })

    test('a double click is one click', async () => {
      const { page, context, problems } = await newVisitor()
      const posts: string[] = []
      await page.route(/\/(commonauth|oauth2\/authorize)$/, async (route) => {
        posts.push(new URL(route.request().url()).pathname)
        // so slow that the second click always comes before the answer to the first
        await Bun.sleep(200)
        await route.continue()
      })
      await page.goto(requestOf(stage, stage.asking))
      await page.getByLabel('User name').fill(stage.impersonator.userName)
      await page.getByLabel('Password').fill(stage.impersonator.password)
      await page.locator('#sign-in-button').dblclick({ delay: 20 })
      await onConsent(page)
      await page.locator('#approve').dblclick({ delay: 20 })
      await answerOf(page)
      expect(posts).toEqual(['/commonauth', '/oauth2/authorize'])
      expect(problems).toEqual([])
      await context.close()
    })

    for (const javaScriptEnabled of [true, false]) {
      test(`Enter pressed twice signs in once with${javaScriptEnabled ? '' : 'out'} JavaScript`, async () => {
        const { page, context, problems } = await newVisitor({ javaScriptEnabled })
        let posts = 0
        await page.route(/\/commonauth$/, async (route) => {
          posts += 1
          await Bun.sleep(200)
          // the browser gives the first one up when it sends a second one
          await route.continue().catch(() => {})
        })
        await page.goto(requestOf(stage, stage.asking))
        await page.getByLabel('User name').fill(stage.impersonator.userName)
        const password = page.getByLabel('Password')
        await password.fill(stage.impersonator.password)
        // the keyboard waits for no navigation, as fingers do not
        await Promise.all([page.keyboard.press('Enter'), page.keyboard.press('Enter')])
        await onConsent(page)
        if (javaScriptEnabled) expect(posts).toBe(1)
        expect(problems).toEqual([])
        await context.close()
      })
    }

    test('a button that a click did not carry away takes another one', async () => {
      const { page, context } = await newVisitor()
      await page.goto(requestOf(stage, stage.trusted))
      // the browser itself asks for the missing user name
      await page.locator('#sign-in-button').click()
      expect((await focused(page)).id).toBe('username')
      await signIn(page)
      await answerOf(page)
      await context.close()
    })

    test('a form that is sent a second time says that it was completed', async () => {
      const { page, context } = await newVisitor()
      await page.goto(requestOf(stage, stage.asking))
      await signIn(page)
      await onConsent(page)
      const copy = await context.newPage()
      await copy.goto(page.url())
      await onConsent(copy)
      await page.getByRole('button', { name: 'Act as this user' }).click()
      await answerOf(page)
      await copy.getByRole('button', { name: 'Act as this user' }).click()
      await onError(copy, completed)
      await copy.reload()
      await onError(copy, completed)
      await context.close()
    })

    test('each page can be loaded again', async () => {
      const { page, context, problems } = await newVisitor()
      await page.goto(requestOf(stage, stage.asking))
      await page.reload()
      await onLogin(page)
      await signIn(page, 'not this one')
      await page.getByRole('alert').waitFor()
      await page.reload()
      expect(await page.getByRole('alert').textContent()).toBe(wrong)
      await signIn(page)
      await onConsent(page)
      await page.reload()
      await onConsent(page)
      await page.getByRole('button', { name: 'Act as this user' }).click()
      await answerOf(page)
      await page.reload()
      await answerOf(page)
      await page.goto(`${stage.server.origin}/authenticationendpoint/login.do?sessionDataKey=none`)
      await page.reload()
      await onError(page, over)
      expect(problems).toEqual([])
      await context.close()
    })

    test('keys alone are enough', async () => {
      const { page, context, problems } = await newVisitor()
      await page.goto(requestOf(stage, stage.asking))
      const press = async (key: string, id: string) => {
        await page.keyboard.press(key)
        expect((await focused(page)).id).toBe(id)
      }
      expect((await focused(page)).id).toBe('username')
      await press('Tab', 'password')
      await press('Tab', 'sign-in-button')
      await press('Shift+Tab', 'password')
      await press('Shift+Tab', 'username')
      await page.keyboard.type(stage.impersonator.userName)
      await press('Tab', 'password')
      await page.keyboard.type(stage.impersonator.password)
      await page.keyboard.press('Enter')
      await onConsent(page)
      await press('Tab', 'approve')
      await press('Tab', 'deny')
      await press('Shift+Tab', 'approve')
      await page.keyboard.press('Space')
      await answerOf(page)
      expect(problems).toEqual([])
      await context.close()
    })
  })

  test('a sign-in that took too long is refused on a page', async () => {
    const short = await prepare(
      stage.redirectUri,
      (toml) => `${toml}\n[session]\ninteraction_timeout = "2s"\n`,
    )
    const { page, context, problems } = await newVisitor()
    await page.goto(requestOf(short, short.asking))
    await signIn(page)
    await onConsent(page)
    const late = await context.newPage()
    await late.goto(requestOf(short, short.asking, { prompt: 'login' }))
    await onLogin(late)
    await Bun.sleep(2_100)
    await signIn(late)
    await onError(late, over)
    await page.getByRole('button', { name: 'Act as this user' }).click()
    await onError(page, 'This sign-in took too long. Go back to the application and start again.')
    await page.goBack()
    await onError(page, over)
    expect(problems).toEqual([])
    await context.close()
    await short.server.stop()
  })

  describe('the policy', () => {
    test('lets nothing in that is not ours, and no form lead elsewhere', async () => {
      const { page, context, problems } = await newVisitor()
      await page.goto(requestOf(stage, stage.asking))
      const seen = page.evaluate<string[]>(`new Promise((resolve) => {
        const seen = []
        document.addEventListener('securitypolicyviolation', ({ effectiveDirective }) => {
          seen.push(effectiveDirective)
          if (seen.length === 5) resolve([...seen.sort(), document.title])
        })
        const add = (name, attributes) => {
          const element = Object.assign(document.createElement(name), attributes)
          document.body.append(element)
          return element
        }
        add('script', { textContent: 'document.title = "script ran"' })
        add('img', { src: '${stage.redirectUri}' })
        add('style', { textContent: 'body { display: none }' })
        add('iframe', { src: '${stage.redirectUri}' })
        add('form', { action: 'http://127.0.0.1:1/', method: 'post' }).submit()
      })`)
      expect(await seen).toEqual([
        'form-action',
        'frame-src',
        'img-src',
        'script-src-elem',
        'style-src-elem',
        'Sign in',
      ])
      expect(problems).toHaveLength(5)
      await context.close()
    })

    test('keeps the pages out of the frames of others', async () => {
      const { page, context, problems } = await newVisitor()
      await page.goto(stage.redirectUri)
      await page.evaluate(`document.body.append(
        Object.assign(document.createElement('iframe'), { src: ${JSON.stringify(requestOf(stage, stage.asking))} })
      )`)
      const deadline = Date.now() + 5_000
      while (problems.length === 0 && Date.now() < deadline) await Bun.sleep(10)
      expect(problems.join()).toContain("frame-ancestors 'none'")
      expect(await page.frameLocator('iframe').locator('#username').count()).toBe(0)
      await context.close()
    })
  })

  /** Every page that people see, and how one gets there; form post without JavaScript, or it would be gone. */
  const scenes: Readonly<Record<string, (page: Page) => Promise<void>>> = {
    login: async (page) => {
      await page.goto(requestOf(stage, stage.asking))
      await onLogin(page)
    },
    'login-error': async (page) => {
      await page.goto(requestOf(stage, stage.asking))
      await page.goto(`${page.url()}&authFailure=true&authFailureMsg=login.fail.message`)
      await page.getByRole('alert').waitFor()
    },
    consent: async (page) => {
      await page.goto(requestOf(stage, stage.asking))
      await signIn(page)
      await onConsent(page)
    },
    'consent-long': async (page) => {
      const long = 'x'.repeat(300)
      await page.goto(requestOf(stage, stage.asking, { requested_subject: long, scope: `openid ${long}` }))
      await signIn(page)
      await onConsent(page)
    },
    reason: async (page) => {
      await page.goto(requestOf(stage, stage.careful))
      await signIn(page)
      await onReason(page)
    },
    'reason-error': async (page) => {
      await scenes.reason?.(page)
      await page.getByLabel('Reason').fill('x'.repeat(300))
      await page.getByLabel('Ticket').fill('case 42')
      await page.getByRole('button', { name: 'Continue' }).click()
      await page.locator('#impersonation_ticket-error').waitFor()
    },
    'reason-said': async (page) => {
      const impersonation_reason = 'He cannot see his invoice for the last quarter.'
      await page.goto(requestOf(stage, stage.careful, { impersonation_reason }))
      await signIn(page)
      await onReason(page)
    },
    'consent-reason': async (page) => {
      const said = { impersonation_reason: 'He cannot see his invoice.', impersonation_ticket: 'CASE-42' }
      await page.goto(requestOf(stage, stage.asking, said))
      await signIn(page)
      await onConsent(page)
    },
    error: async (page) => {
      await page.goto(`${stage.server.origin}/authenticationendpoint/login.do?sessionDataKey=none`)
      await onError(page, over)
    },
    'form-post': async (page) => {
      await page.goto(requestOf(stage, stage.trusted, { response_mode: 'form_post' }))
      await signIn(page)
      await onPage(page, 'Back to the application')
    },
    logout: async (page) => {
      await page.goto(requestOf(stage, stage.trusted))
      await signIn(page)
      await answerOf(page)
      await page.goto(`${stage.server.origin}/oidc/logout`)
      await onPage(page, 'Sign out?')
    },
    'signed-out': async (page) => {
      await scenes.logout?.(page)
      await page.getByRole('button', { name: 'Sign out' }).click()
      await onPage(page, 'You are signed out')
    },
  }

  const desktop = { width: 1280, height: 800 }
  const phone = { width: 390, height: 844 }
  const folderOfPictures = process.env.MAYACT_SCREENSHOTS

  const tooFaint = (contrasts: readonly Contrast[], least: number) =>
    contrasts.filter(({ ratio }) => ratio < least)

  for (const [name, open] of Object.entries(scenes)) {
    test(`everybody can use the page "${name}"`, async () => {
      const { page, context, problems } = await newVisitor({ javaScriptEnabled: name !== 'form-post' })
      await page.setViewportSize(desktop)
      await open(page)

      const found = await structure(page)
      expect(found).toMatchObject({
        lang: 'en',
        landmarks: ['header', 'main'],
        unlabelled: [],
        repeatedIds: [],
      })
      expect(found.title).not.toBe('')
      expect(found.headings.filter((heading) => heading === 'h1')).toHaveLength(1)
      expect(found.headings[0]).toBe('h1')
      expect(found.smallest).toBeGreaterThanOrEqual(44)

      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme })
        const texts = await textContrasts(page)
        expect(texts.length).toBeGreaterThan(1)
        expect(tooFaint(texts, 4.5)).toEqual([])
        expect(tooFaint(await controlContrasts(page), 3)).toEqual([])
        const stops = await page.locator('input:not([type=hidden]),textarea,button').count()
        const reached = new Set<string>()
        for (let press = 0; press <= stops; press += 1) {
          await page.keyboard.press('Tab')
          const focus = await focused(page)
          if (focus.id === '') continue
          reached.add(focus.id)
          expect(focus).toMatchObject({ outline: 'solid', width: 3 })
          expect(focus.contrast).toBeGreaterThanOrEqual(3)
        }
        expect(reached.size).toBe(stops)
        if (folderOfPictures !== undefined) {
          mkdirSync(folderOfPictures, { recursive: true })
          await page.locator('main').click({ position: { x: 1, y: 1 } })
          for (const [device, size] of Object.entries({ phone, desktop })) {
            await page.setViewportSize(size)
            const path = join(folderOfPictures, `${name}-${device}-${colorScheme}.png`)
            await page.screenshot({ path, fullPage: true })
          }
        }
      }

      await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' })
      expect((await structure(page)).moving).toBe(false)

      // narrow; zoomed to 200 %, which halves what there is to see; and with letters of twice the size alone
      for (const size of [
        { width: 320, height: 568 },
        { width: 640, height: 400 },
      ]) {
        await page.setViewportSize(size)
        expect((await structure(page)).overflows).toBe(false)
      }
      await page.evaluate(`document.documentElement.style.fontSize = '200%'`)
      await page.setViewportSize(phone)
      expect((await structure(page)).overflows).toBe(false)

      await page.emulateMedia({ forcedColors: 'active' })
      expect(tooFaint(await textContrasts(page), 4.5)).toEqual([])
      expect(tooFaint(await controlContrasts(page), 3)).toEqual([])
      expect(problems).toEqual([])
      await context.close()
    })
  }

  test('fields say what a password manager puts there', async () => {
    const { page, context } = await newVisitor()
    await page.goto(requestOf(stage, stage.asking))
    const attributes = async (id: string, ...names: string[]) =>
      Promise.all(names.map((name) => page.locator(`#${id}`).getAttribute(name)))
    expect(await attributes('username', 'autocomplete', 'autocapitalize', 'spellcheck', 'type')).toEqual([
      'username',
      'none',
      'false',
      'text',
    ])
    expect(await attributes('password', 'autocomplete', 'type')).toEqual(['current-password', 'password'])
    expect(await page.getByRole('textbox', { name: 'User name' }).count()).toBe(1)
    await context.close()
  })

  if (folderOfPictures !== undefined)
    afterAll(() => console.log(`pictures of the pages: ${folderOfPictures}`))
})
