/** `mayact keys list|rotate|retire`: through the running server where SQLite has one, on the database otherwise. */
import type { Config } from '../config.ts'
import { close } from '../database/commit.ts'
import { connect, type Db } from '../database/connect.ts'
import { listKeys, retire, rotate } from '../keys/rotation.ts'
import { ensureSameKey, openVaultFor, type Vault } from '../keys/secrets.ts'
import { askServer, type ServerTasks } from './control.ts'
import { configure, type Invocation, Misuse } from './invocation.ts'
import { located } from './located.ts'

/** Three times as long as anybody may keep our JWKS (`Cache-Control` of /oauth2/jwks). */
const usualLead = 900

/** What a command asks for. */
type Asked =
  | { readonly task: 'list' }
  | { readonly task: 'rotate'; readonly leadSeconds: number }
  | { readonly task: 'retire'; readonly kid: string; readonly withdraw: boolean }

interface Needs {
  readonly db: Db
  readonly config: Config
  vault(): Promise<Vault>
}

const perform = async ({ db, config, vault }: Needs, asked: Asked): Promise<unknown> => {
  const now = new Date()
  const trace = { id: crypto.randomUUID(), address: 'shell' }
  if (asked.task === 'list') return listKeys(db, now)
  if (asked.task === 'retire') return retire(db, asked.kid, asked, trace, now)
  return rotate(db, await vault(), config.oauth.signingAlgorithms, asked.leadSeconds, trace, now)
}

/** What a running server does for these commands. */
export const keyTasks = (needs: { readonly db: Db; readonly vault: Vault }, config: Config): ServerTasks => ({
  '/keys': async (body) => {
    // written by ask(), in a process of the same owner
    const asked: Asked = JSON.parse(body)
    return JSON.stringify(await perform({ ...needs, config, vault: async () => needs.vault }, asked))
  },
})

const ask = async (invocation: Invocation, asked: Asked): Promise<unknown> => {
  const { config } = await configure(invocation)
  if (config.database.type === 'sqlite') {
    const answer = await askServer(config.dataDirectory, '/keys', JSON.stringify(asked))
    if (answer !== undefined) return JSON.parse(answer)
  }
  const db = await located(config, () => connect(config.database))
  try {
    const vault = async () => {
      const opened = await openVaultFor(db, config.encryption)
      await ensureSameKey(db, opened)
      return opened
    }
    return await perform({ db, config, vault }, asked)
  } finally {
    await close(db)
  }
}

const units: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 }

const secondsOf = (text: string | undefined): number => {
  const [, count, unit = 's'] = /^(\d{1,6})([smhd])?$/.exec(text ?? '') ?? []
  const seconds = Number(count) * (units[unit] ?? 1)
  // WebCrypto and its certificate last longer, but nobody waits a month for a key
  if (!(seconds <= 30 * 86_400)) throw new Misuse('--publish-for needs a duration such as 15m, 1h or 0')
  return seconds
}

/** `mayact keys list [--json]`. */
export const listCommand = async (invocation: Invocation): Promise<number> => {
  const [option, ...more] = invocation.operands
  if (more.length > 0 || (option !== undefined && option !== '--json')) {
    throw new Misuse('keys list takes no operands')
  }
  // answered by listKeys, here or in the server
  const keys = (await ask(invocation, { task: 'list' })) as Awaited<ReturnType<typeof listKeys>>
  if (option === '--json') {
    process.stdout.write(`${JSON.stringify(keys, null, 2)}\n`)
    return 0
  }
  for (const key of keys) {
    const until = key.publishedUntil ?? 'its last token ends'
    const says = {
      next: `signs from ${key.activeFrom}`,
      signs: `since ${key.activeFrom}${key.retiredAt === null ? '' : `, until ${key.retiredAt}`}`,
      retired: `since ${key.retiredAt}, published until ${until}`,
      gone: `since ${key.publishedUntil}`,
    }[key.state]
    process.stdout.write(`${key.kid}  ${key.algorithm.padEnd(5)}  ${key.state.padEnd(7)}  ${says}\n`)
  }
  if (keys.length === 0) process.stdout.write('There is no key yet: the first start makes one.\n')
  return 0
}

/** `mayact keys rotate [--publish-for DURATION]`. */
export const rotateCommand = async (invocation: Invocation): Promise<number> => {
  const [option, duration, ...more] = invocation.operands
  if (more.length > 0 || (option !== undefined && option !== '--publish-for')) {
    throw new Misuse('keys rotate takes no operands')
  }
  const leadSeconds = option === undefined ? usualLead : secondsOf(duration)
  const kids = (await ask(invocation, { task: 'rotate', leadSeconds })) as readonly string[]
  const from = leadSeconds === 0 ? 'signs now' : `is published now and signs in ${leadSeconds} seconds`
  for (const kid of kids) process.stdout.write(`${kid} ${from}.\n`)
  return 0
}

/** `mayact keys retire KID [--now]`. */
export const retireCommand = async (invocation: Invocation): Promise<number> => {
  const withdraw = invocation.operands.includes('--now')
  const [kid, ...more] = invocation.operands.filter((word) => word !== '--now')
  if (kid === undefined || more.length > 0) throw new Misuse('keys retire takes one key id')
  if (!(await ask(invocation, { task: 'retire', kid, withdraw }))) {
    process.stderr.write(`mayact: there is no key ${kid} to be ${withdraw ? 'withdrawn' : 'retired'}\n`)
    return 65
  }
  const says = withdraw
    ? 'is withdrawn: the JWKS has it no longer.'
    : 'is retired: it signs no longer, and stays in the JWKS until its last token has ended.'
  process.stdout.write(`${kid} ${says}\n`)
  return 0
}
