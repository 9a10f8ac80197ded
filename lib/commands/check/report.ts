/** The report for people: aligned, one line a finding, the calls below it. */

import type { ApplicationReport } from '../../impersonation/readiness/application.ts'
import type { Call, Finding, State } from '../../impersonation/readiness/finding.ts'
import { harmless, type Paint } from '../paint.ts'
import type { Inspection } from './inspect.ts'

const marks = { ok: ['✓', 'green'], wrong: ['✗', 'red'], note: ['!', 'yellow'] } as const satisfies Record<
  State,
  readonly [string, 'green' | 'red' | 'yellow']
>

const width = 16

const findingLines = (paint: Paint, finding: Finding): readonly string[] => {
  const { about, state, says, mend, calls } = finding
  const [mark, colour] = marks[state]
  const numbers = calls && calls.length > 0 ? paint('dim', ` → call ${calls.join(', ')}`) : ''
  return [
    `  ${paint(colour, mark)} ${about.padEnd(width)}${harmless(says)}${numbers}`,
    ...(mend === undefined ? [] : [`    ${''.padEnd(width)}${paint('dim', `→ ${harmless(mend)}`)}`]),
  ]
}

const callLines = (paint: Paint, calls: readonly Call[], baseUrl: string): readonly string[] =>
  calls.flatMap(({ method, path, body, gives }, index) => [
    `    ${paint('bold', String(index + 1))}. ${paint('blue', method)} ${harmless(`${baseUrl}${path}`)}${gives === undefined ? '' : paint('dim', `   its answer has the ${gives}`)}`,
    ...(body === undefined ? [] : [`       ${harmless(JSON.stringify(body))}`]),
  ])

const applicationLines = (
  paint: Paint,
  { name, clientId, ready, begun, findings, calls }: ApplicationReport,
  { baseUrl, applications }: Inspection,
): readonly string[] => {
  const title = `${paint('bold', harmless(name))} ${paint('dim', clientId)}`
  // an application that is not meant for it is no fault, unless it is all there is to begin with
  const aside = !begun && applications.some((other) => other.begun)
  if (aside) return ['', title, `  ${paint('dim', 'not set up for impersonation')}`]
  const intro = ready ? 'better with these calls, in this order:' : 'mended by these calls, in this order:'
  return [
    '',
    title,
    ...findings.flatMap((finding) => findingLines(paint, finding)),
    ...(calls.length > 0 ? [`  ${intro}`, ...callLines(paint, calls, baseUrl)] : []),
  ]
}

/** All of it. */
export const report = (paint: Paint, inspection: Inspection): string => {
  const { findings, applications, calls, ready, baseUrl } = inspection
  const lines = [
    paint('bold', 'server'),
    ...findings.flatMap((finding) => findingLines(paint, finding)),
    ...callLines(paint, calls, baseUrl),
    ...applications.flatMap((application) => applicationLines(paint, application, inspection)),
    '',
    ready ? paint('green', '✓ impersonation works here') : paint('red', '✗ something is missing or wrong'),
  ]
  return `${lines.join('\n')}\n`
}
