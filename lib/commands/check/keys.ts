/** The key that secrets are sealed with, and the keys that tokens are signed with. */
import { X509Certificate } from 'node:crypto'
import type { Config } from '../../config.ts'
import type { Db } from '../../database/connect.ts'
import { type Finding, lasting, note, ok, wrong } from '../../impersonation/readiness/finding.ts'
import {
  EncryptionKeyError,
  ensureSameKey,
  isKeyThere,
  isSealed,
  openVault,
  SealError,
  type Vault,
} from '../../keys/secrets.ts'

const about = 'encryption key'

/** The encryption key beside what it sealed; `vault` is there when it fits. */
export const checkEncryption = async (
  config: Config,
  db: Db | undefined,
): Promise<{ readonly finding: Finding; readonly vault?: Vault }> => {
  const { encryption } = config
  const sealed = db !== undefined && (await isSealed(db))
  if (!isKeyThere(encryption)) {
    const where = encryption.keyFile
    if (sealed) {
      const says = `is missing, and the database has secrets sealed with it: ${where}`
      return { finding: wrong(about, says, 'restore the key from a backup') }
    }
    return { finding: note(about, `is not there yet: the first start makes ${where}`) }
  }
  try {
    const vault = openVault(encryption)
    // with the row there it compares and writes nothing
    if (db && sealed) await ensureSameKey(db, vault)
    const says = sealed ? 'opens what the database has sealed' : 'can be used'
    return { finding: ok(about, says), vault }
  } catch (error) {
    if (!(error instanceof EncryptionKeyError)) throw error
    return { finding: wrong(about, error.message, 'correct [encryption]') }
  }
}

/** The keys that sign, one of each algorithm, and the certificates of all that are alive. */
export const checkSigning = async (
  config: Config,
  db: Db,
  vault: Vault | undefined,
  now: Date,
): Promise<readonly Finding[]> => {
  const name = 'signing keys'
  const rows = await db
    .selectFrom('signing_key')
    .select(['kid', 'algorithm', 'certificate', 'private_key', 'active_from'])
    .where((key) => key.or([key('retired_at', 'is', null), key('retired_at', '>', now.toISOString())]))
    .orderBy('active_from', 'desc')
    .execute()
  const signing = config.oauth.signingAlgorithms.map((wanted) => ({
    wanted,
    key: rows.find(({ algorithm, active_from }) => algorithm === wanted && active_from <= now.toISOString()),
  }))
  const missing = signing.filter(({ key }) => key === undefined).map(({ wanted }) => wanted)
  const none = missing.map((wanted) => note(name, `none for ${wanted} yet: the next start makes one`))
  const kids = new Set(signing.flatMap(({ key }) => key?.kid ?? []))
  for (const { key } of signing) {
    try {
      if (key) vault?.open(key.private_key, key.kid)
    } catch (error) {
      if (!(error instanceof SealError)) throw error
      return [wrong(name, `the private key ${key?.kid} does not open: ${error.message}`)]
    }
  }
  const found = rows.map(({ kid, algorithm, certificate }) => {
    const end = new Date(new X509Certificate(certificate).validTo)
    const what = `${algorithm} ${kids.has(kid) ? 'signs' : 'is published'}; its certificate`
    return lasting(name, what, end, now, 'rotate the signing key: mayact keys rotate')
  })
  return [...none, ...found]
}
