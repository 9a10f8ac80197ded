/** The throw-away server: this very program in a folder of its own, as an operator would start it. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import shipped from '../../../deployment.toml' with { type: 'text' }

const patience = 20_000

export interface DemoServer {
  readonly directory: string
  readonly origin: string
  /** One request; redirects are answered, not followed. */
  request(path: string, init?: RequestInit): Promise<Response>
  /** Ends the server; everything that it had to write is written then. */
  stop(): Promise<void>
}

/** A compiled program is the executable; otherwise the executable is the runtime and takes the entry's path. */
const self = (): readonly string[] =>
  /^(\/\$bunfs\/|[A-Z]:[\\/]~BUN)/.test(Bun.main) ? [process.execPath] : [process.execPath, Bun.main]

const freePort = (): number => {
  const probe = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } })
  probe.stop(true)
  return probe.port
}

const deployment = (port: number): string => {
  const toml = shipped.replace('# port = 9443', `port = ${port}`)
  if (toml === shipped) throw new Error('the shipped deployment.toml has no line for the port')
  return `${toml}\n[log]\nlevel = "warn"\n`
}

/** Resolves when the output says that the server is ready; throws with the output when it ends before. */
const untilReady = async (child: Bun.Subprocess<'ignore', 'pipe', 'pipe'>): Promise<void> => {
  let output = ''
  let announce: () => void = () => {}
  const ready = new Promise<true>((resolve) => {
    announce = () => resolve(true)
  })
  const read = async (stream: ReadableStream<Uint8Array>) => {
    const decoder = new TextDecoder()
    for await (const chunk of stream) {
      output += decoder.decode(chunk, { stream: true })
      if (output.includes('mayact is ready')) announce()
    }
  }
  const reading = Promise.all([read(child.stdout), read(child.stderr)])
  const ended = Promise.all([child.exited, reading]).then(() => false)
  const outcome = await Promise.race([ready, ended, Bun.sleep(patience).then(() => undefined)])
  if (outcome !== true) {
    const what = outcome === undefined ? 'was not ready in time' : 'did not start'
    throw new Error(`the throw-away server ${what}: ${output.trim()}`)
  }
}

/** Starts it in a fresh temporary folder on a free port, with SQLite and a certificate of its own. */
export const startServer = async (): Promise<DemoServer> => {
  const directory = await mkdtemp(join(tmpdir(), 'mayact-demo-'))
  let child: Bun.Subprocess<'ignore', 'pipe', 'pipe'> | undefined
  const stop = async () => {
    child?.kill('SIGTERM')
    await child?.exited
  }
  try {
    const port = freePort()
    await writeFile(join(directory, 'deployment.toml'), deployment(port), { mode: 0o600 })
    child = Bun.spawn([...self(), 'serve', '--config', join(directory, 'deployment.toml')], {
      // of the caller's environment nothing counts here
      env: {},
      stdin: 'ignore',
      stdout: 'pipe',
      stderr: 'pipe',
    })
    await untilReady(child)
    const origin = `https://localhost:${port}`
    const ca = await readFile(join(directory, 'data/tls/certificate.pem'), 'utf8')
    return {
      directory,
      origin,
      request: (path, init = {}) =>
        fetch(new URL(path, origin).href, { ...init, redirect: 'manual', tls: { ca } }),
      stop,
    }
  } catch (error) {
    await stop()
    await rm(directory, { recursive: true, force: true })
    throw error
  }
}
