/** Passwords: argon2id, one hash at a time, so that a burst of logins never starves the signatures. */
import { type PasswordHash, readPasswordHash } from './password-hash.ts'

/** OWASP's argon2id setting (19 MiB, 2 passes): about 40 ms on one core. */
const settings = { algorithm: 'argon2id', memoryCost: 19_456, timeCost: 2 } as const
const longestQueue = 64
/** Longer input only buys work for the server. */
export const longestPassword = 1_024

let waiting = 0
let last: Promise<unknown> = Promise.resolve()

/** Runs `work` when all earlier work of this queue is done; undefined when the queue is full. */
export const inPasswordQueue = async <Result>(work: () => Promise<Result>): Promise<Result | undefined> => {
  if (waiting >= longestQueue) return undefined
  waiting += 1
  const mine = last.then(work)
  last = mine.catch(() => {})
  try {
    return await mine
  } finally {
    waiting -= 1
  }
}

/** The PHC string of a new password. */
export const hashPassword = (password: string): Promise<string> => Bun.password.hash(password, settings)

let dummy: Promise<string> | undefined

/** The hash that is stored; undefined for none, and for one that nobody can verify. */
const usable = (stored: string | null): PasswordHash | undefined => {
  const read = stored === null ? undefined : readPasswordHash(stored)
  return read && 'fits' in read ? read : undefined
}

/** Whether the password fits; without a hash the work of our own is done, so that time tells nothing about the name. */
export const verifyPassword = async (password: string, stored: string | null): Promise<boolean> => {
  dummy ??= hashPassword(crypto.randomUUID())
  const hash = usable(stored)
  // an empty one is none, whatever was hashed elsewhere
  if (hash) return (await hash.fits(password)) && password !== ''
  await Bun.password.verify(password, await dummy)
  return false
}

const current = `argon2id m=${settings.memoryCost},t=${settings.timeCost},p=1`

/** How a stored hash was made, where that is not how they are made here: it is made anew when its password is known. */
export const outdatedSettings = (stored: string | null): string | undefined => {
  const made = usable(stored)?.settings
  return made === current ? undefined : made
}
