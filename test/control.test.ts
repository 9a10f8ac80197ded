/** The socket for shell commands: of two servers in one folder the first keeps it, and what a killed one left is no server. */
import { afterEach, expect, test } from 'bun:test'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { executeInServer, isServing, listenForCommands } from '../lib/commands/control.ts'
import { close } from '../lib/database/commit.ts'
import { connect, type Db } from '../lib/database/connect.ts'
import { migrate } from '../lib/database/migrate.ts'
import type { Log } from '../lib/log.ts'
import { temporaryDirectory } from './databases.ts'

const endings: (() => unknown)[] = []
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end()
})

const open = async (directory: string): Promise<Db> => {
  const db = await connect({ type: 'sqlite', path: join(directory, 'mayact.db') })
  endings.push(() => close(db))
  await migrate(db, new Date())
  return db
}

/** A log that keeps what it was told. */
const listeningLog = () => {
  const said: unknown[] = []
  const keep = (_: unknown, message: unknown) => said.push(message)
  return { said, log: { warn: keep, info() {} } as unknown as Log }
}

test('a second server of a folder leaves the socket to the first', async () => {
  const directory = temporaryDirectory()
  const db = await open(directory)
  const first = await listenForCommands(db, directory, listeningLog().log)
  endings.push(() => first?.())
  const { said, log } = listeningLog()
  const second = await listenForCommands(await open(directory), directory, log)
  expect(second).toBeUndefined()
  expect(said).toEqual(['another server has the socket of this folder: shell commands go to that one'])
  expect(await executeInServer(directory, "insert into meta (name, value) values ('a', 'b');")).toBe(true)
  expect(await isServing(directory)).toBe(true)
  first?.()
  expect([await isServing(directory), existsSync(join(directory, 'mayact.sock'))]).toEqual([false, false])
  expect(await executeInServer(directory, 'select 1;')).toBe(false)
})

test('the socket that a killed server left is taken over', async () => {
  const directory = temporaryDirectory()
  const path = join(directory, 'mayact.sock')
  const code = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => console.log('up'))`
  const child = Bun.spawn([process.execPath, '-e', code], { stdout: 'pipe' })
  await child.stdout.getReader().read()
  expect(await isServing(directory)).toBe(true)
  child.kill('SIGKILL')
  await child.exited
  expect([existsSync(path), await isServing(directory)]).toEqual([true, false])
  const db = await open(directory)
  const { said, log } = listeningLog()
  const stop = await listenForCommands(db, directory, log)
  endings.push(() => stop?.())
  expect([await isServing(directory), said]).toEqual([true, []])
})
