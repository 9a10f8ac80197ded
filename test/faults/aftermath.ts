/** What comes behind the last kill: a server takes up what the killed ones left, and the trail is verified. */
import { join } from 'node:path'
import { sql } from 'kysely'
import { close, commit, write } from '../../lib/database/commit.ts'
import { connect, type Db } from '../../lib/database/connect.ts'

/** What a killed process left is taken over after a minute, and looked for every ten seconds. */
const longestStandstill = 100_000
const clock = () => performance.now()

/** Opens the database of a server, which may run, for a moment. */
export const reading = async <Value>(
  config: Parameters<typeof connect>[0],
  work: (db: Db) => Promise<Value>,
): Promise<Value> => {
  const db = await connect(config)
  try {
    return await work(db)
  } finally {
    await close(db)
  }
}

/** What lacks something that a running server does by itself. */
export const lacking = async (db: Db): Promise<number> => {
  const { rows } = await sql<{ n: number | string }>`
    select (select count(*) from outbox where next_attempt_at is not null)
      + (select count(*) from audit where line_at is null or position is null)
      + (select count(*) from lineage where kind = 'impersonation' and ended_at is not null and settled_at is null)
      + (select count(*) from audit where event = 'impersonation-ended')
      - (select count(*) from outbox where template = 'impersonation-ended')
    as n`.execute(db)
  return Number(rows[0]?.n)
}

/** Waits until nothing is lacking any more, or for longer than a minute nothing has become less. */
export const settled = async (lacks: () => Promise<number>) => {
  let least = Number.POSITIVE_INFINITY
  let lessAt = clock()
  for (;;) {
    const now = await lacks()
    if (now === 0 || clock() - lessAt > longestStandstill) return
    if (now < least) {
      least = now
      lessAt = clock()
    }
    await Bun.sleep(200)
  }
}

/** Leases have run out and mail is overdue. The server is down. */
export const passMinute = async (db: Db) => {
  const earlier = new Date(Date.now() - 120_000).toISOString()
  const overdue = db
    .updateTable('outbox')
    .set({ next_attempt_at: earlier })
    .where('next_attempt_at', 'is not', null)
  const leases = db
    .deleteFrom('meta')
    .where('name', 'in', ['audit-sealer', 'impersonation-sweeper', 'own-followers'])
  await commit(db, [write(overdue), write(leases)])
}

/** The rows without a line are the running server's, which wrote the newest row. */
export const takeOverLines = async (db: Db) => {
  const newest = await db
    .selectFrom('audit')
    .select('writer')
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirstOrThrow()
  await commit(db, [
    write(db.updateTable('audit').set({ writer: newest.writer }).where('line_at', 'is', null)),
  ])
}

/** `mayact audit verify` in the server's folder. */
export const verifyTrail = async (program: string | undefined, directory: string) => {
  const words = [program ?? join(import.meta.dir, '../../dist/mayact'), 'audit', 'verify']
  const child = Bun.spawn(words, { cwd: directory, stdout: 'pipe', stderr: 'pipe' })
  const [said, failed, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ])
  return { code, output: said + failed }
}
