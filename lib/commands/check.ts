/** `mayact check`: what is wrong with a deployment, and what its applications lack for impersonation. */
import { ConfigurationError, type Loaded, load } from '../config.ts'
import { inspect } from './check/inspect.ts'
import { report } from './check/report.ts'
import { type Invocation, Misuse } from './invocation.ts'
import { harmless, paintFor } from './paint.ts'

/** sysexits.h: the configuration cannot be used. */
const misconfigured = 78
const options = new Set(['--json', '--mail'])

const optionsOf = ({ operands }: Invocation) => {
  const unknown = operands.find((operand) => !options.has(operand))
  if (unknown !== undefined) throw new Misuse(`check does not know ${unknown}`)
  return { json: operands.includes('--json'), mail: operands.includes('--mail') }
}

/** Answers 0 when all is well, 1 when something is missing or wrong, 78 when the configuration cannot be used. */
export const check = async (invocation: Invocation): Promise<number> => {
  const { json, mail } = optionsOf(invocation)
  const { environment, configFile = 'deployment.toml' } = invocation
  const paint = paintFor(environment, process.stdout)
  let loaded: Loaded
  try {
    loaded = await load(configFile, environment)
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error
    const { problems } = error
    const lines = problems.map((problem) => `  ${paint('red', '✗')} ${harmless(problem)}\n`).join('')
    process.stdout.write(json ? `${JSON.stringify({ ready: false, problems })}\n` : lines)
    return misconfigured
  }
  const inspection = await inspect(loaded, { mail }, new Date())
  process.stdout.write(json ? `${JSON.stringify(inspection)}\n` : report(paint, inspection))
  return inspection.ready ? 0 : 1
}
