/** Proves the trail where it lives, beside servers that go on sealing it and removing what is old. */
import type { JWK } from 'jose'
import type { Db } from '../database/connect.ts'
import { checkpointsOf, headBefore, sealedRows, wholePart } from './trail.ts'
import { type Checkpoint, type Verdict, verifyTrail } from './verify.ts'

/** So often its beginning may be removed while it is read. */
const mostAttempts = 5

export interface LiveNeeds {
  /** The checkpoint that is kept beside the database, if there is one. */
  anchor(): Promise<Checkpoint | undefined>
  keys(): Promise<readonly JWK[]>
}

/** From the first row that is kept to the last that was sealed when it began. */
export const verifyLive = async (db: Db, { anchor, keys }: LiveNeeds): Promise<Verdict> => {
  const look = async () => {
    // what was signed is read before how far the rows go, or a checkpoint of the meantime would seem to lack its rows
    const kept = await anchor()
    const stored = await checkpointsOf(db, { first: 1, last: 0 }, true)
    const part = await wholePart(db)
    const first = part?.first ?? 1
    const previous = await headBefore(db, first)
    if (!previous) {
      const why = `the rows before position ${first} are missing, and no checkpoint says that they were removed in order`
      return { first, verdict: { intact: false, position: first - 1, why } as const }
    }
    // beside the database's own, so that cutting both rows and checkpoints off is found
    const checkpoints = kept
      ? [...stored.filter(({ statement }) => statement !== kept.statement), kept].sort(
          (one, other) => one.position - other.position,
        )
      : stored
    const rows = sealedRows(db, part ?? { first: 1, last: 0 })
    return { first, verdict: await verifyTrail({ previous, rows, checkpoints, keys: await keys() }) }
  }
  for (let attempt = 1; ; attempt += 1) {
    const { first, verdict } = await look()
    if (verdict.intact || attempt === mostAttempts) return verdict
    // retention may have taken what was being read
    if (((await wholePart(db))?.first ?? 1) === first) return verdict
  }
}
