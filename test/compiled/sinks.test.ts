/** Audit sinks of servers that are killed: what was committed reaches the sink, from whichever server is left. */
import { Database as Sqlite } from 'bun:sqlite'
import { afterAll, expect, test } from 'bun:test'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { close } from '../../lib/database/commit.ts'
import { connect } from '../../lib/database/connect.ts'
import { databases } from '../databases.ts'
import { exchange, obtainSubjectToken, type Scenario, setUp } from '../scenario.ts'
import { deployment, folder, freePort, type Running, start } from './binary.ts'

const endings: (() => unknown)[] = []
afterAll(async () => {
  for (const end of endings.splice(0).reverse()) await end()
})

interface Told {
  readonly pid: number
  readonly ids: readonly string[]
}

/** Where the sinks send what they hear; it may refuse. */
const newReceiver = () => {
  const told: Told[] = []
  const state = { refuses: false, refused: 0 }
  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    async fetch(request) {
      const found = (await request.json()) as Told
      if (state.refuses) {
        state.refused += 1
        return new Response('', { status: 500 })
      }
      told.push(found)
      return new Response('')
    },
  })
  endings.push(() => server.stop(true))
  return { told, state, url: server.url.href, ids: () => told.flatMap(({ ids }) => ids) }
}

type Receiver = ReturnType<typeof newReceiver>

const sink = (url: string) => `import { auditSink } from 'mayact'
export default auditSink({
  name: 'sink',
  async receive({ rows, signal }) {
    const body = JSON.stringify({ pid: process.pid, ids: rows.map(({ id }) => id) })
    const answer = await fetch('${url}', { method: 'POST', body, signal })
    if (!answer.ok) throw new Error('refused')
  },
})
`

const prepare = (port: number, receiver: Receiver, change: (toml: string) => string = (toml) => toml) => {
  const directory = folder({ 'deployment.toml': deployment(port, change) })
  mkdirSync(join(directory, 'plugins'))
  writeFileSync(join(directory, 'plugins/sink.ts'), sink(receiver.url))
  return directory
}

const startIn = async (directory: string, port: number): Promise<Running> => {
  const server = await start(directory, port)
  endings.push(() => server.stop('SIGKILL'))
  return server
}

/** What a query answers, asked until it is nothing; fails after a while. */
const nothingLeft = async (left: () => Promise<readonly string[]> | readonly string[]) => {
  const until = Date.now() + 25_000
  while ((await left()).length > 0 && Date.now() < until) await Bun.sleep(50)
  expect(await left()).toEqual([])
}

const impersonateOn = async (server: Running, scenario: Scenario) => {
  const response = await exchange(server, scenario, await obtainSubjectToken(server, scenario))
  expect(response.status).toBe(200)
}

const inOrder = ({ ids }: Told) => ids.every((id, index) => index === 0 || id > (ids[index - 1] ?? ''))

test.concurrent('of two servers on one Postgres one tells, and after it was killed the other goes on from there', async () => {
  const receiver = newReceiver()
  const config = await databases.find(({ name }) => name === 'Postgres')?.create()
  if (config?.type !== 'postgres') throw new Error('Postgres is there')
  const shared = (toml: string) =>
    `${toml.replace('type = "sqlite"', `type = "postgres"\nurl = "${config.url}"`)}\n[encryption]\nkey = "${'ab'.repeat(32)}"\n`
  const servers: Running[] = []
  for (let index = 0; index < 2; index += 1) {
    const port = await freePort()
    servers.push(await startIn(prepare(port, receiver, shared), port))
  }
  const [first, second] = servers
  if (!first || !second) throw new Error('both are there')
  const db = await connect(config)
  endings.push(() => close(db))
  const rows = async () => (await db.selectFrom('audit').select('id').execute()).map(({ id }) => id)
  await Bun.sleep(1_500)
  const before = new Set(await rows())
  const missing = async () => {
    const told = new Set(receiver.ids())
    return (await rows()).filter((id) => !before.has(id) && !told.has(id))
  }

  const scenario = await setUp(first)
  for (const server of [first, second, first]) await impersonateOn(server, scenario)
  await nothingLeft(missing)
  // while nothing fails nothing is told twice, and one server tells what both have committed
  expect(receiver.ids().length).toBe(new Set(receiver.ids()).size)
  const tellers = [...new Set(receiver.told.map(({ pid }) => pid))]
  expect(tellers).toHaveLength(1)

  receiver.state.refuses = true
  for (const server of [second, first]) await impersonateOn(server, scenario)
  const teller = servers.find(({ process: { pid } }) => pid === tellers[0])
  const other = servers.find((server) => server !== teller)
  if (!teller || !other) throw new Error('one of them told')
  while (receiver.state.refused === 0) await Bun.sleep(20)
  await teller.stop('SIGKILL')
  expect(await missing()).not.toEqual([])
  await impersonateOn(other, scenario)
  receiver.state.refuses = false
  await nothingLeft(missing)
  expect(new Set(receiver.told.map(({ pid }) => pid))).toEqual(
    new Set([teller.process.pid, other.process.pid]),
  )
  expect(receiver.told.filter((one) => !inOrder(one))).toEqual([])
  expect(await other.stop()).toBe(0)
}, 60_000)

test.concurrent('a server killed while its sink is behind tells the rest after its next start', async () => {
  const receiver = newReceiver()
  const port = await freePort()
  const directory = prepare(port, receiver)
  const server = await startIn(directory, port)
  const rows = () => {
    const file = new Sqlite(join(directory, 'data/mayact.db'), { readonly: true })
    const found = file.query<{ id: string }, []>('select id from audit').all()
    file.close()
    return found.map(({ id }) => id)
  }
  await Bun.sleep(1_500)
  const before = new Set(rows())
  const missing = () => {
    const told = new Set(receiver.ids())
    return rows().filter((id) => !before.has(id) && !told.has(id))
  }
  const scenario = await setUp(server)
  await nothingLeft(missing)
  receiver.state.refuses = true
  for (let turn = 0; turn < 3; turn += 1) await impersonateOn(server, scenario)
  while (receiver.state.refused === 0) await Bun.sleep(20)
  await server.stop('SIGKILL')
  const behind = missing()
  expect(behind.length).toBeGreaterThan(8)
  receiver.state.refuses = false

  const next = await startIn(directory, port)
  await nothingLeft(missing)
  // what it had told before is told once more: it repeats, and leaves nothing out
  expect(receiver.told.filter((one) => !inOrder(one))).toEqual([])
  expect(await next.stop()).toBe(0)
}, 60_000)
