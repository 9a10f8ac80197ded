/**
 * The fault test: the compiled binary with a real mail server, under load, killed at random moments and started again.
 * `bench/faults.ts` runs it whole, `test/compiled/faults.test.ts` with a few kills.
 */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { type Deployment, deploy } from '../../bench/deployment.ts'
import type { TestDatabase } from '../databases.ts'
import { places, takenAt } from '../impersonations.ts'
import { certificateAuthority, credentials, readMail, startMailServer } from '../mail-server.ts'
import { addToRole, createPerson, impersonate, type Scenario, setUp } from '../scenario.ts'
import { lacking, passMinute, reading, settled, takeOverLines, verifyTrail } from './aftermath.ts'
import { type Outcome, type Violation, violationsIn } from './checks.ts'
import { type Facts, linesOf, storedIn } from './facts.ts'
import { newWorld, type Remembered, randomFrom, startLoad, type World } from './load.ts'

export interface FaultOptions {
  readonly database: TestDatabase
  readonly kills: number
  readonly seed: number
  /** Impersonators at work at the same time. */
  readonly clients?: number
  /** The binary; dist/mayact when undefined. */
  readonly program?: string
  /** What a killed process left is taken over after a minute; this makes that minute have passed. */
  readonly withoutWaiting?: boolean
  progress?(text: string): void
}

export interface Result {
  readonly outcome: Outcome
  readonly violations: readonly Violation[]
  readonly figures: Readonly<Record<string, number>>
}

const longest = 1_500

/** It goes on in the table `[log]`: audit.log is set aside often, so that some kills meet that. */
const settings = (mailPort: number) => `
audit_max_size = 131072
audit_keep = 100000
[oauth.grant_type.token_exchange]
allow_refresh_tokens = true
[output_adapter.email]
from_address = "no-reply@example.com"
hostname = "localhost"
port = ${mailPort}
enable_start_tls = true
enable_authentication = true
username = "${credentials.username}"
password = "${credentials.password}"
certificate_authority = "mail-ca.crt"
messages_per_second = 500
`

/** An impersonator and whom he acts for, for each client, beside those of the scenario. */
const scenariosOf = async (world: World, clients: number): Promise<readonly Scenario[]> => {
  const first = await setUp(world)
  const all = [first]
  while (all.length < clients) {
    const impersonator = await createPerson(world, `Impersonator${all.length}`)
    const subject = await createPerson(world, `Subject${all.length}`)
    await addToRole(world, first.impersonatorRole, impersonator.id)
    await addToRole(world, first.subjectRole, subject.id)
    all.push({ ...first, impersonator, subject })
  }
  return all
}

/** Asks at each place whether it takes what the clients hold; those that nobody ended only whether they live. */
const tryAll = async (world: World, scenarios: readonly Scenario[], { held }: Remembered) => {
  const taken: Facts['taken'][number][] = []
  const asked = held.filter(({ state }) => state !== 'unknown')
  const worker = async () => {
    for (;;) {
      const next = asked.pop()
      const scenario = scenarios[next?.client ?? 0]
      if (!next || !scenario) return
      const at: string[] = []
      for (const access of next.access) {
        const live = { id: '', access, refresh: next.refresh ?? 'none', browser: undefined as never }
        if (next.state === 'live') {
          if (await places.introspection(world, scenario, live)) at.push('introspection')
          break
        }
        for (const place of await takenAt(world, scenario, live)) if (!at.includes(place)) at.push(place)
      }
      taken.push({ held: next, at })
    }
  }
  await Promise.all(Array.from({ length: 8 }, worker))
  return taken
}

/** Kills and starts again; answers the milliseconds of each start. */
const killAgainAndAgain = async (
  first: Deployment,
  world: World,
  { kills, seed, program, progress }: FaultOptions,
) => {
  const random = randomFrom(seed)
  const starts: number[] = []
  let deployment = first
  for (let kill = 1; kill <= kills; kill += 1) {
    await Bun.sleep(random() * longest)
    world.at(undefined)
    // one in ten is killed once more, before it is ready
    const twice = random() < 0.1 ? random() * 150 : undefined
    const meanwhile = async () => {
      if (twice === undefined) return
      const words = [program ?? join(import.meta.dir, '../../dist/mayact')]
      const child = Bun.spawn(words, { cwd: deployment.directory, stdout: 'ignore', stderr: 'ignore' })
      await Bun.sleep(twice)
      child.kill('SIGKILL')
      await child.exited
    }
    deployment = await deployment.restart(meanwhile, 'SIGKILL')
    starts.push(deployment.readyAfter)
    world.at(deployment.origin)
    if (kill % 20 === 0) progress?.(`${kill} kills`)
  }
  return { deployment, starts }
}

/** Runs it and checks everything; leaves nothing behind. */
export const runFaults = async (options: FaultOptions): Promise<Result> => {
  const { database, program, seed, clients = 4, progress, withoutWaiting = false } = options
  const configured = await database.create()
  const mailServer = await startMailServer()
  const first = await deploy({
    algorithm: 'ES256',
    settings: settings(mailServer.port),
    files: { 'mail-ca.crt': await certificateAuthority() },
    ...(program === undefined ? {} : { program }),
    ...(configured.type === 'postgres'
      ? { database: `type = "postgres"\nurl = "${configured.url}"\npool_size = 6` }
      : {}),
  })
  const { directory } = first
  const config =
    configured.type === 'postgres'
      ? configured
      : { ...configured, path: join(directory, 'data', 'mayact.db') }
  let deployment = first
  try {
    const remembered: Remembered = {
      held: [],
      subjectTokens: [],
      people: new Map(),
      wrong: [],
      cut: 0,
    }
    const world = newWorld(remembered)
    world.at(first.origin)
    const scenarios = await scenariosOf(world, clients)
    const load = startLoad({ server: world, scenarios, remembered, seed })
    const killed = await killAgainAndAgain(first, world, options)
    deployment = killed.deployment
    await load.stop()

    progress?.('waiting for what the killed ones left')
    if (withoutWaiting) {
      deployment = await deployment.restart(() => reading(config, passMinute), 'SIGKILL')
      world.at(undefined)
      world.at(deployment.origin)
    }
    // wakes those who look for what is new
    const [scenario] = scenarios
    if (scenario) await impersonate(world, scenario)
    if (withoutWaiting) await reading(config, takeOverLines)
    const taken = await tryAll(world, scenarios, remembered)
    progress?.('what the clients hold was tried everywhere')
    await settled(() => reading(config, lacking))
    await deployment.end()
    progress?.('stopped')

    const verify = await verifyTrail(program, directory)
    const data = join(directory, 'data')
    const logs = readdirSync(data).filter((name) => /^audit.*\.log/.test(name))
    const deliveries = mailServer.deliveries.map(({ raw, to }) => ({
      messageId: readMail(raw).headers.get('message-id') ?? '',
      to,
    }))
    const facts: Facts = {
      ...(await reading(config, storedIn)),
      deliveries,
      lines: linesOf(logs.map((name) => join(data, name))),
      verify,
      taken,
    }
    const outcome: Outcome = { facts, remembered, now: new Date() }
    const { held } = remembered
    const starts = killed.starts.toSorted((one, other) => one - other)
    return {
      outcome,
      violations: violationsIn(outcome),
      figures: {
        kills: starts.length,
        'slowest start, ms': Math.round(starts.at(-1) ?? 0),
        'requests cut off': remembered.cut,
        'impersonations started': facts.impersonations.filter(({ startedAt }) => startedAt !== null).length,
        tokens: facts.tokens.length,
        'ends acknowledged': held.filter(({ state }) => state === 'ended').length,
        'ends cut off': held.filter(({ state }) => state === 'unknown').length,
        'ends recorded': facts.audit.filter(({ event }) => event === 'impersonation-ended').length,
        mails: facts.outbox.length,
        'mails that came twice':
          deliveries.length - new Set(deliveries.map(({ messageId }) => messageId)).size,
        'audit rows verified': facts.audit.length,
        'audit lines that came twice': facts.lines.length - new Set(facts.lines).size,
        'files of audit lines': logs.length,
        'users made': remembered.people.size,
      },
    }
  } finally {
    await deployment.stop()
    await mailServer.stop()
  }
}
