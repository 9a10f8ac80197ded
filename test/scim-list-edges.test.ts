/** Lists of users whose values are long, spelled otherwise or changed while they are read. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { commit, write } from '../lib/database/commit.ts'
import type { Db } from '../lib/database/connect.ts'
import { rootOrganization } from '../lib/database/migrate.ts'
import { findUserIds, type UserSearch } from '../lib/directory/user-list.ts'
import { type Booted, boot } from './boot.ts'
import { databases } from './databases.ts'

const custom = 'urn:scim:schemas:extension:custom:User'
const patchOp = 'urn:ietf:params:scim:api:messages:2.0:PatchOp'

describe.each(databases)('lists of users on $name', (database) => {
  let server: Booted
  beforeAll(async () => {
    server = await boot(database)
  })
  afterAll(() => server.stop())

  const send = async (method: string, path: string, body?: unknown) => {
    const response = await server.send(method, `/scim2/Users${path}`, body)
    const text = await response.text()
    return { status: response.status, body: text === '' ? {} : JSON.parse(text) }
  }
  const create = async (user: Record<string, unknown>): Promise<string> => {
    const { status, body } = await send('POST', '', user)
    expect([status, body.detail]).toEqual([201, undefined])
    return body.id
  }
  const found = async (filter: string): Promise<readonly string[]> => {
    const { status, body } = await send('GET', `?${new URLSearchParams({ filter, attributes: 'id' })}`)
    expect(status).toBe(200)
    expect(body.totalResults).toBe(body.Resources.length)
    return body.Resources.map(({ id }: { id: string }) => id)
  }
  const patch = (id: string, ...Operations: readonly unknown[]) =>
    send('PATCH', `/${id}`, { schemas: [patchOp], Operations })

  test.each([
    ['that JSON writes with six letters each', '\u0001', 1_024],
    ['of four bytes each', '😀', 512],
  ])('a cursor behind a value of characters %s is taken back', async (_, character, times) => {
    const ids = [
      await create({ userName: `first-${times}`, nickName: character.repeat(times) }),
      await create({ userName: `second-${times}`, nickName: character.repeat(times) }),
    ]
    const listed: string[] = []
    const filter = `userName ew "-${times}"`
    for (let cursor: string | undefined = ''; cursor !== undefined; ) {
      const query = new URLSearchParams({ filter, sortBy: 'nickName', count: '1', cursor })
      const { status, body } = await send('GET', `?${query}`)
      expect([status, body.detail]).toEqual([200, undefined])
      listed.push(...body.Resources.map(({ id }: { id: string }) => id))
      cursor = body.nextCursor
    }
    expect(listed.sort()).toEqual(ids.sort())
    for (const id of ids) await send('DELETE', `/${id}`)
  })

  test('a custom attribute is one, however its letters are written', async () => {
    const id = await create({ userName: 'spelled', [custom]: { Team: 'red', team: 'blue' } })
    expect((await send('GET', `/${id}`)).body[custom]).toEqual({ Team: 'blue' })
    expect(await found(`${custom}:TEAM eq "blue"`)).toEqual([id])
    expect(await found(`${custom}:team eq "red"`)).toEqual([])

    const changed = await patch(id, { op: 'replace', path: `${custom}:tEAM`, value: 'green' })
    expect([changed.status, changed.body[custom]]).toEqual([200, { Team: 'green' }])
    expect(await found(`${custom}:team pr`)).toEqual([id])

    const put = await send('PUT', `/${id}`, { userName: 'spelled', [custom]: { TEAM: 'grey' } })
    expect([put.status, put.body[custom]]).toEqual([200, { TEAM: 'grey' }])
    expect(await found(`${custom}:team eq "grey"`)).toEqual([id])

    const removed = await patch(id, { op: 'remove', path: `${custom}:team` })
    expect([removed.status, removed.body[custom]]).toEqual([200, undefined])
    expect(await found(`${custom}:team pr`)).toEqual([])
    await send('DELETE', `/${id}`)
  })

  test('several texts of one user list him once', async () => {
    const emailAddresses = ['same@x.example', 'SAME@x.example', 'other@x.example']
    const id = await create({ userName: 'several', 'urn:scim:wso2:schema': { emailAddresses } })
    const path = 'urn:scim:wso2:schema:emailAddresses'
    for (const term of ['pr', 'eq "same@x.example"', 'co "x.example"', 'sw "s"']) {
      expect(await found(`${path} ${term}`)).toEqual([id])
      const counted = await send('GET', `?${new URLSearchParams({ filter: `${path} ${term}`, count: '0' })}`)
      expect(counted.body.totalResults).toBe(1)
    }
    for (const sortOrder of ['ascending', 'descending']) {
      const { body } = await send('GET', `?sortBy=${path}&sortOrder=${sortOrder}`)
      const ids = body.Resources.map((user: { id: string }) => user.id)
      expect([ids.length, new Set(ids).size]).toEqual([body.totalResults, body.totalResults])
    }
    await send('DELETE', `/${id}`)
  })

  test('an address that has no value is shown as what it is', async () => {
    const id = await create({ userName: 'valueless', emails: [{ primary: true }] })
    expect((await send('GET', `/${id}`)).body.emails).toEqual([{ primary: true }])
    await send('DELETE', `/${id}`)
  })

  /** The database, where something happens behind the first statement that is read. */
  const interrupted = (happens: () => Promise<unknown>): Db => {
    let done = false
    return server.db.withPlugin({
      transformQuery: ({ node }) => node,
      async transformResult({ result }) {
        if (!done) {
          done = true
          await happens()
        }
        return result
      },
    })
  }
  const sortedBy = (path: string, from: number): UserSearch => ({
    sort: { path, descending: false },
    limit: 10,
    from,
  })

  test('a page behind the end is empty, also when users come while it is looked for', async () => {
    const made: string[] = []
    const db = interrupted(async () => {
      for (const n of [1, 2, 3]) made.push(await create({ userName: `comes${n}`, title: 'x' }))
    })
    const { ids } = await findUserIds(db, rootOrganization.id, sortedBy('title', 1))
    expect(ids.length).toBeLessThanOrEqual(4)
    for (const id of made) await send('DELETE', `/${id}`)
  })

  test('who loses his value while a page is read is on it once', async () => {
    const id = await create({ userName: 'loses', title: 'x' })
    const db = interrupted(() => patch(id, { op: 'remove', path: 'title' }))
    const { ids, total } = await findUserIds(db, rootOrganization.id, sortedBy('title', 0))
    expect(ids.filter((one) => one === id)).toEqual([id])
    expect(total).toBe(ids.length)
    await send('DELETE', `/${id}`)
  })

  test('users of another organization are in no list, and in no total', async () => {
    const organization = { id: crypto.randomUUID(), name: 'Other', created_at: '2026-01-01T00:00:00.000Z' }
    const row = {
      id: crypto.randomUUID(),
      organization_id: organization.id,
      user_name: 'stranger',
      user_name_key: 'stranger',
      version: 1,
      attributes: '{}',
      locked_at: organization.created_at,
      disabled_at: organization.created_at,
      created_at: organization.created_at,
      modified_at: organization.created_at,
    }
    const ofRow = { account_id: row.id, organization_id: organization.id }
    const outcome = await commit(server.db, [
      write(server.db.insertInto('organization').values(organization)),
      write(server.db.insertInto('account').values(row)),
      write(
        server.db.insertInto('account_value').values({ ...ofRow, path: 'title', item: 0, value_key: 'boss' }),
      ),
      write(server.db.insertInto('account_without').values({ ...ofRow, path: 'displayname' })),
    ])
    expect(outcome).toBe('committed')
    const strange = [
      'title eq "boss"',
      'title pr',
      'userName eq "stranger"',
      'userName eq "stranger" or title eq "boss"',
      'active eq false',
      'urn:scim:wso2:schema:accountLocked eq true',
      `id eq "${row.id}"`,
      'not (active eq true)',
    ]
    for (const filter of strange) expect({ filter, ids: await found(filter) }).toEqual({ filter, ids: [] })
    const { body: all } = await send('GET', '')
    for (const filter of ['displayName eq null', 'not (title eq "boss")', 'not (displayName pr)']) {
      expect({ filter, n: (await found(filter)).length }).toEqual({ filter, n: all.totalResults })
    }
    for (const sortBy of ['title', 'displayName', 'active', 'userName', 'id']) {
      const { body } = await send('GET', `?sortBy=${sortBy}`)
      expect([body.totalResults, body.Resources.length]).toEqual([all.totalResults, all.totalResults])
    }
  })
})
