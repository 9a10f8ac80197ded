/** The compiled binary, run as its users run it: in a folder of its own, over HTTPS. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { $ } from 'bun'
import type { Server } from '../browser.ts'
import { freePort, temporaryDirectory } from '../databases.ts'

const root = new URL('../..', import.meta.url).pathname
const shipped = await Bun.file(join(root, 'deployment.toml')).text()

let built: Promise<string> | undefined

/** The binary to test: the one that MAYACT_BINARY names, or one built here, so that it is never an old one. */
export const binary = (): Promise<string> => {
  built ??= (async () => {
    if (process.env.MAYACT_BINARY) return process.env.MAYACT_BINARY
    await $`${process.execPath} build.ts`.cwd(root).quiet()
    // each test file has modules of its own; the process remembers it for the next one
    process.env.MAYACT_BINARY = join(root, 'dist/mayact')
    return process.env.MAYACT_BINARY
  })()
  return built
}

/** The shipped deployment.toml with a port that is free, and what else a test changes. */
export const deployment = (port: number, changes: (toml: string) => string = (toml) => toml): string =>
  changes(shipped.replace('# port = 9443', `port = ${port}`))

/** A folder with nothing in it but what is given. */
export const folder = (files: Readonly<Record<string, string>> = {}): string => {
  const directory = join(temporaryDirectory(), 'deployment')
  mkdirSync(directory)
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text)
  return directory
}

/** What the process may see of the environment: nothing of the test run's. */
const environment = { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '' }

/** Runs a command to its end. */
export const runCommand = async (directory: string, ...words: string[]) => {
  const child = Bun.spawn([await binary(), ...words], {
    cwd: directory,
    env: environment,
    stdout: 'pipe',
    stderr: 'pipe',
  })
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ])
  return { stdout, stderr, code }
}

export interface Running extends Server {
  readonly process: Bun.Subprocess
  readonly output: () => string
  readonly origin: string
  stop(signal?: NodeJS.Signals): Promise<number>
}

/** Starts the server in a folder and waits until it says that it is ready. */
export const start = async (directory: string, port: number, ...words: string[]): Promise<Running> => {
  const child = Bun.spawn([await binary(), ...words], {
    cwd: directory,
    env: environment,
    stdout: 'pipe',
    stderr: 'pipe',
  })
  let output = ''
  const collect = async (stream: ReadableStream<Uint8Array>) => {
    const decoder = new TextDecoder()
    for await (const chunk of stream) output += decoder.decode(chunk, { stream: true })
  }
  const reading = [collect(child.stdout), collect(child.stderr)]
  while (!output.includes('mayact is ready') && child.exitCode === null) await Bun.sleep(5)
  if (child.exitCode !== null) {
    await Promise.all(reading)
    throw new Error(`the server did not start: ${output}`)
  }
  const origin = `https://localhost:${port}`
  const ca = await Bun.file(join(directory, 'data/tls/certificate.pem')).text()
  return {
    process: child,
    origin,
    output: () => output,
    request: (path, init = {}) =>
      fetch(new URL(path, origin).href, { ...init, redirect: 'manual', tls: { ca } }),
    async stop(signal = 'SIGTERM') {
      child.kill(signal)
      return child.exited
    },
  }
}

export { freePort }
