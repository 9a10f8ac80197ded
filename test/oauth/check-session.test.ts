/** OpenID Connect Session Management 1.0: the frame's script, run as it is served, and what discovery says of logout. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { createHash } from 'node:crypto'
import { createContext, runInContext } from 'node:vm'
import { sessionState } from '../../lib/oauth/session-state.ts'
import { type Booted, boot } from '../boot.ts'
import { databases } from '../databases.ts'
import { nothingElse } from '../nothing-else.ts'
import { redirectUri, type Scenario, setUp } from '../scenario.ts'
import { confirmLogout, signIn } from './signed-in.ts'

for (const database of databases) {
  describe(`the check-session frame on ${database.name}`, () => {
    let server: Booted
    let scenario: Scenario
    let html: string

    beforeAll(async () => {
      server = await boot(database)
      scenario = await setUp(server)
      html = await (await server.request('/oidc/checksession')).text()
    })
    afterAll(() => server.stop())

    const script = () => /<script>([\s\S]*)<\/script>/.exec(html)?.[1] ?? ''

    /** Loads the frame in a browser with these cookies; answers what it posts back. */
    const frame = (cookie: string) => {
      let listener: ((event: unknown) => void) | undefined
      const window = { addEventListener: (_: string, added: typeof listener) => (listener = added) }
      runInContext(script(), createContext({ window, document: { cookie } }))
      return (data: unknown, origin: string, from?: object) => {
        const answers: unknown[] = []
        const source = { postMessage: (...answer: unknown[]) => answers.push(answer) }
        listener?.({ data, origin, source: from === window ? window : (from ?? source) })
        return answers
      }
    }

    test('it may be framed by anybody, runs nothing but its own script and says the same to everybody', async () => {
      const { result } = await nothingElse(server.db, {}, () => server.request('/oidc/checksession'))
      expect(result.status).toBe(200)
      const policy = result.headers.get('content-security-policy') ?? ''
      const hash = createHash('sha256').update(script()).digest('base64')
      expect(policy).toBe(
        `default-src 'none'; script-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'; frame-ancestors *`,
      )
      expect(result.headers.get('x-frame-options')).toBeNull()
      expect(result.headers.getSetCookie()).toEqual([])
      // every other page refuses it
      for (const path of ['/oidc/logout', '/authenticationendpoint/login.do', '/oauth2/authorize']) {
        const page = await server.request(path)
        expect(page.headers.get('content-security-policy')).toContain("frame-ancestors 'none'")
        expect(page.headers.get('x-frame-options')).toBe('DENY')
      }
    })

    test('it knows the session_state of an answer until the browser signs out', async () => {
      const { browser } = await signIn(server, scenario, scenario)
      const again = await browser.get(
        `/oauth2/authorize?${new URLSearchParams({
          client_id: scenario.clientId,
          redirect_uri: redirectUri,
          response_type: 'id_token subject_token',
          scope: 'openid internal_user_impersonate',
          requested_subject: scenario.subject.id,
          nonce: 'n',
          prompt: 'none',
        })}`,
      )
      const answer = new URLSearchParams(new URL(again.headers.get('location') ?? '').hash.slice(1))
      const message = `${scenario.clientId} ${answer.get('session_state')}`
      const { origin } = new URL(redirectUri)
      const ask = () => frame(`a=b; opbs=${browser.cookies.get('opbs')}; c=d`)(message, origin)
      expect(ask()).toEqual([['unchanged', origin]])
      await confirmLogout(browser)
      expect(ask()).toEqual([['changed', origin]])
    })

    test('it computes what session-state.ts computes, for texts of every length', () => {
      for (let length = 1; length < 200; length += 1) {
        const client = 'ü'.repeat(length % 7) + 'c'.repeat(length)
        const opbs = crypto.randomUUID()
        const state = sessionState(client, redirectUri, opbs)
        const ask = frame(`opbs=${opbs}`)
        expect(ask(`${client} ${state}`, 'https://client.example')).toEqual([
          ['unchanged', 'https://client.example'],
        ])
        expect(ask(`${client} ${state}`, 'https://other.example')).toEqual([
          ['changed', 'https://other.example'],
        ])
        expect(ask(`x${client} ${state}`, 'https://client.example')).toEqual([
          ['changed', 'https://client.example'],
        ])
      }
    })

    test('without the cookie all is changed, and what is no question is an error', () => {
      const origin = 'https://client.example'
      const state = sessionState('client', redirectUri, 'opbs-value')
      expect(frame('')(`client ${state}`, origin)).toEqual([['changed', origin]])
      expect(frame('xopbs=opbs-value')(`client ${state}`, origin)).toEqual([['changed', origin]])
      const ask = frame('opbs=opbs-value')
      expect(ask(`client ${state}`, origin)).toEqual([['unchanged', origin]])
      const bad = [
        '',
        'client',
        state,
        ` ${state}`,
        'client x.y',
        `client ${state.slice(1)}`,
        `client ${state} `,
        `client ${'0'.repeat(64)}`,
        null,
        undefined,
        7,
        {},
        ['client', state],
      ]
      for (const data of bad) expect([data, ask(data, origin)]).toEqual([data, [['error', origin]]])
      expect(ask(`client ${state}`, 'null')).toEqual([])
    })

    test('discovery names what there is of logout and sessions', async () => {
      const response = await server.request('/oauth2/token/.well-known/openid-configuration')
      expect(await response.json()).toMatchObject({
        end_session_endpoint: 'https://localhost:9443/oidc/logout',
        check_session_iframe: 'https://localhost:9443/oidc/checksession',
        backchannel_logout_supported: true,
        backchannel_logout_session_supported: true,
        frontchannel_logout_supported: true,
        frontchannel_logout_session_supported: true,
      })
    })
  })
}
