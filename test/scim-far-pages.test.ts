/** Lists of more than a thousand: far pages of a sorted list, and totals that would take much counting. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { commit, write } from '../lib/database/commit.ts'
import { rootOrganization } from '../lib/database/migrate.ts'
import { counted } from '../lib/directory/population.ts'
import { plain } from '../lib/directory/user-filter.ts'
import { countUsers } from '../lib/directory/user-total.ts'
import { addValues } from '../lib/directory/user-values.ts'
import { parseFilter } from '../lib/scim/filter.ts'
import { type Booted, boot } from './boot.ts'
import { databases } from './databases.ts'

const many = 1_100
const organizationId = rootOrganization.id

interface Page {
  readonly totalResults?: number
  readonly nextCursor?: string
  readonly Resources: readonly { readonly id: string }[]
}

describe.each(databases)('long lists on $name', (database) => {
  let server: Booted
  beforeAll(async () => {
    server = await boot(database)
    const ids = Array.from({ length: many }, () => crypto.randomUUID())
    const rows = ids.map((id, index) => {
      const at = `2026-01-01T00:00:0${index % 7}.000Z`
      const name = `far${(index * 7919) % many}`
      return {
        id,
        organization_id: organizationId,
        user_name: name,
        user_name_key: name,
        version: 1,
        attributes: '{}',
        created_at: at,
        modified_at: at,
        disabled_at: index % 100 === 0 ? at : null,
      }
    })
    const none = new Map<string, unknown>()
    const outcome = await commit(server.db, [
      write(server.db.insertInto('account').values(rows)),
      ...ids.flatMap((id) => addValues(server.db, { id, organizationId, attributes: none })),
      ...counted(server.db, 'account', organizationId, ids, 1),
    ])
    expect(outcome).toBe('committed')
  }, 30_000)
  afterAll(() => server.stop())

  const list = async (query: Record<string, string>) => {
    const asked = new URLSearchParams({ attributes: 'id', ...query })
    const response = await server.send('GET', `/scim2/Users?${asked}`)
    expect(response.status).toBe(200)
    return (await response.json()) as Page
  }

  test.each([
    ['userName', 'ascending'],
    ['userName', 'descending'],
    ['meta.created', 'ascending'],
    ['id', 'descending'],
    ['active', 'ascending'],
    ['displayName', 'descending'],
  ])('sorted by %s, %s, each page by number is where the cursors have it', async (sortBy, sortOrder) => {
    const sorted = { sortBy, sortOrder }
    const all: string[] = []
    for (let cursor: string | undefined = ''; cursor !== undefined; ) {
      const page: Page = await list({ ...sorted, count: '200', cursor })
      all.push(...page.Resources.map(({ id }) => id))
      cursor = page.nextCursor
    }
    expect([all.length, new Set(all).size]).toEqual([many + 1, many + 1])
    for (const startIndex of [1, 550, 1_000, 1_001, 1_002, 1_082, 1_083, 1_101, 1_102, 5_000]) {
      const page = await list({ ...sorted, count: '20', startIndex: String(startIndex) })
      const ids = page.Resources.map(({ id }) => id)
      expect({ startIndex, ids }).toEqual({ startIndex, ids: all.slice(startIndex - 1, startIndex + 19) })
      expect(page.totalResults).toBe(many + 1)
    }
  })

  test.each([
    ['userName sw "far"', many, undefined],
    ['userName sw "far1"', undefined, undefined],
    ['active eq true', many + 1 - 11, many + 1 - 11],
    ['active eq false', 11, 11],
    ['userName ne "far5"', many, many],
    ['displayName pr', 0, undefined],
    ['active eq true or emails co "x"', many + 1 - 11, many + 1 - 11],
  ])('the total of %s is told whole, or where not more than 50 are counted', async (text, whole, bounded) => {
    const meant = plain(parseFilter(text))
    if (typeof meant === 'boolean') throw new Error('it depends on the user')
    const total = await countUsers(server.db, organizationId, meant)
    if (whole !== undefined) expect(total).toBe(whole)
    expect((await list({ filter: text, count: '0' })).totalResults).toBe(Number(total))
    expect(await countUsers(server.db, organizationId, meant, 50)).toBe(bounded)
  })
})
