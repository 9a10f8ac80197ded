/** What a start brings into the database: the configured and the built-in API resources, Administrator, the admin. */
import type { Config } from '../config.ts'
import type { Db } from '../database/connect.ts'
import { administratorsWithShippedPassword, ensureAdministrator } from '../directory/administrator.ts'
import type { Caller } from '../directory/caller.ts'
import { Lost } from '../directory/change.ts'
import { ensureApiResources } from '../directory/ensure-api-resources.ts'
import { updateUser } from '../directory/user-update.ts'
import { findUser } from '../directory/users.ts'
import type { Log } from '../log.ts'
import { endAllOf } from '../sign-in/end-session.ts'
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

/**
 * Gives the password of deployment.toml to administrators who still have the one that everybody knows, and ends what was
 * begun with that: a server that is configured with another one listens to other machines.
 */
const replaceShippedPassword = async (
  db: Db,
  caller: Caller,
  now: Date,
  hashPassword: () => Promise<string>,
): Promise<readonly string[]> => {
  const replaced: string[] = []
  for (const id of await administratorsWithShippedPassword(db)) {
    const user = await findUser(db, caller, id)
    if (!user) continue
    const { attributes, locked, disabled } = user
    const ending = () => endAllOf(db, id, { by: caller.accountId, reason: 'account-changed' }, now)
    const touched = new Set<string>()
    await updateUser(db, caller, user, { attributes, locked, disabled, touched, hashPassword, ending }, now)
    replaced.push(user.userName)
  }
  return replaced
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
  if (!shipped) {
    const replaced = await settle(asSystem, (caller) => replaceShippedPassword(db, caller, now, passwordHash))
    for (const administrator of replaced)
      log.warn(
        { userName: administrator },
        'has the password of [super_admin] now instead of the shipped one',
      )
  }
  return { administratorCreated: created }
}
