/** Gives what stops a command its place in deployment.toml, so that the operator knows which file and key to look at. */
import { type Config, ConfigurationError } from '../config.ts'
import { DatabaseUnreachable } from '../database/connect.ts'
import { SchemaVersionError } from '../database/migrate.ts'
import { EncryptionKeyError } from '../keys/secrets.ts'
import { TlsError } from '../keys/tls.ts'

const keys = [
  [DatabaseUnreachable, 'database.identity_db', '; start the database or correct this table'],
  [SchemaVersionError, 'database.identity_db', ''],
  [EncryptionKeyError, 'encryption', ''],
  [TlsError, 'server.tls', ''],
] as const

/** Runs `work`; what of it is a matter of configuration is thrown as ConfigurationError with file and key. */
export const located = async <Result>({ file }: Config, work: () => Promise<Result>): Promise<Result> => {
  try {
    return await work()
  } catch (error) {
    for (const [kind, key, advice] of keys) {
      if (error instanceof kind) throw new ConfigurationError([`${file}: ${key}: ${error.message}${advice}`])
    }
    throw error
  }
}
