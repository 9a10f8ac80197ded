/**
 * How long it takes from the answer of `POST …/end` until a token is refused: two servers on one Postgres, each place
 * that takes tokens asked at the other server. `bun bench/kill-switch.ts [--rounds 100] [--binary dist/mayact]`.
 */
import { parseArgs } from 'node:util'
import { cleanUp } from '../test/databases.ts'
import { measureKillSwitch } from '../test/kill-switch.ts'

if (import.meta.main) {
  const { values } = parseArgs({
    options: { rounds: { type: 'string', default: '100' }, binary: { type: 'string' } },
  })
  if (values.binary !== undefined) process.env.MAYACT_BINARY = values.binary
  const measured = await measureKillSwitch(Number(values.rounds))
  console.log(
    `Milliseconds from POST /end at one server to the refusal at the other, ${values.rounds} rounds each`,
  )
  for (const [place, times] of Object.entries(measured)) {
    const sorted = times.toSorted((one, other) => one - other)
    const at = (share: number) =>
      sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]?.toFixed(0)
    console.log(`${place.padEnd(24)} p50 ${at(0.5)}  p99 ${at(0.99)}  worst ${sorted.at(-1)?.toFixed(0)}`)
  }
  await cleanUp()
  process.exit(0)
}
