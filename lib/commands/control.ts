/**
 * The way of shell commands into a running server: a Unix socket in the data folder that its owner alone may open.
 * SQLite has one writer, so a script goes through the process that has it.
 */
import { chmodSync, existsSync, unlinkSync } from 'node:fs'
import { createConnection } from 'node:net'
import { join } from 'node:path'
import { runScript } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import type { Log } from '../log.ts'
import { importTasks } from './import/task.ts'

/** sun_path holds 108 bytes on Linux, 104 on macOS. */
const longestPath = 103

const socketOf = (dataDirectory: string) => join(dataDirectory, 'mayact.sock')

const reach = async (path: string, task: string, body: string): Promise<Response | undefined> => {
  if (!existsSync(path)) return undefined
  try {
    return await fetch(`http://localhost${task}`, { unix: path, method: 'POST', body })
  } catch {
    // nobody listens: a server that was killed left its socket behind
    return undefined
  }
}

/** Only these say that nobody listens; a server too busy to take the connection is one. */
const isNobody = (error: Error) => 'code' in error && ['ECONNREFUSED', 'ENOENT'].includes(String(error.code))

const isListening = (path: string) =>
  new Promise<boolean>((resolve) => {
    const connection = createConnection({ path })
    connection.once('connect', () => {
      connection.destroy()
      resolve(true)
    })
    connection.once('error', (error) => resolve(!isNobody(error)))
  })

/** Whether a server listens in this data folder. */
export const isServing = async (dataDirectory: string): Promise<boolean> => {
  const path = socketOf(dataDirectory)
  return existsSync(path) && (await isListening(path))
}

/** What a running server does for shell commands, by path: each takes a body and answers one. */
export type ServerTasks = Readonly<Record<string, (body: string) => Promise<string>>>

/** Has a running server do a task; undefined when none runs. Throws what the server says. */
export const askServer = async (
  dataDirectory: string,
  task: string,
  body: string,
): Promise<string | undefined> => {
  const response = await reach(socketOf(dataDirectory), task, body)
  if (!response) return undefined
  if (!response.ok) throw new Error(await response.text())
  return response.text()
}

/** Has a running server execute a script; false when none runs. Throws what the server says. */
export const executeInServer = async (dataDirectory: string, script: string): Promise<boolean> =>
  (await askServer(dataDirectory, '/db/exec', script)) !== undefined

/** Opens the socket; answers what closes it, or undefined where there can be none or another server has it. */
export const listenForCommands = async (
  db: Db,
  dataDirectory: string,
  log: Log,
  further: ServerTasks = {},
): Promise<(() => void) | undefined> => {
  const path = socketOf(dataDirectory)
  if (Buffer.byteLength(path) > longestPath) {
    log.warn({ path }, 'the path is too long for a socket: shell commands will write to the file directly')
    return undefined
  }
  if (await isServing(dataDirectory)) {
    log.warn({ path }, 'another server has the socket of this folder: shell commands go to that one')
    return undefined
  }
  if (existsSync(path)) unlinkSync(path)
  const tasks = new Map<string, (body: string) => Promise<string>>(
    Object.entries({
      '/db/exec': async (script: string) => {
        await runScript(db, script)
        log.info('a script was executed by mayact db exec')
        return 'done'
      },
      ...importTasks(db),
      ...further,
    }),
  )
  const listener = Bun.serve({
    unix: path,
    async fetch(request) {
      const task = tasks.get(new URL(request.url).pathname)
      if (request.method !== 'POST' || !task) return new Response('unknown command', { status: 404 })
      try {
        return new Response(await task(await request.text()))
      } catch (error) {
        return new Response(error instanceof Error ? error.message : String(error), { status: 422 })
      }
    },
  })
  chmodSync(path, 0o600)
  return () => {
    listener.stop(true)
    if (existsSync(path)) unlinkSync(path)
  }
}
