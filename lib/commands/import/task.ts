/** What an import asks of whoever has the database: where it begins, and to make users. Asked by JSON, so that it may be a running server. */
import { readRevision } from '../../database/commit.ts'
import type { Db } from '../../database/connect.ts'
import { rootOrganization } from '../../database/migrate.ts'
import { systemCaller } from '../../directory/caller.ts'
import { beginImport, type ImportProgress, importProgress } from '../../directory/import-progress.ts'
import {
  type ImportOutcome,
  type ImportPart,
  importUsers,
  type RefusedLine,
  refusedUsers,
} from '../../directory/user-import.ts'

export type ImportQuestion =
  | { readonly task: 'begin'; readonly file: string; readonly again: boolean; readonly dry: boolean }
  /** `run` is the id of this run in the audit. */
  | { readonly task: 'make'; readonly run: string; readonly part: ImportPart }
  | { readonly task: 'try'; readonly part: ImportPart }

export interface ImportAnswers {
  readonly begin: ImportProgress
  readonly make: ImportOutcome
  readonly try: { readonly refused: readonly RefusedLine[] }
}

/** Users of one commit in a running server, whose requests wait for it. */
const together = 50

/** Answers a question on the database itself, with at most `size` users in a commit. */
export const answerImport = async (
  db: Db,
  asked: ImportQuestion,
  size: number,
): Promise<ImportAnswers[keyof ImportAnswers]> => {
  const now = new Date()
  if (asked.task === 'begin') {
    return asked.dry ? importProgress(db, asked.file) : beginImport(db, asked.file, asked.again, now)
  }
  const trace = { id: asked.task === 'make' ? asked.run : crypto.randomUUID(), address: 'shell' }
  const caller = systemCaller(rootOrganization.id, await readRevision(db), trace)
  if (asked.task === 'try') return { refused: await refusedUsers(db, caller, asked.part.users) }
  return importUsers(db, caller, asked.part, size, () => new Date())
}

/** What a running server does for an import. */
export const importTasks = (db: Db) => ({
  '/import': async (body: string) => {
    // written by the command, in a process of the same owner
    const asked: ImportQuestion = JSON.parse(body)
    return JSON.stringify(await answerImport(db, asked, together))
  },
})
