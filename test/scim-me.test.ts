import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { auditLine } from '../lib/audit.ts'
import { type Booted, basic, boot, origin } from './boot.ts'
import { databases } from './databases.ts'
import { account, application, impersonatedToken, role, state, userToken } from './fixtures.ts'

const wso2 = 'urn:scim:wso2:schema'

type Body = Record<string, unknown>

const operations = (...list: readonly Body[]) => ({
  schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
  Operations: list,
})
const bearer = (value: string) => ({ Authorization: `Bearer ${value}` })
const bodyOf = async (response: Response): Promise<Body> => (await response.json()) as Body

for (const database of databases) {
  describe(`/scim2/Me on ${database.name}`, () => {
    let server: Booted
    beforeAll(async () => {
      server = await boot(database)
    })
    afterAll(() => server.stop())

    const country = operations({ op: 'replace', value: { [wso2]: { country: 'Spain' } } })

    /** An impersonated token of a fresh subject. */
    const impersonation = async (name: string, scopes: readonly string[] = ['internal_login']) => {
      const { db } = server
      const app = await application(db, { name: 'POSTMAN_SBA', scopes: ['internal_user_mgt_list'] })
      const subjectId = await account(db, { userName: name, email: `${name}@example.com` })
      const impersonatorId = await account(db, { userName: 'Impersonator' })
      const token = await impersonatedToken(db, { application: app, subjectId, impersonatorId, scopes })
      return { ...token, headers: bearer(token.value), subjectId, impersonatorId, app }
    }

    test('it shows the caller with his roles, by Basic and by Bearer', async () => {
      const { db } = server
      const app = await application(db, { name: 'reader' })
      const id = await account(db, { userName: 'reader', password: 'Password@123', email: 'r@example.com' })
      const roleId = await role(db, { name: 'Readers', applicationId: app.id, users: [id] })
      const expected = {
        schemas: expect.any(Array),
        id,
        userName: 'reader',
        emails: ['r@example.com'],
        [wso2]: { accountLocked: false, accountDisabled: false },
        active: true,
        roles: [
          {
            value: roleId,
            display: 'Readers',
            $ref: `${origin}/scim2/v2/Roles/${roleId}`,
            audienceValue: app.id,
            audienceDisplay: 'reader',
            audienceType: 'application',
          },
        ],
        meta: {
          created: expect.any(String),
          lastModified: expect.any(String),
          location: `${origin}/scim2/Users/${id}`,
          resourceType: 'User',
          version: expect.stringMatching(/^W\/"1\.1\.[\w-]{8}"$/),
        },
      }
      const value = await userToken(db, { application: app, subjectId: id, scopes: ['internal_login'] })
      for (const headers of [{ Authorization: basic('reader', 'Password@123') }, bearer(value)]) {
        const response = await server.send('GET', '/scim2/Me', undefined, headers)
        expect(response.status).toBe(200)
        expect(await bodyOf(response)).toEqual(expected)
      }
      const plain = await server.send('GET', '/scim2/Me?attributes=userName', undefined, {
        ...bearer(value),
        Accept: 'application/json',
      })
      expect(plain.headers.get('content-type')).toBe('application/json;charset=UTF-8')
      expect(await bodyOf(plain)).toEqual({ schemas: expect.any(Array), id, userName: 'reader' })
    })

    test('it needs internal_login and nothing else', async () => {
      const { db } = server
      const app = await application(db, { name: 'reader' })
      const id = await account(db, { userName: 'scopeless' })
      const value = await userToken(db, { application: app, subjectId: id, scopes: ['openid'] })
      const before = await state(db)
      expect((await server.send('GET', '/scim2/Me', undefined, bearer(value))).status).toBe(403)
      expect((await server.send('PATCH', '/scim2/Me', country, bearer(value))).status).toBe(403)
      expect((await server.send('PATCH', '/scim2/Me', country, {})).status).toBe(401)
      expect(await state(db)).toEqual(before)
    })

    test('it lets a user change his own password by Basic, the shipped one, too', async () => {
      const changed = await server.send(
        'PATCH',
        '/scim2/Me',
        operations({ op: 'replace', value: { password: 'Changed@123' } }),
      )
      expect(changed.status).toBe(200)
      const row = await server.db
        .selectFrom('account')
        .selectAll()
        .where('user_name', '=', 'admin')
        .executeTakeFirstOrThrow()
      expect([row.password_shipped_at, row.version]).toEqual([null, 2])
      expect((await server.send('GET', '/scim2/Me')).status).toBe(401)
      const headers = { Authorization: basic('admin', 'Changed@123') }
      expect((await server.send('GET', '/scim2/Me', undefined, headers)).status).toBe(200)
      const [event] = (await server.audit()).filter((one) => one.event === 'password-changed')
      expect(event).toMatchObject({ initiator: row.id, target: row.id, data: {}, outcome: 'Success' })
      expect(JSON.stringify(await server.audit())).not.toContain('Changed@123')
    })

    test('a new password ends sessions and impersonations of its owner', async () => {
      const { db } = server
      const { headers, subjectId, app } = await impersonation('endling')
      const value = await userToken(db, { application: app, subjectId, scopes: ['internal_login'] })
      const change = operations({ op: 'replace', path: 'password', value: 'Changed@123' })
      expect((await server.send('PATCH', '/scim2/Me', change, bearer(value))).status).toBe(200)
      expect((await server.send('GET', '/scim2/Me', undefined, bearer(value))).status).toBe(401)
      expect((await server.send('GET', '/scim2/Me', undefined, headers)).status).toBe(401)
    })

    test.each(['accountLocked', 'accountDisabled', 'emailVerified', 'forcePasswordReset'])(
      'it leaves %s to administrators',
      async (attribute) => {
        const { db } = server
        await account(db, { userName: 'reader', password: 'Password@123' })
        const headers = { Authorization: basic('reader', 'Password@123') }
        const before = await state(db)
        const change = operations({ op: 'replace', path: `${wso2}:${attribute}`, value: false })
        const response = await server.send('PATCH', '/scim2/Me', change, headers)
        expect(response.status).toBe(403)
        expect(await bodyOf(response)).toEqual({
          schemas: ['urn:ietf:params:scim:api:messages:2.0:Error'],
          detail: `${wso2}:${attribute} can be changed by an administrator only.`,
          status: '403',
        })
        expect(await state(db)).toEqual(before)
      },
    )

    test('an impersonator changes the subject’s profile, and the seed’s two lines are written', async () => {
      const scopes = ['internal_login', 'internal_user_mgt_list']
      const { headers, subjectId, impersonatorId, impersonationId, app } = await impersonation(
        'testUser',
        scopes,
      )
      const before = (await server.audit()).length
      const shown = await server.send('GET', '/scim2/Me', undefined, headers)
      expect(await bodyOf(shown)).toMatchObject({ id: subjectId, userName: 'testUser' })
      expect((await server.audit()).length).toBe(before)
      const trace = '1a2ac914-ea61-4699-8778-ea44d2fa27c5'
      const patched = await server.send('PATCH', '/scim2/Me', country, { ...headers, activityid: trace })
      expect(patched.status).toBe(200)
      expect(await bodyOf(patched)).toMatchObject({ id: subjectId, [wso2]: { country: 'Spain' } })
      const rows = (await server.db.selectFrom('audit').selectAll().orderBy('id').execute()).slice(-2)
      expect((await server.audit()).length).toBe(before + 2)
      expect(rows).toMatchObject(
        rows.map(() => ({ actor_id: impersonatorId, impersonation_id: impersonationId, trace_id: trace })),
      )
      const lines = rows.map((row) => auditLine(row).replace(/\[\d{4}-[^\]]*\]/, '[at]'))
      expect(lines).toEqual([
        `TID: [-1234] [at] [${trace}]  INFO {AUDIT_LOG} - Initiator=${impersonatorId} Action=resource-modification-via-impersonation Target=${subjectId} Data={"ResourcePath":"/scim2/Me","clientId":"${app.clientId}","subject":"${subjectId}","scope":"internal_login internal_user_mgt_list","impersonator":"${impersonatorId}","httpMethod":"PATCH"} Outcome=AUTHORIZED`,
        `TID: [-1234] [at] [${trace}]  INFO {AUDIT_LOG} - Initiator=${subjectId} Action=Set-User-Claim-Values Target=t******r Data={"ServiceProviderName":"POSTMAN_SBA","Claims":{"http://wso2.org/claims/country":"S***n","http://wso2.org/claims/modified":"2*************************Z","profileConfiguration":"d*****t"}} Outcome=Success | Impersonator : ${impersonatorId}`,
      ])
    })

    test('a PATCH that changes nothing still leaves its one row', async () => {
      const { headers } = await impersonation('unchanged')
      await server.send('PATCH', '/scim2/Me', country, headers)
      const before = await state(server.db)
      expect((await server.send('PATCH', '/scim2/Me', country, headers)).status).toBe(200)
      const after = await state(server.db)
      expect(after).toEqual({
        ...before,
        counts: { ...before.counts, audit: (before.counts.audit ?? 0) + 1 },
      })
      expect((await server.audit()).at(-1)).toMatchObject({
        event: 'resource-modification-via-impersonation',
        outcome: 'AUTHORIZED',
      })
    })

    test.each<[Readonly<Record<string, unknown>>]>(
      [
        { op: 'replace', value: { password: 'Another@123' } },
        { op: 'replace', path: 'userName', value: 'somebody' },
        { op: 'add', value: { emails: ['x@example.com'] } },
        { op: 'replace', path: 'emails[type eq "none"].value', value: 'x@example.com' },
        { op: 'add', path: 'phoneNumbers', value: [{ type: 'mobile', value: '1' }] },
        { op: 'add', path: `${wso2}:mobileNumbers`, value: ['1'] },
        { op: 'add', path: `${wso2}:verifiedEmailAddresses`, value: ['x@example.com'] },
        { op: 'replace', path: `${wso2}:preferredMFAOption`, value: 'none' },
        { op: 'replace', path: `${wso2}:backupCodeEnabled`, value: false },
        { op: 'replace', path: `${wso2}:accountLocked`, value: true },
        { op: 'replace', path: `${wso2}:oneTimePassword`, value: '123456' },
        { op: 'replace', value: { [wso2]: { country: 'Sweden', askPassword: true } } },
        { op: 'replace', path: 'URN:SCIM:WSO2:SCHEMA:VERIFYEMAIL', value: true },
      ].map((operation) => [operation]),
    )('an impersonator is refused the whole of a request with %j', async (operation) => {
      const { headers, impersonatorId } = await impersonation('protected')
      const before = await state(server.db)
      const change = operations({ op: 'replace', path: 'title', value: 'Dr' }, operation)
      const response = await server.send('PATCH', '/scim2/Me', change, headers)
      expect(response.status).toBe(403)
      expect(await bodyOf(response)).toMatchObject({ status: '403' })
      const after = await state(server.db)
      expect(after).toEqual({
        ...before,
        counts: { ...before.counts, audit: (before.counts.audit ?? 0) + 1 },
      })
      expect((await server.audit()).at(-1)).toMatchObject({
        event: 'resource-modification-via-impersonation',
        initiator: impersonatorId,
        outcome: '403',
      })
    })

    test('a request that fails leaves its one row with the status', async () => {
      const { headers } = await impersonation('failing')
      const before = await state(server.db)
      const response = await server.send('PATCH', '/scim2/Me', operations({ op: 'remove' }), headers)
      expect(response.status).toBe(400)
      const after = await state(server.db)
      expect(after).toEqual({
        ...before,
        counts: { ...before.counts, audit: (before.counts.audit ?? 0) + 1 },
      })
      expect((await server.audit()).at(-1)).toMatchObject({ outcome: '400' })
    })

    test('ten changes by one user at once all arrive', async () => {
      const { db } = server
      const app = await application(db, { name: 'reader' })
      const id = await account(db, { userName: 'hasty' })
      const value = await userToken(db, { application: app, subjectId: id, scopes: ['internal_login'] })
      const names = Array.from({ length: 10 }, (_, index) => `field${index}`)
      await Promise.all(
        names.map(async (name) => {
          const path = `urn:scim:schemas:extension:custom:User:${name}`
          for (;;) {
            const change = operations({ op: 'add', path, value: name })
            const { status } = await server.send('PATCH', '/scim2/Me', change, bearer(value))
            if (status === 200) return
            expect(status).toBe(503)
          }
        }),
      )
      const shown = await bodyOf(await server.send('GET', '/scim2/Me', undefined, bearer(value)))
      expect(shown['urn:scim:schemas:extension:custom:User']).toEqual(
        Object.fromEntries(names.map((name) => [name, name])),
      )
    })
  })
}
