/** The notice of an impersonation whose server was killed while the mail server was down: it arrives, once. */
import { Database as Sqlite } from 'bun:sqlite'
import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { certificateAuthority, credentials, startMailServer } from '../mail-server.ts'
import { impersonate, setUp } from '../scenario.ts'
import { deployment, folder, freePort, start } from './binary.ts'

test('a server killed between the exchange and the mail sends it after its next start', async () => {
  const [port, mailPort] = [await freePort(), await freePort()]
  const email = `
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
  const directory = folder({
    'deployment.toml': deployment(port, (toml) => `${toml}\n${email}`),
    'mail-ca.crt': await certificateAuthority(),
  })
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
