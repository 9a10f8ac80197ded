/** An end at one server is seen at the other, within a second in each place, and after both were killed. */
import { expect, test } from 'bun:test'
import { takenAt } from '../impersonations.ts'
import { measureKillSwitch, twoServers } from '../kill-switch.ts'
import { sender } from '../scenario.ts'

test('from the end at one server to the refusal at the other it takes less than a second, in each place (S11)', async () => {
  for (const [place, times] of Object.entries(await measureKillSwitch(5)))
    expect([place, Math.max(...times) < 1_000]).toEqual([place, true])
}, 120_000)

test('what was ended before kill -9 is dead after the restart, refresh tokens included (S10)', async () => {
  const servers = await twoServers()
  const { one, scenario } = servers
  const [ended, other] = [await servers.live(), await servers.live()]
  const response = await sender(one)('POST', `/api/server/v1/impersonations/${ended.id}/end`)
  expect(response.status).toBe(204)
  await servers.stop('SIGKILL')
  const restarted = await servers.again()
  expect(await takenAt(restarted, scenario, ended)).toEqual([])
  expect(await takenAt(restarted, scenario, other)).toContain('refresh')
  await restarted.stop()
}, 60_000)
