/** A server that is killed between an event and its sending: the next start tells of it, under one id. */
import { Database as Sqlite } from 'bun:sqlite'
import { afterAll, expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { obtainSubjectToken, sender, setUp } from '../scenario.ts'
import { eventually, isSigned, newReceiver } from '../webhook-receiver.ts'
import { deployment, folder, freePort, start } from './binary.ts'

const endings: (() => unknown)[] = []
afterAll(async () => {
  for (const end of endings.splice(0).reverse()) await end()
})

test('what was enqueued or under way when the server was killed is sent by the next one', async () => {
  const port = await freePort()
  const toml = `${deployment(port)}\n[oauth.outbound]\nallow_private_addresses = true\n`
  const directory = folder({ 'deployment.toml': toml })
  const startHere = async () => {
    const server = await start(directory, port)
    endings.push(() => server.stop('SIGKILL'))
    return server
  }
  const receiver = newReceiver()
  endings.push(() => receiver.stop())
  const first = await startHere()
  const scenario = await setUp(first)
  const made = await sender(first)('POST', '/api/server/v1/webhooks', {
    name: 'Receiver',
    url: receiver.url('/told'),
    events: ['impersonation.authorized'],
  })
  expect(made.status).toBe(201)
  const { secret } = (await made.json()) as { secret: string }
  // it takes the first message and never says so
  receiver.answers.set('/told', async () => {
    await Bun.sleep(30_000)
    return new Response()
  })
  await obtainSubjectToken(first, scenario)
  await eventually(() => receiver.told.length === 1)
  // this one is not even sealed yet
  await obtainSubjectToken(first, scenario)
  await first.stop('SIGKILL')
  receiver.answers.delete('/told')
  await startHere()
  const ids = () => receiver.told.map(({ headers }) => headers.get('webhook-id'))
  await eventually(() => receiver.told.length === 3, 20_000)
  expect(new Set(ids()).size).toBe(2)
  expect(receiver.told.every((one) => isSigned(one, secret))).toBe(true)
  const events = receiver.told.map(({ body }) => (JSON.parse(body) as { data: { event: string } }).data.event)
  const db = new Sqlite(join(directory, 'data/mayact.db'), { readonly: true })
  const authorized = db
    .query("select id from audit where event = 'subject-token-issued' order by id")
    .all() as { id: string }[]
  db.close()
  expect([...new Set(events)].sort()).toEqual(authorized.map(({ id }) => id))
}, 60_000)

test('a reload that lets webhooks reach private addresses, or no longer, counts for the next message', async () => {
  const port = await freePort()
  const closed = deployment(port)
  const open = `${closed}\n[oauth.outbound]\nallow_private_addresses = true\n`
  const directory = folder({ 'deployment.toml': closed })
  const server = await start(directory, port)
  endings.push(() => server.stop('SIGKILL'))
  const receiver = newReceiver()
  endings.push(() => receiver.stop())
  const reloads = () => server.output().split('configuration reloaded').length - 1
  const reload = async (toml: string) => {
    const before = reloads()
    writeFileSync(join(directory, 'deployment.toml'), toml)
    server.process.kill('SIGHUP')
    await eventually(() => reloads() > before)
  }
  const send = sender(server)
  const base = '/api/server/v1/webhooks'
  const body = { name: 'Receiver', url: receiver.url('/told') }
  expect((await send('POST', base, body)).status).toBe(400)
  await reload(open)
  const made = await send('POST', base, body)
  expect(made.status).toBe(201)
  const { id } = (await made.json()) as { id: string }
  const statusOfTest = async () => {
    const { headers } = await send('POST', `${base}/${id}/test`)
    const path = new URL(headers.get('Location') ?? '', server.origin).pathname
    let status = 'pending'
    await eventually(async () => {
      status = ((await (await send('GET', path)).json()) as { status: string }).status
      return status !== 'pending'
    })
    return status
  }
  expect([await statusOfTest(), receiver.told.length]).toEqual(['delivered', 1])
  await reload(closed)
  expect([await statusOfTest(), receiver.told.length]).toEqual(['dead', 1])
}, 30_000)
