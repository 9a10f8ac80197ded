/** facts/rest-apis.md §10, steps 1–14, over HTTPS against the compiled binary, on both databases. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { createLocalJWKSet, jwtVerify } from 'jose'
import { databases } from '../databases.ts'
import {
  exchange,
  obtainSubjectToken,
  patchCountry,
  type Scenario,
  setUp,
  type TokenResponse,
} from '../scenario.ts'
import { deployment, folder, freePort, type Running, start } from './binary.ts'

for (const database of databases) {
  describe(`the binary on ${database.name}`, () => {
    let directory: string
    let server: Running
    let scenario: Scenario
    let accessToken: string

    beforeAll(async () => {
      const port = await freePort()
      const config = await database.create()
      const toml = deployment(port, (text) =>
        config.type === 'sqlite'
          ? text
          : text.replace('type = "sqlite"', `type = "postgres"\nurl = "${config.url}"\npool_size = 5`),
      )
      directory = folder({ 'deployment.toml': toml })
      server = await start(directory, port)
    })
    afterAll(() => server.stop())

    test('it starts in an empty folder and says where to go, with which user, and that the password must change', () => {
      expect(server.output()).toContain(server.origin)
      expect(server.output()).toContain('the administrator is "admin"')
      expect(server.output()).toContain('Change it now')
    })

    test('it is set up by REST, steps 1 to 10', async () => {
      scenario = await setUp(server)
      expect(scenario.clientId).toHaveLength(28)
    })

    test('it plays steps 11 to 13: authorize, login, exchange', async () => {
      const tokens = await obtainSubjectToken(server, scenario)
      const response = await exchange(server, scenario, tokens)
      expect(response.status).toBe(200)
      const body = (await response.json()) as TokenResponse
      accessToken = body.access_token
      const jwks = await (await server.request('/oauth2/jwks')).json()
      const verified = await jwtVerify(accessToken, createLocalJWKSet(jwks as never), {
        issuer: `${server.origin}/oauth2/token`,
        audience: scenario.clientId,
        typ: 'at+jwt',
        algorithms: ['RS256'],
      })
      expect(verified.payload).toMatchObject({
        sub: scenario.subject.id,
        act: { sub: scenario.impersonator.id },
      })
      const again = await exchange(server, scenario, tokens)
      expect(again.status).toBe(400)
    })

    test('it writes the mail to the user as a file where no mail server is configured', async () => {
      const outbox = join(directory, 'data/outbox')
      const until = Date.now() + 5_000
      let files: string[] = []
      while (files.length === 0 && Date.now() < until) {
        await Bun.sleep(20)
        files = existsSync(outbox) ? readdirSync(outbox).filter((name) => name.endsWith('.eml')) : []
      }
      const [name = ''] = files
      const mail = await Bun.file(join(outbox, name)).text()
      expect(mail).toContain('To: enduser@example.com')
      expect(mail).toContain('Subject: User Impersonation Session Started')
    })

    test('it plays step 14: the impersonated token reads and writes, and audit.log has its lines', async () => {
      const headers = { Authorization: `Bearer ${accessToken}` }
      const list = await server.request('/scim2/Users', { headers })
      expect(list.status).toBe(200)
      const patched = await patchCountry(server, accessToken)
      expect(patched.status).toBe(200)
      const me = await server.request('/scim2/Me', { headers })
      expect(await me.json()).toMatchObject({
        id: scenario.subject.id,
        'urn:scim:wso2:schema': { country: 'Sweden' },
      })
      const log = join(directory, 'data/audit.log')
      const wanted = [
        `Initiator=${scenario.impersonator.id} Action=subject-token-issued Target=${scenario.subject.id} `,
        `Initiator=${scenario.impersonator.id} Action=impersonated-token-issued Target=${scenario.subject.id} `,
        `Initiator=${scenario.impersonator.id} Action=resource-modification-via-impersonation Target=${scenario.subject.id} `,
        `Outcome=Success | Impersonator : ${scenario.impersonator.id}`,
      ]
      const complete = (text: string) => wanted.every((part) => text.includes(part))
      const until = Date.now() + 5_000
      let text = ''
      while (!complete(text) && Date.now() < until) {
        text = await Bun.file(log).text()
        await Bun.sleep(20)
      }
      expect(wanted.filter((part) => !text.includes(part))).toEqual([])
      expect(text.split('\n').filter((line) => line !== '' && !line.startsWith('TID: [-1234] ['))).toEqual([])
    })

    test('it lets the administrator change the shipped password by Basic', async () => {
      const patch = (password: string, by: string) =>
        server.request('/scim2/Me', {
          method: 'PATCH',
          headers: {
            Authorization: `Basic ${Buffer.from(`admin:${by}`).toString('base64')}`,
            'Content-Type': 'application/scim+json',
          },
          body: JSON.stringify({
            schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
            Operations: [{ op: 'replace', value: { password } }],
          }),
        })
      expect((await patch('another-Secret-1', 'admin')).status).toBe(200)
      expect((await patch('another-Secret-2', 'admin')).status).toBe(401)
    })

    test('it keeps its secrets to its owner', () => {
      const open: string[] = []
      const walk = (place: string) => {
        for (const entry of readdirSync(place, { withFileTypes: true })) {
          const path = join(place, entry.name)
          if (entry.isDirectory()) walk(path)
          else if ((statSync(path).mode & 0o077) !== 0) open.push(path)
        }
      }
      walk(join(directory, 'data'))
      walk(join(directory, 'secrets'))
      expect(open).toEqual([])
    })

    test('it stops on SIGTERM with everything written', async () => {
      expect(await server.stop()).toBe(0)
    })
  })
}
