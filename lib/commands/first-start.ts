/** What a start brings into the database: the configured and the built-in API resources, Administrator, the admin. */
import type { Config } from '../config.ts'
import type { Db } from '../database/connect.ts'
import { ensureAdministrator } from '../directory/administrator.ts'
import type { Caller } from '../directory/caller.ts'
import { Lost } from '../directory/change.ts'
import { ensureApiResources } from '../directory/ensure-api-resources.ts'
import type { Log } from '../log.ts'
import { hashPassword } from '../sign-in/password.ts'

const tries = 3

/** Decides again when another server that starts on the same database was faster. */
const settle = async <Result>(
  asSystem: () => Promise<Caller>,
  work: (caller: Caller) => Promise<Result>,
): Promise<Result> => {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work(await asSystem())
    } catch (error) {
      if (!(error instanceof Lost) || attempt === tries) throw error
    }
  }
}

/** Looks first and writes only what is missing; a start on a complete database writes nothing. */
export const firstStart = async (
  db: Db,
  asSystem: () => Promise<Caller>,
  config: Config,
  log: Log,
  now: Date,
): Promise<{ administratorCreated: boolean }> => {
  const { username: userName, password, shipped, create } = config.superAdmin
  let hash: Promise<string> | undefined
  const passwordHash = () => {
    hash ??= hashPassword(password)
    return hash
  }
  const { misplaced, clients } = await settle(asSystem, (caller) =>
    ensureApiResources(db, caller, now, config.apiResources),
  )
  for (const { scope, identifier } of misplaced)
    log.warn({ scope, identifier }, 'another API resource has this scope of deployment.toml already')
  for (const identifier of clients)
    log.warn({ identifier }, 'a client goes by the identifier of this API resource of deployment.toml')
  const { created } = await settle(asSystem, (caller) =>
    ensureAdministrator(db, caller, now, create ? { userName, passwordHash, shipped } : undefined),
  )
  if (created) log.info({ userName }, 'the first administrator was created')
  return { administratorCreated: created }
}
