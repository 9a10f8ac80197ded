/** SIGTERM and a request that never ends: the server waits its ten seconds, cuts it off and exits as documented. */

import { Database as Sqlite } from 'bun:sqlite'
import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { admin } from '../scenario.ts'
import { deployment, folder, freePort, start } from './binary.ts'

/** A request whose body is announced and never sent; `closed` tells when the server ended the connection. */
const openStuck = (port: number) =>
  new Promise<{ readonly answered: () => string; readonly closed: Promise<number> }>((resolve, reject) => {
    let text = ''
    const socket = connectTls({ port, host: '127.0.0.1', servername: 'localhost', rejectUnauthorized: false })
    const closed = new Promise<number>((done) => socket.once('close', () => done(performance.now())))
    socket.on('data', (data) => {
      text += data
    })
    // being cut off may look like an error
    socket.on('error', reject)
    socket.once('secureConnect', () => {
      const head = [
        'POST /scim2/Users HTTP/1.1',
        `Host: localhost:${port}`,
        `Authorization: ${admin}`,
        'Content-Type: application/json',
        'Content-Length: 1000',
      ]
      socket.write(`${head.join('\r\n')}\r\n\r\n{"userName":`, () =>
        resolve({ answered: () => text, closed }),
      )
    })
  })

test('a request that never ends is cut off after ten seconds, and the exit code is 0', async () => {
  const port = await freePort()
  const directory = folder({ 'deployment.toml': deployment(port) })
  const server = await start(directory, port)
  const stuck = await openStuck(port)
  // taken: the server is reading its body
  await Bun.sleep(300)
  const signalled = performance.now()
  const stopped = server.stop()
  await Bun.sleep(2_000)
  const late = await server.request('/health/ready').then(
    ({ status }) => status,
    () => 'not taken',
  )
  expect([503, 'not taken']).toContain(late)
  expect(server.process.exitCode).toBeNull()
  const code = await Promise.race([stopped, Bun.sleep(20_000).then(() => 'still running')])
  const took = performance.now() - signalled
  const cutAfter = (await stuck.closed) - signalled
  expect([code, stuck.answered()]).toEqual([0, ''])
  expect(took).toBeGreaterThan(9_900)
  expect(took).toBeLessThan(13_000)
  expect(cutAfter).toBeGreaterThan(9_900)
  // nothing of it happened
  const file = new Sqlite(join(directory, 'data/mayact.db'), { readonly: true })
  expect(file.query('select count(*) as n from account').get()).toEqual({ n: 1 })
  expect(file.query('select count(*) as n from audit where line_at is null').get()).toEqual({ n: 0 })
  file.close()
}, 40_000)
