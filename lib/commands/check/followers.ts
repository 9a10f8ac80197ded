/** Who follows the audit trail and has not kept up, or is gone. */
import { cursorPrefix, lagging } from '../../audit/lagging.ts'
import type { Db } from '../../database/connect.ts'
import { type Finding, note } from '../../impersonation/readiness/finding.ts'

/** One for each of them; nothing where all keep up. */
export const checkFollowers = async (db: Db, now: Date): Promise<readonly Finding[]> =>
  (await lagging(db, now)).map(({ name, untaken, since }) =>
    note(
      'audit',
      `${name} has not taken ${untaken} rows of the trail, the first of ${since.toISOString()}: they are kept for it 30 days longer than others`,
      `bring it back; if it is gone for good, run \`mayact db exec\` with: delete from meta where name = '${`${cursorPrefix}${name}`.replaceAll("'", "''")}';`,
    ),
  )
