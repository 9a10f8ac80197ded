/** Lists sorted by what nearly everybody has show those who lack it, too, whatever becomes of their attributes. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { type Booted, boot } from './boot.ts'
import { databases } from './databases.ts'

interface Resource {
  readonly id: string
  readonly displayName?: string
  readonly name?: { readonly givenName?: string; readonly familyName?: string }
  readonly emails?: readonly (string | { readonly value?: string; readonly primary?: boolean })[]
}

const some = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined })
const letter = fc.constantFrom('a', 'b', 'C')
const attributes = fc.record({
  displayName: some(letter),
  name: some(fc.record({ givenName: some(letter), familyName: some(letter) })),
  emails: some(
    fc.array(
      letter.map((one) => ({ value: `${one}@x.example`, type: 'work' })),
      { maxLength: 2 },
    ),
  ),
})
const steps = fc.array(
  fc.record({
    of: fc.nat(3),
    how: fc.constantFrom('put', 'patch', 'patch', 'bulk', 'end'),
    to: attributes,
    what: fc.nat(14),
  }),
  { minLength: 1, maxLength: 8 },
)
const operations = [
  ...['displayName', 'name', 'name.familyName', 'emails', 'emails[type eq "work"]'].map((path) => ({
    op: 'remove',
    path,
  })),
  { op: 'replace', path: 'displayName', value: null },
  { op: 'replace', path: 'DISPLAYNAME', value: '' },
  { op: 'add', path: 'displayName', value: ' ' },
  { op: 'replace', value: { name: { familyName: null, givenName: 'B' } } },
  { op: 'add', path: 'urn:ietf:params:scim:schemas:core:2.0:User:name.familyName', value: '' },
  { op: 'replace', path: 'emails', value: [] },
  { op: 'replace', path: 'emails[type eq "work"].value', value: null },
  { op: 'add', path: 'emails', value: [{ type: 'home', primary: true }] },
  { op: 'add', path: 'emails', value: [{ value: 'z@x.example', type: 'other', primary: true }] },
  { op: 'remove', path: 'emails', value: [{ value: 'z@x.example' }] },
]
const patchOp = 'urn:ietf:params:scim:api:messages:2.0:PatchOp'
const bulkRequest = 'urn:ietf:params:scim:api:messages:2.0:BulkRequest'

const emailOf = ({ emails }: Resource) => {
  const all = emails ?? []
  const first = all.find((entry) => typeof entry !== 'string' && entry.primary === true) ?? all[0]
  return typeof first === 'string' ? first : first?.value
}
/** That he has no address at all, also none behind a primary entry without a value. */
const nowhere = ({ emails }: Resource) =>
  (emails ?? []).every((entry) => typeof entry !== 'string' && entry.value === undefined)
const lacking: readonly (readonly [string, (user: Resource) => string | undefined])[] = [
  ['displayname', (user) => user.displayName || undefined],
  ['emails.value', emailOf],
  ['name.familyname', (user) => user.name?.familyName || undefined],
  ['name.givenname', (user) => user.name?.givenName],
]

describe.each(databases)('sorted lists on $name', (database) => {
  let server: Booted
  beforeAll(async () => {
    server = await boot(database)
  })
  afterAll(() => server.stop())

  const send = async (method: string, path: string, body?: unknown) => {
    const response = await server.send(method, `/scim2${path}`, body)
    const text = await response.text()
    return { status: response.status, body: text === '' ? {} : JSON.parse(text) }
  }

  test('whoever gains, loses or lacks an attribute, or goes, is where he belongs', async () => {
    let made = 0
    await fc.assert(
      fc.asyncProperty(
        fc.array(attributes, { minLength: 4, maxLength: 4 }),
        steps,
        async (people, changes) => {
          const ids: string[] = []
          for (const person of people) {
            made += 1
            const { status, body } = await send('POST', '/Users', { userName: `lacks${made}`, ...person })
            expect(status).toBe(201)
            ids.push(body.id)
          }
          for (const { of, how, to, what } of changes) {
            const path = `/Users/${ids[of]}`
            const { body } = await send('GET', path)
            const change = { schemas: [patchOp], Operations: [operations[what]] }
            const answer = await (how === 'put'
              ? send('PUT', path, { userName: body.userName ?? 'gone', ...to })
              : how === 'end'
                ? send('DELETE', path)
                : how === 'patch'
                  ? send('PATCH', path, change)
                  : send('POST', '/Bulk', {
                      schemas: [bulkRequest],
                      Operations: [{ method: 'PATCH', path, data: change }],
                    }))
            expect([200, 204, 400, 404]).toContain(answer.status)
          }
          const all: readonly Resource[] = (await send('GET', '/Users?count=200')).body.Resources
          const rows = await server.db.selectFrom('account_without').select(['path', 'account_id']).execute()
          const written = rows.map(({ path, account_id }) => `${path} ${account_id}`).sort()
          const meant = all.flatMap((user) =>
            lacking.filter(([, of]) => of(user) === undefined).map(([path]) => `${path} ${user.id}`),
          )
          expect(written).toEqual(meant.sort())
          for (const [path, of] of lacking) {
            const { body } = await send('GET', `/Users?filter=${path}%20eq%20null&count=200`)
            const none = path === 'emails.value' ? nowhere : (user: Resource) => of(user) === undefined
            expect([path, body.totalResults]).toEqual([path, all.filter(none).length])
          }
          for (const sortOrder of ['ascending', 'descending']) {
            const { body } = await send(
              'GET',
              `/Users?sortBy=name.familyName&sortOrder=${sortOrder}&count=200`,
            )
            const list = body.Resources as readonly Resource[]
            expect(list.map(({ id }) => id).sort()).toEqual(all.map(({ id }) => id).sort())
          }
          for (const id of ids) await send('DELETE', `/Users/${id}`)
        },
      ),
      { numRuns: 12 },
    )
  }, 30_000)
})
