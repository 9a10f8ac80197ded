/** `mayact serve`: composes configuration → database → app → listener, and drains on SIGTERM. */
import { firstUntaken, startFollowing } from '../audit/follower.ts'
import { removeBefore } from '../audit/retention.ts'
import { startSealer } from '../audit/sealer.ts'
import { type Config, ConfigurationError } from '../config.ts'
import {
  type Checkpointer,
  canCheckpointBeside,
  sqliteVersion,
  startCheckpointer,
} from '../database/checkpointer.ts'
import { close, commit } from '../database/commit.ts'
import { messageDomain } from '../email/address.ts'
import { startMailer } from '../email/mailer.ts'
import { startHousekeeper } from '../housekeeping/housekeeper.ts'
import { endedNoticeFollower } from '../impersonation/ended-notice.ts'
import { startSweeper } from '../impersonation/sweeper.ts'
import { startJournal } from '../journal.ts'
import { openAuditKey } from '../keys/audit-key.ts'
import { removeCopies, removeLeftOver } from '../plugins/copies.ts'
import { startFollowers } from '../plugins/followers.ts'
import { pathOf } from '../published-path.ts'
import { startLogoutSender } from '../sign-in/logout-sender.ts'
import { webhookFollower } from '../webhooks/follower.ts'
import { startWebhookSender } from '../webhooks/sender.ts'
import { listenForCommands } from './control.ts'
import { drain } from './drain.ts'
import { impersonationTasks } from './impersonations.ts'
import { configure, type Invocation, Misuse } from './invocation.ts'
import { keyTasks } from './keys.ts'
import { type Listener, startListener } from './listener.ts'
import { located } from './located.ts'
import { mailTasks } from './mail.ts'
import { type Opened, open } from './open.ts'
import { pluginsOf, recordLoaded } from './plugins-of.ts'
import { compose, type Live, reloader } from './reload.ts'
import { startTelemetry } from './telemetry.ts'
import { tlsOf } from './tls-of.ts'

const drainMilliseconds = 10_000
const afterStartMilliseconds = 1_000

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
  probe(config)
  const tls = await located(config, () => tlsOf(config))
  const leftOver = await removeLeftOver()
  if (leftOver > 0) log.info({ leftOver }, 'copies of plugins that killed processes left were removed')
  const plugins = await pluginsOf(config, log)
  const opened = await located(config, () => open(config, log)).catch(async (error: unknown) => {
    await plugins.remove()
    throw error
  })
  const { db } = opened
  const composed = await located(config, async () => compose(opened, config, plugins, log)).catch(
    async (error: unknown) => {
      await plugins.remove()
      await close(db)
      throw error
    },
  )
  let live: Live = { config, plugins, tls, server: composed }
  if (plugins.files.length > 0) {
    const trace = { id: crypto.randomUUID(), address: 'start-up' }
    await commit(db, recordLoaded(db, plugins, trace, new Date()))
    for (const { name, file, sha256 } of plugins.files) log.info({ name, file, sha256 }, 'plugin loaded')
  }
  const { auditFile, auditFormat, auditMaxBytes, auditKeep } = config.log
  const journal = startJournal(db, auditFile, log, {
    format: auditFormat,
    maxBytes: auditMaxBytes,
    keep: auditKeep,
  })
  const mailer = startMailer(
    db,
    {
      ...(config.email ? { email: config.email } : {}),
      dataDirectory: config.dataDirectory,
      hostname: config.server.hostname,
    },
    log,
  )
  const sealer = startSealer({
    db,
    log,
    file: config.audit.checkpointFile,
    // opened for the first checkpoint: a start does not wait for it
    sign: async (statement, typ) => (await openAuditKey(db, opened.vault, new Date())).sign(statement, typ),
  })
  // of the configuration that is in force when a message leaves
  const outbound = {
    get allowPrivateAddresses() {
      return live.config.oauth.outbound.allowPrivateAddresses
    },
  }
  const issuer = { issuer: config.issuer, sign: opened.keys.sign, algorithmFor: opened.keys.algorithmFor }
  const logoutSender = startLogoutSender(db, { issuer, outbound }, log)
  const webhookSender = startWebhookSender(db, { issuer, vault: opened.vault, outbound }, log)
  const requests = drain()
  const telemetry = startTelemetry(
    {
      db,
      log,
      access: () => live.config.server.metrics,
      token: () => live.config.server.metricsToken,
      prefix: () => pathOf(live.config.server.baseUrl),
    },
    () => live.server.routes,
  )
  let listener: Listener
  try {
    const answer = async (request: Request, address: string) =>
      telemetry.observe(request, address, () =>
        requests.take(request, () => live.server.fetch(request, address)),
      )
    listener = startListener(config.server, tls, answer, log)
  } catch {
    await plugins.remove()
    await logoutSender.stop()
    await webhookSender.stop()
    await mailer.stop()
    await sealer.stop()
    await journal.stop()
    await close(db)
    throw inUse(config)
  }
  const stopCommands =
    config.database.type === 'sqlite'
      ? await listenForCommands(db, config.dataDirectory, log, {
          ...keyTasks(opened, config),
          ...impersonationTasks(db),
          ...mailTasks(db),
        })
      : undefined
  const { retentionSeconds } = config.audit
  const housekeeper = startHousekeeper(db, log, {
    tidyAudit:
      retentionSeconds === undefined
        ? undefined
        : async (now) => {
            const before = new Date(now.getTime() - retentionSeconds * 1000)
            const trace = { id: crypto.randomUUID(), address: 'housekeeping' }
            return removeBefore(db, before, await firstUntaken(db), trace, now)
          },
  })
  const sweeper = startSweeper({ db, log, enabled: () => live.config.impersonation.enabled })
  const followers = startFollowers(db, log)
  followers.follow(plugins.followers, config.plugins.timeoutMilliseconds)
  const following = startFollowing(db, 'own-followers', log)
  const { hostname } = config.server
  const origin = { domain: messageDomain(config.email?.fromAddress, hostname), hostname }
  following.follow([webhookFollower(db, config.issuer), endedNoticeFollower(db, origin, log)])
  let checkpointer: Checkpointer | undefined
  let stopping = false
  const stop = async (signal: string) => {
    if (stopping) return
    stopping = true
    log.info({ signal }, 'stopping: no new requests, finishing those under way')
    stopCommands?.()
    await requests.finish(listener, drainMilliseconds)
    telemetry.stop()
    await followers.stop()
    await sweeper.stop()
    await following.stop()
    await removeCopies()
    await housekeeper.stop()
    await logoutSender.stop()
    await webhookSender.stop()
    await mailer.stop()
    await sealer.stop()
    await journal.stop()
    await checkpointer?.stop()
    await close(db)
    process.exit(0)
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop(signal))
  const current = () => live
  const replace = (next: Live) => {
    live = next
  }
  process.on('SIGHUP', reloader({ invocation, opened, listener, followers, log, current, replace }))
  welcome(config, opened)
  // ready for sign-ins first; whoever calls the management APIs earlier loads them by that
  setTimeout(() => {
    void live.server.complete()
    if (config.database.type === 'sqlite' && !stopping && canCheckpointBeside(sqliteVersion())) {
      checkpointer = startCheckpointer(config.database.path, (reason) =>
        log.error({ reason }, 'checkpoints are made within commits from now on: their thread failed'),
      )
    }
  }, afterStartMilliseconds).unref()
}
