/**
 * SIGHUP: reads deployment.toml, the plugins and the certificate again, and puts all of it in force at once or none of
 * it. A request that is under way ends with what it began with.
 */
import { type App, app } from '../app.ts'
import { record } from '../audit.ts'
import { type Config, ConfigurationError, load } from '../config.ts'
import { commit } from '../database/commit.ts'
import type { Tls } from '../keys/tls.ts'
import type { Log } from '../log.ts'
import type { Followers } from '../plugins/followers.ts'
import type { Plugins } from '../plugins.ts'
import type { Invocation } from './invocation.ts'
import type { Listener } from './listener.ts'
import { located } from './located.ts'
import type { Opened } from './open.ts'
import { pluginsOf, recordLoaded } from './plugins-of.ts'
import { keepUntilRestart } from './restart-keys.ts'
import { tlsOf } from './tls-of.ts'

/** What is in force. */
export interface Live {
  readonly config: Config
  readonly plugins: Plugins
  readonly tls: Tls | undefined
  readonly server: App
}

export interface ReloadNeeds {
  readonly invocation: Invocation
  readonly opened: Opened
  readonly listener: Listener
  readonly followers: Followers
  readonly log: Log
  current(): Live
  /** From here on new requests go to it. */
  replace(live: Live): void
}

/** A plugin may read its own folder while its last requests end. */
const copyKeptMilliseconds = 60_000

/** Throws ConfigurationError for what the doors refuse. */
export const compose = (opened: Opened, config: Config, plugins: Plugins, log: Log): App =>
  app({
    ...opened,
    validators: [...opened.validators, ...plugins.validators],
    plugins,
    config,
    log,
  })

const prepare = async ({ opened, log }: ReloadNeeds, live: Live, read: Config) => {
  const { config, restart } = keepUntilRestart(live.config, read)
  const tls = await located(config, () => tlsOf(config))
  const plugins = await pluginsOf(config, log)
  try {
    const server = compose(opened, config, plugins, log)
    await server.complete()
    return { next: { config, plugins, tls, server } satisfies Live, restart }
  } catch (error) {
    await plugins.remove()
    throw error
  }
}

/** Apart from what else was in force: only the copy stays for its minute, not the whole app. */
const removeLater = (remove: () => Promise<void>) => {
  setTimeout(() => remove().catch(() => {}), copyKeptMilliseconds).unref()
}

const changeOver = async (needs: ReloadNeeds): Promise<void> => {
  const { invocation, opened, listener, followers, log } = needs
  const live = needs.current()
  const { config: read, warnings } = await load(live.config.file, invocation.environment)
  const { next, restart } = await prepare(needs, live, read)
  const { db } = opened
  const trace = { id: crypto.randomUUID(), address: 'reload' }
  const now = new Date()
  try {
    const row = record(db, now, trace, {
      event: 'configuration-reloaded',
      initiator: 'system',
      target: next.config.file,
      data: { needRestart: restart, plugins: next.plugins.files.map(({ name }) => name) },
      outcome: 'Success',
    })
    const outcome = await commit(db, [row, ...recordLoaded(db, next.plugins, trace, now)])
    if (outcome !== 'committed') throw new Error(`the audit rows of the reload were not written: ${outcome}`)
    const { tls } = next
    const isNewPair = tls !== undefined && (tls.cert !== live.tls?.cert || tls.key !== live.tls.key)
    if (isNewPair) await listener.replace(tls)
  } catch (error) {
    await next.plugins.remove()
    throw error
  }
  needs.replace(next)
  followers.follow(next.plugins.followers, next.config.plugins.timeoutMilliseconds)
  removeLater(live.plugins.remove)
  for (const warning of warnings) log.warn(warning)
  for (const key of restart) log.warn({ key }, `${key} has changed: it needs a restart, and stays as it was`)
  const plugins = next.plugins.files.map(({ name, sha256 }) => ({ name, sha256 }))
  log.info({ plugins, needRestart: restart }, 'configuration reloaded')
}

/** What SIGHUP calls; a signal that comes during a reload is answered by one more after it. */
export const reloader = (needs: ReloadNeeds): (() => Promise<void>) => {
  let running: Promise<void> = Promise.resolve()
  let waiting = 0
  return () => {
    if (waiting > 1) return running
    waiting += 1
    running = running.then(async () => {
      try {
        await changeOver(needs)
      } catch (error) {
        const problems = error instanceof ConfigurationError ? error.problems : undefined
        const found = problems ? { problems } : { err: error }
        needs.log.error(found, 'nothing was reloaded: everything stays as it was')
      } finally {
        waiting -= 1
      }
    })
    return running
  }
}
