/** The compiled binary, started for a benchmark and set up by REST as facts/rest-apis.md §10 says. */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const root = join(import.meta.dir, '..')
export const binary = join(root, 'dist/mayact')

const freePort = () =>
  new Promise<number>((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() => resolve(typeof address === 'object' && address ? address.port : 0))
    })
  })

export interface DeploymentOptions {
  readonly algorithm: 'RS256' | 'ES256'
  /** The lines of `[database.identity_db]`. */
  readonly database?: string
  /** Added to the environment, such as a slow disk's LD_PRELOAD. */
  readonly environment?: Readonly<Record<string, string>>
  /** More tables of the configuration. */
  readonly settings?: string
  /** Further files in its folder, by name. */
  readonly files?: Readonly<Record<string, string>>
  /** Another binary than dist/mayact. */
  readonly program?: string
}

export interface Deployment {
  readonly origin: string
  readonly process: Bun.Subprocess
  /** Milliseconds from its start to the first 200 on discovery. */
  readonly readyAfter: number
  /** The folder that it runs in. */
  readonly directory: string
  /** Stops it, or kills it, does something meanwhile, and starts it again. */
  restart(meanwhile?: () => Promise<void>, signal?: NodeJS.Signals): Promise<Deployment>
  /** Ends the process and leaves its folder. */
  end(): Promise<void>
  stop(): Promise<void>
}

const launch = async (
  program: string,
  directory: string,
  port: number,
  environment: Readonly<Record<string, string>>,
) => {
  const origin = `http://localhost:${port}`
  const began = performance.now()
  const child = Bun.spawn([program], {
    cwd: directory,
    env: { PATH: process.env.PATH ?? '', ...environment },
    stdout: 'ignore',
    stderr: 'inherit',
  })
  for (;;) {
    const response = await fetch(`${origin}/oauth2/token/.well-known/openid-configuration`).catch(
      () => undefined,
    )
    if (response?.ok) break
    if (child.exitCode !== null) throw new Error('the server did not start')
    await Bun.sleep(1)
  }
  return { origin, child, readyAfter: performance.now() - began }
}

/** Starts a server of its own on a free port, over plain HTTP as behind a proxy; everything else as shipped. */
export const deploy = async ({
  algorithm,
  database,
  environment = {},
  settings = '',
  files = {},
  program = binary,
}: DeploymentOptions): Promise<Deployment> => {
  if (!existsSync(program)) throw new Error('dist/mayact is missing: bun run build')
  const directory = mkdtempSync(join(tmpdir(), 'mayact-bench-'))
  mkdirSync(directory, { recursive: true })
  const port = await freePort()
  const shipped = await Bun.file(join(root, 'deployment.toml')).text()
  const toml = shipped
    .replace('# port = 9443', `port = ${port}`)
    .replace('type = "sqlite"', database ?? 'type = "sqlite"')
  const more = `\n[server.tls]\nenabled = false\n[oauth]\nsigning_algorithm = "${algorithm}"\n[log]\nlevel = "warn"\n${settings}`
  writeFileSync(join(directory, 'deployment.toml'), withTables(toml, more))
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text)
  const start = async (): Promise<Deployment> => {
    const { origin, child, readyAfter } = await launch(program, directory, port, environment)
    const end = async (signal: NodeJS.Signals = 'SIGTERM') => {
      child.kill(signal)
      await child.exited
    }
    return {
      origin,
      process: child,
      readyAfter,
      directory,
      end,
      async restart(meanwhile, signal) {
        await end(signal)
        await meanwhile?.()
        return start()
      },
      async stop() {
        await end()
        rmSync(directory, { recursive: true, force: true })
      },
    }
  }
  return start()
}

/** The shipped file names `[[oauth.…]]` tables before `[oauth]` may come: TOML wants the table first. */
const withTables = (toml: string, more: string): string => {
  const at = toml.indexOf('[[oauth.custom_response_type]]')
  return `${toml.slice(0, at)}${more}\n${toml.slice(at)}`
}
