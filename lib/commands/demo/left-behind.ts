/** What the server writes a moment after it has answered: the mail and the audit lines. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { linesOf } from './audit-checks.ts'
import { type Mail, readMail } from './mail.ts'

const patience = 10_000
const pause = 15

const findMail = async (directory: string): Promise<string | undefined> => {
  const folder = join(directory, 'data/outbox')
  const files = await readdir(folder).catch(() => [])
  const [name] = files.filter((file) => file.endsWith('.eml') && !file.startsWith('.'))
  return name === undefined ? undefined : readFile(join(folder, name), 'utf8')
}

const findLines = async (directory: string): Promise<readonly string[] | undefined> => {
  const log = await readFile(join(directory, 'data/audit.log'), 'utf8').catch(() => '')
  const lines = linesOf(log)
  return lines.includes('') ? undefined : lines
}

/** Looks again and again; what has not come by then is missing, and the comparison says so. */
const until = async <Value>(look: () => Promise<Value | undefined>): Promise<Value | undefined> => {
  const end = Date.now() + patience
  for (;;) {
    const found = await look()
    if (found !== undefined || Date.now() > end) return found
    await Bun.sleep(pause)
  }
}

export interface LeftBehind {
  readonly mail: Mail
  readonly auditLines: readonly string[]
}

/** The mail to the impersonated user and the two lines of what was done in his name. */
export const leftBehind = async (directory: string): Promise<LeftBehind> => {
  const [message, auditLines] = await Promise.all([
    until(() => findMail(directory)),
    until(() => findLines(directory)),
  ])
  return { mail: readMail(message ?? ''), auditLines: auditLines ?? [] }
}
