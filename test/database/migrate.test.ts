/** The first start of a database, and what is refused later. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { close, commit, readRevision, runScript, write } from '../../lib/database/commit.ts'
import { connect, type DatabaseConfig, type Db } from '../../lib/database/connect.ts'
import { generate } from '../../lib/database/generate.ts'
import { migrate, rootOrganization, SchemaVersionError, schemaVersion } from '../../lib/database/migrate.ts'
import { databases } from '../databases.ts'

const now = new Date('2026-01-02T03:04:05.678Z')

/** The documentation's line for Postgres, literally. */
const documented = `INSERT INTO IDN_CONFIG_TYPE (ID, NAME, DESCRIPTION) VALUES ('3e5b1f91-72d8-4fbc-94d1-1b9a4f8c3b07', 'IMPERSONATION_CONFIGURATION', 'A resource type to keep the tenant impersonation preferences.');`

const freshTypes = {
  '9ab0ef95-13e9-4ed5-afaf-d29bed62f7bd': 'IDP_TEMPLATE',
  '3c4ac3d0-5903-4e3d-aaca-38df65b33bfd': 'APPLICATION_TEMPLATE',
  '8ec6dbf1-218a-49bf-bc34-0d2db52d151c': 'CORS_CONFIGURATION',
  '669b99ca-cdb0-44a6-8cae-babed3b585df': 'Publisher',
  '73f6d9ca-62f4-4566-bab9-2a930ae51ba8': 'BRANDING_PREFERENCES',
}

const typesOf = async (db: Db) => {
  const rows = await db.selectFrom('idn_config_type').select(['id', 'name']).execute()
  return Object.fromEntries(rows.map(({ id, name }) => [id, name]))
}

for (const database of databases) {
  describe(`migrating ${database.name}`, () => {
    let config: DatabaseConfig
    let db: Db

    beforeAll(async () => {
      config = await database.create()
      db = await connect(config)
    })
    afterAll(() => close(db))

    test('an empty database gets the tables and their first rows, once', async () => {
      expect(await migrate(db, now)).toBe('created')
      expect(await migrate(db, new Date('2027-01-01T00:00:00.000Z'))).toBe('current')
      expect(await db.selectFrom('meta').selectAll().execute()).toEqual([
        { name: 'schema_version', value: String(schemaVersion) },
      ])
      expect(await db.selectFrom('organization').selectAll().execute()).toEqual([
        { ...rootOrganization, parent_id: null, created_at: now.toISOString() },
      ])
      expect(await readRevision(db)).toBeGreaterThan(0)
    })

    test('the configuration types of a fresh server are there, and not the one that the operator adds', async () => {
      expect(await typesOf(db)).toEqual(freshTypes)
    })

    test('the documented INSERT runs as it is, and a repeat fails and changes nothing', async () => {
      const n = await readRevision(db)
      await runScript(db, documented)
      const added = db
        .selectFrom('idn_config_type')
        .selectAll()
        .where('name', '=', 'IMPERSONATION_CONFIGURATION')
      const rows = [
        {
          id: '3e5b1f91-72d8-4fbc-94d1-1b9a4f8c3b07',
          name: 'IMPERSONATION_CONFIGURATION',
          description: 'A resource type to keep the tenant impersonation preferences.',
        },
      ]
      expect(await added.execute()).toEqual(rows)
      expect(await readRevision(db)).toBe(n + 1)

      const error = await runScript(db, documented).then(undefined, (reason: unknown) => reason)
      expect(String(error)).toMatch(/unique/i)
      expect(await added.execute()).toEqual(rows)
      expect(Object.keys(await typesOf(db))).toHaveLength(6)
      expect(await readRevision(db)).toBe(n + 1)
    })

    test('servers that start at once agree on one creation', async () => {
      const fresh = await database.create()
      const servers = await Promise.all(Array.from({ length: 4 }, () => connect(fresh)))
      const answers = await Promise.all(servers.map((server) => migrate(server, now)))
      expect(answers.sort()).toEqual(['created', 'current', 'current', 'current'])
      for (const server of servers) {
        expect(await typesOf(server)).toEqual(freshTypes)
        expect(await server.selectFrom('organization').select('id').execute()).toHaveLength(1)
        await close(server)
      }
    })

    test('a database of another version is refused, with the way to go', async () => {
      const setVersion = (version: number) => {
        const update = db.updateTable('meta').set({ value: String(version) })
        return commit(db, [write(update.where('name', '=', 'schema_version'))])
      }
      const refusal = () => migrate(db, now).then(undefined, (error: unknown) => error)

      await setVersion(schemaVersion - 1)
      const older = await refusal()
      expect(older).toBeInstanceOf(SchemaVersionError)
      expect(older).toHaveProperty(
        'message',
        `the database has schema version ${schemaVersion - 1}, this mayact needs ${schemaVersion}: it is from before the first release and is not upgraded, begin with an empty one`,
      )
      await setVersion(schemaVersion + 1)
      const newer = await refusal()
      expect(newer).toBeInstanceOf(SchemaVersionError)
      expect(newer).toHaveProperty(
        'message',
        `the database has schema version ${schemaVersion + 1}, this mayact knows ${schemaVersion}: it was written by a newer mayact, start that one`,
      )
      await setVersion(schemaVersion)
      expect(await migrate(db, now)).toBe('current')
    })
  })
}

test('lib/database/schema.ts is what schema.sql says', async () => {
  const root = new URL('../../', import.meta.url)
  const script = await Bun.file(new URL('schema.sql', root)).text()
  expect(await Bun.file(new URL('lib/database/schema.ts', root)).text()).toBe(await generate(script))
})
