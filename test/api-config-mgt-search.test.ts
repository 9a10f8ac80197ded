/** The search of the configuration store: its grammar, its meaning, its refusals. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { runScript } from '../lib/database/commit.ts'
import { type Booted, boot } from './boot.ts'
import { databases } from './databases.ts'
import { expectRefusal } from './management.ts'

const base = '/api/identity/config-mgt/v1.0'

for (const database of databases) {
  describe(`the search of config-mgt on ${database.name}`, () => {
    let server: Booted
    beforeAll(async () => {
      server = await boot(database)
      await runScript(
        server.db,
        `DELETE FROM IDN_CONFIG_TYPE;
         INSERT INTO IDN_CONFIG_TYPE (ID, NAME) VALUES ('t1', 'Colours'), ('t2', 'Shapes');
         INSERT INTO IDN_CONFIG_RESOURCE (ID, TENANT_ID, NAME, CREATED_TIME, LAST_MODIFIED, HAS_FILE, HAS_ATTRIBUTE, TYPE_ID) VALUES
           ('r1', -1234, 'red', '2026-01-01 00:00:00', '2026-01-01 00:00:00', false, true, 't1'),
           ('r2', -1234, 'it''s blue', '2026-01-01 00:00:00', '2026-01-01 00:00:00', false, true, 't1'),
           ('r3', -1234, 'Square', '2026-01-01 00:00:00', '2026-01-01 00:00:00', false, false, 't2'),
           ('r4', 5, 'foreign', '2026-01-01 00:00:00', '2026-01-01 00:00:00', false, false, 't2');
         INSERT INTO IDN_CONFIG_ATTRIBUTE (ID, RESOURCE_ID, ATTR_KEY, ATTR_VALUE) VALUES
           ('a1', 'r1', 'hex', 'f00'), ('a2', 'r1', 'warm', 'yes'), ('a3', 'r2', 'hex', '00f'), ('a4', 'r2', 'warm', 'no'), ('a5', 'r2', 'nil', NULL);`,
      )
    })
    afterAll(() => server.stop())

    const search = (filter: string) =>
      server.send('GET', `${base}/search?${new URLSearchParams({ $filter: filter })}`)

    test.each([
      ["resourceTypeName eq 'Colours'", ['it’s blue', 'red']],
      ["resourceTypeId eq 't2'", ['Square']],
      ["resourceId eq 'r1'", ['red']],
      ["resourceName eq 'it''s blue'", ['it’s blue']],
      ["  (resourceName eq 'red')  ", ['red']],
      ["resourceName ne 'red'", ['it’s blue', 'Square']],
      // by bytes: capitals before small letters
      ["resourceName lt 'a'", ['Square']],
      ["resourceName gt 'a'", ['it’s blue', 'red']],
      ["resourceName ge 'red'", ['red']],
      ["resourceName le 'Square'", ['Square']],
      // of one attribute
      ["attributeKey eq 'hex' and attributeValue eq 'f00'", ['red']],
      ["attributeKey eq 'warm' and attributeValue ne 'yes'", ['it’s blue']],
      // `and` binds closer than `or`
      ["resourceName eq 'red' or resourceName eq 'Square' and resourceTypeName eq 'Colours'", ['red']],
      ["(resourceName eq 'red' or resourceName eq 'Square') and resourceTypeName eq 'Shapes'", ['Square']],
      [
        "resourceName eq 'red' or attributeValue eq '00f' or resourceTypeName eq 'Shapes'",
        ['it’s blue', 'red', 'Square'],
      ],
      ['tenantId eq -1234', ['it’s blue', 'red', 'Square']],
      ["tenantId lt 0 and tenantDomain eq 'carbon.super' and resourceName eq 'red'", ['red']],
      ["tenantDomain ge 'carbon' and resourceName eq 'red'", ['red']],
      ["tenantId eq 5 or resourceId eq 'r3'", ['Square']],
    ] as const)('it finds by %s', async (filter, names) => {
      const response = await search(filter)
      expect(response.status).toBe(200)
      const { resources } = (await response.json()) as { resources: { resourceName: string }[] }
      expect(resources.map(({ resourceName }) => resourceName.replace("'", '’'))).toEqual([...names])
    })

    test('what finds more than 1,000 resources is refused, and a narrower filter goes on', async () => {
      const rows = Array.from(
        { length: 1_000 },
        (_, n) =>
          `('m${n}', -1234, 'many${String(n).padStart(4, '0')}', '2026-01-01 00:00:00', '2026-01-01 00:00:00', false, false, 't3')`,
      )
      await runScript(
        server.db,
        `INSERT INTO IDN_CONFIG_TYPE (ID, NAME) VALUES ('t3', 'Many');
         INSERT INTO IDN_CONFIG_RESOURCE (ID, TENANT_ID, NAME, CREATED_TIME, LAST_MODIFIED, HAS_FILE, HAS_ATTRIBUTE, TYPE_ID) VALUES ${rows.join(', ')};`,
      )
      const all = await search("resourceTypeName eq 'Many'")
      expect(((await all.json()) as { resources: unknown[] }).resources).toHaveLength(1_000)
      await expectRefusal(server, () => search("resourceTypeName eq 'Many' or resourceName eq 'red'"), {
        status: 400,
        code: 'CONFIGM_00018',
        description: /more than 1000 resources/,
      })
      const rest = await search(
        "resourceTypeName eq 'Many' and resourceName gt 'many0997' or resourceName eq 'red'",
      )
      const { resources } = (await rest.json()) as { resources: { resourceName: string }[] }
      expect(resources.map(({ resourceName }) => resourceName)).toEqual(['red', 'many0998', 'many0999'])
      await runScript(
        server.db,
        "DELETE FROM IDN_CONFIG_RESOURCE WHERE TYPE_ID = 't3'; DELETE FROM IDN_CONFIG_TYPE WHERE ID = 't3'",
      )
    })

    test('it answers whole resources, each once', async () => {
      const response = await search(
        "attributeKey eq 'nil' or attributeKey eq 'hex' and attributeValue eq '00f'",
      )
      expect(await response.json()).toEqual({
        resources: [
          {
            resourceId: 'r2',
            tenantDomain: 'carbon.super',
            resourceName: "it's blue",
            resourceType: 'Colours',
            lastModified: '2026-01-01T00:00:00.000+0000',
            created: '2026-01-01T00:00:00.000+0000',
            attributes: [
              { key: 'hex', value: '00f' },
              { key: 'nil', value: null },
              { key: 'warm', value: 'no' },
            ],
            files: [],
          },
        ],
      })
    })

    const syntax = 'Search query syntax error'
    const none = 'Resources does not exists.'
    const many = (n: number, joint: string) => Array(n).fill("resourceId eq 'x'").join(` ${joint} `)
    const nested = (n: number) => `${'('.repeat(n)}resourceId eq 'x'${')'.repeat(n)}`
    test.each([
      ["resourceName eq 'nothing'", 404, 'CONFIGM_00020', none],
      ['tenantId eq 5', 404, 'CONFIGM_00020', none],
      ["tenantDomain ne 'carbon.super'", 404, 'CONFIGM_00020', none],
      ["resourceName eq 'x'' or ''1'' eq ''1'", 404, 'CONFIGM_00020', none],
      ["attributeValue eq '%'", 404, 'CONFIGM_00020', none],
      [many(50, 'or'), 404, 'CONFIGM_00020', none],
      [nested(20), 404, 'CONFIGM_00020', none],
      ['', 400, 'CONFIGM_00023', syntax],
      ['   ', 400, 'CONFIGM_00023', syntax],
      ["resourceName eq 'x", 400, 'CONFIGM_00023', syntax],
      ["resourceName eq 'x' and", 400, 'CONFIGM_00023', syntax],
      ["resourceName eq 'x' resourceId eq 'y'", 400, 'CONFIGM_00023', syntax],
      ["resourceName co 'x'", 400, 'CONFIGM_00023', syntax],
      ["not resourceName eq 'x'", 400, 'CONFIGM_00023', syntax],
      ["(resourceName eq 'x'", 400, 'CONFIGM_00023', syntax],
      ["resourceName eq 'x')", 400, 'CONFIGM_00023', syntax],
      ['()', 400, 'CONFIGM_00023', syntax],
      ["resourceName eq 'x'; drop table account", 400, 'CONFIGM_00023', syntax],
      ['resourceName eq 1x', 400, 'CONFIGM_00023', syntax],
      ["'x' eq resourceName", 400, 'CONFIGM_00023', syntax],
      [
        "nonsense eq 'x'",
        404,
        'CONFIGM_00021',
        'Search query property: nonsense is either invalid or not found in the permitted properties.',
      ],
      ["ResourceName eq 'x'", 404, 'CONFIGM_00021', /ResourceName/],
      ["__proto__ eq 'x'", 404, 'CONFIGM_00021', /__proto__/],
      ["constructor eq 'x'", 404, 'CONFIGM_00021', /constructor/],
      [
        "tenantId eq '-1234'",
        400,
        'CONFIGM_00022',
        "Search query syntax error in the condition: tenantId eq '-1234'.",
      ],
      ['tenantId eq 1.5', 400, 'CONFIGM_00022', /1\.5/],
      ['tenantId eq 99999999999999999999', 400, 'CONFIGM_00022', /99999/],
      [
        'resourceName eq 5',
        400,
        'CONFIGM_00022',
        'Search query syntax error in the condition: resourceName eq 5.',
      ],
      ['resourceName eq null', 400, 'CONFIGM_00022', /resourceName eq null/],
      [many(51, 'and'), 400, 'CONFIGM_00015', 'Too large SQL query length.'],
      [`resourceName eq '${'x'.repeat(4_000)}'`, 400, 'CONFIGM_00015', 'Too large SQL query length.'],
      [nested(21), 400, 'CONFIGM_00018', 'Search request validation failed. Invalid search filter.'],
      ["resourceName eq '\0'", 400, 'CONFIGM_00018', /Invalid search filter/],
    ] as const)('it refuses %s', async (filter, status, code, description) => {
      const body = await expectRefusal(server, () => search(filter), { status, code, description })
      expect(body.message).toBe(status === 404 ? 'Not Found' : 'Bad Request')
    })

    test('it refuses no filter, and two of them', async () => {
      const get = (query: string) => () => server.send('GET', `${base}/search${query}`)
      await expectRefusal(server, get(''), { status: 400, code: 'CONFIGM_00023' })
      await expectRefusal(server, get('?filter=x'), { status: 400, code: 'CONFIGM_00023' })
      await expectRefusal(server, get('?$filter=%ff%fe'), { status: 400, code: 'CONFIGM_00023' })
      const twice = "?$filter=resourceId+eq+'r1'&$filter=resourceId+eq+'r2'"
      await expectRefusal(server, get(twice), { status: 400, code: 'CONFIGM_00018' })
    })
  })
}
