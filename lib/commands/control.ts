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

/** sun_path holds 108 bytes on Linux, 104 on macOS. */
const longestPath = 103

const socketOf = (dataDirectory: string) => join(dataDirectory, 'mayact.sock')

const reach = async (path: string, script: string): Promise<Response | undefined> => {
  if (!existsSync(path)) return undefined
  try {
    return await fetch('http://localhost/db/exec', { unix: path, method: 'POST', body: script })
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

/** Has a running server execute a script; false when none runs. Throws what the server says. */
export const executeInServer = async (dataDirectory: string, script: string): Promise<boolean> => {
  const response = await reach(socketOf(dataDirectory), script)
  if (!response) return false
  if (!response.ok) throw new Error(await response.text())
  return true
}

/** Opens the socket; answers what closes it, or undefined where there can be none or another server has it. */
export const listenForCommands = async (
  db: Db,
  dataDirectory: string,
  log: Log,
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
  const listener = Bun.serve({
    unix: path,
    async fetch(request) {
      if (request.method !== 'POST' || new URL(request.url).pathname !== '/db/exec') {
        return new Response('unknown command', { status: 404 })
      }
      try {
        await runScript(db, await request.text())
        log.info('a script was executed by mayact db exec')
        return new Response('done')
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
