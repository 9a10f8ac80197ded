/** The one way an application's row is changed: of the edition that was read, and with the next one. */
import { exactly, type Write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import type { ApplicationTable } from '../database/schema.ts'
import type { ApplicationRecord, Settings } from './application-records.ts'
import type { Change } from './change.ts'
import { Lost } from './change.ts'

type Columns = Partial<
  Pick<
    ApplicationTable,
    'name' | 'client_id' | 'client_secret' | 'disabled_at' | 'revoked_at' | 'model' | 'oidc'
  >
>

/** Writes these columns; lost when somebody else changed the application meanwhile. */
export const rewritten = (
  db: Db,
  { id, edition }: Pick<ApplicationRecord, 'id' | 'edition'>,
  now: Date,
  columns: Columns,
): Write =>
  exactly(
    1,
    db
      .updateTable('application')
      .set({ ...columns, modified_at: now.toISOString(), edition: edition + 1 })
      .where('id', '=', id)
      .where('edition', '=', edition),
  )

/** The audit row of an application's change. */
export const applicationEvent = (
  event: Change['events'][number]['event'],
  id: string,
  data: Readonly<Record<string, unknown>>,
): Change['events'][number] => ({ event, target: id, data, applicationId: id, outcome: 'Success' })

/** The settings that differ, by their names. */
export const changedSettings = (before: Settings | undefined, after: Settings): readonly string[] =>
  [...new Set([...Object.keys(before ?? {}), ...Object.keys(after)])]
    .filter((key) => !Bun.deepEquals(before?.[key], after[key], true))
    .sort()

/** What others did in between is found when it is decided again. */
export const settled = (outcome: 'committed' | 'conflict') => {
  if (outcome === 'conflict') throw new Lost('what the application refers to has changed meanwhile')
}
