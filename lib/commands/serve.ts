/** `mayact serve`: composes configuration → database → app → listener, and drains on SIGTERM. */
import { app } from '../app.ts'
import { type Config, ConfigurationError } from '../config.ts'
import { close } from '../database/commit.ts'
import { startMailer } from '../email/mailer.ts'
import { startJournal } from '../journal.ts'
import { loadTls } from '../keys/tls.ts'
import { listenForCommands } from './control.ts'
import { configure, type Invocation, Misuse } from './invocation.ts'
import { located } from './located.ts'
import { refuseNotYet } from './not-yet.ts'
import { type Opened, open } from './open.ts'

/** Larger than any request of ours; the doors set their own, smaller limits. */
const largestBody = 2_097_152
const drainMilliseconds = 10_000

const inUse = ({ file, server }: Config) =>
  new ConfigurationError([
    `${file}: server.port: ${server.bind}:${server.port} cannot be listened on: it is in use or not allowed; stop the other program, or set another port or offset`,
  ])

/** Finds out before anything is opened whether the address is free. */
const probe = (config: Config) => {
  const { bind, port } = config.server
  try {
    Bun.listen({ hostname: bind, port, socket: { data() {} } }).stop(true)
  } catch {
    throw inUse(config)
  }
}

const tlsOf = async ({ server, dataDirectory }: Config) => {
  if (!server.tls.enabled) return undefined
  const { certificate, key } = server.tls
  const pair = certificate !== undefined && key !== undefined ? { certificate, key } : {}
  return loadTls({ ...pair, directory: dataDirectory, hostname: server.hostname, now: new Date() })
}

const welcome = ({ server, superAdmin, issuer }: Config, { administratorCreated }: Opened) => {
  const lines = [`mayact is ready: ${server.baseUrl} (issuer ${issuer})`]
  if (administratorCreated) {
    const body = `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"replace","value":{"password":"…"}}]}`
    lines.push(
      `First start: the administrator is "${superAdmin.username}", with the password of [super_admin].`,
    )
    lines.push('Change it now:')
    lines.push(
      `  curl -k -u ${superAdmin.username} -X PATCH ${server.baseUrl}/scim2/Me -H 'Content-Type: application/scim+json' -d '${body}'`,
    )
  }
  if (superAdmin.shipped) {
    lines.push(
      `[super_admin] password is the shipped one: listening on ${server.bind} only, until it is changed there.`,
    )
  }
  process.stdout.write(`${lines.join('\n')}\n`)
}

/** Serves until SIGTERM or SIGINT. Throws what stops a start; then nothing is left running. */
export const serve = async (invocation: Invocation): Promise<undefined> => {
  if (invocation.operands.length > 0) throw new Misuse(`serve takes no operands`)
  const { config, log } = await configure(invocation)
  refuseNotYet(config, log)
  probe(config)
  const tls = await located(config, () => tlsOf(config))
  const opened = await located(config, () => open(config, log))
  const { db } = opened
  const server = app({ ...opened, config, log })
  const journal = startJournal(db, config.log.auditFile, log)
  const mailer = startMailer(
    db,
    {
      ...(config.email ? { email: config.email } : {}),
      dataDirectory: config.dataDirectory,
      hostname: config.server.hostname,
    },
    log,
  )
  let listener: ReturnType<typeof Bun.serve>
  try {
    listener = Bun.serve({
      hostname: config.server.bind,
      port: config.server.port,
      ...(tls ? { tls: { cert: tls.cert, key: tls.key } } : {}),
      maxRequestBodySize: largestBody,
      development: false,
      fetch: (request, self) => server.fetch(request, self.requestIP(request)?.address ?? 'unknown'),
    })
  } catch {
    await mailer.stop()
    await journal.stop()
    await close(db)
    throw inUse(config)
  }
  const stopCommands =
    config.database.type === 'sqlite' ? listenForCommands(db, config.dataDirectory, log) : undefined
  let stopping = false
  const stop = async (signal: string) => {
    if (stopping) return
    stopping = true
    log.info({ signal }, 'stopping: no new requests, finishing those under way')
    stopCommands?.()
    await Promise.race([listener.stop(), Bun.sleep(drainMilliseconds)])
    await mailer.stop()
    await journal.stop()
    await close(db)
    process.exit(0)
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop(signal))
  welcome(config, opened)
}
