/**
 * `bun bench/directory.ts [--users 1000000] [--groups 50000] [--roles 10000] [--seconds 3] [--only SQLite]`: SCIM on a large
 * directory, with SQLite and with Postgres. One client asks again as soon as it has its answer, so the times are those of a single request,
 * the way through HTTP included; the echo's is beside them.
 */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { cleanUp, databases } from '../test/databases.ts'
import { deploy } from './deployment.ts'
import { rawHttp } from './limits.ts'
import { closedLoop, table } from './measure.ts'
import { populate } from './population.ts'

const { values } = parseArgs({
  options: {
    users: { type: 'string', default: '1000000' },
    groups: { type: 'string', default: '50000' },
    roles: { type: 'string', default: '10000' },
    seconds: { type: 'string', default: '3' },
    only: { type: 'string', default: '' },
  },
})
const [users, groups, roles, seconds] = [values.users, values.groups, values.roles, values.seconds].map(
  Number,
) as [number, number, number, number]
const sizes = { users, groups, roles, assignments: users / 10, tokens: 0 }

const rows: (string | number)[][] = [['request', 'per second', 'p50 ms', 'p99 ms']]
const echo = await rawHttp(1, 1)
rows.push(['limit: HTTP echo, one client', echo.perSecond, echo.p50, echo.p99])

const headers = { Authorization: `Basic ${Buffer.from('admin:admin').toString('base64')}` }

const measure = async (label: string, origin: string) => {
  const get = async (path: string) => {
    const response = await fetch(`${origin}${path}`, { headers })
    const body = (await response.json()) as {
      totalResults?: number
      Resources?: { id: string }[]
      id?: string
    }
    if (!response.ok) throw new Error(`${path}: ${response.status} ${JSON.stringify(body)}`)
    return body
  }
  const patch = async (path: string, operation: Record<string, unknown>) => {
    const schemas = ['urn:ietf:params:scim:api:messages:2.0:PatchOp']
    const response = await fetch(`${origin}${path}`, {
      method: 'PATCH',
      headers: { ...headers, 'Content-Type': 'application/scim+json' },
      body: JSON.stringify({ schemas, Operations: [operation] }),
    })
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
    await response.arrayBuffer()
  }
  const filtered = (kind: string, filter: string, more = '') =>
    `/scim2/${kind}?filter=${encodeURIComponent(filter)}${more}`
  const random = (most: number) => 1 + Math.floor(Math.random() * most)
  const someone = await get(filtered('Users', `userName eq "user${random(users)}"`))
  const id = someone.Resources?.[0]?.id ?? ''
  const add = async (
    name: string,
    path: () => string | Promise<string>,
    check: (body: Awaited<ReturnType<typeof get>>) => boolean,
  ) => {
    const measured = await closedLoop(1, seconds, async () => {
      const body = await get(await path())
      if (!check(body)) throw new Error(`${name}: ${JSON.stringify(body).slice(0, 300)}`)
    })
    rows.push([`${label}: ${name}`, measured.perSecond, measured.p50, measured.p99])
    console.error(`${label}: ${name}: p50 ${measured.p50.toFixed(2)} ms, p99 ${measured.p99.toFixed(2)} ms`)
  }
  const has = (count: number) => (body: { Resources?: unknown[] }) => body.Resources?.length === count
  const one = has(1)
  await add(
    'user by id',
    () => `/scim2/Users/${id}`,
    (body) => body.id === id,
  )
  await add('userName eq', () => filtered('Users', `userName eq "user${random(users)}"`), one)
  await add('emails eq', () => filtered('Users', `emails eq "user${random(users)}@example.com"`), one)
  await add(
    'emails[type eq "work" and value eq …]',
    () => filtered('Users', `emails[type eq "work" and value eq "user${random(users)}@example.com"]`),
    one,
  )
  await add(
    `name.familyName eq, ${users / 50_000} hits`,
    () => filtered('Users', `name.familyName eq "family${random(49_999)}"`),
    (body) => body.totalResults === users / 50_000,
  )
  await add(
    'userName sw, 1,111 hits, a page of 20',
    () => filtered('Users', `userName sw "user${100 + random(899)}"`, '&count=20'),
    has(20),
  )
  const ofGroup = filtered('Users', `groups.display eq "group${random(groups)}"`)
  await add(
    `groups.display eq, ${users / groups} hits`,
    () => ofGroup,
    (body) => body.totalResults === users / groups,
  )
  const broad = (filter: string) => add(filter, () => filtered('Users', filter, '&count=20'), has(20))
  await broad('active eq true')
  await broad('not (name.familyName eq "family7")')
  await broad('name.familyName pr')
  await broad('emails.type eq "work"')
  await broad('userName co "r9"')
  await add(
    'emails.type eq "work", by cursor',
    () => filtered('Users', 'emails.type eq "work"', '&count=20&cursor='),
    has(20),
  )
  const list = (kind: string, startIndex: number) => `/scim2/${kind}?startIndex=${startIndex}&count=20`
  await add('users, the first page of 20', () => list('Users', 1), has(20))
  await add('users, the last page of 20', () => list('Users', users - 19), has(20))
  const sorted = async (path: string, order: string, startIndex: number, which: string) =>
    add(
      `users sorted by ${path}, ${order}, the ${which} page`,
      () => `/scim2/Users?sortBy=${path}&sortOrder=${order}&startIndex=${startIndex}&count=20`,
      has(20),
    )
  await sorted('userName', 'ascending', 1, 'first')
  await sorted('userName', 'ascending', users - 19, 'last')
  await sorted('name.familyName', 'ascending', 1, 'first')
  await sorted('name.familyName', 'descending', 1, 'first')
  await sorted('name.familyName', 'descending', users - 19, 'last')
  await add('groups, the first page of 20', () => `${list('Groups', 1)}&excludedAttributes=members`, has(20))
  await add(
    'groups, the last page of 20',
    () => `${list('Groups', groups - 19)}&excludedAttributes=members`,
    has(20),
  )
  await add('group by displayName', () => filtered('Groups', `displayName eq "group${random(groups)}"`), one)
  const group = (await get(filtered('Groups', `displayName eq "group${random(groups)}"`))).Resources?.[0]?.id
  const members = (await get(list('Users', random(users - 20)))).Resources?.map(({ id: value }) => ({
    value,
  }))
  const path = `/scim2/Groups/${group}?excludedAttributes=members`
  await add(
    'twenty users join a group and leave it',
    async () => {
      for (const op of ['add', 'remove']) await patch(path, { op, path: 'members', value: members })
      return path
    },
    (body) => body.id === group,
  )
  await add('roles, the first page of 20', () => list('v2/Roles', 1), has(20))
  await add('roles, the last page of 20', () => list('v2/Roles', roles - 19), has(20))
  await add('role by displayName', () => filtered('v2/Roles', `displayName eq "role${random(roles)}"`), one)
}

for (const database of databases.filter(({ name }) => name.startsWith(values.only))) {
  const made = await database.create()
  const lines = made.type === 'postgres' ? { database: `type = "postgres"\nurl = "${made.url}"` } : {}
  let server = await deploy({ algorithm: 'RS256', ...lines })
  try {
    const began = performance.now()
    const place =
      made.type === 'postgres' ? { url: made.url } : { file: join(server.directory, 'data/mayact.db') }
    server = await server.restart(() => populate(place, sizes))
    console.error(`${database.name}: filled in ${((performance.now() - began) / 1000).toFixed(0)} s`)
    await measure(database.name, server.origin)
  } finally {
    await server.stop()
  }
}
await cleanUp()
console.log(table(rows))
process.exit(0)
