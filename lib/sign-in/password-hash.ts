/**
 * Hashes of passwords that other servers made, as PHC strings or, for bcrypt, in its own form. Each kind has bounds on
 * its cost: whoever brings one decides how much work every login of that user is for this server.
 */
import { pbkdf2, scrypt, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'

/** What a hash costs at most: about a second of one core, and as much memory as stands here. */
const most = {
  /** KiB; and KiB times passes. */
  argon2Memory: 262_144,
  argon2Work: 1_048_576,
  /** What `Bun.password` verifies. */
  argon2Passes: 65_536,
  bcryptCost: 14,
  /** Bytes, 128·N·r; and N·r·p. */
  scryptMemory: 134_217_728,
  scryptWork: 4_194_304,
  pbkdf2Iterations: 5_000_000,
} as const
const longestHash = 512

export type PasswordHashKind =
  | 'argon2id'
  | 'argon2i'
  | 'bcrypt'
  | 'scrypt'
  | 'pbkdf2-sha256'
  | 'pbkdf2-sha512'

export interface PasswordHash {
  readonly kind: PasswordHashKind
  /** `kind` and cost, as they stand in the string. */
  readonly settings: string
  /** Whether it is the password's; takes as long as the hash took to make. */
  fits(password: string): Promise<boolean>
}

/** Why a text is no hash that is taken here: the end of a sentence that begins with "passwordHash". */
export interface UnusableHash {
  readonly problem: string
}

const unusable = (problem: string): UnusableHash => ({ problem })
const tooDear = (what: string) => unusable(`costs too much: ${what}`)

/** Base64 without padding, as PHC strings have it; undefined for anything else. passlib writes `.` for `+`. */
const bytesOf = (text: string | undefined): Buffer | undefined => {
  if (text === undefined || !/^[A-Za-z0-9+/.]+$/.test(text) || text.length % 4 === 1) return undefined
  return Buffer.from(text.replaceAll('.', '+'), 'base64')
}

/** The same as `Bun.password` reads it: nothing but bits of the bytes. What others leave behind their end means nothing. */
const exactly = (text = ''): string =>
  (bytesOf(text) ?? Buffer.alloc(0)).toString('base64').replace(/=+$/, '')

/** `m=65536,t=3,p=4` by name; undefined when it is not exactly `names`, each a plain number. */
const numbersOf = (text: string, names: readonly string[]): readonly number[] | undefined => {
  const parts = text.split(',').map((part) => /^([a-z]+)=(0|[1-9]\d{0,9})$/.exec(part))
  if (parts.length !== names.length || parts.some((part, index) => part?.[1] !== names[index]))
    return undefined
  return parts.map((part) => Number(part?.[2]))
}

const isBetween = (value: number | undefined, least: number, greatest: number) =>
  value !== undefined && value >= least && value <= greatest

/** Salt and hash of the lengths in which they are made anywhere. */
const saltAndHash = (salt: string | undefined, hash: string | undefined) => {
  const [saltBytes, hashBytes] = [bytesOf(salt), bytesOf(hash)]
  if (!isBetween(saltBytes?.length, 8, 64) || !isBetween(hashBytes?.length, 16, 64)) return undefined
  return saltBytes && hashBytes && { salt: saltBytes, hash: hashBytes }
}

const isEqual = (one: Buffer, other: Buffer) => one.length === other.length && timingSafeEqual(one, other)

type Reading = PasswordHash | UnusableHash

const readArgon2 = (kind: 'argon2id' | 'argon2i', text: string): Reading => {
  const [, , version, cost = '', salt, hash, ...more] = text.split('$')
  const [m = 0, t = 0, p = 0] = numbersOf(cost, ['m', 't', 'p']) ?? []
  if (version !== 'v=19' || more.length > 0 || !saltAndHash(salt, hash) || p < 1 || t < 1 || m < 8 * p) {
    return unusable(`is not $${kind}$v=19$m=…,t=…,p=…$salt$hash`)
  }
  if (m > most.argon2Memory || m * t > most.argon2Work || t > most.argon2Passes || p > 16) {
    return tooDear(`at most m=${most.argon2Memory}, m·t=${most.argon2Work}, t=${most.argon2Passes} and p=16`)
  }
  const exact = `$${kind}$${version}$${cost}$${exactly(salt)}$${exactly(hash)}`
  return { kind, settings: `${kind} ${cost}`, fits: (password) => Bun.password.verify(password, exact) }
}

const radix64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
/** The same in the order in which bcrypt has it. */
const bcryptRadix64 = './ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'
const asBcrypt = (text: string) =>
  text.replace(/./g, (letter) => bcryptRadix64[radix64.indexOf(letter)] ?? '')
const fromBcrypt = (text: string) =>
  text.replace(/./g, (letter) => radix64[bcryptRadix64.indexOf(letter)] ?? '')

/** What bcrypt looks at; Bun would hash what is longer beforehand, which nobody else does. */
const bcryptBytes = 72

/** Salt and hash in the usual order of Base64. */
const bcrypt = (cost: string, salt: string, hash: string): Reading => {
  const rounds = Number(cost)
  if (rounds > most.bcryptCost) return tooDear(`at most a cost of ${most.bcryptCost}`)
  if (rounds < 4) return unusable('is bcrypt of a cost that there is not')
  // 2a, 2b and 2y are one algorithm; the names tell of errors that some implementations once had
  const exact = asBcrypt(`${exactly(salt)}${exactly(hash)}`)
  const text = `$2b$${String(rounds).padStart(2, '0')}$${exact}`
  return {
    kind: 'bcrypt',
    settings: `bcrypt ${rounds}`,
    fits: (password) => Bun.password.verify(Buffer.from(password).subarray(0, bcryptBytes), text),
  }
}

const readBcrypt = (text: string): Reading => {
  const [, cost = '', salt = '', hash] =
    /^\$2[aby]\$(\d\d)\$([./A-Za-z0-9]{22})([./A-Za-z0-9]{31})$/.exec(text) ?? []
  if (hash === undefined) return unusable('is not $2b$cost$ and 53 characters')
  return bcrypt(cost, fromBcrypt(salt), fromBcrypt(hash))
}

const readBcryptPhc = (text: string): Reading => {
  const [, cost = '', salt = '', hash] =
    /^\$bcrypt\$r=(\d{1,2})\$([A-Za-z0-9+/]{22})\$([A-Za-z0-9+/]{31})$/.exec(text) ?? []
  if (hash === undefined) return unusable('is not $bcrypt$r=…$salt$hash')
  return bcrypt(cost, salt, hash)
}

// its overloads are lost in promisify
const scryptOf = promisify(
  (
    password: string,
    salt: Buffer,
    length: number,
    options: object,
    done: (e: Error | null, key: Buffer) => void,
  ) => scrypt(password, salt, length, options, done),
)

const readScrypt = (text: string): Reading => {
  const [, , cost = '', salt, hash, ...more] = text.split('$')
  const [ln = 0, r = 0, p = 0] = numbersOf(cost, ['ln', 'r', 'p']) ?? []
  const made = saltAndHash(salt, hash)
  if (!made || more.length > 0 || ln < 1 || r < 1 || p < 1) {
    return unusable('is not $scrypt$ln=…,r=…,p=…$salt$hash')
  }
  const memory = 128 * 2 ** ln * r
  // the blocks of p lanes are in memory, too, and never more than the table
  if (memory > most.scryptMemory || 2 ** ln * r * p > most.scryptWork || p > 2 ** ln) {
    return tooDear(`at most 128·2^ln·r=${most.scryptMemory}, 2^ln·r·p=${most.scryptWork} and p=2^ln`)
  }
  if (ln >= 16 * r) return unusable('is scrypt of a table that its blocks do not allow: ln is less than 16·r')
  // beside the table there are the blocks of p and some of OpenSSL's own
  const options = { N: 2 ** ln, r, p, maxmem: memory + 128 * r * (p + 2) + 1_048_576 }
  return {
    kind: 'scrypt',
    settings: `scrypt ${cost}`,
    fits: async (password) =>
      isEqual(await scryptOf(password, made.salt, made.hash.length, options), made.hash),
  }
}

const pbkdf2Of = promisify(pbkdf2)

/** With `i=…`, with `i=…,l=…`, and with the bare number of passlib. */
const readPbkdf2 = (digest: 'sha256' | 'sha512', text: string): Reading => {
  const [, , cost = '', salt, hash, ...more] = text.split('$')
  const made = saltAndHash(salt, hash)
  const [iterations, length] =
    numbersOf(`i=${cost}`, ['i']) ?? numbersOf(cost, ['i']) ?? numbersOf(cost, ['i', 'l']) ?? []
  const isWhole = iterations !== undefined && (length === undefined || length === made?.hash.length)
  if (!made || more.length > 0 || !isWhole || iterations < 1) {
    return unusable(`is not $pbkdf2-${digest}$i=…$salt$hash`)
  }
  if (iterations > most.pbkdf2Iterations) return tooDear(`at most i=${most.pbkdf2Iterations}`)
  return {
    kind: `pbkdf2-${digest}`,
    settings: `pbkdf2-${digest} ${iterations}`,
    fits: async (password) =>
      isEqual(await pbkdf2Of(password, made.salt, iterations, made.hash.length, digest), made.hash),
  }
}

const readers: Readonly<Record<string, (text: string) => Reading>> = {
  argon2id: (text) => readArgon2('argon2id', text),
  argon2i: (text) => readArgon2('argon2i', text),
  '2a': readBcrypt,
  '2b': readBcrypt,
  '2y': readBcrypt,
  bcrypt: readBcryptPhc,
  scrypt: readScrypt,
  'pbkdf2-sha256': (text) => readPbkdf2('sha256', text),
  'pbkdf2-sha512': (text) => readPbkdf2('sha512', text),
}

/** Reads a hash as it is stored or brought by an import. */
export const readPasswordHash = (text: string): Reading => {
  const [, kind = ''] = text.split('$', 2)
  const reader = text.startsWith('$') && Object.hasOwn(readers, kind) ? readers[kind] : undefined
  if (!reader || text.length > longestHash) {
    return unusable(
      'is none of argon2id, argon2i, bcrypt, scrypt, pbkdf2-sha256 and pbkdf2-sha512 as a PHC string',
    )
  }
  return reader(text)
}
