/**
 * Kills the compiled binary (SIGKILL) under load, again and again, and checks that nothing was lost or came back:
 * `bun bench/faults.ts [--kills 200] [--database sqlite|postgres|both] [--seed N] [--binary dist/mayact] [--quick]`.
 * Prints what it saw; exit code 1 with what was violated. The same seed gives the same moments, not the same races.
 * With `--quick` it does not wait for the minute after which what a killed process left is taken over.
 */
import { parseArgs } from 'node:util'
import { cleanUp, databases } from '../test/databases.ts'
import { runFaults } from '../test/faults/run.ts'

const shown = 20
const longestLine = 240

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      kills: { type: 'string', default: '200' },
      database: { type: 'string', default: 'both' },
      seed: { type: 'string' },
      clients: { type: 'string', default: '4' },
      binary: { type: 'string' },
      quick: { type: 'boolean', default: false },
    },
  })
  const seed = Number(values.seed ?? Math.floor(Math.random() * 1_000_000))
  const [kills, clients] = [Number(values.kills), Number(values.clients)]
  const asked = databases.filter(({ name }) => ['both', name.toLowerCase()].includes(values.database))
  if (asked.length === 0 || ![kills, clients, seed].every((n) => Number.isSafeInteger(n) && n >= 0)) {
    console.error('--database is sqlite, postgres or both; --kills, --clients and --seed are whole numbers')
    process.exit(64)
  }
  let failed = false
  for (const database of asked) {
    const began = performance.now()
    console.log(`${database.name}, ${kills} kills, ${clients} clients, seed ${seed}`)
    const { figures, violations } = await runFaults({
      database,
      kills,
      seed,
      clients,
      withoutWaiting: values.quick,
      ...(values.binary === undefined ? {} : { program: values.binary }),
      progress: (text) => console.log(`  ${((performance.now() - began) / 1000).toFixed(0)} s: ${text}`),
    })
    for (const [name, figure] of Object.entries(figures)) console.log(`  ${name}: ${figure}`)
    for (const { check, found } of violations) {
      failed = true
      console.log(`VIOLATED: ${check} (${found.length})`)
      for (const what of found.slice(0, shown)) console.log(`  ${what.slice(0, longestLine)}`)
    }
    if (violations.length === 0) console.log('  nothing lost, nothing alive that was ended')
  }
  await cleanUp()
  process.exit(failed ? 1 : 0)
}
