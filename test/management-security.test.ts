/** Attacks on the management APIs: powers climbed step by step, disguises, races, and bodies made to hurt. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { sql } from 'kysely'
import { bump, commit, write } from '../lib/database/commit.ts'
import { administratorRole } from '../lib/directory/permissions.ts'
import { admin, type Booted, basic, boot } from './boot.ts'
import { databases } from './databases.ts'
import { account, application, impersonatedToken, role, userToken } from './fixtures.ts'
import { operator } from './management.ts'
import { changesOf, nothingElse } from './nothing-else.ts'
import { oidcSettings } from './scenario.ts'

const wso2 = 'urn:scim:wso2:schema'
const enterprise = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User'
const core = 'urn:ietf:params:scim:schemas:core:2.0:User'
const custom = 'urn:scim:schemas:extension:custom:User'
const applications = '/api/server/v1/applications'
const power = 'internal_user_impersonate'

type Body = Readonly<Record<string, unknown>>
type Headers = Record<string, string>
type Asked = readonly [method: string, path: string, body?: unknown]

const operations = (...list: readonly Body[]) => ({
  schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
  Operations: list,
})
const bearer = (value: string) => ({ Authorization: `Bearer ${value}` })
const verbs = (room: string, ...names: readonly string[]) => names.map((name) => `internal_${room}_${name}`)
const users = (...ids: readonly string[]) => ids.map((value) => ({ value }))

/** Values that a careless handler would stumble over. */
const nasty: readonly unknown[] = [
  null,
  true,
  false,
  -1,
  1e308,
  0.1,
  '',
  ' ',
  'x',
  'true',
  'K\u0130\u017f',
  '\u202e',
  "'; drop table account; --",
  '%_\\',
  '{"$ne":1}',
  'a@b',
  'x'.repeat(3_000),
  [],
  {},
  [[]],
  [{}],
  [null],
  ['x'],
  [1],
  { value: 'x' },
  [{ value: 'x' }],
  [{ value: 1 }, { value: null }],
  { primary: true },
  { enable: 'true' },
  { uri: 'x' },
  { type: 'APPLICATION', value: 'x' },
  { givenName: 1 },
  { toString: 'x', valueOf: null, constructor: { prototype: { polluted: 1 } } },
]

const keys = {
  user: [
    ...'schemas userName password name emails phoneNumbers active id meta roles groups ims photos addresses'.split(
      ' ',
    ),
    ...'displayName title externalId entitlements toString constructor'.split(' '),
    wso2,
    enterprise,
    custom,
    core,
    `${wso2}:accountLocked`,
    `${wso2}:country`,
  ],
  path: [
    ...'userName password name name.givenName emails emails.value ims photos active x.y.z [ ] users[ id schemas'.split(
      ' ',
    ),
    'ims[value eq "x"]',
    'ims[value eq "x"].value',
    'emails[primary eq true]',
    'name[givenName eq x]',
    'ims[]',
    'photos[toString eq x]',
    'users[value eq x]',
    'permissions',
    'displayName',
    'audience',
    `${wso2}:country`,
    `${custom}:constructor`,
    custom,
  ],
  role: 'displayName schemas audience permissions users groups id meta properties toString'.split(' '),
  application:
    'name description applicationEnabled associatedRoles claimConfiguration authenticationSequence advancedConfigurations inboundProtocolConfiguration templateId id clientId __proto__'.split(
      ' ',
    ),
  oidc: 'clientId clientSecret grantTypes callbackURLs publicClient pkce accessToken refreshToken subjectToken idToken hybridFlow logout scopeValidators allowedOrigins'.split(
    ' ',
  ),
  authorization: 'id policyIdentifier scopes'.split(' '),
  configuration: 'name description attributes operation path value'.split(' '),
  query:
    'filter $filter startIndex count attributes excludedAttributes sortBy limit offset after before'.split(
      ' ',
    ),
} as const

const anything = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...nasty) },
  { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 3 }) },
)
const objectOf = (names: readonly string[]) =>
  fc.dictionary(fc.constantFrom(...names), anything, { maxKeys: 4, noNullPrototype: true })
const patchOf = (names: readonly string[]) =>
  fc.record(
    {
      schemas: fc.constantFrom(['urn:ietf:params:scim:api:messages:2.0:PatchOp'], [], 'x'),
      Operations: fc.array(
        fc.record(
          {
            op: fc.constantFrom('add', 'replace', 'remove', 'ADD', 'move'),
            path: fc.oneof(fc.constantFrom(...keys.path), fc.constantFrom(...names)),
            value: fc.oneof(anything, objectOf(names)),
          },
          { requiredKeys: ['op'], noNullPrototype: true },
        ),
        { minLength: 1, maxLength: 4 },
      ),
    },
    { requiredKeys: ['Operations'], noNullPrototype: true },
  )

for (const database of databases) {
  describe(`attacks on the management APIs on ${database.name}`, () => {
    let server: Booted
    beforeAll(async () => {
      server = await boot(database)
    })
    afterAll(() => server.stop())

    const send = (headers: Headers, [method, path, body]: Asked) => server.send(method, path, body, headers)

    /** Each is refused, none by an error of the server's, and nothing at all is written. */
    const allRefused = async (headers: Headers, attempts: readonly Asked[]) => {
      // who signs in for the first time leaves nothing either, but is remembered
      await send(headers, ['GET', '/scim2/Me'])
      await nothingElse(server.db, {}, async () => {
        for (const attempt of attempts) {
          const { status } = await send(headers, attempt)
          const refused = status >= 400 && status < 500
          expect({ attempt: JSON.stringify(attempt).slice(0, 300), status, refused }).toMatchObject({
            refused: true,
          })
        }
      })
    }
    const operatorOf = async (name: string, permissions: readonly string[]) => {
      const headers = await operator(server, name, permissions)
      const { id } = await server.db
        .selectFrom('account')
        .select('id')
        .where('user_name', '=', name)
        .executeTakeFirstOrThrow()
      const own = await server.db
        .selectFrom('account_role')
        .select('role_id')
        .where('account_id', '=', id)
        .executeTakeFirstOrThrow()
      return { headers, id, roleId: own.role_id }
    }
    const adminId = async () => {
      const row = await server.db
        .selectFrom('account')
        .select('id')
        .where('user_name', '=', 'admin')
        .executeTakeFirstOrThrow()
      return row.id
    }
    const apiId = async (identifier: string) => {
      const row = await server.db
        .selectFrom('api_resource')
        .select('id')
        .where('identifier', '=', identifier)
        .executeTakeFirstOrThrow()
      return row.id
    }
    const create = async (body: object, headers: Headers = { Authorization: admin }) => {
      const response = await send(headers, ['POST', applications, body])
      expect(response.status).toBe(201)
      return response.headers.get('Location')?.split('/').at(-1) ?? ''
    }

    describe('nobody climbs', () => {
      test('who manages roles gets neither to Administrator nor to the permission to impersonate', async () => {
        const { db } = server
        const own = verbs('role_mgt', 'create', 'view', 'update')
        const { headers, id, roleId } = await operatorOf('climber-roles', own)
        const app = await application(db, { name: 'climbed by roles', scopes: [power] })
        const impersonators = await role(db, {
          name: 'Impersonators',
          applicationId: app.id,
          permissions: [power],
        })
        const empty = await role(db, { name: 'Empty', applicationId: app.id })
        const at = (role: string) => `/scim2/v2/Roles/${role}`
        const joining = { op: 'add', path: 'users', value: users(id) }
        const granting = { op: 'add', path: 'permissions', value: users(power) }
        await allRefused(headers, [
          ['PATCH', at(administratorRole.id), operations(joining)],
          ['PATCH', at(administratorRole.id), operations({ op: 'replace', path: 'users', value: users(id) })],
          ['PATCH', at(administratorRole.id), operations({ op: 'add', value: { Users: users(id) } })],
          ['PATCH', at(administratorRole.id), operations({ op: 'remove', path: 'users' })],
          ['PATCH', at(administratorRole.id), operations({ op: 'replace', path: 'permissions', value: [] })],
          ['PATCH', at(impersonators), operations(joining)],
          // deprived and joined in one request
          ['PATCH', at(impersonators), operations({ op: 'remove', path: 'permissions' }, joining)],
          [
            'PATCH',
            at(impersonators),
            operations({ op: 'replace', path: 'permissions', value: [] }, joining, granting),
          ],
          // one operation that is allowed beside one that is not
          ['PATCH', at(empty), operations(joining, granting)],
          ['PATCH', at(empty), operations({ op: 'replace', path: 'displayName', value: 'Mine' }, granting)],
          ['PATCH', at(empty), operations({ op: 'replace', path: 'PERMISSIONS', value: users(power) })],
          ['PATCH', at(empty), operations({ op: 'add', path: 'permissions', value: power })],
          [
            'PATCH',
            at(empty),
            operations({ op: 'add', path: 'permissions[value eq x]', value: users(power) }),
          ],
          ['PATCH', at(empty), operations({ op: 'add', value: { permissions: users(own[0] ?? '', power) } })],
          [
            'PATCH',
            at(empty),
            operations({ op: 'replace', path: 'audience', value: { type: 'organization' } }),
          ],
          [
            'PATCH',
            at(roleId),
            operations({ op: 'add', path: 'permissions', value: users('internal_user_mgt_update') }),
          ],
          ['POST', '/scim2/v2/Roles', { displayName: 'Mine', permissions: users(power), users: users(id) }],
          [
            'POST',
            '/scim2/v2/Roles',
            {
              displayName: 'Mine',
              audience: { type: 'application', value: app.id },
              permissions: users(power),
              users: users(id),
            },
          ],
          [
            'POST',
            '/scim2/v2/Roles',
            { displayName: 'Mine', audience: { type: 'organization', value: app.id }, users: users(id) },
          ],
          [
            'PATCH',
            `/scim2/Users/${id}`,
            operations({ op: 'add', path: 'roles', value: users(administratorRole.id) }),
          ],
          [
            'PATCH',
            '/scim2/Me',
            operations({ op: 'add', path: 'roles', value: users(administratorRole.id) }),
          ],
          ['PATCH', '/scim2/Me', operations({ op: 'add', value: { groups: users('x') } })],
        ])
      })

      test('who manages users takes over nobody who may more, whatever the attribute is called', async () => {
        const { db } = server
        const { headers } = await operatorOf(
          'climber-users',
          verbs('user_mgt', 'create', 'view', 'list', 'update'),
        )
        const impersonator = await account(db, { userName: 'impersonator-u', email: 'i@example.com' })
        const app = await application(db, { name: 'climbed by users', scopes: [power] })
        await role(db, {
          name: 'Impersonators',
          applicationId: app.id,
          permissions: [power],
          users: [impersonator],
        })
        const changes: readonly Body[] = [
          { op: 'replace', path: 'password', value: 'Password@123' },
          { op: 'replace', path: 'PassWord', value: 'Password@123' },
          { op: 'replace', path: ' password ', value: 'Password@123' },
          { op: 'replace', path: `${core}:password`, value: 'Password@123' },
          { op: 'replace', path: core.toUpperCase().concat(':PASSWORD'), value: 'Password@123' },
          { op: 'replace', value: { title: 'fine', PASSWORD: 'Password@123' } },
          { op: 'add', path: 'emails', value: ['evil@example.com'] },
          { op: 'replace', path: 'emails[value eq "i@example.com"].value', value: 'evil@example.com' },
          { op: 'remove', path: 'emails' },
          { op: 'replace', path: 'externalId', value: 'x' },
          { op: 'replace', path: 'active', value: false },
          { op: 'replace', value: { [wso2]: { accountLocked: true } } },
          { op: 'replace', value: { [enterprise]: { accountDisabled: 'true' } } },
          { op: 'add', path: `${wso2.toUpperCase()}:emailAddresses`, value: ['evil@example.com'] },
        ]
        const targets = [await adminId(), impersonator]
        await allRefused(
          headers,
          targets.flatMap((id) =>
            changes.flatMap((change): Asked[] => [
              ['PATCH', `/scim2/Users/${id}`, operations(change)],
              [
                'PATCH',
                `/scim2/Users/${id}`,
                operations({ op: 'add', path: 'title', value: 'fine' }, change),
              ],
            ]),
          ),
        )
        // nor does a new user come with a role
        const made = await send(headers, [
          'POST',
          '/scim2/Users',
          {
            userName: 'with-roles',
            password: 'Password@123',
            id: await adminId(),
            roles: users(administratorRole.id),
            groups: users(administratorRole.id),
          },
        ])
        expect(made.status).toBe(201)
        const { id, ...rest } = (await made.json()) as Body
        expect(id).not.toBe(await adminId())
        expect(rest).not.toHaveProperty('roles')
      })

      test('who manages applications gets no hand on one that may impersonate, nor makes one', async () => {
        const { headers, id: own } = await operatorOf('climber-applications', [
          ...verbs('application_mgt', 'create', 'view', 'update'),
          ...verbs('role_mgt', 'create', 'view', 'update'),
          'internal_user_mgt_view',
        ])
        const harmless = { ...oidcSettings, subjectToken: { enable: false } }
        const victim = await create({
          name: 'impersonating',
          inboundProtocolConfiguration: { oidc: { ...oidcSettings, clientId: 'the-victim' } },
        })
        const impersonation = await apiId('system:impersonation')
        const authorized = await server.send('POST', `${applications}/${victim}/authorized-apis`, {
          id: impersonation,
          scopes: [power],
        })
        expect(authorized.status).toBe(200)
        const mine = await create(
          { name: 'harmless', inboundProtocolConfiguration: { oidc: harmless } },
          headers,
        )
        const protocolOf = async (id: string) =>
          (await (
            await send(headers, ['GET', `${applications}/${id}/inbound-protocols/oidc`])
          ).json()) as Body
        const [theirs, ours] = [await protocolOf(victim), await protocolOf(mine)]
        const oidc = (id: string) => `${applications}/${id}/inbound-protocols/oidc`
        await allRefused(headers, [
          ['PUT', oidc(victim), { ...theirs, callbackURLs: ['https://evil.example/cb'] }],
          ['PUT', oidc(victim), { ...theirs, clientSecret: 'mine' }],
          ['PUT', oidc(victim), { ...theirs, grantTypes: ['client_credentials'] }],
          ['PUT', oidc(victim), { ...theirs, publicClient: true }],
          ['PUT', oidc(victim), { ...theirs, subjectToken: { enable: false } }],
          ['PUT', oidc(victim), theirs],
          ['PATCH', `${applications}/${victim}`, { associatedRoles: { allowedAudience: 'ORGANIZATION' } }],
          ['PATCH', `${applications}/${victim}`, { advancedConfigurations: { skipLoginConsent: true } }],
          ['PATCH', `${applications}/${victim}`, { name: 'harmless too' }],
          ['PATCH', `${applications}/${victim}`, { applicationEnabled: false }],
          ['PATCH', `${applications}/${victim}`, { inboundProtocolConfiguration: { oidc: ours } }],
          ['PUT', oidc(mine), { ...ours, subjectToken: { enable: true } }],
          ['PUT', oidc(mine), { ...ours, clientId: 'the-victim' }],
          ['PUT', oidc(mine), { ...theirs }],
          ['POST', `${applications}/${mine}/authorized-apis`, { id: impersonation, scopes: [power] }],
          [
            'POST',
            `${applications}/${mine}/authorized-apis`,
            { id: impersonation, scopes: [power], policyIdentifier: 'NO POLICY' },
          ],
          ['POST', applications, { name: 'another', inboundProtocolConfiguration: { oidc: oidcSettings } }],
          [
            'POST',
            applications,
            { name: 'twin', inboundProtocolConfiguration: { oidc: { ...harmless, clientId: 'the-victim' } } },
          ],
          [
            'POST',
            '/scim2/v2/Roles',
            {
              displayName: 'Mine',
              audience: { type: 'application', value: mine },
              permissions: users(power),
              users: users(own),
            },
          ],
        ])
      })

      test('names that look like somebody else’s are refused, of users, roles and applications', async () => {
        const headers = { Authorization: admin }
        const password = 'Password@123'
        const unseen = [
          'admin\u200b',
          'ad\u00admin',
          'ad\u2060min',
          '\u202enimda',
          'admin\ufe0f',
          '\u3164admin',
        ]
        const disguised = ['\uff41\uff44\uff4d\uff49\uff4e', 'admi\u207f', 'PRIMARY/\uff41dmin']
        const tenants = ['admin@carbon.super@carbon.super', 'somebody@carbon.super@CARBON.SUPER']
        const taken = ['ADMIN', 'Admin@carbon.super', 'primary/admin', 'PRIMARY/ADMIN@Carbon.Super']
        await allRefused(headers, [
          ...[...unseen, ...disguised, ...tenants, ...taken].map(
            (userName): Asked => ['POST', '/scim2/Users', { userName, password }],
          ),
          ...['Administrator\u200b', '\u202erotartsinimdA'].flatMap((name): Asked[] => [
            ['POST', '/scim2/v2/Roles', { displayName: name }],
            ['POST', applications, { name }],
          ]),
        ])
        const accepted = await send(headers, ['POST', '/scim2/Users', { userName: 'Zoe\u0308@x', password }])
        expect(accepted.status).toBe(201)
        await allRefused(headers, [['POST', '/scim2/Users', { userName: 'ZO\u00cb@X', password }]])
      })
    })

    test('an impersonated token gets nothing sensitive through, however the path is written', async () => {
      const { db } = server
      const scopes = ['internal_login', ...verbs('user_mgt', 'list', 'view', 'create', 'update')]
      const app = await application(db, { name: 'acting', scopes: scopes.slice(1) })
      const subjectId = await account(db, { userName: 'subject-s', email: 's@example.com' })
      const impersonatorId = await account(db, { userName: 'impersonator-s' })
      const other = await account(db, { userName: 'other-s' })
      const token = await impersonatedToken(db, { application: app, subjectId, impersonatorId, scopes })
      const [upper, kelvin] = [
        `${wso2}:accountLocked`.toUpperCase(),
        `${wso2}:totpEnabled`.replace('k', '\u212a'),
      ]
      const paths = [
        'PassWord',
        ' password',
        'password.x',
        'password[value eq x]',
        'password.value',
        `${core}:password`,
        `${core}.password`,
        core,
        `${core}:userName`,
        'USERNAME',
        'act\u0131ve',
        'ACT\u0130VE',
        'active',
        'ema\u0131ls',
        'emails',
        'emails.value',
        'emails[type eq work].value',
        'phoneNumbers[value eq x]',
        `${wso2}:emails`,
        `${enterprise}:password`,
        `${enterprise}:emailAddresses`,
        upper,
        kelvin,
        `${wso2}:oneTimePassword`,
        '__proto__',
        'constructor',
        'roles',
        'groups',
        'id',
        'schemas',
        'meta.created',
      ]
      const values = [
        ...[core, wso2, enterprise].map((schema) => ({
          [schema]: { password: 'Password@1', userName: 'x' },
        })),
        { title: 'x', 'emails.value': 'x@y' },
        { 'emails[type eq work]': ['x@y'] },
        { Password: 'Password@1' },
      ]
      const bodies = [
        ...paths.flatMap((path) => [
          operations({ op: 'replace', path, value: 'true' }),
          operations({ op: 'add', path: 'title', value: 'fine' }, { op: 'remove', path }),
          // the schemas that a resource names change nothing
          operations({ op: 'add', value: { title: 'fine', [path === 'schemas' ? 'meta' : path]: ['true'] } }),
        ]),
        ...values.map((value) => operations({ op: 'add', value })),
      ]
      const places = ['/scim2/Me', `/scim2/Users/${subjectId}`, `/scim2/Users/${other}`]
      const attempts = [
        ...places.flatMap((place) => bodies.map((body): Asked => ['PATCH', place, body])),
        ['POST', '/scim2/Users', { userName: 'made-s', password: 'Password@1' }] as const,
        ['POST', '/scim2/Users', 'not even an object'] as const,
      ]
      const seen = await nothingElse(db, { audit: { added: attempts.length } }, async () => {
        for (const attempt of attempts) {
          const { status } = await send(bearer(token.value), attempt)
          expect({ attempt, refused: status === 400 || status === 403 }).toEqual({ attempt, refused: true })
        }
      })
      for (const row of seen.changes.added.audit ?? []) expect(row.actor_id).toBe(impersonatorId)
      expect(JSON.stringify(seen.changes)).not.toContain('Password@1')
    }, 20_000)

    describe('races', () => {
      test('a change whose author loses his right while it runs is not written', async () => {
        const { db } = server
        const { headers, id, roleId } = await operatorOf('withdrawn', verbs('user_mgt', 'view', 'update'))
        const target = await account(db, { userName: 'target-w' })
        const ways = [
          // his role loses the permission, he loses the role, he is locked
          () => [
            write(
              db
                .deleteFrom('role_permission')
                .where('role_id', '=', roleId)
                .where('scope_name', '=', 'internal_user_mgt_update'),
            ),
            bump,
          ],
          () => [
            write(db.deleteFrom('account_role').where('account_id', '=', id)),
            write(
              db
                .updateTable('account')
                .set((eb) => ({ version: eb('version', '+', 1) }))
                .where('id', '=', id),
            ),
          ],
          () => [
            write(
              db
                .updateTable('account')
                .set((eb) => ({ version: eb('version', '+', 1), locked_at: new Date().toISOString() }))
                .where('id', '=', id),
            ),
          ],
        ]
        for (const way of ways) {
          await commit(db, [
            write(db.deleteFrom('role_permission').where('role_id', '=', roleId)),
            write(db.deleteFrom('account_role').where('account_id', '=', id)),
            write(
              db
                .insertInto('role_permission')
                .values(
                  verbs('user_mgt', 'view', 'update').map((scope_name) => ({ role_id: roleId, scope_name })),
                ),
            ),
            write(db.insertInto('account_role').values({ account_id: id, role_id: roleId })),
            bump,
          ])
          const title = () => crypto.randomUUID()
          const patch = () =>
            send(headers, [
              'PATCH',
              `/scim2/Users/${target}`,
              operations({ op: 'replace', path: 'title', value: title() }),
            ])
          expect((await patch()).status).toBe(200)
          const racing = Array.from({ length: 8 }, patch)
          expect(await commit(db, way())).toBe('committed')
          const acknowledged = await db
            .selectFrom('account')
            .select('attributes')
            .where('id', '=', target)
            .executeTakeFirstOrThrow()
          await Promise.all(racing)
          const after = await db
            .selectFrom('account')
            .select('attributes')
            .where('id', '=', target)
            .executeTakeFirstOrThrow()
          // what was read behind the acknowledgement is the last word
          expect(after).toEqual(acknowledged)
          expect((await patch()).status).toBeGreaterThanOrEqual(401)
        }
      })

      test('concurrent changes of one user, role or application lose nothing that was acknowledged', async () => {
        const { db } = server
        const target = await account(db, { userName: 'target-r' })
        const shared = await role(db, { name: 'Raced' })
        const app = await create({ name: 'raced application' })
        const members = await Promise.all(
          Array.from({ length: 6 }, (_, n) => account(db, { userName: `raced-${n}` })),
        )
        const until = async (asked: Asked) => {
          for (let attempt = 0; attempt < 30; attempt += 1) {
            const { status } = await server.send(...([...asked] as Parameters<Booted['send']>))
            if (status !== 503) return status
          }
          return 503
        }
        const fields = [
          'description',
          'imageUrl',
          'accessUrl',
          'logoutReturnUrl',
          'templateId',
          'templateVersion',
        ]
        const statuses = await Promise.all([
          ...members.map((_, n) =>
            until([
              'PATCH',
              `/scim2/Users/${target}`,
              operations({ op: 'add', path: `${custom}:field${n}`, value: String(n) }),
            ]),
          ),
          ...members.map((id) =>
            until([
              'PATCH',
              `/scim2/v2/Roles/${shared}`,
              operations({ op: 'add', path: 'users', value: users(id) }),
            ]),
          ),
          ...fields.map((field) => until(['PATCH', `${applications}/${app}`, { [field]: field }])),
        ])
        expect(new Set(statuses)).toEqual(new Set([200]))
        const read = async (path: string) => (await (await server.send('GET', path)).json()) as Body
        expect(await read(`/scim2/Users/${target}`)).toMatchObject({
          [custom]: Object.fromEntries(members.map((_, n) => [`field${n}`, String(n)])),
        })
        expect((await read(`/scim2/v2/Roles/${shared}`)).users).toHaveLength(members.length)
        expect(await read(`${applications}/${app}`)).toMatchObject(
          Object.fromEntries(fields.map((field) => [field, field])),
        )
        const rows = (await server.audit()).filter((row) =>
          [target, shared, app].includes(row.subject_id ?? row.target),
        )
        expect(rows.filter(({ event }) => event === 'user-claims-changed')).toHaveLength(members.length)
        expect(rows.filter(({ event }) => event === 'role-updated')).toHaveLength(members.length)
        expect(rows.filter(({ event }) => event === 'application-updated')).toHaveLength(fields.length)
      })

      test('what Basic remembers ends at once with the password, the lock and the role', async () => {
        const { headers, id, roleId } = await operatorOf('remembered', ['internal_user_mgt_list'])
        const list = async (authorization: string) =>
          (await send({ Authorization: authorization }, ['GET', '/scim2/Users?count=0'])).status
        const patch = (path: string, body: object) => server.send('PATCH', path, body)
        expect(await list(headers.Authorization)).toBe(200)
        await patch(
          `/scim2/Users/${id}`,
          operations({ op: 'replace', path: 'password', value: 'Another@123' }),
        )
        expect(await list(headers.Authorization)).toBe(401)
        const second = basic('REMEMBERED@carbon.super', 'Another@123')
        expect(await list(second)).toBe(200)
        for (const [path, on, off] of [
          [`${wso2}:accountLocked`, true, false],
          ['active', false, true],
        ] as const) {
          await patch(`/scim2/Users/${id}`, operations({ op: 'replace', path, value: on }))
          expect(await list(second)).toBe(401)
          await patch(`/scim2/Users/${id}`, operations({ op: 'replace', path, value: off }))
          expect(await list(second)).toBe(200)
        }
        await patch(`/scim2/v2/Roles/${roleId}`, operations({ op: 'remove', path: `users[value eq ${id}]` }))
        expect(await list(second)).toBe(403)
      })
    })

    describe('bodies made to hurt', () => {
      const raw = (method: string, path: string, body: string) =>
        server.request(path, {
          method,
          headers: { Authorization: admin, 'Content-Type': 'application/json' },
          body,
        })
      /** Refused quickly, by a short answer, and nothing was written. */
      const refusedSoon = async (work: () => Promise<Response>) => {
        await server.send('GET', '/scim2/Me')
        await nothingElse(server.db, {}, async () => {
          const start = performance.now()
          const response = await work()
          const took = performance.now() - start
          const text = await response.text()
          expect({ status: response.status, text: text.slice(0, 200) }).toMatchObject({ status: 400 })
          expect(text.length).toBeLessThan(20_000)
          expect(took).toBeLessThan(3_000)
        })
      }

      test('no number of operations lets a list grow until the server stands still', async () => {
        const adding = Array.from({ length: 1_000 }, (_, n) => ({
          op: 'add',
          path: 'ims',
          value: Array.from({ length: 100 }, (_, m) => `${n}${m}`),
        }))
        await refusedSoon(() => server.send('PATCH', '/scim2/Me', operations(...adding)))
        const filter = Array(130).fill('value co a').join(' and ')
        await refusedSoon(() =>
          server.send('PATCH', '/scim2/Me', operations({ op: 'remove', path: `ims[${filter}]` })),
        )
        await refusedSoon(() =>
          server.send(
            'GET',
            `/scim2/Users?filter=${encodeURIComponent(filter.replaceAll('value', 'title'))}`,
          ),
        )
      })

      test('a hundred values of an attribute can be had, and one more cannot', async () => {
        const id = await account(server.db, { userName: 'collector' })
        const add = (...values: readonly unknown[]) =>
          server.send('PATCH', `/scim2/Users/${id}`, operations({ op: 'add', path: 'ims', value: values }))
        const value = (n: number) => ({ value: `ims ${n}`, type: 'work' })
        expect((await add(...Array.from({ length: 100 }, (_, n) => value(n)))).status).toBe(200)
        // what is there already is no further value, in whatever order it is written
        expect((await add({ type: 'work', value: 'ims 7' })).status).toBe(200)
        await refusedSoon(() => add(value(100)))
      })

      test('more permissions than a statement has parameters are unknown ones all the same', async () => {
        const permissions = Array.from({ length: 70_000 }, (_, n) => `p${n}`)
        await refusedSoon(() =>
          server.send('POST', '/scim2/v2/Roles', { displayName: 'Too much', permissions }),
        )
        const people = Array.from({ length: 70_000 }, (_, n) => `u${n}`)
        await refusedSoon(() =>
          server.send('POST', '/scim2/v2/Roles', { displayName: 'Too much', users: people }),
        )
      })

      test('depth, number, NUL, broken surrogates and prototypes are refused in few words', async () => {
        const deep = (open: string, close: string, n = 10_000) => `${open.repeat(n)}1${close.repeat(n)}`
        const bodies = [
          deep('[', ']'),
          `{"Operations":[{"op":"add","path":"title","value":${deep('[', ']')}}]}`,
          `{"userName":${deep('{"a":', '}')},"name":${deep('[', ']')}}`,
          '['.repeat(500_000),
          `{"name":"a","authenticationSequence":{"requestPathAuthenticators":[${Array(300_000).fill(1)}]}}`,
          `{"name":1,"authenticationSequence":{"requestPathAuthenticators":[${Array(15_000).fill(1)}]}}`,
          '{"name":"a\\u0000b","userName":"a\\u0000b","displayName":"a\\u0000b","password":"Password@1"}',
          '{"name":"a\\ud800b","userName":"a\\ud800b","displayName":"a\\ud800b","password":"Password@1"}',
          '{"\\ud800":1,"name":"surrogate"}',
          '{"__proto__":{"userName":"proto","password":"Password@1","displayName":"x","name":"x"}}',
          '\ufeff',
          '',
          '{"name":"twice"',
        ]
        const places = [
          '/scim2/Users',
          '/scim2/v2/Roles',
          applications,
          '/api/identity/config-mgt/v1.0/resource-type',
        ]
        for (const body of bodies)
          for (const place of places) await refusedSoon(() => raw('POST', place, body))
        for (const body of bodies) await refusedSoon(() => raw('PATCH', '/scim2/Me', body))
        expect(({} as Body).userName).toBeUndefined()
      }, 20_000)

      test('paging with huge numbers and filters with wildcards and quotes find what they say', async () => {
        const id = await account(server.db, { userName: "o'neil_%" })
        const count = async (path: string, parameters: Record<string, string>) => {
          const response = await server.send('GET', `${path}?${new URLSearchParams(parameters)}`)
          const body = (await response.json()) as Body
          return response.status === 200
            ? ((body.Resources ?? body.applications) as Body[]).map((one) => one.id)
            : response.status
        }
        for (const value of ['"o\'neil_%"', "o'neil_%", '"\'NEIL_%"'].slice(0, 2))
          expect(await count('/scim2/Users', { filter: `userName eq ${value}` })).toEqual([id])
        expect(await count('/scim2/Users', { filter: 'userName co "_%"' })).toEqual([id])
        expect(await count('/scim2/Users', { filter: `userName eq "x' or '1'='1"` })).toEqual([])
        expect(await count('/scim2/Users', { filter: 'displayName co "\\\\"' })).toEqual([])
        expect(await count('/scim2/Users', { startIndex: '999999999' })).toEqual([])
        expect(await count('/scim2/Users', { startIndex: '99999999999999999999' })).toBe(400)
        expect(await count('/scim2/Users', { count: '-9' })).toEqual([])
        expect(await count(applications, { offset: '999999999', limit: '999999999' })).toEqual([])
        expect(await count(applications, { offset: '1e3' })).toBe(400)
        expect(await count(applications, { filter: "name eq x' or '1'='1" })).toEqual([])
        expect(await count(applications, { filter: 'name co %' })).toEqual([])
      })
    })

    test('whatever is sent to whatever route, no error of the server’s, and a refusal writes nothing', async () => {
      const { db } = server
      const target = await account(db, { userName: 'fuzzed' })
      const targetRole = await role(db, { name: 'Fuzzed' })
      const targetApp = await create({ name: 'fuzzed', inboundProtocolConfiguration: { oidc: oidcSettings } })
      const reader = await application(db, { name: 'fuzzing' })
      const token = await userToken(db, {
        application: reader,
        subjectId: target,
        scopes: ['internal_login'],
      })
      const to = (method: string, path: string, body: fc.Arbitrary<unknown>, headers?: Headers) =>
        fc.record({
          method: fc.constant(method),
          path: fc.constant(path),
          body: fc.oneof({ weight: 9, arbitrary: body }, { weight: 1, arbitrary: anything }),
          headers: fc.constant(headers ?? { Authorization: admin }),
        })
      const queried = (path: string) =>
        fc.record({
          method: fc.constant('GET'),
          path: fc
            .dictionary(
              fc.constantFrom(...keys.query),
              fc.oneof(
                fc.string({ maxLength: 40, unit: 'binary' }),
                fc.constantFrom(
                  '-1',
                  '0',
                  '999999999',
                  'name co x',
                  'title eq "\\u0000"',
                  'userName sw "%\\\\"',
                  'id eq x',
                ),
              ),
              { maxKeys: 3 },
            )
            .map((query) => `${path}?${new URLSearchParams(query)}`),
          body: fc.constant(undefined),
          headers: fc.constant({ Authorization: admin }),
        })
      const requests = fc.oneof(
        to('POST', '/scim2/Users', objectOf(keys.user)),
        to('PATCH', `/scim2/Users/${target}`, patchOf(keys.user)),
        to('PATCH', '/scim2/Me', patchOf(keys.user), bearer(token)),
        to('POST', '/scim2/v2/Roles', objectOf(keys.role)),
        to('PATCH', `/scim2/v2/Roles/${targetRole}`, patchOf(keys.role)),
        to('POST', applications, objectOf(keys.application)),
        to('PATCH', `${applications}/${targetApp}`, objectOf(keys.application)),
        to('PUT', `${applications}/${targetApp}/inbound-protocols/oidc`, objectOf(keys.oidc)),
        to('POST', `${applications}/${targetApp}/authorized-apis`, objectOf(keys.authorization)),
        to('POST', '/api/identity/config-mgt/v1.0/resource-type', objectOf(keys.configuration)),
        to('PATCH', '/api/server/v1/configs/impersonation', fc.array(objectOf(keys.configuration))),
        to('PUT', '/api/identity/config-mgt/v1.0/resource-type', objectOf(keys.configuration)),
        to('PUT', '/api/identity/config-mgt/v1.0/resource/IDP_TEMPLATE', objectOf(keys.configuration)),
        queried('/api/identity/config-mgt/v1.0/search'),
        ...['/scim2/Users', '/scim2/v2/Roles', applications, '/api/server/v1/api-resources', '/scim2/Me'].map(
          queried,
        ),
        queried(`${applications}/%00%ff'"`),
        queried(`/api/identity/config-mgt/v1.0/resource/%00/%ed%a0%80`),
      )
      /** All that a change could touch, in one figure each. */
      const digest = async () => {
        const { rows } =
          await sql`select (select count(*) from audit) as audit, (select n from revision) as n,
          (select sum(version) from account) as versions, (select count(*) from account) as accounts,
          (select count(*) from role) as roles, (select count(*) from account_role) as members,
          (select count(*) from application) as applications, (select max(modified_at) from account) as latest,
          (select max(modified_at) from application) as changed`.execute(db)
        return rows[0]
      }
      const until = Date.now() + 5_000
      await fc.assert(
        fc.asyncProperty(requests, async ({ method, path, body, headers }) => {
          if (Date.now() > until) return
          const before = await digest()
          const { status } = await server.send(method, path, body, headers)
          // 501 says that nothing of the kind is offered
          expect(status === 501 || status < 500).toBe(true)
          if (status >= 400 || method === 'GET') expect(await digest()).toEqual(before)
        }),
        { numRuns: 1_000 },
      )
    }, 20_000)

    test('each change has one audit row, in which neither names nor secrets are to be read', async () => {
      const password = 'Se-cret@4711'
      const one = async (event: string | undefined, ...asked: Asked) => {
        const { result, changes } = await changesOf(server.db, () => send({ Authorization: admin }, asked))
        expect([result.status, asked]).toEqual([expect.any(Number), asked])
        expect(result.status).toBeLessThan(300)
        expect((changes.added.audit ?? []).map((row) => row.event)).toEqual(
          event === undefined ? [] : [event],
        )
        return result
      }
      const userName = 'Wilhelmina'
      const made = await one('user-created', 'POST', '/scim2/Users', {
        userName,
        password,
        emails: ['wilhelmina@example.com'],
      })
      const { id } = (await made.json()) as { id: string }
      const patch = (event: string | undefined, change: Body) =>
        one(event, 'PATCH', `/scim2/Users/${id}`, operations(change))
      await patch('password-changed', { op: 'replace', path: 'password', value: `${password}!` })
      await patch('user-claims-changed', { op: 'replace', path: 'emails', value: ['hidden@example.com'] })
      await patch('user-locked', { op: 'add', path: `${wso2}:accountLocked`, value: true })
      await patch(undefined, { op: 'add', path: `${wso2}:accountLocked`, value: true })
      await patch('user-unlocked', { op: 'remove', path: `${wso2}:accountLocked` })
      const created = await one('application-created', 'POST', applications, {
        name: 'audited',
        clientSecret: password,
        inboundProtocolConfiguration: {
          oidc: { ...oidcSettings, clientId: 'audited', clientSecret: password },
        },
      })
      const path = `${applications}/${created.headers.get('Location')?.split('/').at(-1)}`
      const protocol = { ...oidcSettings, clientId: 'audited', clientSecret: password, publicClient: true }
      await one('application-protocol-updated', 'PUT', `${path}/inbound-protocols/oidc`, protocol)
      await one(undefined, 'PUT', `${path}/inbound-protocols/oidc`, protocol)
      await one('application-updated', 'PATCH', path, { description: 'x', clientSecret: password })
      const audit = await server.db.selectFrom('audit').selectAll().execute()
      const text = JSON.stringify(audit)
      for (const secret of ['Se-cret', userName, 'hidden@', 'argon2', '"userName\\":\\"admin\\"'])
        expect({ secret, found: text.includes(secret) }).toEqual({ secret, found: false })
      const { model, oidc } = await server.db
        .selectFrom('application')
        .select(['model', 'oidc'])
        .where('name', '=', 'audited')
        .executeTakeFirstOrThrow()
      expect(model + oidc).not.toContain('Se-cret')
    })
  })
}
