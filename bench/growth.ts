/**
 * `bun bench/growth.ts [--users 1000000] [--assignments 100000] [--tokens 5000000] [--seconds 5]`: what is fast on an empty
 * database, and how fast it is on one that has grown, with SQLite and with Postgres (design.md §8), and how the server stalls.
 */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { cleanUp, databases } from '../test/databases.ts'
import { deploy } from './deployment.ts'
import { exchangesAlone } from './exchanges.ts'
import { closedLoop, type Measured, residentMegabytes, table } from './measure.ts'
import { populate } from './population.ts'
import { prepareScenario } from './scenario.ts'
import { withStalls } from './stall.ts'

const { values } = parseArgs({
  options: {
    users: { type: 'string', default: '1000000' },
    assignments: { type: 'string', default: '100000' },
    tokens: { type: 'string', default: '5000000' },
    seconds: { type: 'string', default: '5' },
    database: { type: 'string', default: 'both' },
  },
})
const [users, assignments, tokens, seconds] = [
  values.users,
  values.assignments,
  values.tokens,
  values.seconds,
].map(Number) as [number, number, number, number]
const sizes = { users, groups: Math.ceil(users / 20), roles: Math.ceil(users / 100), assignments, tokens }
const clients = 32

const rows: (string | number)[][] = [
  [
    'scenario',
    'empty, per second',
    'grown',
    '% of it',
    'p99 ms',
    'grown',
    'longest stall ms',
    'grown',
    'late timers',
    'grown',
  ],
]

type Scenario = Awaited<ReturnType<typeof prepareScenario>>
type Load = (scenario: Scenario) => Promise<Measured>

const loads: Readonly<Record<string, Load>> = {
  exchange: async (scenario) => exchangesAlone(scenario, clients, seconds),
  'whole flow': async ({ authorize, exchange }) =>
    closedLoop(clients, seconds, async (client) => {
      await exchange(await authorize(client))
    }),
  'client credentials': async ({ clientCredentials }) =>
    closedLoop(clients, seconds, async () => {
      await clientCredentials()
    }),
  introspection: async ({ authorize, exchange, introspect }) => {
    const held = await Promise.all(
      Array.from({ length: clients }, async (_, client) => exchange(await authorize(client))),
    )
    return closedLoop(clients, seconds, (client) => introspect(held[client] ?? ''))
  },
}

interface Seen extends Measured {
  readonly stall: number
  readonly late: number
}

for (const database of databases.filter(({ name }) =>
  ['both', name.toLowerCase()].includes(values.database),
)) {
  const made = await database.create()
  const lines = made.type === 'postgres' ? { database: `type = "postgres"\nurl = "${made.url}"` } : {}
  let server = await deploy({ algorithm: 'ES256', ...lines })
  try {
    const scenario = await prepareScenario(server.origin, clients)
    const measure = async () => {
      const seen = new Map<string, Seen>()
      for (const [name, load] of Object.entries(loads)) {
        const { result, ...seenBeside } = await withStalls(server.origin, async () => load(scenario))
        seen.set(name, { ...result, ...seenBeside })
        console.error(`${database.name}: ${name}: ${seen.get(name)?.perSecond.toFixed(0)}/s`)
      }
      return seen
    }
    const before = await measure()
    const place =
      made.type === 'postgres' ? { url: made.url } : { file: join(server.directory, 'data/mayact.db') }
    const began = performance.now()
    server = await server.restart(async () => {
      await populate(place, sizes)
      // what the filling left to be written is not the server's
      await Bun.$`sync`
    })
    console.error(`${database.name}: filled in ${((performance.now() - began) / 1000).toFixed(0)} s`)
    const after = await measure()
    for (const [name, empty] of before) {
      const grown = after.get(name)
      if (!grown) continue
      const share = (grown.perSecond * 100) / empty.perSecond
      rows.push([
        `${database.name}: ${name}`,
        empty.perSecond,
        grown.perSecond,
        share,
        empty.p99,
        grown.p99,
        empty.stall,
        grown.stall,
        empty.late,
        grown.late,
      ])
    }
    console.error(`${database.name}: ${(await residentMegabytes(server.process.pid)).toFixed(0)} MB resident`)
  } finally {
    await server.stop()
  }
}
await cleanUp()
console.log(table(rows))
process.exit(0)
