/** Where an import goes: through the running server where SQLite has one, to the database otherwise. */
import type { Config } from '../../config.ts'
import { close } from '../../database/commit.ts'
import { connect, type Db } from '../../database/connect.ts'
import { askServer } from '../control.ts'
import { located } from '../located.ts'
import { answerImport, type ImportAnswers, type ImportQuestion } from './task.ts'

/** Users of one commit where no other request of this process waits for it. */
const together = 2_000

export interface Destination {
  ask<Question extends ImportQuestion>(question: Question): Promise<ImportAnswers[Question['task']]>
  close(): Promise<void>
}

/** Asked anew for each part: a server may start or stop meanwhile. */
export const destinationOf = (config: Config): Destination => {
  let db: Db | undefined
  const ask = async (question: ImportQuestion): Promise<unknown> => {
    if (config.database.type === 'sqlite') {
      const answer = await askServer(config.dataDirectory, '/import', JSON.stringify(question))
      if (answer !== undefined) return JSON.parse(answer)
    }
    db ??= await located(config, () => connect(config.database, { writesMuch: true }))
    return answerImport(db, question, together)
  }
  return {
    // answered by answerImport, here or in the server
    ask: async (question) => (await ask(question)) as never,
    async close() {
      if (db) await close(db)
    },
  }
}
