/**
 * Secrets at rest: what the database must be able to give back (client secrets, private keys) is sealed with one
 * encryption key that the database does not have. A dump alone opens nothing.
 */
import {
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  hkdfSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto'
import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { commit, write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'

const version = 'v1.'
const nonceLength = 12
const tagLength = 16
const checkRow = 'encryption_check'

/**
 * Seals and opens with AES-256-GCM. `context` says where the value belongs (the row's id): it is not stored but
 * authenticated, so a value moved to another row does not open. Opening throws `SealError`.
 */
export interface Vault {
  seal(plain: string | Uint8Array, context: string): string
  open(sealed: string, context: string): Uint8Array<ArrayBuffer>
  openText(sealed: string, context: string): string
  /** 32 bytes for another purpose (HKDF, RFC 5869): the same wherever the encryption key is, and not that key. */
  derive(purpose: string): Uint8Array
}

/** A sealed value that does not open: altered, moved to another place, or sealed with another key. */
export class SealError extends Error {
  override readonly name = 'SealError'
}

/** The encryption key cannot be used; the message says why and what to do. */
export class EncryptionKeyError extends Error {
  override readonly name = 'EncryptionKeyError'
}

/** Where the key may come from, in this order: `key`, the credentials' folder, `keyFile` (made when missing). */
export interface KeySource {
  readonly key?: string | undefined
  readonly keyFile: string
  readonly credentialsDirectory?: string | undefined
}

const vaultOf = (key: KeyObject): Vault => {
  const open = (sealed: string, context: string): Buffer<ArrayBuffer> => {
    const bytes = Buffer.from(sealed.slice(version.length), 'base64url')
    // one text for one value: the decoder would forgive foreign characters and spare bits
    const exact = sealed === version + bytes.toString('base64url')
    if (!exact || bytes.length < nonceLength + tagLength)
      throw new SealError('this is not a sealed value of a known version')
    const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, nonceLength), {
      authTagLength: tagLength,
    })
    decipher.setAAD(Buffer.from(context)).setAuthTag(bytes.subarray(-tagLength))
    try {
      return Buffer.concat([decipher.update(bytes.subarray(nonceLength, -tagLength)), decipher.final()])
    } catch (cause) {
      throw new SealError('a sealed value was altered, moved, or sealed with another encryption key', {
        cause,
      })
    }
  }
  return {
    seal(plain, context) {
      const nonce = randomBytes(nonceLength)
      const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: tagLength })
      cipher.setAAD(Buffer.from(context))
      const parts = [nonce, cipher.update(Buffer.from(plain)), cipher.final(), cipher.getAuthTag()]
      return version + Buffer.concat(parts).toString('base64url')
    },
    open,
    openText: (sealed, context) => open(sealed, context).toString('utf8'),
    derive: (purpose) => new Uint8Array(hkdfSync('sha256', key, '', purpose, 32)),
  }
}

const keyOf = (text: string, origin: string): KeyObject => {
  const trimmed = text.trim()
  if (/^[0-9a-f]{64}$/i.test(trimmed)) return createSecretKey(Buffer.from(trimmed, 'hex'))
  if (/^[\w+/-]{43}=?$/.test(trimmed)) return createSecretKey(Buffer.from(trimmed, 'base64'))
  throw new EncryptionKeyError(
    `${origin} must be 32 bytes as 64 hexadecimal digits or as base64: make one with \`openssl rand -hex 32\``,
  )
}

/** Flushed to the disk before anything is sealed with it: a key lost with the power takes all secrets along. */
const flush = (path: string, flags: string, content?: string) => {
  const file = openSync(path, flags, 0o600)
  try {
    if (content !== undefined) writeSync(file, content)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

/** Makes the key file unless it is there. It appears whole, by a link, so two processes at once agree on one. */
const makeKeyFile = (path: string) => {
  const folder = dirname(path)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const draft = `${path}.${randomBytes(6).toString('hex')}`
  flush(draft, 'wx', `${randomBytes(32).toString('base64')}\n`)
  try {
    linkSync(draft, path)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  } finally {
    unlinkSync(draft)
  }
  // Windows has no folders to open
  if (process.platform !== 'win32') flush(folder, 'r')
}

const readKeyFile = (path: string): string => {
  const file = openSync(path, 'r')
  try {
    const mode = fstatSync(file).mode & 0o777
    if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
      throw new EncryptionKeyError(
        `others than its owner may use the key file ${path} (mode ${mode.toString(8)}): run \`chmod 600 ${path}\``,
      )
    }
    return readFileSync(file, 'utf8')
  } finally {
    closeSync(file)
  }
}

/** Whether there is a key, so that `openVault` makes none. */
export const isKeyThere = ({ key, keyFile, credentialsDirectory }: KeySource): boolean =>
  key !== undefined ||
  existsSync(keyFile) ||
  ['mayact.key', 'encryption.key'].some(
    (name) => credentialsDirectory !== undefined && existsSync(join(credentialsDirectory, name)),
  )

/** Whether the database has secrets that some key has sealed. */
export const isSealed = async (db: Db): Promise<boolean> =>
  (await db.selectFrom('meta').select('value').where('name', '=', checkRow).executeTakeFirst()) !== undefined

/**
 * Makes a key for a new database alone: beside secrets that another one sealed, it would look like theirs. Throws
 * `EncryptionKeyError`.
 */
export const openVaultFor = async (db: Db, source: KeySource): Promise<Vault> => {
  // in this order: another first start makes its key before it seals anything
  if ((await isSealed(db)) && !isKeyThere(source))
    throw new EncryptionKeyError(
      `the key is missing that this database was written with: ${source.keyFile}: restore it from a backup, or give this server the one of the other servers`,
    )
  return openVault(source)
}

/** Finds the encryption key, or makes `keyFile` with a fresh one. Throws `EncryptionKeyError`. */
export const openVault = ({ key, keyFile, credentialsDirectory }: KeySource): Vault => {
  if (key !== undefined) return vaultOf(keyOf(key, 'the configured encryption key ([encryption] key)'))
  if (credentialsDirectory !== undefined) {
    // no look at the mode: systemd opens its credentials to the service by an access list, which shows as group bits
    const path = ['mayact.key', 'encryption.key']
      .map((name) => join(credentialsDirectory, name))
      .find(existsSync)
    if (path !== undefined) return vaultOf(keyOf(readFileSync(path, 'utf8'), `the content of ${path}`))
  }
  if (!existsSync(keyFile)) makeKeyFile(keyFile)
  return vaultOf(keyOf(readKeyFile(keyFile), `the content of ${keyFile}`))
}

/**
 * Refuses to work on a database whose secrets another key sealed; the first server leaves a check row for the
 * others. Throws `EncryptionKeyError`.
 */
export const ensureSameKey = async (db: Db, vault: Vault): Promise<void> => {
  const find = () => db.selectFrom('meta').select('value').where('name', '=', checkRow).executeTakeFirst()
  let row = await find()
  if (!row) {
    const value = vault.seal('mayact', checkRow)
    const outcome = await commit(db, [write(db.insertInto('meta').values({ name: checkRow, value }))])
    if (outcome === 'committed') return
    row = await find()
    if (!row) throw new Error('the encryption check row could be neither written nor read')
  }
  try {
    vault.open(row.value, checkRow)
  } catch (cause) {
    throw new EncryptionKeyError(
      'this database was written with another encryption key: give this server the same one ([encryption] key, its key file or its credential) as the server that made the database, or restore that key from a backup',
      { cause },
    )
  }
}
