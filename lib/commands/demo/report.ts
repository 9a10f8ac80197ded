/** What a demo shows to people: the requests, the tokens, the mail, the audit lines, and the comparison. */
import { harmless, type Paint } from '../paint.ts'
import type { Check } from './checks.ts'
import type { Exchange } from './client.ts'
import type { Played } from './compare.ts'
import type { Jwt } from './token-checks.ts'

const longestLine = 160

const cut = (text: string) => {
  const line = harmless(text).replaceAll('\n', ' ')
  return line.length > longestLine ? `${line.slice(0, longestLine)}…` : line
}

/** The painter of a report: every function answers lines. */
export const reporter = (paint: Paint) => {
  const title = (text: string) => ['', paint('bold', paint('cyan', `── ${text}`))]

  const exchange = ({ about, method, path, sent, status, answered }: Exchange, number: number) => [
    '',
    `${paint('dim', String(number).padStart(2))} ${paint('bold', harmless(about))}`,
    `   ${paint('blue', method)} ${cut(path)}`,
    ...(sent === undefined ? [] : [`   ${paint('dim', `→ ${cut(sent)}`)}`]),
    `   ${paint(status < 400 ? 'green' : 'red', String(status))}${answered === undefined ? '' : ` ${paint('dim', cut(answered))}`}`,
  ]

  const json = (value: unknown) =>
    harmless(JSON.stringify(value, undefined, 2) ?? '')
      .split('\n')
      .map((line) =>
        line.replace(
          /^(\s*)"([^"]+)":/,
          (_, indent: string, name: string) =>
            `${indent}${paint(name === 'act' || name === 'may_act' ? 'magenta' : 'blue', `"${name}"`)}:`,
        ),
      )
      .map((line) => `   ${line}`)

  const token = (name: string, { header, claims }: Jwt) => [
    ...title(name),
    ...json(header).map((line) => paint('dim', line)),
    ...json(claims),
  ]

  const mail = ({ mail: { headers, text } }: Played) => [
    ...title('the e-mail to the impersonated user'),
    ...['from', 'to', 'subject'].map(
      (name) => `   ${paint('dim', `${name}:`.padEnd(9))}${harmless(headers.get(name) ?? '')}`,
    ),
    '',
    ...harmless(text)
      .split('\n')
      .map((line) => `   ${line}`),
  ]

  /** What was done, and by whom on whose behalf, stands out. */
  const auditLine = (line: string) =>
    line
      .replace(/Action=\S+/, (action) => paint('cyan', action))
      .replace(/Initiator=\S+(?= .*-via-)| \| Impersonator : \S+/, (actor) => paint('magenta', actor))

  const audit = ({ auditLines }: Played) => [
    ...title('the audit lines'),
    ...auditLines.map((line) => `   ${auditLine(harmless(line))}`),
  ]

  const check = ({ name, ok, wanted, found }: Check) =>
    ok
      ? [`   ${paint('green', '✓')} ${harmless(name)}`]
      : [
          `   ${paint('red', `✗ ${harmless(name)}`)}`,
          `       wanted ${harmless(wanted)}`,
          `       found  ${harmless(found)}`,
        ]

  const comparison = (checks: readonly Check[]) => {
    const topics = [...new Set(checks.map(({ about }) => about))]
    return [
      ...title('beside the samples of the guide'),
      ...topics.flatMap((topic) => [
        `  ${paint('bold', topic)}`,
        ...checks.filter(({ about }) => about === topic).flatMap(check),
      ]),
    ]
  }

  const verdict = (checks: readonly Check[], milliseconds: number) => {
    const wrong = checks.filter(({ ok }) => !ok).length
    const time = `${(milliseconds / 1000).toFixed(1)} s`
    return wrong === 0
      ? ['', paint('green', `✓ all ${checks.length} comparisons hold (${time})`)]
      : ['', paint('red', `✗ ${wrong} of ${checks.length} comparisons do not hold (${time})`)]
  }

  return { title, exchange, token, mail, audit, comparison, verdict }
}
