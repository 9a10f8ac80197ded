/** Two processes on one Postgres: how long an end at one of them takes to be seen at the other, in milliseconds. */
import { join } from 'node:path'
import { newBrowser } from './browser.ts'
import { deployment, folder, freePort, start as startServer } from './compiled/binary.ts'
import { databases } from './databases.ts'
import { type Live, places } from './impersonations.ts'
import {
  addToRole,
  exchange,
  obtainSubjectToken,
  removeFromRole,
  type Scenario,
  sender,
  setUp,
} from './scenario.ts'

type Server = Awaited<ReturnType<typeof startServer>>

export interface Pair {
  readonly one: Server
  readonly other: Server
  readonly scenario: Scenario
  live(): Promise<Live>
  /** Ends both, or kills them. */
  stop(signal?: NodeJS.Signals): Promise<void>
  /** Starts the first one again. */
  again(): Promise<Server>
}

/** Two servers on one database, with one encryption key. */
export const twoServers = async (): Promise<Pair> => {
  const database = databases.find(({ name }) => name === 'Postgres')
  const config = await database?.create()
  if (config?.type !== 'postgres') throw new Error('there is no Postgres')
  const tomlFor = (port: number) =>
    `${deployment(port, (text) =>
      text.replace('type = "sqlite"', `type = "postgres"\nurl = "${config.url}"\npool_size = 4`),
    )
      .replace('# signing_algorithm = "RS256"', 'signing_algorithm = "ES256"')
      .replace('# [oauth]', '[oauth]')}\n[oauth.grant_type.token_exchange]\nallow_refresh_tokens = true\n`
  const [port, next] = [await freePort(), await freePort()]
  const directory = folder({ 'deployment.toml': tomlFor(port) })
  const one = await startServer(directory, port)
  const beside = folder()
  // the same keys; what it says of itself is its own
  await Bun.$`cp -r ${directory}/. ${beside}`.quiet()
  await Bun.write(join(beside, 'deployment.toml'), tomlFor(next))
  const other = await startServer(beside, next)
  const scenario = await setUp(one)
  const browser = newBrowser(one)
  const send = sender(one)
  return {
    one,
    other,
    scenario,
    async live() {
      const tokens = await obtainSubjectToken(one, scenario, {}, browser)
      const listed = await send('GET', '/api/server/v1/impersonations?limit=1')
      const { impersonations } = (await listed.json()) as { impersonations: { id: string }[] }
      const answer = await exchange(one, scenario, tokens)
      const { access_token, refresh_token } = (await answer.json()) as Record<string, string>
      return {
        id: impersonations[0]?.id ?? '',
        access: access_token ?? '',
        refresh: refresh_token ?? '',
        browser,
      }
    },
    async stop(signal) {
      await Promise.all([one.stop(signal), other.stop(signal)])
    },
    again: () => startServer(directory, port),
  }
}

/** The time from the end's answer to the first refusal, asked again and again; half a minute at most. */
const untilRefused = async (ask: () => Promise<boolean>): Promise<number> => {
  const began = performance.now()
  while (await ask()) {
    if (performance.now() - began > 30_000) throw new Error('it is taken still')
  }
  return performance.now() - began
}

/** Milliseconds of each round, by place; and for a permission that is taken, which the sweeper has to see. */
export const measureKillSwitch = async (rounds: number): Promise<Record<string, readonly number[]>> => {
  const { one, other, scenario, live, stop } = await twoServers()
  const send = sender(one)
  const times: Record<string, number[]> = {}
  for (const [place, ask] of Object.entries(places)) {
    times[place] = []
    for (let round = 0; round < rounds; round += 1) {
      const tokens = await live()
      // a refresh token is spent by asking: it is asked once, after the end
      if (place !== 'refresh' && !(await ask(other, scenario, tokens)))
        throw new Error(`${place} takes nothing`)
      const began = performance.now()
      const ended = await send('POST', `/api/server/v1/impersonations/${tokens.id}/end`)
      if (ended.status !== 204) throw new Error(`the end was answered with ${ended.status}`)
      times[place].push(performance.now() - began + (await untilRefused(() => ask(other, scenario, tokens))))
    }
  }
  const { impersonator, impersonatorRole } = scenario
  times['permission removed'] = []
  for (let round = 0; round < Math.ceil(rounds / 5); round += 1) {
    const tokens = await live()
    await Bun.sleep(Math.random() * 400)
    await removeFromRole(one, impersonatorRole, impersonator.id)
    times['permission removed'].push(await untilRefused(() => places.gate(other, scenario, tokens)))
    await addToRole(one, impersonatorRole, impersonator.id)
  }
  await stop()
  return times
}
