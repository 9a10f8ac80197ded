/** The API resources of deployment.toml meet those that were made by REST; and the built-in ones have WSO2's scopes. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { bump, commit, write } from '../lib/database/commit.ts'
import { systemApis } from '../lib/directory/system-apis.ts'
import { type Booted, boot } from './boot.ts'
import { databases } from './databases.ts'
import { application } from './fixtures.ts'
import { expectRefusal } from './management.ts'

const path = '/api/server/v1/api-resources'
const crud = ['view', 'create', 'update', 'delete']
const users = ['view', 'list', 'create', 'update', 'delete']
const sharing = ['share', 'unshare', 'shared_access_view']
const prefixed = (prefix: string, verbs: readonly string[]) => verbs.map((verb) => `${prefix}_${verb}`)

test.each([
  ['/scim2/Users', 'TENANT', prefixed('internal_user_mgt', users)],
  ['/scim2/Groups', 'TENANT', prefixed('internal_group_mgt', crud)],
  ['/scim2/Roles', 'TENANT', prefixed('internal_role_mgt', crud)],
  ['/scim2/Bulk', 'TENANT', ['internal_bulk_resource_create']],
  [
    '/api/server/v1/applications',
    'TENANT',
    [
      ...prefixed('internal_application_mgt', crud),
      ...prefixed('internal_application_mgt_client_secret', ['view', 'create', 'delete']),
      ...prefixed('internal_application', ['internal_api_update', 'business_api_update', 'script_update']),
    ],
  ],
  [
    '/api/server/v1/applications/share',
    'TENANT',
    prefixed('internal_shared_application', ['view', 'create', 'delete']),
  ],
  ['/api/server/v1/api-resources', 'TENANT', prefixed('internal_api_resource', crud)],
  ['/api/server/v1/configs', 'TENANT', prefixed('internal_config', ['view', 'update'])],
  [
    '/api/identity/config-mgt/v1.0',
    'TENANT',
    prefixed('internal_config_mgt', ['list', 'view', 'add', 'update', 'delete']),
  ],
  ['/api/server/v1/organizations', 'TENANT', prefixed('internal_organization', crud)],
  ['/api/server/v1/users', 'TENANT', prefixed('internal_user', sharing)],
  ['/o/scim2/Users', 'ORGANIZATION', prefixed('internal_org_user_mgt', users)],
  ['/o/scim2/Groups', 'ORGANIZATION', prefixed('internal_org_group_mgt', crud)],
  ['/o/scim2/Roles', 'ORGANIZATION', prefixed('internal_org_role_mgt', crud)],
  ['/o/api/server/v1/applications', 'ORGANIZATION', prefixed('internal_org_application_mgt', crud)],
  ['/o/api/server/v1/organizations', 'ORGANIZATION', prefixed('internal_org_organization', crud)],
  ['/o/api/server/v1/users', 'ORGANIZATION', prefixed('internal_org_user', sharing)],
  [
    '/o/api/server/v1/guests/invitation',
    'ORGANIZATION',
    prefixed('internal_org_guest_mgt_invite', ['add', 'list', 'delete']),
  ],
  ['/api/server/v(.*)/email/template-types', 'TENANT', prefixed('internal_email_mgt', crud)],
  ['/api/server/v1/notification', 'TENANT', prefixed('internal_template_mgt', crud)],
  ['/api/server/v(.*)/notification-senders', 'TENANT', prefixed('internal_notification_senders', crud)],
  ['/api/users/v1/(.*)sessions', 'TENANT', prefixed('internal_session', ['view', 'delete'])],
  ['/oauth2/introspect', 'TENANT', ['internal_oauth2_introspect']],
  ['/api/identity/oauth2/dcr/v1.1/register', 'TENANT', prefixed('internal_dcr', crud)],
])('the built-in API %s is of type %s and has its scopes', (identifier, type, scopes) => {
  const found = systemApis.find((api) => api.identifier === identifier)
  expect(found?.type).toBe(type)
  expect(found?.requiresAuthorization).toBe(true)
  // some routes of ours need more than WSO2 has
  expect(found?.scopes.map(({ name }) => name)).toEqual(expect.arrayContaining([...scopes]))
})

test('no built-in API gives the permission to impersonate: deployment.toml does', () => {
  const names = systemApis.flatMap(({ scopes }) => scopes.map(({ name }) => name))
  expect(names.filter((name) => name.includes('impersonate'))).toEqual([])
  expect(new Set(names).size).toBe(names.length)
})

const defined = (identifier: string, scopes: readonly string[]) => `
[[api_resources]]
name = "Library"
identifier = "${identifier}"
description = "The library"
type = "TENANT"
${scopes.map((scope) => `[[api_resources.scopes]]\nname = "${scope}"\n`).join('')}`

for (const database of databases) {
  describe(`deployment.toml after REST on ${database.name}`, () => {
    let server: Booted
    beforeAll(async () => {
      server = await boot(database)
    })
    afterAll(() => server.stop())

    const create = async (identifier: string, scopes: readonly string[]) => {
      const response = await server.send('POST', path, {
        name: 'Made by REST',
        identifier,
        requiresAuthorization: false,
        scopes: scopes.map((name) => ({ name })),
      })
      expect(response.status).toBe(201)
      return ((await response.json()) as { id: string }).id
    }
    const restart = async (toml: string) => {
      const other = await boot(database, { beside: server, toml })
      await other.stop()
    }

    test('an API resource that it defines becomes a system API, and is open to nobody any more', async () => {
      const { db } = server
      const id = await create('library', ['lend'])
      const { id: applicationId } = await application(db, {
        name: 'reader',
        scopes: ['lend'],
        policy: 'NO POLICY',
      })
      await restart(defined('library', ['internal_library_manage']))
      const row = await db
        .selectFrom('api_resource')
        .selectAll()
        .where('id', '=', id)
        .executeTakeFirstOrThrow()
      expect(row).toMatchObject({ type: 'TENANT', name: 'Made by REST', edition: 2 })
      expect(row.authorization_required_at).not.toBeNull()
      const scopes = await db
        .selectFrom('scope')
        .select('name')
        .where('api_resource_id', '=', id)
        .orderBy('name')
        .execute()
      expect(scopes.map(({ name }) => name)).toEqual(['internal_library_manage', 'lend'])
      const { policy } = await db
        .selectFrom('application_api')
        .select('policy')
        .where('application_id', '=', applicationId)
        .executeTakeFirstOrThrow()
      expect(policy).toBe('RBAC')
      for (const method of ['PATCH', 'DELETE'] as const)
        await expectRefusal(
          server,
          () => server.send(method, `${path}/${id}`, method === 'PATCH' ? { name: 'Mine' } : undefined),
          { status: 403, code: 'API-RESOURCE-60012' },
        )
      const updated = await db
        .selectFrom('audit')
        .selectAll()
        .where('event', '=', 'api-resource-updated')
        .execute()
      expect(updated.map((one) => [one.initiator, JSON.parse(one.data)])).toEqual([
        [
          'system',
          {
            updated: [
              {
                identifier: 'library',
                addedScopes: ['internal_library_manage'],
                fromType: 'BUSINESS',
                toType: 'TENANT',
              },
            ],
          },
        ],
      ])
      const before = await db.selectFrom('api_resource').selectAll().orderBy('id').execute()
      await restart(defined('library', ['internal_library_manage']))
      expect(await db.selectFrom('api_resource').selectAll().orderBy('id').execute()).toEqual(before)
    })

    test('a scope that another API resource has stays there, and so does who has it', async () => {
      const { db } = server
      const id = await create('archive', ['archive.read'])
      await restart(defined('museum', ['archive.read', 'museum.read']))
      const owners = await db
        .selectFrom('scope')
        .innerJoin('api_resource', 'api_resource.id', 'scope.api_resource_id')
        .select(['scope.name', 'identifier', 'api_resource.id'])
        .where('scope.name', 'in', ['archive.read', 'museum.read'])
        .orderBy('scope.name')
        .execute()
      expect(owners.map(({ name, identifier }) => [name, identifier])).toEqual([
        ['archive.read', 'archive'],
        ['museum.read', 'museum'],
      ])
      expect(owners[0]?.id).toBe(id)
    })

    test('one whose identifier a client goes by is not stored, nor are its scopes, until the client gives it up', async () => {
      const { db } = server
      const { id } = await application(db, { name: 'harbour client' })
      const named = async (client_id: string) => {
        const update = db.updateTable('application').set({ client_id }).where('id', '=', id)
        expect(await commit(db, [write(update), bump])).toBe('committed')
      }
      await named('https://harbour.example')
      const known = (await db.selectFrom('audit').select('id').execute()).length
      const stored = async () =>
        db
          .selectFrom('scope')
          .innerJoin('api_resource', 'api_resource.id', 'scope.api_resource_id')
          .select(['scope.name', 'identifier'])
          .where('scope.name', 'like', 'harbour%')
          .execute()
      const toml = defined('https://harbour.example', ['harbour.enter'])
      await restart(toml)
      expect(await stored()).toEqual([])
      expect(await db.selectFrom('audit').select('id').execute()).toHaveLength(known)
      await named('harbour-client')
      await restart(toml)
      expect(await stored()).toMatchObject([{ identifier: 'https://harbour.example' }])
    })

    test('what it makes is found at once by a server that runs, and what REST removes does not come back', async () => {
      await restart(defined('theatre', ['theatre.play']))
      const list = await server.send('GET', `${path}?filter=identifier+eq+theatre`)
      expect(((await list.json()) as { totalResults: number }).totalResults).toBe(1)
      const id = await create('cinema', ['cinema.play'])
      expect((await server.send('DELETE', `${path}/${id}`)).status).toBe(204)
      await restart('')
      const left = await server.db
        .selectFrom('scope')
        .select('name')
        .where('name', '=', 'cinema.play')
        .execute()
      expect(left).toEqual([])
    })
  })
}
