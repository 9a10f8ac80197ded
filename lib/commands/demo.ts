/** `mayact demo`: plays a whole impersonation on a throw-away server over HTTP, shows it, and compares it. */
import { rm } from 'node:fs/promises'
import { newClient, Unexpected } from './demo/client.ts'
import { compare, type Played } from './demo/compare.ts'
import { play } from './demo/flow.ts'
import { leftBehind } from './demo/left-behind.ts'
import { reporter } from './demo/report.ts'
import { setUp } from './demo/scenario.ts'
import { sampleApplication } from './demo/seed.ts'
import { type DemoServer, startServer } from './demo/server.ts'
import { decodeJwt } from './demo/token-checks.ts'
import { type Invocation, Misuse } from './invocation.ts'
import { paintFor } from './paint.ts'

/** What a shell says of a program that SIGINT has ended. */
const interruptedCode = 130
const options = new Set(['--json', '--keep'])

const optionsOf = ({ operands, configFile }: Invocation) => {
  if (configFile !== undefined) throw new Misuse('demo has a configuration of its own: leave --config out')
  const unknown = operands.find((operand) => !options.has(operand))
  if (unknown !== undefined) throw new Misuse(`demo does not know ${unknown}`)
  return { json: operands.includes('--json'), keep: operands.includes('--keep') }
}

const print = (lines: readonly string[]) => process.stdout.write(`${lines.join('\n')}\n`)

/** Sets up, plays, and reads what was left behind; `begun` hears of each part before it begins. */
const impersonate = async (server: DemoServer, begun: (title: string, about: readonly string[]) => void) => {
  const client = newClient(server)
  const { request, origin, directory } = server
  begun('setting up over HTTP', [
    `a server of its own: ${origin}, SQLite and everything else in ${directory}`,
  ])
  const scenario = await setUp(client)
  const configured = client.exchanges.length
  const player = newClient({ request })
  const flow = await play(player, scenario, origin)
  const played: Played = {
    issuer: `${origin}/oauth2/token`,
    clientId: scenario.clientId,
    application: sampleApplication,
    subject: scenario.subject,
    impersonator: scenario.impersonator,
    redirect: flow.redirect,
    response: flow.response,
    subjectToken: decodeJwt(flow.subjectToken),
    idToken: decodeJwt(flow.idToken),
    accessToken: decodeJwt(flow.accessToken),
    ...(await leftBehind(directory)),
  }
  return { played, setUp: client.exchanges.slice(0, configured), flow: player.exchanges }
}

/** Ends the server and removes its folder, once; also when the program is interrupted. */
const interruptible = (starting: Promise<DemoServer>, keep: boolean) => {
  let ending: Promise<void> | undefined
  let interrupted = false
  const end = () => {
    ending ??= (async () => {
      const server = await starting
      await server.stop()
      if (!keep) await rm(server.directory, { recursive: true, force: true })
    })()
    return ending
  }
  const interrupt = () => {
    interrupted = true
    // one that did not even start has removed its folder itself
    end()
      .catch(() => {})
      .finally(() => process.exit(interruptedCode))
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, interrupt)
  return { end, isInterrupted: () => interrupted }
}

/** Answers 0 when everything is as in the samples, 1 when something differs or fails. */
export const demo = async (invocation: Invocation): Promise<number> => {
  const { json, keep } = optionsOf(invocation)
  const began = performance.now()
  const report = reporter(paintFor(invocation.environment, process.stdout))
  const starting = startServer()
  const { end, isInterrupted } = interruptible(starting, keep)
  const server = await starting
  try {
    const { played, ...exchanges } = await impersonate(server, (title, about) => {
      if (!json) print([...report.title(title).slice(1), ...about.map((line) => `   ${line}`)])
    })
    const checks = compare(played)
    const ok = checks.every((check) => check.ok)
    const milliseconds = Math.round(performance.now() - began)
    if (json) {
      const { subjectToken, idToken, accessToken, mail, auditLines } = played
      const tokens = { subjectToken, idToken, accessToken }
      const message = { ...Object.fromEntries(mail.headers), text: mail.text }
      const kept = keep ? { folder: server.directory } : {}
      print([
        JSON.stringify({
          ok,
          milliseconds,
          ...kept,
          ...exchanges,
          tokens,
          mail: message,
          auditLines,
          checks,
        }),
      ])
    } else {
      print([
        ...exchanges.setUp.flatMap((exchange, index) => report.exchange(exchange, index + 1)),
        ...report.title('the impersonation'),
        ...exchanges.flow.flatMap((exchange, index) => report.exchange(exchange, index + 1)),
        ...report.token('the subject token: who may act for whom', played.subjectToken),
        ...report.token('the ID token: who signed in', played.idToken),
        ...report.token('the impersonated access token', played.accessToken),
        ...report.mail(played),
        ...report.audit(played),
        ...report.comparison(checks),
        ...report.verdict(checks, milliseconds),
        ...(keep ? [`the folder was kept: ${server.directory}`] : []),
      ])
    }
    return ok ? 0 : 1
  } catch (error) {
    // the server went away under its hands
    if (isInterrupted()) return interruptedCode
    if (!(error instanceof Unexpected)) throw error
    process.stderr.write(`mayact demo: ${error.message}\n`)
    return 1
  } finally {
    await end()
  }
}
