/** Notices of impersonations whose server was killed meanwhile: each arrives, once; and the outbox from the shell. */
import { Database as Sqlite } from 'bun:sqlite'
import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { certificateAuthority, credentials, startMailServer } from '../mail-server.ts'
import { impersonate, sender, setUp } from '../scenario.ts'
import { deployment, folder, freePort, runCommand, start } from './binary.ts'

const emailToml = (mailPort: number) => `
[output_adapter.email]
from_address = "no-reply@example.com"
hostname = "localhost"
port = ${mailPort}
enable_start_tls = true
enable_authentication = true
username = "${credentials.username}"
password = "${credentials.password}"
certificate_authority = "mail-ca.crt"
`

const directoryFor = async (port: number, mailPort: number) =>
  folder({
    'deployment.toml': deployment(port, (toml) => `${toml}\n${emailToml(mailPort)}`),
    'mail-ca.crt': await certificateAuthority(),
  })

test('a server killed between the exchange and the mail sends it after its next start', async () => {
  const [port, mailPort] = [await freePort(), await freePort()]
  const directory = await directoryFor(port, mailPort)
  const server = await start(directory, port)
  const scenario = await setUp(server)
  // nobody listens at the mail server's port, and the exchange does not care
  expect((await impersonate(server, scenario)).access_token).not.toBe('')
  await server.stop('SIGKILL')

  const file = new Sqlite(join(directory, 'data/mayact.db'))
  const rows = () => file.query('select recipient, sent_at, gave_up_at from outbox').all()
  const waiting = { recipient: 'enduser@example.com', sent_at: null, gave_up_at: null }
  expect(rows()).toEqual([waiting])
  // the minute after which a row of a crashed process is anybody's
  const overdue = new Date(Date.now() - 120_000).toISOString()
  file.query('update outbox set next_attempt_at = ?').run(overdue)

  const mailServer = await startMailServer({ port: mailPort })
  const next = await start(directory, port)
  const until = Date.now() + 15_000
  while (mailServer.deliveries.length === 0 && Date.now() < until) await Bun.sleep(50)
  expect(mailServer.deliveries.map(({ to, secure }) => [to, secure])).toEqual([
    [['enduser@example.com'], true],
  ])
  expect(await next.stop()).toBe(0)
  expect(mailServer.deliveries).toHaveLength(1)
  expect(rows()).toEqual([{ ...waiting, sent_at: expect.any(String) }])
  file.close()
  await mailServer.stop()
}, 40_000)

test('a server killed right behind the end of an impersonation tells it after its next start, once', async () => {
  const [port, mailPort] = [await freePort(), await freePort()]
  const directory = await directoryFor(port, mailPort)
  const mailServer = await startMailServer({ port: mailPort })
  const server = await start(directory, port)
  const scenario = await setUp(server)
  await impersonate(server, scenario)
  const ended = await sender(server)('POST', '/api/server/v1/impersonations/end', { all: true })
  expect(await ended.json()).toEqual({ ended: 1 })
  await server.stop('SIGKILL')
  // as if the seconds had gone by for which the killed server is waited for
  const file = new Sqlite(join(directory, 'data/mayact.db'))
  file
    .query("delete from meta where name in ('audit-sealer', 'own-followers', 'impersonation-sweeper')")
    .run()
  file.query("update outbox set sender = ''").run()
  file.close()

  const next = await start(directory, port)
  const told = () => mailServer.deliveries.filter(({ raw }) => raw.includes('Session Ended'))
  const listed = async () =>
    JSON.parse((await runCommand(directory, 'mail', 'list', '--state', 'sent', '--json')).stdout) as {
      template: string
      messageId: string
    }[]
  const until = Date.now() + 15_000
  while (told().length === 0 && Date.now() < until) await Bun.sleep(100)
  await Bun.sleep(300)
  expect(told().map(({ to }) => to)).toEqual([['enduser@example.com']])
  const sent = (await listed()).find(({ template }) => template === 'impersonation-ended')
  expect(told()[0]?.raw).toContain(sent?.messageId ?? 'no mail')
  const retried = await runCommand(directory, 'mail', 'retry')
  expect([retried.code, retried.stdout]).toEqual([0, '0 will be tried again.\n'])
  expect(await next.stop()).toBe(0)
  expect(told()).toHaveLength(1)
  await mailServer.stop()
}, 40_000)
