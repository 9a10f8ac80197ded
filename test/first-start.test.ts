/** What a start brings into the database, once, and never twice. */
import { describe, expect, test } from 'bun:test'
import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { open } from '../lib/commands/open.ts'
import { type Config, parse } from '../lib/config.ts'
import { close, commit, write } from '../lib/database/commit.ts'
import type { DatabaseConfig } from '../lib/database/connect.ts'
import { rootOrganization } from '../lib/database/migrate.ts'
import { administratorRole } from '../lib/directory/permissions.ts'
import { systemApis } from '../lib/directory/system-apis.ts'
import { createLog } from '../lib/log.ts'
import { verifyPassword } from '../lib/sign-in/password.ts'
import { databases, temporaryDirectory } from './databases.ts'
import { stateOf } from './management.ts'

const log = createLog({ level: 'silent', format: 'text' })
const shipped = await Bun.file(new URL('../deployment.toml', import.meta.url)).text()

const configure = (database: DatabaseConfig, directory: string, toml = shipped): Config => ({
  ...parse(toml, join(directory, 'deployment.toml'), { variables: {} }).config,
  database,
})

const api = (identifier: string, type: string, scopes: readonly string[], more = '') => `
[[api_resources]]
name = "Books"
identifier = "${identifier}"
requiresAuthorization = false
description = "Books"
type = "${type}"
${more}
${scopes.map((scope) => `[[api_resources.scopes]]\nname = "${scope}"\ndisplayName = "${scope}"\ndescription = "d"`).join('\n')}
`

for (const database of databases) {
  describe(`the first start on ${database.name}`, () => {
    /** Starts, looks, and closes again. */
    const during = async <Result>(
      config: Config,
      look: (opened: Awaited<ReturnType<typeof open>>) => Promise<Result>,
    ): Promise<Result> => {
      const opened = await open(config, log)
      try {
        return await look(opened)
      } finally {
        await close(opened.db)
      }
    }

    const administrators = (db: Awaited<ReturnType<typeof open>>['db']) =>
      db
        .selectFrom('account_role')
        .innerJoin('account', 'account.id', 'account_role.account_id')
        .selectAll('account')
        .where('role_id', '=', administratorRole.id)
        .execute()

    test('it makes the administrator with every permission, and a second start writes nothing', async () => {
      const config = configure(await database.create(), temporaryDirectory())
      const first = await during(config, async ({ db, administratorCreated }) => {
        expect(administratorCreated).toBe(true)
        const [account, ...others] = await administrators(db)
        expect(others).toEqual([])
        expect(account).toMatchObject({
          user_name: 'admin',
          user_name_key: 'admin',
          organization_id: rootOrganization.id,
          version: 1,
          locked_at: null,
          disabled_at: null,
          password_shipped_at: account?.created_at,
        })
        expect(account?.password_hash).toStartWith('$argon2id$')
        expect(await verifyPassword('admin', account?.password_hash ?? null)).toBe(true)
        const role = await db
          .selectFrom('role')
          .selectAll()
          .where('id', '=', administratorRole.id)
          .executeTakeFirst()
        expect(role).toMatchObject({
          name: 'Administrator',
          audience_type: 'organization',
          audience_id: rootOrganization.id,
        })
        const scopes = await db.selectFrom('scope').select('name').orderBy('name').execute()
        const held = await db
          .selectFrom('role_permission')
          .select('scope_name as name')
          .where('role_id', '=', administratorRole.id)
          .orderBy('scope_name')
          .execute()
        expect(held).toEqual(scopes)
        expect(held.map(({ name }) => name)).toContain('internal_user_impersonate')
        expect(held.map(({ name }) => name)).not.toContain('internal_org_user_impersonate')
        const rows = await db.selectFrom('audit').select(['event', 'initiator', 'data']).execute()
        const events = rows.map(({ event }) => event)
        for (const event of ['api-resource-created', 'role-created', 'user-created'])
          expect(events.filter((name) => name === event)).toHaveLength(1)
        expect(rows.every(({ initiator }) => initiator === 'system')).toBe(true)
        expect(JSON.stringify(rows)).not.toContain('argon2')
        return stateOf({ db })
      })
      const second = await during(config, async ({ db, administratorCreated }) => {
        expect(administratorCreated).toBe(false)
        return stateOf({ db })
      })
      expect(second).toEqual(first)
    })

    test('every built-in API is there with its scopes', async () => {
      const config = configure(await database.create(), temporaryDirectory())
      await during(config, async ({ db }) => {
        const rows = await db
          .selectFrom('api_resource')
          .innerJoin('scope', 'scope.api_resource_id', 'api_resource.id')
          .select(['identifier', 'scope.name', 'type', 'authorization_required_at as required'])
          .execute()
        const stored = Map.groupBy(rows, ({ identifier }) => identifier)
        for (const { identifier, type, scopes } of systemApis) {
          const found = stored.get(identifier) ?? []
          expect(found.map(({ name }) => name).sort()).toEqual(scopes.map(({ name }) => name).sort())
          expect(found.every((row) => row.type === type && row.required !== null)).toBe(true)
        }
        expect(stored.size).toBe(systemApis.length + 1)
      })
    })

    test('the configured definition goes first, new scopes and types are taken over, disabled ones are not', async () => {
      const target = await database.create()
      const directory = temporaryDirectory()
      const start = (toml: string) =>
        during(
          configure(target, directory, `[database.identity_db]\ntype = "sqlite"\n${toml}`),
          async ({ db }) => ({
            state: await stateOf({ db }),
            resources: await db
              .selectFrom('api_resource')
              .selectAll()
              .where('name', '=', 'Books')
              .orderBy('id')
              .execute(),
            scopes: await db
              .selectFrom('scope')
              .innerJoin('api_resource', 'api_resource.id', 'scope.api_resource_id')
              .select(['scope.name', 'identifier'])
              .where('api_resource.name', '=', 'Books')
              .orderBy('scope.name')
              .execute(),
          }),
        )
      const one = await start(
        api('books', 'BUSINESS', ['readBooking', 'internal_bulk_resource_create']) +
          api('/scim2/Groups', 'BUSINESS', ['groups']) +
          api('off', 'BUSINESS', ['off'], 'disabled = true'),
      )
      expect(
        one.resources.map(({ identifier, type, authorization_required_at }) => [
          identifier,
          type,
          authorization_required_at,
        ]),
      ).toEqual([
        ['books', 'BUSINESS', null],
        ['/scim2/Groups', 'BUSINESS', null],
      ])
      expect(one.scopes).toEqual([
        { name: 'groups', identifier: '/scim2/Groups' },
        { name: 'internal_bulk_resource_create', identifier: 'books' },
        { name: 'readBooking', identifier: 'books' },
      ])
      const two = await start(
        api('books', 'MCP', ['readBooking', 'writeBooking', 'internal_bulk_resource_create']) +
          api('/scim2/Groups', 'BUSINESS', ['groups']),
      )
      expect(two.resources[0]).toMatchObject({ identifier: 'books', type: 'MCP' })
      expect(two.scopes.map(({ name }) => name)).toContain('writeBooking')
      expect(two.state).toEqual({
        ...one.state,
        scope: (one.state.scope ?? 0) + 1,
        role_permission: (one.state.role_permission ?? 0) + 1,
        audit: (one.state.audit ?? 0) + 2,
        revision: (one.state.revision ?? 0) + 2,
      })
    })

    test('two starts at once end with one administrator', async () => {
      const target = await database.create()
      const directory = temporaryDirectory()
      const configs = [configure(target, directory), configure(target, directory)]
      const opened = await Promise.all(configs.map((config) => open(config, log)))
      try {
        expect(opened.filter(({ administratorCreated }) => administratorCreated)).toHaveLength(1)
        for (const { db } of opened) expect(await administrators(db)).toHaveLength(1)
      } finally {
        for (const { db } of opened) await close(db)
      }
    })

    test('no account without create_admin_account, and a password of his own is not marked as shipped', async () => {
      const target = await database.create()
      const directory = temporaryDirectory()
      const start = (lines: string) => {
        const toml = `[super_admin]\nusername = "Root"\npassword = "Own@12345"\n${lines}`
        return during(configure(target, directory, toml), ({ db }) => administrators(db))
      }
      expect(await start('create_admin_account = false')).toEqual([])
      const [account] = await start('')
      expect(account).toMatchObject({ user_name: 'Root', user_name_key: 'root', password_shipped_at: null })
    })

    test('a start without the key that the database was written with makes no other one', async () => {
      const config = configure(await database.create(), temporaryDirectory())
      await during(config, async () => {})
      const { keyFile } = config.encryption
      rmSync(keyFile)
      await expect(open(config, log)).rejects.toThrow(
        `the key is missing that this database was written with: ${keyFile}`,
      )
      expect(existsSync(keyFile)).toBe(false)
    })

    test('a new password in deployment.toml takes the place of the shipped one, once, and of no other', async () => {
      const target = await database.create()
      const directory = temporaryDirectory()
      const start = (password: string) =>
        during(
          configure(target, directory, shipped.replace('password = "admin"', `password = "${password}"`)),
          async ({ db }) => {
            const [account] = await administrators(db)
            const rows = await db
              .selectFrom('audit')
              .select(['initiator', 'target', 'outcome'])
              .where('event', '=', 'password-changed')
              .execute()
            return { account, rows, state: await stateOf({ db }) }
          },
        )
      const first = await start('admin')
      expect([first.account?.password_shipped_at === null, first.rows]).toEqual([false, []])
      const second = await start('Own@12345')
      const { id = '', password_hash: hash = null } = second.account ?? {}
      expect(second.rows).toEqual([{ initiator: 'system', target: id, outcome: 'Success' }])
      expect([second.account?.password_shipped_at, second.account?.version]).toEqual([null, 2])
      expect([await verifyPassword('Own@12345', hash), await verifyPassword('admin', hash)]).toEqual([
        true,
        false,
      ])
      const third = await start('Another@12345')
      expect(third.account?.password_hash).toBe(hash)
      expect(third.state).toEqual(second.state)
    })

    test('an account that is there is never touched', async () => {
      const target = await database.create()
      const directory = temporaryDirectory()
      const without = `[super_admin]\ncreate_admin_account = false\n${shipped.replace('[super_admin]', '')}`
      const none = configure(target, directory, without.replace(/^username.*\n^password.*\n/m, ''))
      await during({ ...none, superAdmin: { ...none.superAdmin, create: false } }, async ({ db }) => {
        const time = new Date().toISOString()
        const row = {
          id: 'u1',
          organization_id: rootOrganization.id,
          user_name: 'ADMIN',
          user_name_key: 'admin',
          version: 4,
          attributes: '{}',
          created_at: time,
          modified_at: time,
        }
        expect(await commit(db, [write(db.insertInto('account').values(row))])).toBe('committed')
      })
      await during(configure(target, directory), async ({ db, administratorCreated }) => {
        expect(administratorCreated).toBe(false)
        expect(await administrators(db)).toEqual([])
        expect(await db.selectFrom('account').select(['id', 'version']).execute()).toEqual([
          { id: 'u1', version: 4 },
        ])
      })
    })
  })
}
