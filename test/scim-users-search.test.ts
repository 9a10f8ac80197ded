import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { commit, write } from '../lib/database/commit.ts'
import { rootOrganization } from '../lib/database/migrate.ts'
import { type Booted, boot, origin } from './boot.ts'
import { databases } from './databases.ts'
import { role } from './fixtures.ts'

type Body = Record<string, unknown>
const wso2 = 'urn:scim:wso2:schema'
const enterprise = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User'
const core = 'urn:ietf:params:scim:schemas:core:2.0:User'

const people = [
  {
    userName: 'anna',
    name: { givenName: 'Anna', familyName: 'Ärmel' },
    title: 'Dr_50%',
    externalId: 'X-1',
    emails: [
      { value: 'anna@work.example', type: 'work', primary: true },
      { value: 'anna@home.example', type: 'home' },
    ],
    [enterprise]: { department: 'Sales', manager: { value: 'M1' } },
  },
  {
    userName: 'Bert',
    name: { givenName: 'Bert', familyName: 'Zimmer' },
    externalId: 'x-1',
    emails: [
      { value: 'bert@home.example', type: 'work' },
      { value: 'bert@work.example', type: 'home' },
    ],
    [wso2]: { accountLocked: true, country: 'Spain' },
  },
  { userName: 'carl', name: { familyName: 'Meier' }, active: false, [wso2]: { country: 'SPAIN' } },
  { userName: 'dora', 'urn:scim:schemas:extension:custom:User': { team: `red ${'é'.repeat(900)}` } },
] as const

for (const database of databases) {
  describe(`searching users on ${database.name}`, () => {
    let server: Booted
    const ids = new Map<string, string>()
    let groupId = ''
    beforeAll(async () => {
      server = await boot(database)
      for (const person of people) {
        const response = await server.send('POST', '/scim2/Users', { ...person, password: 'Password@123' })
        expect(response.status).toBe(201)
        const { id } = (await response.json()) as { id: string }
        ids.set(person.userName, id)
      }
      groupId = crypto.randomUUID()
      const at = new Date().toISOString()
      const members = ['anna', 'carl'].map((name) => ({ account_id: ids.get(name) ?? '', group_id: groupId }))
      const roleId = await role(server.db, { name: 'Sellers', users: [ids.get('Bert') ?? ''] })
      await role(server.db, { name: 'ÉLITE', users: [ids.get('Bert') ?? ''] })
      const group = { id: groupId, organization_id: rootOrganization.id, name: 'Staff', name_key: 'staff' }
      await commit(server.db, [
        write(server.db.insertInto('user_group').values({ ...group, created_at: at, modified_at: at })),
        write(server.db.insertInto('group_member').values(members)),
        write(server.db.insertInto('group_role').values({ group_id: groupId, role_id: roleId })),
      ])
    })
    afterAll(() => server.stop())

    const list = async (query: Record<string, string>) => {
      const response = await server.send('GET', `/scim2/Users?${new URLSearchParams(query)}`)
      const body = (await response.json()) as Body & {
        totalResults?: number
        nextCursor?: string
        Resources: { userName: string; id: string }[]
      }
      expect([response.status, body.detail]).toEqual([200, undefined])
      return { ...body, names: body.Resources.map(({ userName }) => userName) }
    }
    const names = async (filter: string) =>
      (await list({ filter })).names.filter((name) => name !== 'admin').sort()

    test.each<[string, readonly string[]]>([
      ['userName eq "ANNA"', ['anna']],
      ['userName eq "PRIMARY/anna"', ['anna']],
      ['roles.display eq "ÉLITE"', ['Bert']],
      ['roles[display sw "Éli"]', ['Bert']],
      [`${enterprise}:manager eq "M1"`, ['anna']],
      [`${enterprise}:manager pr and not (${enterprise}:manager ne "M1")`, ['anna']],
      ['userName eq "anna@carbon.super"', ['anna']],
      ['userName eq "anna" or userName eq "bert"', ['Bert', 'anna']],
      ['userName eq "anna" or emails eq "bert@work.example"', ['Bert', 'anna']],
      ['userName sw "a" and not (userName eq "admin")', ['anna']],
      ['userName gt "b" and userName lt "carm"', ['Bert', 'carl']],
      ['userName ge "carl" and userName le "dora"', ['carl', 'dora']],
      ['not (userName pr)', []],
      [`${core}:userName eq "anna"`, ['anna']],
      [`${core}:name.familyName sw "är"`, ['anna']],
      ['name.familyName co "IMM"', ['Bert']],
      ['name.familyName ew "er"', ['Bert', 'carl']],
      ['name.familyName pr', ['Bert', 'anna', 'carl']],
      ['name pr and not (name.givenName pr)', ['carl']],
      ['name.givenName eq null and name.familyName ne null', ['carl']],
      ['name.familyName ne "Meier" and name.familyName pr', ['Bert', 'anna']],
      ['title eq "dr_50%"', ['anna']],
      ['title co "_5"', ['anna']],
      ['title co "r%"', []],
      // case counts here (RFC 7643 §3.1)
      ['externalId eq "X-1"', ['anna']],
      ['externalId sw "x"', ['Bert']],
      ['emails eq "ANNA@home.example"', ['anna']],
      ['emails.value co "@work."', ['Bert', 'anna']],
      ['emails[type eq "work" and value co "@work"]', ['anna']],
      ['emails[type eq "home" and value co "@work"]', ['Bert']],
      ['emails[type eq "home"].value co "@work"', ['Bert']],
      ['emails[not (type eq "work") and value sw "anna"]', ['anna']],
      ['emails[type eq "other" or value eq "bert@home.example"]', ['Bert']],
      ['emails[primary eq true]', ['anna']],
      ['emails[primary eq false and type eq "work"]', ['Bert']],
      ['emails[display pr]', []],
      ['emails pr', ['Bert', 'anna']],
      ['emails.type eq "work" and emails.value eq "anna@home.example"', ['anna']],
      ['active eq false', ['carl']],
      ['active eq true and userName ne "admin"', ['Bert', 'anna', 'dora']],
      ['active ne true', ['carl']],
      [`${wso2}:accountLocked eq true`, ['Bert']],
      [`${wso2}:accountDisabled eq "true"`, ['carl']],
      [`${wso2}:country eq "spain" and (active eq false or userName eq "nobody")`, ['carl']],
      [`${enterprise}:department eq sales`, ['anna']],
      [`${enterprise}:manager.value eq "M1"`, ['anna']],
      [`${enterprise}:manager.value eq "m1"`, []],
      ['urn:scim:schemas:extension:custom:User:team sw "RED "', ['dora']],
      [`urn:scim:schemas:extension:custom:User:team eq "red ${'É'.repeat(900)}"`, ['dora']],
      [`urn:scim:schemas:extension:custom:User:team eq "red ${'é'.repeat(899)}"`, []],
      ['groups.display eq "STAFF"', ['anna', 'carl']],
      ['groups pr', ['anna', 'carl']],
      ['groups[display sw "st"]', ['anna', 'carl']],
      ['not (groups.display eq "staff") and userName ne "admin"', ['Bert', 'dora']],
      // his own, and through the group
      ['roles.display eq "sellers"', ['Bert', 'anna', 'carl']],
      ['roles[display eq "sellers" and audienceType eq "organization"]', ['Bert', 'anna', 'carl']],
      ['meta.resourceType eq "User" and userName eq "anna"', ['anna']],
      ['meta.created gt "2020-01-01" and userName eq "anna"', ['anna']],
      ['meta.lastModified lt "2020-01-01T00:00:00+01:00"', []],
      [`userName eq "x' or '1'='1"`, []],
      ['name.familyName eq "%"', []],
      [`${'('.repeat(19)}userName eq "anna"${')'.repeat(19)}`, ['anna']],
      ['USERNAME Eq "anna" AND Active EQ true', ['anna']],
    ])('%s', async (filter, expected) => {
      expect(await names(filter)).toEqual([...expected])
    })

    test('a user is found by his id and by that of his group', async () => {
      expect(await names(`id eq "${ids.get('anna')}"`)).toEqual(['anna'])
      expect(await names(`groups.value eq "${groupId}"`)).toEqual(['anna', 'carl'])
      expect(await names(`groups eq "${groupId}" and userName sw "c"`)).toEqual(['carl'])
    })

    test('a page shows groups and roles of each user, own and inherited ones once', async () => {
      const { Resources } = await list({ filter: 'userName eq "anna"' })
      expect(Resources[0]).toMatchObject({
        groups: [{ value: groupId, display: 'Staff', $ref: `${origin}/scim2/Groups/${groupId}` }],
        roles: [{ display: 'Sellers' }],
      })
      const bare = await list({ filter: 'userName eq "anna"', excludedAttributes: 'groups,roles' })
      expect(bare.Resources[0]).not.toHaveProperty('groups')
      expect(bare.Resources[0]).not.toHaveProperty('roles')
    })

    test.each<[string, string, readonly string[]]>([
      ['userName', 'ascending', ['admin', 'anna', 'Bert', 'carl', 'dora']],
      ['userName', 'descending', ['dora', 'carl', 'Bert', 'anna', 'admin']],
      ['meta.created', 'ascending', ['admin', 'anna', 'Bert', 'carl', 'dora']],
      ['meta.lastModified', 'descending', ['dora', 'carl', 'Bert', 'anna', 'admin']],
      ['id', 'ascending', ['admin', 'anna', 'Bert', 'carl', 'dora']],
    ])('sorted by %s %s, whole and page by page', async (sortBy, sortOrder, expected) => {
      expect((await list({ sortBy, sortOrder })).names).toEqual([...expected])
      expect((await list({ sortBy, sortOrder, startIndex: '2', count: '2' })).names).toEqual(
        expected.slice(1, 3),
      )
    })

    // who has no value comes last, first when the order is turned round (RFC 7644 §3.4.2.3)
    test.each<[string, string, readonly string[], readonly string[]]>([
      ['name.familyName', 'ascending', ['carl', 'Bert', 'anna'], ['admin', 'dora']],
      ['emails', 'ascending', ['anna', 'Bert'], ['admin', 'carl', 'dora']],
    ])('sorted by %s with users who have none', async (sortBy, _, having, lacking) => {
      expect((await list({ sortBy })).names).toEqual([...having, ...lacking])
      const reversed = [...having, ...lacking].reverse()
      expect((await list({ sortBy, sortOrder: 'descending' })).names).toEqual(reversed)
      for (const startIndex of ['2', '3', '4', '5']) {
        const at = Number(startIndex) - 1
        expect((await list({ sortBy, startIndex, count: '1' })).names).toEqual(
          [...having, ...lacking].slice(at, at + 1),
        )
        expect((await list({ sortBy, sortOrder: 'descending', startIndex, count: '1' })).names).toEqual(
          reversed.slice(at, at + 1),
        )
      }
      expect(await list({ sortBy, startIndex: '9' })).toMatchObject({ totalResults: 5, Resources: [] })
    })

    test.each<[Record<string, string>]>([
      [{}],
      [{ filter: 'userName pr' }],
      [{ filter: 'userName ge "a"' }],
      [{ sortBy: 'userName', sortOrder: 'descending' }],
      [{ sortBy: 'name.familyName' }],
      [{ sortBy: 'name.familyName', sortOrder: 'descending' }],
      [{ sortBy: 'emails', filter: 'userName ne "admin"' }],
      [{ sortBy: 'meta.created', filter: 'emails pr or userName eq "dora"' }],
    ])('by cursor %j every user comes once and in order', async (query) => {
      const whole = await list(query)
      const seen: string[] = []
      let cursor: string | undefined = ''
      let first = true
      while (cursor !== undefined) {
        const page: Awaited<ReturnType<typeof list>> = await list({ ...query, count: '2', cursor })
        expect(page.totalResults).toBe(first ? whole.totalResults : undefined)
        expect(page).not.toHaveProperty('startIndex')
        seen.push(...page.names)
        expect(seen.length).toBeLessThan(10)
        cursor = page.nextCursor
        first = false
      }
      expect(seen).toEqual(whole.names)
    })

    test('a cursor of another list is refused', async () => {
      const { nextCursor } = (await list({ sortBy: 'userName', count: '1', cursor: '' })) as Body
      const query = new URLSearchParams({ sortBy: 'id', cursor: String(nextCursor) })
      const response = await server.send('GET', `/scim2/Users?${query}`)
      expect(response.status).toBe(400)
      expect(await response.json()).toMatchObject({ scimType: 'invalidCursor' })
    })

    test('unfiltered pages tell the exact total, whatever the page', async () => {
      for (const startIndex of ['-3', '0', '1', '3', '5', '6', '999999999']) {
        const page = await list({ startIndex, count: '1' })
        expect(page.totalResults).toBe(5)
        expect(page.names).toHaveLength(Number(startIndex) > 5 ? 0 : 1)
      }
      expect(new Set((await list({})).names).size).toBe(5)
      expect(await list({ count: '0' })).toMatchObject({ totalResults: 5, itemsPerPage: 0, Resources: [] })
    })

    test('a search by POST is the list', async () => {
      const body = {
        schemas: ['urn:ietf:params:scim:api:messages:2.0:SearchRequest'],
        filter: 'emails[type eq "work"]',
        sortBy: 'userName',
        sortOrder: 'descending',
        attributes: ['userName'],
        startIndex: 1,
        count: 1,
        domain: 'PRIMARY',
      }
      const response = await server.send('POST', '/scim2/Users/.search', body)
      expect(response.status).toBe(200)
      expect(await response.json()).toEqual({
        totalResults: 2,
        startIndex: 1,
        itemsPerPage: 1,
        schemas: ['urn:ietf:params:scim:api:messages:2.0:ListResponse'],
        Resources: [{ schemas: expect.any(Array), id: ids.get('Bert'), userName: 'Bert' }],
      })
    })

    test.each<[Body, string]>([
      [{ schemas: ['urn:example'] }, 'invalidSyntax'],
      [{ shoeSize: 42 }, 'invalidSyntax'],
      [{ filter: 42 }, 'invalidValue'],
      [{ filter: 'x' }, 'invalidFilter'],
      [{ attributes: [42] }, 'invalidValue'],
      [{ count: 'many' }, 'invalidValue'],
      [{ count: 1.5 }, 'invalidValue'],
      [{ sortBy: ['userName'] }, 'invalidValue'],
      [{ cursor: 'x' }, 'invalidCursor'],
      [{ domain: 'OTHER' }, 'invalidValue'],
    ])('the search %j is refused', async (body, scimType) => {
      const response = await server.send('POST', '/scim2/Users/.search', body)
      expect(response.status).toBe(400)
      expect(await response.json()).toMatchObject({ scimType, status: '400' })
    })
  })
}
