/** User name and password, for the login form and for Basic alike. A refusal says the same whatever the reason. */
import { createHmac, randomBytes } from 'node:crypto'
import { record, type Trace } from '../audit.ts'
import { commit, exactly, type Write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { type Account, findAccount, findAccountByName, isActive, userNameKey } from '../directory/accounts.ts'
import {
  hashPassword,
  inPasswordQueue,
  longestPassword,
  outdatedSettings,
  verifyPassword,
} from './password.ts'
import { accountKey, forgetFailures, isThrottled, recordFailure } from './throttle.ts'

export interface Credentials {
  readonly organizationId: string
  readonly userName: string
  readonly password: string
}

export type Verdict =
  | { readonly account: Account }
  /** `why` is for the audit and the log; the caller is told the same each time. */
  | { readonly account: undefined; readonly why: 'credentials' | 'inactive' | 'throttled' | 'busy' }

/** WSO2's clients may name the tenant behind the user name; there is one here. */
const withoutTenant = (userName: string) => userName.replace(/@carbon\.super$/i, '')

const refuse = (why: 'credentials' | 'inactive' | 'throttled' | 'busy'): Verdict => ({
  account: undefined,
  why,
})

/**
 * The writes by which the hash of a password that fits becomes one of ours, where an import brought another. The
 * password stays what it was: neither version nor edition grow, and nothing ends.
 */
const renewHash = async (
  db: Db,
  { id, version, passwordHash, organizationId }: Account,
  password: string,
  trace: Trace,
  now: Date,
): Promise<readonly Write[]> => {
  const from = outdatedSettings(passwordHash)
  if (from === undefined) return []
  const update = db
    .updateTable('account')
    .set({ password_hash: await hashPassword(password) })
    .where('id', '=', id)
    .where('version', '=', version)
    .where('password_hash', '=', passwordHash)
  const event = { initiator: id, target: id, data: { from }, outcome: 'Success', organizationId }
  return [exactly(1, update), record(db, now, trace, { event: 'password-rehashed', ...event })]
}

/** Checks credentials, throttled before hashing. A failure is counted, and audited when the user is known. */
export const verifyCredentials = async (
  db: Db,
  { organizationId, userName, password }: Credentials,
  trace: Trace,
  now: Date,
): Promise<Verdict> => {
  if (password.length > longestPassword || userName.length > 255) return refuse('credentials')
  const name = withoutTenant(userName)
  const key = accountKey(organizationId, userNameKey(name))
  const verdict = await inPasswordQueue(async (): Promise<Verdict> => {
    // asked in the queue: of many attempts at once each sees the failures of those before it
    if (await isThrottled(db, key, trace.address, now)) return refuse('throttled')
    // Basic brings any text, and Postgres takes no NUL: nobody is called that
    const account = name.includes('\0') ? undefined : await findAccountByName(db, organizationId, name)
    const fits = await verifyPassword(password, account?.passwordHash ?? null)
    if (account && fits && isActive(account)) {
      const renewal = await renewHash(db, account, password, trace, now)
      const outcome = await commit(db, [forgetFailures(db, key), ...renewal])
      // somebody set another password meanwhile: it stays, and what this login leads to is guarded by the version
      if (outcome !== 'committed') await commit(db, [forgetFailures(db, key)])
      return { account }
    }
    const why = fits ? 'inactive' : 'credentials'
    const event = account && {
      event: 'login-failed' as const,
      initiator: account.id,
      target: account.id,
      data: { reason: why, address: trace.address },
      outcome: 'Failure',
      organizationId,
    }
    await commit(db, [
      recordFailure(db, key, trace.address, now),
      ...(event ? [record(db, now, trace, event)] : []),
    ])
    return refuse(why)
  })
  return verdict ?? refuse('busy')
}

const secret = randomBytes(32)
const rememberedFor = 10_000
const mostRemembered = 1_000
const remembered = new Map<
  string,
  { readonly id: string; readonly version: number; readonly until: number }
>()

/** Those that are being checked: of many requests at once that bring the same password one has it hashed. */
const underWay = new Map<string, Promise<Verdict>>()

const recall = async (db: Db, key: string, now: Date): Promise<Account | undefined> => {
  const known = remembered.get(key)
  if (!known || known.until <= now.getTime()) return undefined
  const account = await findAccount(db, known.id)
  return account && account.version === known.version && isActive(account) ? account : undefined
}

/**
 * The same for Basic, where each request brings the password: a success is remembered for seconds under a key of this
 * process, for one version of the account. The account itself is read every time.
 */
export const verifyBasic = async (
  db: Db,
  credentials: Credentials,
  trace: Trace,
  now: Date,
): Promise<Verdict> => {
  const { organizationId, userName, password } = credentials
  const key = createHmac('sha256', secret)
    .update(JSON.stringify([organizationId, userName, password]))
    .digest('base64url')
  const known = await recall(db, key, now)
  if (known) return { account: known }
  const first = underWay.get(key)
  if (first) {
    await first.catch(() => undefined)
    // a failure is not shared: each is counted, and by its own address
    const account = await recall(db, key, now)
    if (account) return { account }
  }
  const checking = verifyCredentials(db, credentials, trace, now)
  underWay.set(key, checking)
  try {
    const verdict = await checking
    remembered.delete(key)
    if (verdict.account) {
      if (remembered.size >= mostRemembered) remembered.clear()
      const { id, version } = verdict.account
      remembered.set(key, { id, version, until: now.getTime() + rememberedFor })
    }
    return verdict
  } finally {
    if (underWay.get(key) === checking) underWay.delete(key)
  }
}
