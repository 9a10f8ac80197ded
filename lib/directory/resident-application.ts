/** The server itself as an application: what is said of provisioning into it, kept and echoed. */
import { write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { applicationEvent, changedSettings } from './application-change.ts'
import type { Settings } from './application-records.ts'
import type { Caller } from './caller.ts'
import { change } from './change.ts'

const row = 'resident_application'

/** As it was written; nothing while nobody wrote anything. */
export const readResident = async (db: Db): Promise<Settings> => {
  const stored = await db.selectFrom('meta').select('value').where('name', '=', row).executeTakeFirst()
  return stored ? (JSON.parse(stored.value) as Settings) : {} // only the function below writes it
}

/** Replaces the settings given; what is as it was is not written. */
export const changeResident = async (
  db: Db,
  caller: Caller,
  now: Date,
  before: Settings,
  asked: Settings,
): Promise<void> => {
  const after = { ...before, ...asked }
  const changed = changedSettings(before, after)
  if (changed.length === 0) return
  const value = JSON.stringify(after)
  await change(db, caller, now, {
    writes: [
      write(
        db
          .insertInto('meta')
          .values({ name: row, value })
          .onConflict((conflict) => conflict.column('name').doUpdateSet({ value })),
      ),
    ],
    events: [
      {
        ...applicationEvent('resident-application-updated', 'resident', { changed }),
        applicationId: undefined,
      },
    ],
    administrative: true,
  })
}
