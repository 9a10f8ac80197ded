/** Starts the real app on a database of its own; nothing of ours is mocked. */
import { join } from 'node:path'
import { type App, app } from '../lib/app.ts'
import { open } from '../lib/commands/open.ts'
import { type Config, parse } from '../lib/config.ts'
import { close } from '../lib/database/commit.ts'
import type { DatabaseConfig } from '../lib/database/connect.ts'
import { createLog } from '../lib/log.ts'
import { newBrowser } from './browser.ts'
import { type TestDatabase, temporaryDirectory } from './databases.ts'
import { admin, basic } from './scenario.ts'

export { admin, basic }

export const origin = 'https://localhost:9443'

/** The seed's blocks, as the shipped deployment.toml has them. */
const shipped = await Bun.file(new URL('../deployment.toml', import.meta.url)).text()

export interface BootOptions {
  /** More TOML, put behind the shipped file. */
  readonly toml?: string
  /** The whole TOML instead of the shipped file. */
  readonly insteadOfShipped?: string
  /** Another server on a database that is in use already: its configuration and its secrets. */
  readonly beside?: { readonly directory: string; readonly config: Config }
}

export type Booted = Awaited<ReturnType<typeof boot>>

export const boot = async (database: TestDatabase, options: BootOptions = {}) => {
  const directory = options.beside?.directory ?? temporaryDirectory()
  const databaseConfig: DatabaseConfig = options.beside?.config.database ?? (await database.create())
  const toml = options.insteadOfShipped ?? `${shipped}\n${options.toml ?? ''}`
  const loaded = parse(toml, join(directory, 'deployment.toml'), { variables: {} })
  const config = { ...loaded.config, database: databaseConfig }
  const log = createLog({ level: process.env.MAYACT_TEST_LOG ?? 'silent', format: 'text' })
  const opened = await open(config, log)
  const server: App = app({ ...opened, config, log })
  await server.complete()

  /** One request as the listener would hand it over; a redirect is not followed. */
  const request = (path: string, init: RequestInit & { address?: string } = {}) => {
    const { address = '127.0.0.1', ...rest } = init
    return server.fetch(new Request(new URL(path, origin).href, { redirect: 'manual', ...rest }), address)
  }

  /** JSON in, with the administrator's Basic unless told otherwise. */
  const send = (
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = { Authorization: admin },
  ) =>
    request(path, {
      method,
      headers: { ...(body === undefined ? {} : { 'Content-Type': 'application/json' }), ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })

  /** A browser of its own. */
  const browser = () => newBrowser({ request })

  /** The audit rows in the order in which they were written, without those of start-up. */
  const audit = async () => {
    const rows = await opened.db.selectFrom('audit').selectAll().orderBy('id').execute()
    return rows
      .filter((row) => row.initiator !== 'system')
      .map((row) => ({ ...row, data: JSON.parse(row.data) as Record<string, unknown> }))
  }

  return {
    ...opened,
    app: server,
    config,
    directory,
    request,
    send,
    browser,
    audit,
    stop: () => close(opened.db),
  }
}
