/** `mayact impersonations list|end`: through the running server where SQLite has one, on the database otherwise. */
import type { Config } from '../config.ts'
import { readRevision } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { rootOrganization } from '../database/migrate.ts'
import { systemCaller } from '../directory/caller.ts'
import { Lost } from '../directory/change.ts'
import { endImpersonation, endImpersonations, type Selection } from '../impersonation/end.ts'
import {
  type ImpersonationFilter,
  type ImpersonationState,
  impersonationStates,
  type ListedImpersonation,
  listImpersonations,
} from '../impersonation/list.ts'
import type { ServerTasks } from './control.ts'
import { configure, type Invocation, Misuse } from './invocation.ts'
import { doTask } from './task.ts'

/** How many are listed; the API has pages. */
const most = 1_000
const tries = 5
const notFound = 65

type Asked =
  | { readonly task: 'list'; readonly filter: ImpersonationFilter }
  | { readonly task: 'end'; readonly id: string; readonly reason?: string | undefined }
  | { readonly task: 'end-many'; readonly selection: Selection; readonly reason?: string | undefined }

const perform = async (db: Db, asked: Asked): Promise<unknown> => {
  const { id } = rootOrganization
  if (asked.task === 'list')
    return (await listImpersonations(db, id, asked.filter, { limit: most }, new Date())).items
  const trace = { id: crypto.randomUUID(), address: 'shell' }
  for (let attempt = 1; ; attempt += 1) {
    const caller = systemCaller(id, await readRevision(db), trace)
    try {
      return asked.task === 'end'
        ? await endImpersonation(db, caller, asked.id, asked.reason, new Date())
        : await endImpersonations(db, caller, asked.selection, asked.reason, new Date())
    } catch (error) {
      if (!(error instanceof Lost) || attempt === tries) throw error
    }
  }
}

/** What a running server does for these commands. */
export const impersonationTasks = (db: Db): ServerTasks => ({
  '/impersonations': async (body) => {
    // written by ask(), in a process of the same owner
    const asked: Asked = JSON.parse(body)
    return JSON.stringify(await perform(db, asked))
  },
})

const ask = (config: Config, asked: Asked): Promise<unknown> =>
  doTask(config, '/impersonations', asked, perform)

const valued = ['--impersonator', '--subject', '--application', '--state', '--reason'] as const

const read = (words: readonly string[]) => {
  const values = new Map<string, string>()
  const flags = new Set<string>()
  const operands: string[] = []
  for (let index = 0; index < words.length; index += 1) {
    const word = words[index] ?? ''
    if (valued.some((name) => name === word)) {
      index += 1
      const value = words[index]
      if (value === undefined || value === '') throw new Misuse(`${word} needs a value`)
      values.set(word, value)
    } else if (word.startsWith('--')) flags.add(word)
    else operands.push(word)
  }
  const selection = {
    impersonator: values.get('--impersonator'),
    subject: values.get('--subject'),
    application: values.get('--application'),
  }
  return { values, flags, operands, selection }
}

const isState = (text: string): text is ImpersonationState =>
  impersonationStates.some((state) => state === text)

const name = ({ id, userName }: ListedImpersonation['subject']) => userName ?? id

const line = (one: ListedImpersonation) => {
  const since = one.startedAt ?? one.authorizedAt
  const says = {
    authorized: `until ${one.expiresAt}`,
    active: `until ${one.expiresAt}, last used ${one.lastUsedAt ?? 'never'}`,
    ended: `${one.endedAt} by ${one.endedBy}: ${one.endReason}`,
    expired: `${one.endedAt}`,
    refused: `${one.refusal}`,
  }[one.state]
  const why = [one.reason, one.ticket].filter((text) => text !== null).join(', ')
  const through = one.application.name ?? one.application.clientId
  return `${one.id}  ${one.state.padEnd(10)}  ${since}  ${name(one.impersonator)} as ${name(one.subject)} through ${through}  ${says}${why === '' ? '' : `  (${why})`}`
}

/** What a terminal must not obey. */
const harmless = (text: string) => text.replace(/[\p{Cc}\p{Cf}]/gu, '?')

/** `mayact impersonations list [--state STATE] [--impersonator ID] [--subject ID] [--application ID] [--json]`. */
export const listCommand = async (invocation: Invocation): Promise<number> => {
  const { values, flags, operands, selection } = read(invocation.operands)
  const state = values.get('--state')
  if (operands.length > 0 || values.has('--reason') || [...flags].some((flag) => flag !== '--json'))
    throw new Misuse('impersonations list takes no operands')
  if (state !== undefined && !isState(state))
    throw new Misuse(`--state is one of ${impersonationStates.join(', ')}`)
  const { config } = await configure(invocation)
  // answered by listImpersonations, here or in the server
  const found = (await ask(config, {
    task: 'list',
    filter: { ...selection, state },
  })) as readonly ListedImpersonation[]
  if (flags.has('--json')) {
    process.stdout.write(`${JSON.stringify(found, null, 2)}\n`)
    return 0
  }
  for (const one of found) process.stdout.write(`${harmless(line(one))}\n`)
  if (found.length === 0) process.stdout.write('There is none.\n')
  if (found.length === most) process.stdout.write(`These are the newest ${most}.\n`)
  return 0
}

/** `mayact impersonations end ID | --all | --impersonator ID | --subject ID | --application ID [--reason TEXT]`. */
export const endCommand = async (invocation: Invocation): Promise<number> => {
  const { values, flags, operands, selection } = read(invocation.operands)
  const [id, ...more] = operands
  const selects = Object.values(selection).some((value) => value !== undefined)
  const ways = [id !== undefined, flags.has('--all'), selects].filter(Boolean).length
  if (more.length > 0 || ways !== 1 || values.has('--state') || [...flags].some((flag) => flag !== '--all'))
    throw new Misuse('impersonations end takes an id, or --all, or whose shall end')
  const reason = values.get('--reason')
  if (reason !== undefined && reason.length > 500) throw new Misuse('--reason has at most 500 characters')
  const { config } = await configure(invocation)
  if (id === undefined) {
    const ended = await ask(config, { task: 'end-many', selection, reason })
    process.stdout.write(`${ended} ended.\n`)
    return 0
  }
  const result = await ask(config, { task: 'end', id, reason })
  if (result === 'unknown') {
    process.stderr.write(`mayact: there is no impersonation ${harmless(id)}\n`)
    return notFound
  }
  process.stdout.write(result === 'over' ? `${id} was over already.\n` : `${id} is over.\n`)
  return 0
}
