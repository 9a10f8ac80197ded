/** Opens everything a command works with, in the order in which each can refuse. */
import type { Config } from '../config.ts'
import { close, readRevision } from '../database/commit.ts'
import { connect, type Db } from '../database/connect.ts'
import { migrate, rootOrganization } from '../database/migrate.ts'
import { systemCaller } from '../directory/caller.ts'
import { builtInValidators } from '../impersonation/validators/built-in.ts'
import { ensureSameKey, isKeyThere, openVault, openVaultFor, type Vault } from '../keys/secrets.ts'
import { loadSigningKeys, type SigningKeys } from '../keys/signing.ts'
import type { Log } from '../log.ts'
import { openPairwiseSalt } from '../tokens/pairwise-salt.ts'
import { firstStart } from './first-start.ts'

export interface Opened {
  readonly db: Db
  readonly vault: Vault
  readonly keys: SigningKeys
  readonly validators: typeof builtInValidators
  readonly organization: { readonly id: string; readonly name: string }
  /** True when this start created the super administrator. */
  readonly administratorCreated: boolean
}

/** Connects, migrates, checks the encryption key, loads the signing keys and brings the configured rows in. */
export const open = async (config: Config, log: Log): Promise<Opened> => {
  const { encryption } = config
  const found = isKeyThere(encryption) ? openVault(encryption) : undefined
  const db = await connect(config.database)
  try {
    const now = new Date()
    await migrate(db, now)
    const vault = found ?? (await openVaultFor(db, encryption))
    await ensureSameKey(db, vault)
    await openPairwiseSalt(db, vault)
    const keys = await loadSigningKeys(db, vault, config.oauth.signingAlgorithms)
    const trace = { id: crypto.randomUUID(), address: 'start-up' }
    const asSystem = async () => systemCaller(rootOrganization.id, await readRevision(db), trace)
    const { administratorCreated } = await firstStart(db, asSystem, config, log, now)
    return {
      db,
      vault,
      keys,
      validators: builtInValidators,
      organization: rootOrganization,
      administratorCreated,
    }
  } catch (error) {
    await close(db)
    throw error
  }
}
