/** What a command asks for is done by the running server, where SQLite has one, and on the database otherwise. */
import type { Config } from '../config.ts'
import { close } from '../database/commit.ts'
import { connect, type Db } from '../database/connect.ts'
import { askServer } from './control.ts'
import { located } from './located.ts'

/** Answers what `perform` answered, here or there. */
export const doTask = async <Asked>(
  config: Config,
  name: string,
  asked: Asked,
  perform: (db: Db, asked: Asked) => Promise<unknown>,
): Promise<unknown> => {
  if (config.database.type === 'sqlite') {
    const answer = await askServer(config.dataDirectory, name, JSON.stringify(asked))
    if (answer !== undefined) return JSON.parse(answer)
  }
  const db = await located(config, () => connect(config.database))
  try {
    return await perform(db, asked)
  } finally {
    await close(db)
  }
}
