/**
 * The performance table of design.md §8: `bun run bench [--seconds 5]`. The compiled binary, 32 closed-loop clients in
 * this process on the same cores, audit and durable commits on; each figure beside the machine's own limit.
 */
import { mkdtempSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { cleanUp, databases } from '../test/databases.ts'
import { type DeploymentOptions, deploy } from './deployment.ts'
import { exchangesAlone } from './exchanges.ts'
import { rawHttp, rawSignatures } from './limits.ts'
import { closedLoop, type Measured, residentMegabytes, table } from './measure.ts'
import { prepareScenario } from './scenario.ts'

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '5' } } })
const seconds = Number(values.seconds)
const clients = 32

const rows: (string | number)[][] = [['scenario', 'per second', 'p50 ms', 'p99 ms', 'of the limit', 'RSS MB']]
const add = (name: string, measured: Measured, limit: string, memory = '') => {
  rows.push([name, measured.perSecond, measured.p50, measured.p99, limit, memory])
  console.error(`${name}: ${measured.perSecond.toFixed(0)}/s`)
}

const memoryOf = async (pid: number) => (await residentMegabytes(pid)).toFixed(0)

const slowDisk = async (): Promise<Record<string, string>> => {
  const library = join(mkdtempSync(join(tmpdir(), 'mayact-bench-')), 'slow-sync.so')
  const source = join(import.meta.dir, 'slow-sync.c')
  const compiler = Bun.spawn(['cc', '-shared', '-fPIC', '-O2', '-o', library, source, '-ldl'])
  if ((await compiler.exited) !== 0) throw new Error('cc could not compile bench/slow-sync.c')
  return { LD_PRELOAD: library }
}

const limits = {
  RS256: await rawSignatures('RS256', seconds),
  ES256: await rawSignatures('ES256', seconds),
}
add('limit: RS256 signatures', limits.RS256, '')
add('limit: ES256 signatures', limits.ES256, '')
add('limit: HTTP echo', await rawHttp(seconds), '')

const share = (measured: Measured, algorithm: 'RS256' | 'ES256', signatures: number) =>
  `${((measured.perSecond * signatures * 100) / limits[algorithm].perSecond).toFixed(0)} % of ${algorithm}`

const measure = async (
  label: string,
  options: DeploymentOptions,
  parts: readonly ('flow' | 'exchange' | 'grants' | 'resource')[],
) => {
  const server = await deploy(options)
  try {
    const scenario = await prepareScenario(server.origin, clients)
    const { authorize, exchange, introspect, userinfo } = scenario
    const { pid } = server.process
    if (parts.includes('exchange')) {
      const { missing, ...measured } = await exchangesAlone(scenario, clients, seconds)
      const note = missing > 0 ? ` (${missing} with an authorize)` : ''
      add(`${label}: exchange${note}`, measured, share(measured, options.algorithm, 1), await memoryOf(pid))
    }
    if (parts.includes('flow')) {
      const measured = await closedLoop(clients, seconds, async (client) => {
        await exchange(await authorize(client))
      })
      add(`${label}: whole flow`, measured, share(measured, options.algorithm, 3), await memoryOf(pid))
    }
    if (parts.includes('grants')) {
      const { clientCredentials, codeFlow, refresh } = scenario
      const { algorithm } = options
      const itself = await closedLoop(clients, seconds, async () => {
        await clientCredentials()
      })
      add(`${label}: client credentials`, itself, share(itself, algorithm, 1), await memoryOf(pid))
      const held: string[] = []
      const code = await closedLoop(clients, seconds, async (client) => {
        held[client] = await codeFlow(client)
      })
      add(`${label}: code flow with a session`, code, share(code, algorithm, 2), await memoryOf(pid))
      // each client of the loop has one family, which it follows from token to token
      const refreshed = await closedLoop(clients, seconds, async (client) => {
        held[client] = await refresh(held[client] ?? '')
      })
      add(`${label}: refresh`, refreshed, share(refreshed, algorithm, 2), await memoryOf(pid))
    }
    if (parts.includes('resource')) {
      const tokens = await Promise.all(
        Array.from({ length: clients }, async (_, client) => exchange(await authorize(client))),
      )
      for (const [name, call] of Object.entries({ introspection: introspect, userinfo })) {
        const measured = await closedLoop(clients, seconds, (client) => call(tokens[client] ?? ''))
        add(`${label}: ${name}`, measured, '', await memoryOf(pid))
      }
    }
  } finally {
    await server.stop()
  }
}

const start = async () => {
  let server = await deploy({ algorithm: 'RS256' })
  const times: number[] = []
  for (let n = 0; n < 11; n += 1) {
    server = await server.restart()
    times.push(server.readyAfter)
  }
  await Bun.sleep(500)
  const memory = await memoryOf(server.process.pid)
  await server.stop()
  times.sort((a, b) => a - b)
  rows.push(['start to first 200, existing database (ms)', '', times[5] ?? 0, times[10] ?? 0, '', memory])
}

/** Each part on a server and a database of its own: what one leaves to be sealed and sent is not counted with the next. */
const measureEach = async (label: string, options: () => Promise<DeploymentOptions>) => {
  await measure(label, await options(), ['exchange', 'flow'])
  await measure(label, await options(), ['grants'])
  await measure(label, await options(), ['resource'])
}

const onPostgres = async (): Promise<DeploymentOptions> => {
  const made = await databases[1]?.create()
  if (made?.type !== 'postgres') throw new Error('there is no Postgres')
  return { algorithm: 'RS256', database: `type = "postgres"\nurl = "${made.url}"` }
}

await start()
await measureEach('SQLite, RS256', async () => ({ algorithm: 'RS256' }))
await measure('SQLite, ES256', { algorithm: 'ES256' }, ['exchange', 'flow'])
await measure(
  'SQLite on a disk with 2 ms more to sync, ES256',
  { algorithm: 'ES256', environment: await slowDisk() },
  ['exchange'],
)
await measureEach('Postgres, RS256', onPostgres)
await cleanUp()
console.log(
  `${new Date().toISOString().slice(0, 10)}, ${cpus().length} × ${cpus()[0]?.model}, Bun ${Bun.version}, ${clients} clients, ${seconds} s each\n`,
)
console.log(table(rows))
