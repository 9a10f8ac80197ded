/** `mayact mail list|retry`: through the running server where SQLite has one, on the database otherwise. */
import type { Config } from '../config.ts'
import { readRevision } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { rootOrganization } from '../database/migrate.ts'
import { systemCaller } from '../directory/caller.ts'
import { Lost } from '../directory/change.ts'
import { listMail, type MailState, mailStates, type ShownMail, shownMail } from '../email/outbox-list.ts'
import { retryFailedMail, retryMail } from '../email/retry.ts'
import type { ServerTasks } from './control.ts'
import { configure, type Invocation, Misuse } from './invocation.ts'
import { doTask } from './task.ts'

/** How many are listed; the API has pages. */
const most = 1_000
const tries = 5
const notFound = 65

type Asked =
  | { readonly task: 'list'; readonly state?: MailState | undefined }
  /** Without an id all that were given up. */
  | { readonly task: 'retry'; readonly id?: string | undefined }

const perform = async (db: Db, asked: Asked): Promise<unknown> => {
  if (asked.task === 'list') return (await listMail(db, asked.state, { limit: most })).items.map(shownMail)
  const trace = { id: crypto.randomUUID(), address: 'shell' }
  for (let attempt = 1; ; attempt += 1) {
    const caller = systemCaller(rootOrganization.id, await readRevision(db), trace)
    try {
      return asked.id === undefined
        ? await retryFailedMail(db, caller, new Date())
        : await retryMail(db, caller, new Date(), asked.id)
    } catch (error) {
      if (!(error instanceof Lost) || attempt === tries) throw error
    }
  }
}

/** What a running server does for these commands. */
export const mailTasks = (db: Db): ServerTasks => ({
  '/mail': async (body) => {
    // written by ask(), in a process of the same owner
    const asked: Asked = JSON.parse(body)
    return JSON.stringify(await perform(db, asked))
  },
})

const ask = (config: Config, asked: Asked): Promise<unknown> => doTask(config, '/mail', asked, perform)

/** What a terminal must not obey. */
const harmless = (text: string) => text.replace(/[\p{Cc}\p{Cf}]/gu, '?')

const line = (mail: ShownMail): string => {
  const after = `after ${mail.attempts} attempt${mail.attempts === 1 ? '' : 's'}`
  const says = {
    queued: `next attempt ${mail.nextAttempt}, ${after}`,
    sent: `${mail.sent}`,
    failed: `${mail.gaveUp} ${after}`,
  }[mail.state]
  const error = mail.lastError === null ? '' : `: ${mail.lastError}`
  return `${mail.id}  ${mail.state.padEnd(6)}  ${mail.template} to ${mail.recipient}  ${says}${error}`
}

const isState = (text: string | undefined): text is MailState => mailStates.some((state) => state === text)

/** `mayact mail list [--state queued|sent|failed] [--json]`. */
export const listCommand = async (invocation: Invocation): Promise<number> => {
  const json = invocation.operands.includes('--json')
  const [option, state, ...more] = invocation.operands.filter((word) => word !== '--json')
  if (more.length > 0 || (option !== undefined && option !== '--state'))
    throw new Misuse('mail list takes no operands')
  if (option !== undefined && !isState(state)) throw new Misuse(`--state is one of ${mailStates.join(', ')}`)
  const { config } = await configure(invocation)
  // answered by perform, here or in the server
  const found = (await ask(config, { task: 'list', ...(isState(state) ? { state } : {}) })) as ShownMail[]
  if (json) {
    process.stdout.write(`${JSON.stringify(found, null, 2)}\n`)
    return 0
  }
  for (const mail of found) process.stdout.write(`${harmless(line(mail))}\n`)
  if (found.length === 0) process.stdout.write('There is none.\n')
  if (found.length === most) process.stdout.write(`These are the newest ${most}.\n`)
  return 0
}

/** `mayact mail retry [ID]`: that one, or all that were given up. */
export const retryCommand = async (invocation: Invocation): Promise<number> => {
  const [id, ...more] = invocation.operands
  if (more.length > 0 || id?.startsWith('-')) throw new Misuse('mail retry takes an id, or nothing')
  const { config } = await configure(invocation)
  const result = await ask(config, { task: 'retry', id })
  if (id === undefined) {
    process.stdout.write(`${result} will be tried again.\n`)
    return 0
  }
  if (result !== 'retried') {
    const why = result === 'sent' ? `the mail ${id} was sent` : `there is no mail ${id}`
    process.stderr.write(`mayact: ${harmless(why)}\n`)
    return notFound
  }
  process.stdout.write(`${id} will be tried again.\n`)
  return 0
}
