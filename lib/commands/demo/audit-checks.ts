/** The two audit lines beside the samples, field by field. */
import { type Check, checksOf, uuid } from './checks.ts'
import type { Played } from './compare.ts'
import { sampleAuditLines } from './seed.ts'

const form =
  /^TID: \[(?<tenant>[^\]]*)\] \[(?<date>[^\]]*)\] \[(?<trace>[^\]]*)\] (?<level>.*?) \{(?<logger>\w+)\} - Initiator=(?<initiator>\S+) Action=(?<action>\S+) Target=(?<target>\S+) Data=(?<data>\{.*\}) Outcome=(?<outcome>\w+)(?<suffix>.*)$/

type Fields = Readonly<Record<string, string | undefined>>

const fieldsOf = (line: string): Fields => form.exec(line)?.groups ?? {}

const parse = (json: string | undefined): unknown => {
  try {
    return JSON.parse(json ?? '')
  } catch {
    return undefined
  }
}

/** Every value of a JSON object with the way to it. */
const leaves = (value: unknown, path = ''): [string, unknown][] =>
  typeof value === 'object' && value !== null
    ? Object.entries(value).flatMap(([name, member]) =>
        leaves(member, path === '' ? name : `${path} ${name}`),
      )
    : [[path, value]]

/** The ids in the samples, and whose are in their place today. */
const translator = (line: string, { clientId, subject, impersonator }: Played) => {
  const [use = ''] = sampleAuditLines
  const sample = parse(fieldsOf(use).data) as Readonly<Record<string, string>>
  const parties = [
    [sample.impersonator, impersonator.id],
    [sample.subject, subject.id],
    [sample.clientId, clientId],
  ] as const
  return parties.reduce((text, [from = '', to]) => (from === '' ? text : text.replaceAll(from, to)), line)
}

/** The date's form: digits are zeros. */
const shape = (text: string | undefined) => text?.replace(/\d/g, '0')

/** How many characters a mask hides may differ in a time, which here has milliseconds. */
const short = (text: unknown) => String(text).replace(/\*+/g, '*')

const compareLine = (about: string, sampleLine: string, line: string, played: Played): readonly Check[] => {
  const { checks, same, like, names, scopes } = checksOf(about)
  const [wanted, found] = [fieldsOf(translator(sampleLine, played)), fieldsOf(line)]
  for (const name of ['tenant', 'level', 'logger', 'initiator', 'action', 'target', 'outcome', 'suffix'])
    same(name, wanted[name], found[name])
  same('form of the date', shape(wanted.date), shape(found.date))
  like('correlation id', uuid, 'a UUID', found.trace)
  const wantedData = leaves(parse(wanted.data))
  const foundData = new Map(leaves(parse(found.data)))
  names(
    'names in Data',
    wantedData.map(([name]) => name),
    [...foundData.keys()],
  )
  for (const [name, value] of wantedData) {
    // the samples of tokens and lines are of two impersonations with two lists of scopes
    if (name === 'scope') scopes('Data scope', String(played.response.scope), foundData.get(name))
    else if (name.endsWith('/modified')) same(`Data ${name}`, short(value), short(foundData.get(name)))
    else same(`Data ${name}`, value, foundData.get(name))
  }
  return checks
}

const names = ['audit line of the use', 'audit line of the change'] as const

/** The lines that are compared: the last of each sample's action that this impersonation left. */
export const linesOf = (log: string): readonly string[] =>
  sampleAuditLines.map(
    (sample) =>
      log
        .split('\n')
        .findLast(
          (line) =>
            fieldsOf(line).action === fieldsOf(sample).action &&
            (fieldsOf(line).suffix !== '') === (fieldsOf(sample).suffix !== ''),
        ) ?? '',
  )

/** Both lines. */
export const compareAudit = (played: Played): readonly Check[] =>
  sampleAuditLines.flatMap((sample, index) =>
    compareLine(names[index] ?? '', sample, played.auditLines[index] ?? '', played),
  )
