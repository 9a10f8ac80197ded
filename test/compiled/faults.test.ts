/** The short form of `bun bench/faults.ts`: the binary under load, killed a few times, on each database. */
import { expect, test } from 'bun:test'
import { databases } from '../databases.ts'
import { runFaults } from '../faults/run.ts'
import { binary } from './binary.ts'

for (const database of databases) {
  test(`kill -9 under load, again and again: no token without its audit row, no ended impersonation alive, no mail lost, the trail intact, on ${database.name}`, async () => {
    const seed = Math.floor(Math.random() * 1_000_000)
    const { violations, figures } = await runFaults({
      database,
      kills: 5,
      seed,
      clients: 3,
      program: await binary(),
      withoutWaiting: true,
    })
    expect({ seed, violations }).toEqual({ seed, violations: [] })
    // it was under load, and something was ended
    for (const name of ['impersonations started', 'ends acknowledged', 'mails', 'requests cut off'])
      expect([name, (figures[name] ?? 0) > 0]).toEqual([name, true])
  }, 120_000)
}
