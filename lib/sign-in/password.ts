/** Passwords: argon2id, one hash at a time, so that a burst of logins never starves the signatures. */

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

/** Whether the password fits; without a hash the same work is done, so that time tells nothing about the name. */
export const verifyPassword = async (password: string, hash: string | null): Promise<boolean> => {
  dummy ??= hashPassword(crypto.randomUUID())
  const fits = await Bun.password.verify(password, hash ?? (await dummy))
  return fits && hash !== null
}
