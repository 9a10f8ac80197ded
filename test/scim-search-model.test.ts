/** Every filter and every order means the same to both databases as to a naive look at the users in memory. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { type Booted, boot } from './boot.ts'
import { databases } from './databases.ts'

type Entry = Readonly<Record<string, string | boolean>>
interface Resource {
  readonly id: string
  readonly userName: string
  readonly active: boolean
  readonly meta: { readonly created: string; readonly lastModified: string }
  readonly [name: string]: unknown
}
interface Term {
  readonly text: string
  holds(user: Resource): boolean
}

const core = 'urn:ietf:params:scim:schemas:core:2.0:User'
const enterprise = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User'
const wso2 = 'urn:scim:wso2:schema'
const custom = 'urn:scim:schemas:extension:custom:User'

// what is a wildcard, an escape, a quote or more than one unit somewhere
const letters = ['a', 'A', 'b', 'B', 'é', 'É', '%', '_', '\\', '"', "'", ' ', '(', ']', '😀', '�', 'ß']
const someText = (from = letters, most = 3) =>
  fc.array(fc.constantFrom(...from), { minLength: 1, maxLength: most }).map((parts) => parts.join(''))
const nameLetters = ['a', 'A', 'b', 'é', '_', '\\', '"', '(', '.']
const address = fc
  .tuple(someText(['a', 'A', 'é', '%', '_']), fc.constantFrom('x.example', 'Y.example'))
  .map((parts) => parts.join('@'))
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined })
const type = maybe(fc.constantFrom('work', 'Work', 'home'))

const onePrimary = (entries: readonly Entry[]): readonly Entry[] => {
  const first = entries.findIndex(({ primary }) => primary === true)
  // one without a type is shown as its value alone, which does not say that it is primary
  return entries.map((entry, index) =>
    index === first ? { type: 'work', ...entry } : { ...entry, primary: false },
  )
}
const entriesOf = (entry: fc.Arbitrary<Record<string, unknown>>) =>
  fc
    .array(entry, { maxLength: 3 })
    .map((entries) => onePrimary(JSON.parse(JSON.stringify(entries)) as Entry[]))

const person = fc.record({
  title: maybe(someText()),
  displayName: maybe(someText()),
  externalId: maybe(someText()),
  active: fc.boolean(),
  name: maybe(fc.record({ givenName: maybe(someText()), familyName: maybe(someText(letters, 1)) })),
  emails: entriesOf(fc.record({ value: address, type, display: maybe(someText()), primary: fc.boolean() })),
  addresses: entriesOf(fc.record({ locality: someText(), type, primary: fc.boolean() })),
  [enterprise]: maybe(fc.record({ department: maybe(someText()) })),
  [wso2]: fc.record({
    country: maybe(someText(letters, 1)),
    accountLocked: fc.boolean(),
    emailAddresses: maybe(fc.array(fc.oneof(address, someText(letters, 1)), { maxLength: 3 })),
  }),
  [custom]: maybe(fc.record({ team: someText(letters, 1) })),
})

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const small = (text: string) => text.normalize('NFC').toLowerCase()
const bytes = (one: string, other: string) => Buffer.compare(Buffer.from(one), Buffer.from(other))

/** The values of a place, the first one of the primary entry first; and how case counts there. */
interface Place {
  readonly path: string
  readonly exact?: boolean
  values(user: Resource): readonly unknown[]
  /** What a list is sorted by: that of the first entry alone. */
  first?(user: Resource): readonly unknown[]
}
const partOf = (user: Resource, ...names: readonly string[]) =>
  names.reduce<unknown>((value, name) => (isObject(value) ? value[name] : undefined), user)
const single = (path: string, ...names: readonly string[]): Place => ({
  path,
  values: (user) => [partOf(user, ...names)].filter((value) => value !== undefined),
})
const entries = (user: Resource, name: string): readonly Entry[] => {
  const all = ((user[name] ?? []) as readonly (Entry | string)[]).map((entry) =>
    // the primary address comes back as WSO2's clients wrote it
    typeof entry === 'string' ? { value: entry } : entry,
  )
  return all.toSorted((one, other) => Number(other.primary === true) - Number(one.primary === true))
}
const several = (path: string, name: string, sub: string, exact = false): Place => ({
  path,
  exact,
  values: (user) => entries(user, name).flatMap((entry) => entry[sub] ?? []),
  first: (user) => [entries(user, name)[0]?.[sub]],
})
/** An attribute whose values have no parts. */
const bare = (path: string, ...names: readonly string[]): Place => {
  const values = (user: Resource) => (partOf(user, ...names) ?? []) as readonly unknown[]
  return { path, values, first: (user) => values(user).slice(0, 1) }
}

const texts: readonly Place[] = [
  single('userName', 'userName'),
  single('title', 'title'),
  single('displayName', 'displayName'),
  { ...single('externalId', 'externalId'), exact: true },
  single('name.givenName', 'name', 'givenName'),
  single('name.familyName', 'name', 'familyName'),
  single(`${enterprise}:department`, enterprise, 'department'),
  single(`${wso2}:country`, wso2, 'country'),
  single(`${custom}:team`, custom, 'team'),
  bare(`${wso2}:emailAddresses`, wso2, 'emailAddresses'),
  several('emails', 'emails', 'value'),
  several('emails.value', 'emails', 'value'),
  several('emails.type', 'emails', 'type'),
  several('emails.display', 'emails', 'display'),
  several('addresses.locality', 'addresses', 'locality'),
  several('groups.display', 'groups', 'display'),
  several('groups', 'groups', 'value', true),
]

const operators = ['eq', 'ne', 'co', 'sw', 'ew', 'gt', 'ge', 'lt', 'le'] as const
type Operator = (typeof operators)[number]
const compares = (operator: Operator, left: string, right: string): boolean =>
  ({
    eq: left === right,
    ne: left !== right,
    co: left.includes(right),
    sw: left.startsWith(right),
    ew: left.endsWith(right),
    gt: bytes(left, right) > 0,
    ge: bytes(left, right) >= 0,
    lt: bytes(left, right) < 0,
    le: bytes(left, right) <= 0,
  })[operator]

const anyCase = (text: string) =>
  fc.constantFrom(
    text,
    text.toUpperCase(),
    text.toLowerCase(),
    `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`,
  )
const written = (path: string) => {
  const names = path.startsWith('urn:') ? [path] : [path, `${core}:${path}`]
  return fc.constantFrom(...names).chain(anyCase)
}
const quoted = (value: string) =>
  /^[ab]+$/i.test(value) ? fc.constantFrom(value, JSON.stringify(value)) : fc.constant(JSON.stringify(value))

const comparison = (place: Place, value: string): fc.Arbitrary<Term> =>
  fc
    .record({ operator: fc.constantFrom(...operators), path: written(place.path), value: quoted(value) })
    .chain((asked) => anyCase(asked.operator).map((word) => ({ ...asked, word })))
    .map(({ operator, path, word, value: literal }) => {
      const key = place.exact ? (text: string) => text : small
      const some = (user: Resource, by: Operator) =>
        place.values(user).some((one) => compares(by, key(String(one)), key(value)))
      return {
        text: `${path} ${word} ${literal}`,
        holds: (user) => (operator === 'ne' ? !some(user, 'eq') : some(user, operator)),
      }
    })

const presence = (place: Place): fc.Arbitrary<Term> =>
  fc
    .record({ path: written(place.path), way: fc.constantFrom('pr', 'ne null', 'eq null') })
    .map(({ path, way }) => ({
      text: `${path} ${way}`,
      holds: (user) => place.values(user).length > 0 === (way !== 'eq null'),
    }))

const truths: readonly [string, (user: Resource) => boolean][] = [
  ['active', ({ active }) => active],
  [`${wso2}:accountLocked`, (user) => partOf(user, wso2, 'accountLocked') === true],
  [`${wso2}:accountDisabled`, ({ active }) => !active],
  ['emails.primary', (user) => entries(user, 'emails').some(({ primary }) => primary === true)],
]
const truth: fc.Arbitrary<Term> = fc
  .record({
    of: fc.constantFrom(...truths),
    operator: fc.constantFrom('eq', 'ne'),
    value: fc.constantFrom('true', 'false', '"True"', '"false"'),
  })
  .chain(({ of: [path, is], operator, value }) =>
    written(path).map((name) => ({
      text: `${name} ${operator} ${value}`,
      holds: (user) => is(user) === (value.toLowerCase().includes('true') === (operator === 'eq')),
    })),
  )

const joined = (
  term: (tie: (user: Term) => Term) => fc.Arbitrary<Term>,
  depth: number,
): fc.Arbitrary<Term> => {
  const leaf = term((one) => one)
  if (depth === 0) return leaf
  const inner = joined(term, depth - 1)
  const group = (one: Term) => `(${one.text})`
  return fc.oneof(
    { weight: 3, arbitrary: leaf },
    {
      weight: 1,
      arbitrary: inner.map((one) => ({
        text: `not ${group(one)}`,
        holds: (user: Resource) => !one.holds(user),
      })),
    },
    {
      weight: 2,
      arbitrary: fc
        .record({ one: inner, other: inner, word: fc.constantFrom('and', 'AND', 'or') })
        .map(({ one, other, word }) => ({
          text: `${group(one)} ${word} ${group(other)}`,
          holds: (user: Resource) =>
            word === 'or' ? one.holds(user) || other.holds(user) : one.holds(user) && other.holds(user),
        })),
    },
    {
      weight: 1,
      // without parentheses and goes before or
      arbitrary: fc.tuple(leaf, leaf, leaf).map(([one, two, three]) => ({
        text: `${one.text} or ${two.text} and ${three.text}`,
        holds: (user: Resource) => one.holds(user) || (two.holds(user) && three.holds(user)),
      })),
    },
  )
}

/** A filter on the entries of one attribute, which has them as users of their own. */
const inBrackets = (
  name: string,
  subs: readonly string[],
  values: fc.Arbitrary<string>,
): fc.Arbitrary<Term> => {
  const place = (sub: string): Place => ({
    path: sub,
    exact: name === 'groups' && sub === 'value',
    values: (entry) => [entry[sub]].filter((value) => value !== undefined),
  })
  const inside = (one: Term): Term => ({ ...one, text: one.text.replace(new RegExp(`${core}:`, 'gi'), '') })
  const leaf = fc.oneof(
    fc.tuple(fc.constantFrom(...subs), values).chain(([sub, value]) => comparison(place(sub), value)),
    fc.constantFrom(...subs).chain((sub) => presence(place(sub))),
  )
  const filter = joined(() => leaf.map(inside), 1)
  return fc.tuple(filter, written(name)).map(([inner, path]) => ({
    text: `${path}[${inner.text}]`,
    holds: (user) => entries(user, name).some((entry) => inner.holds(entry as unknown as Resource)),
  }))
}

const sortable = [
  ...texts.filter(({ path }) => !path.startsWith('groups')),
  { ...single('id', 'id'), exact: true },
  single('active', 'active'),
  single(`${wso2}:accountLocked`, wso2, 'accountLocked'),
]

describe.each(databases)('filters and orders on $name', (database) => {
  let server: Booted
  let users: readonly Resource[] = []
  let values: fc.Arbitrary<string>
  let instants: readonly string[] = []

  const list = async (query: Record<string, string>) => {
    const response = await server.send('GET', `/scim2/Users?${new URLSearchParams(query)}`)
    const body = (await response.json()) as {
      readonly totalResults?: number
      readonly nextCursor?: string
      readonly Resources: readonly Resource[]
      readonly detail?: string
    }
    expect([response.status, body.detail]).toEqual([200, undefined])
    return body
  }

  beforeAll(async () => {
    server = await boot(database)
    const names = fc.uniqueArray(
      someText(nameLetters, 4).map((text) => `${text}xx`),
      { minLength: 40, maxLength: 40, selector: small },
    )
    const people =
      fc.sample(fc.array(person, { minLength: 40, maxLength: 40 }), { numRuns: 1, seed: 7 })[0] ?? []
    const ids: string[] = []
    for (const [index, userName] of (fc.sample(names, { numRuns: 1, seed: 7 })[0] ?? []).entries()) {
      const response = await server.send('POST', '/scim2/Users', { ...people[index], userName })
      const body = (await response.json()) as Resource & { detail?: string }
      expect([response.status, body.detail]).toEqual([201, undefined])
      ids.push(body.id)
    }
    for (const [displayName, chosen] of [
      ['aéB', ids.slice(0, 9)],
      ['%_', ids.slice(5, 14)],
    ] as const) {
      const members = chosen.map((value) => ({ value }))
      const response = await server.send('POST', '/scim2/Groups', { displayName, members })
      expect(response.status).toBe(201)
    }
    users = (await list({ count: '200' })).Resources
    expect(users).toHaveLength(41)
    const known = users.flatMap((user) => texts.flatMap((place) => place.values(user).map(String)))
    values = fc.oneof(fc.constantFrom(...known), someText(), fc.constantFrom(...known).chain(anyCase))
    instants = users.map(({ meta }) => meta.created)
  })
  afterAll(() => server.stop())

  const instant = (): fc.Arbitrary<Term> =>
    fc
      .record({
        at: fc.constantFrom(...instants),
        shift: fc.constantFrom(-1, 0, 1),
        operator: fc.constantFrom('eq', 'ne', 'gt', 'ge', 'lt', 'le'),
        zone: fc.constantFrom('Z', '+02:00', '-0030', ''),
      })
      .map(({ at, shift, operator, zone }) => {
        const time = Date.parse(at) + shift
        const away = { Z: 0, '+02:00': 120, '-0030': -30, '': 0 }[zone] ?? 0
        const local = new Date(time + away * 60_000).toISOString().slice(0, -1)
        return {
          text: `meta.created ${operator} "${local}${zone}"`,
          holds: ({ meta }) => compares(operator as Operator, meta.created, new Date(time).toISOString()),
        }
      })

  const filters = () => {
    const same: readonly Term[] = ['id', 'userName', 'meta.created', 'meta.lastModified', 'active'].flatMap(
      (path) => [
        { text: `${path} pr`, holds: () => true },
        { text: `${path} eq null`, holds: () => false },
      ],
    )
    const everybody: readonly Term[] = [
      ...same,
      { text: 'meta.resourceType eq "user"', holds: () => true },
      { text: `${core}:meta.resourceType ne "User"`, holds: () => false },
    ]
    const leaf = fc.oneof(
      { weight: 1, arbitrary: fc.constantFrom(...everybody) },
      {
        weight: 6,
        arbitrary: fc
          .tuple(fc.constantFrom(...texts), values)
          .chain(([place, value]) => comparison(place, value)),
      },
      { weight: 2, arbitrary: fc.constantFrom(...texts).chain(presence) },
      { weight: 2, arbitrary: truth },
      { weight: 1, arbitrary: instant() },
      { weight: 2, arbitrary: inBrackets('emails', ['value', 'type', 'display'], values) },
      { weight: 1, arbitrary: inBrackets('addresses', ['locality', 'type'], values) },
      { weight: 1, arbitrary: inBrackets('groups', ['value', 'display'], values) },
    )
    return joined(() => leaf, 3).filter(({ text }) => text.length <= 2_040)
  }

  test('a filter finds whom it means, and tells how many they are', async () => {
    await fc.assert(
      fc.asyncProperty(filters(), async ({ text, holds }) => {
        const { totalResults, Resources } = await list({ filter: text, count: '200', attributes: 'userName' })
        const names = Resources.map(({ userName }) => userName).sort()
        const meant = users.filter(holds).map(({ userName }) => userName)
        expect(names).toEqual(meant.sort())
        expect(totalResults).toBe(meant.length)
      }),
      { numRuns: 120 },
    )
  }, 30_000)

  test('a total alone is that of those whom the filter means, and with its contrary that of everybody', async () => {
    const total = async (filter: string, cursor?: string) => {
      const paged = cursor === undefined ? { startIndex: '3' } : { cursor }
      return (await list({ filter, count: '0', ...paged })).totalResults
    }
    await fc.assert(
      fc.asyncProperty(filters(), async ({ text, holds }) => {
        const meant = users.filter(holds).length
        const totals = [await total(text), await total(`not (${text})`), await total(text, '')]
        expect(totals).toEqual([meant, users.length - meant, meant])
      }),
      { numRuns: 150 },
    )
  }, 30_000)

  test('pages by number and by cursor have everybody once, in the order that was asked for', async () => {
    const query = fc.record({
      filter: maybe(filters()),
      place: maybe(fc.constantFrom(...sortable)),
      descending: fc.boolean(),
      count: fc.integer({ min: 4, max: 20 }),
      // another directory each time
      change: fc.record({ of: fc.nat(39), to: person }),
    })
    const people = users.filter(({ userName }) => userName !== 'admin')
    await fc.assert(
      fc.asyncProperty(query, async ({ filter, place, descending, count, change }) => {
        const { id, userName } = people[change.of] ?? { id: '', userName: '' }
        const put = await server.send('PUT', `/scim2/Users/${id}`, { ...change.to, userName })
        expect([put.status, await put.text()]).toEqual([200, expect.any(String)])
        users = (await list({ count: '200' })).Resources
        const asked = {
          attributes: 'id',
          count: String(count),
          ...(filter ? { filter: filter.text } : {}),
          ...(place ? { sortBy: place.path, sortOrder: descending ? 'descending' : 'ascending' } : {}),
        }
        const meant = users.filter((user) => filter?.holds(user) ?? true)
        const byNumber: string[] = []
        for (let startIndex = 1; startIndex <= meant.length; startIndex += count) {
          const page = await list({ ...asked, startIndex: String(startIndex) })
          expect(page.totalResults).toBe(meant.length)
          byNumber.push(...page.Resources.map(({ id }) => id))
        }
        const byCursor: string[] = []
        for (let cursor: string | undefined = ''; cursor !== undefined; ) {
          const page: Awaited<ReturnType<typeof list>> = await list({ ...asked, cursor })
          byCursor.push(...page.Resources.map(({ id }) => id))
          cursor = page.nextCursor
        }
        expect(byCursor).toEqual(byNumber)
        const behind = await list({ ...asked, startIndex: String(meant.length + 1 + count) })
        expect([behind.totalResults, behind.Resources]).toEqual([meant.length, []])
        if (!place) {
          expect(byNumber.toSorted()).toEqual(meant.map(({ id }) => id).sort())
          return
        }
        const keyOf = (user: Resource): string | undefined => {
          const [first] = place.first?.(user) ?? place.values(user)
          return first === undefined ? undefined : place.exact ? String(first) : small(String(first))
        }
        const order = meant.toSorted((one, other) => {
          const [left, right] = [keyOf(one), keyOf(other)]
          if (left === undefined || right === undefined) {
            if (left !== right) return left === undefined ? 1 : -1
            return bytes(one.id, other.id)
          }
          return bytes(left, right) || bytes(one.id, other.id)
        })
        expect(byNumber).toEqual((descending ? order.reverse() : order).map(({ id }) => id))
      }),
      { numRuns: 20 },
    )
  }, 30_000)
})
