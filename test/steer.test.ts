/** Connections are steered to the newer of two listeners where the system can do it, and nothing fails where not. */
import { afterEach, expect, test } from 'bun:test'
import { listeningSockets, openSteering } from '../lib/commands/steer.ts'
import { freePort } from './databases.ts'

const endings: (() => unknown)[] = []
afterEach(async () => {
  for (const end of endings.splice(0)) await end()
})

const listen = (port: number, name: string) => {
  const server = Bun.serve({ hostname: '127.0.0.1', port, reusePort: true, fetch: () => new Response(name) })
  endings.push(() => server.stop(true))
}

test('every new connection goes to the second listener, or the answer is no', async () => {
  const port = await freePort()
  const steer = await openSteering()
  listen(port, 'first')
  const before = listeningSockets(port)
  listen(port, 'second')
  const [added = -1] = [...listeningSockets(port)].filter((socket) => !before.has(socket))
  expect(before.size).toBe(process.platform === 'linux' ? 1 : 0)
  expect(steer(added)).toBe(process.platform === 'linux')
  if (process.platform !== 'linux') return
  const answers = await Promise.all(
    Array.from({ length: 40 }, async () => {
      const response = await fetch(`http://127.0.0.1:${port}`, { keepalive: false })
      return response.text()
    }),
  )
  expect(answers.filter((name) => name !== 'second')).toEqual([])
})

test('what is no listening socket is not steered, and nothing is thrown', async () => {
  const steer = await openSteering()
  expect([steer(-1), steer(2 ** 20)]).toEqual([false, false])
  expect(listeningSockets(await freePort()).size).toBe(0)
})
