/** What a user is called at a client: one name everywhere, one for each sector, or one of his attributes. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import * as jose from 'jose'
import { bump, commit, readRevision, write } from '../../lib/database/commit.ts'
import { findClient } from '../../lib/directory/applications.ts'
import { subjectIdentifier } from '../../lib/tokens/subject-identifier.ts'
import { type Booted, boot } from '../boot.ts'
import { databases } from '../databases.ts'
import { account, application } from '../fixtures.ts'
import { createPerson, type Scenario, setUp } from '../scenario.ts'
import { type Client, codeFlow, createClient, postForm } from './tokens.ts'

const pairwise = { subject: { subjectType: 'pairwise' } }

for (const database of databases) {
  describe(`subject identifiers on ${database.name}`, () => {
    let server: Booted
    let scenario: Scenario
    beforeAll(async () => {
      server = await boot(database)
      scenario = await setUp(server)
    })
    afterAll(() => server.stop())

    const subOf = async (clientId: string, accountId: string, at: Pick<Booted, 'db'> = server) => {
      const n = await readRevision(at.db)
      const client = await findClient(at.db, n, clientId)
      if (!client) throw new Error('no such client')
      return subjectIdentifier(at.db, client, accountId)
    }
    let made = 0
    const applicationWith = async (oidc: Readonly<Record<string, unknown>>) => {
      made += 1
      return (await application(server.db, { name: `P${made}`, oidc })).clientId
    }
    const withClaim = async (uri: string) => {
      const clientId = await applicationWith({})
      const row = await server.db
        .selectFrom('application')
        .select('model')
        .where('client_id', '=', clientId)
        .executeTakeFirstOrThrow()
      const model = JSON.stringify({
        ...JSON.parse(row.model),
        claimConfiguration: { subject: { claim: { uri } } },
      })
      const update = server.db.updateTable('application').set({ model }).where('client_id', '=', clientId)
      await commit(server.db, [write(update), bump])
      return clientId
    }

    test('ID token, userinfo and introspection call a user alike, and refreshing keeps the name', async () => {
      const client: Client = await createClient(server, 'Pairwise', pairwise)
      const tokens = await codeFlow(server, client, scenario.subject)
      const expected = await subOf(client.clientId, scenario.subject.id)
      expect(expected).toMatch(/^[\w-]{43}$/)
      expect(expected).not.toContain(scenario.subject.id)
      expect(jose.decodeJwt(tokens.id_token).sub).toBe(expected)
      expect(jose.decodeJwt(tokens.access_token).sub).toBe(expected)
      const told = await server.request('/oauth2/userinfo', {
        headers: { Authorization: `Bearer ${tokens.access_token}` },
      })
      expect(await told.json()).toMatchObject({ sub: expected })
      const form = { grant_type: 'refresh_token', refresh_token: tokens.refresh_token }
      const refreshed = await postForm(server, '/oauth2/token', form, client)
      const again = (await refreshed.json()) as typeof tokens
      expect(jose.decodeJwt(again.access_token).sub).toBe(expected)
      for (const token of [again.access_token, again.refresh_token]) {
        const said = await postForm(server, '/oauth2/introspect', { token }, client)
        expect(await said.json()).toMatchObject({ active: true, sub: expected })
      }
      const discovery = await server.request('/oauth2/token/.well-known/openid-configuration')
      expect(await discovery.json()).toMatchObject({ subject_types_supported: ['public', 'pairwise'] })
    })

    test('a sector has one name for a user, two sectors and two users have two', async () => {
      const at = (host: string, more: readonly string[] = []) =>
        applicationWith({ ...pairwise, callbackURLs: [`https://${host}/cb`, ...more] })
      const [one, same, upper, elsewhere, port] = await Promise.all([
        at('one.example'),
        at('one.example', ['https://one.example/other?x=1']),
        at('ONE.example'),
        at('two.example'),
        at('one.example:8443'),
      ])
      const { id } = scenario.subject
      const name = await subOf(one, id)
      expect(await subOf(same, id)).toBe(name)
      expect(await subOf(upper, id)).toBe(name)
      const others = [await subOf(elsewhere, id), await subOf(one, scenario.impersonator.id)]
      expect(new Set([name, ...others]).size).toBe(3)
      // a host component has no port (OpenID Connect Core §8.1)
      expect(await subOf(port, id)).toBe(name)
    })

    test('the sector identifier URI decides where there are several hosts', async () => {
      const several = ['https://a.example/cb', 'https://b.example/cb']
      const named = (uri: string, callbackURLs: readonly string[]) =>
        applicationWith({ callbackURLs, subject: { subjectType: 'pairwise', sectorIdentifierUri: uri } })
      const [one, two, plain] = await Promise.all([
        named('https://sector.example/uris.json', several),
        named('https://sector.example/other.json', ['https://c.example/cb']),
        applicationWith({ ...pairwise, callbackURLs: ['https://sector.example/cb'] }),
      ])
      const { id } = scenario.subject
      const name = await subOf(one, id)
      expect(await subOf(two, id)).toBe(name)
      expect(await subOf(plain, id)).toBe(name)
      // without one each of them is a sector of its own
      const [three, four] = await Promise.all([
        applicationWith({ ...pairwise, callbackURLs: several }),
        applicationWith({ ...pairwise, callbackURLs: several }),
      ])
      expect(new Set([name, await subOf(three, id), await subOf(four, id)]).size).toBe(3)
    })

    test('a regexp= callback names its hosts', async () => {
      const { id } = scenario.subject
      const at = (callback: string) => applicationWith({ ...pairwise, callbackURLs: [callback] })
      const [plain, alternatives, two] = await Promise.all([
        at('https://one.example/cb'),
        at('regexp=(https://one\\.example/cb|https://one.example/(a|b)/.*)'),
        at('regexp=(https://one.example/cb|https://two.example/cb)'),
      ])
      expect(await subOf(alternatives, id)).toBe(await subOf(plain, id))
      expect(await subOf(two, id)).not.toBe(await subOf(plain, id))
    })

    test('every server on the database says the same, and the salt lies sealed', async () => {
      const clientId = await applicationWith(pairwise)
      const beside = await boot(database, {
        beside: { directory: server.directory, config: server.config },
      })
      try {
        expect(await subOf(clientId, scenario.subject.id, beside)).toBe(
          await subOf(clientId, scenario.subject.id),
        )
      } finally {
        await beside.stop()
      }
      const rows = await server.db
        .selectFrom('meta')
        .selectAll()
        .where('name', '=', 'pairwise_salt')
        .execute()
      expect(rows).toHaveLength(1)
      expect(rows[0]?.value).toStartWith('v1.')
    })

    test('the subject claim of an application is the name, where it is one', async () => {
      const person = await createPerson(server, 'Named')
      const claim = (name: string) => withClaim(`http://wso2.org/claims/${name}`)
      expect(await subOf(await claim('username'), person.id)).toBe('Named')
      expect(await subOf(await claim('userid'), person.id)).toBe(person.id)
      expect(await subOf(await claim('emailaddress'), person.id)).toBe('named@example.com')
      expect(await subOf(await claim('nickname'), person.id)).toBe(person.id)
      expect(await subOf(await claim('nosuch'), person.id)).toBe(person.id)
      expect(await subOf(await withClaim('urn:other'), person.id)).toBe(person.id)
      expect(await nameInFlow(person)).toBe('Named')
    })

    const nameInFlow = async (person: { userName: string; password: string }) => {
      const client = await createClient(server, 'ByName')
      const patched = await server.send('PATCH', `/api/server/v1/applications/${client.applicationId}`, {
        claimConfiguration: { subject: { claim: { uri: 'http://wso2.org/claims/username' } } },
      })
      expect(patched.status).toBe(200)
      const { id_token } = await codeFlow(server, client, person)
      return jose.decodeJwt(id_token).sub
    }

    test('nobody becomes somebody else by writing an attribute', async () => {
      const employee = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User'
      const number = (value: string) => ({ [employee]: { employeeNumber: value } })
      const victim = await account(server.db, {
        userName: 'victim',
        email: 'victim@example.com',
        attributes: number('4_2%"'),
      })
      const byNumber = await withClaim('http://wso2.org/claims/employeeNumber')
      const byMail = await withClaim('http://wso2.org/claims/emailaddress')
      expect([await subOf(byNumber, victim), await subOf(byMail, victim)]).toEqual([
        '4_2%"',
        'victim@example.com',
      ])
      const attacker = await account(server.db, {
        userName: 'attacker',
        email: 'VICTIM@example.com',
        attributes: number('4_2%"'),
      })
      expect([await subOf(byNumber, attacker), await subOf(byMail, attacker)]).toEqual([attacker, attacker])
      // the same text in another attribute takes nothing from anybody
      const other = await account(server.db, { userName: 'other', attributes: { nickName: '4711' } })
      const owner = await account(server.db, { userName: 'owner', attributes: number('4711') })
      expect(await subOf(byNumber, owner)).toBe('4711')
      expect(await subOf(byNumber, other)).toBe(other)
    })
  })
}
