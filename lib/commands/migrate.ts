import { close } from '../database/commit.ts'
import { connect } from '../database/connect.ts'
import { migrate } from '../database/migrate.ts'
import { configure, type Invocation, Misuse } from './invocation.ts'
import { located } from './located.ts'

/** `mayact migrate`: creates the tables where there are none, before the first start. */
export const migrateCommand = async (invocation: Invocation): Promise<number> => {
  if (invocation.operands.length > 0) throw new Misuse('migrate takes no operands')
  const { config } = await configure(invocation)
  const db = await located(config, () => connect(config.database))
  try {
    const done = await located(config, () => migrate(db, new Date()))
    process.stdout.write(done === 'created' ? 'The tables were created.\n' : 'The tables are up to date.\n')
    return 0
  } finally {
    await close(db)
  }
}
