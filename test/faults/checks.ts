/** What must be true after any number of kills; each check answers what is not, as sentences. */
import { auditLine } from '../../lib/audit.ts'
import { hashOf } from '../../lib/tokens/token.ts'
import type { Facts } from './facts.ts'
import type { Remembered } from './load.ts'

export interface Outcome {
  readonly facts: Facts
  readonly remembered: Remembered
  /** When the facts were read. */
  readonly now: Date
}

const grouped = <Item>(items: Iterable<Item>, keyOf: (item: Item) => string): Map<string, Item[]> =>
  Map.groupBy(items, keyOf)

const dataOf = (row: { readonly data: string }) => JSON.parse(row.data) as Record<string, unknown>

/** The events that say that a token was issued, and which one. */
const issuing: Readonly<Record<string, string>> = {
  'impersonated-token-issued': 'access',
  'token-refreshed': 'access',
  'token-issued': 'access',
  'delegated-token-issued': 'access',
}

const tokensAreAudited = ({ facts }: Outcome): string[] => {
  const wrong: string[] = []
  const of = (name: string) => facts.audit.filter(({ event }) => event === name)
  const subjects = facts.tokens.filter((token) => token.class === 'subject')
  const issued = grouped(of('subject-token-issued'), (row) => String(row.impersonation_id))
  const known = grouped(subjects, (token) => String(token.impersonationId))
  for (const { impersonationId } of subjects) {
    const rows = issued.get(String(impersonationId))?.length ?? 0
    if (rows !== 1) wrong.push(`the subject token of ${impersonationId} has ${rows} audit rows`)
  }
  for (const id of issued.keys())
    if (known.get(id)?.length !== 1)
      wrong.push(`an audit row tells of a subject token of ${id}, which is not`)
  const rows = grouped(
    facts.audit.filter(({ event }) => Object.hasOwn(issuing, event)),
    (row) => String(dataOf(row).tokenId),
  )
  const access = facts.tokens.filter((token) => token.class === 'access')
  const ids = new Set(access.map(({ id }) => id))
  for (const { id } of access) {
    const found = rows.get(id)?.length ?? 0
    if (found !== 1) wrong.push(`the access token ${id} has ${found} audit rows`)
  }
  for (const id of rows.keys())
    if (!ids.has(id)) wrong.push(`an audit row tells of the access token ${id}, which is not`)
  return wrong
}

const whatWasReceivedIsStored = ({ facts, remembered }: Outcome): string[] => {
  const hashes = new Set(facts.tokens.map(({ hash }) => hash))
  const { held, subjectTokens } = remembered
  const received = [
    ...subjectTokens.map((value) => ['subject', value] as const),
    ...held.flatMap(({ access }) => access.map((value) => ['access', value] as const)),
    ...held.flatMap(({ refresh }) => (refresh === undefined ? [] : [['refresh', refresh] as const])),
  ]
  return received.flatMap(([name, value]) =>
    hashes.has(hashOf(value)) ? [] : [`a client received a token (${name}) that has no row`],
  )
}

const usesAreAudited = ({ facts, remembered }: Outcome): string[] => {
  const of = new Map(facts.tokens.map(({ hash, impersonationId }) => [hash, impersonationId]))
  const uses = grouped(
    facts.audit.filter(({ event }) => event === 'resource-modification-via-impersonation'),
    (row) => String(row.impersonation_id),
  )
  return remembered.held.flatMap(({ access, used }) => {
    const id = of.get(hashOf(access[0] ?? ''))
    const found = uses.get(String(id))?.length ?? 0
    return found > 1 || (used && found === 0) ? [`${id} was used once and has ${found} audit rows of it`] : []
  })
}

const subjectTokensAreSpentOnce = ({ facts, remembered }: Outcome): string[] => {
  const wrong: string[] = []
  const starts = grouped(
    facts.audit.filter(({ event }) => event === 'impersonated-token-issued'),
    (row) => String(row.impersonation_id),
  )
  for (const { id, startedAt } of facts.impersonations) {
    const found = starts.get(id)?.length ?? 0
    if (found !== (startedAt === null ? 0 : 1)) wrong.push(`${id} was started ${found} times`)
  }
  const spent = grouped(remembered.held, ({ subjectToken }) => subjectToken)
  for (const held of spent.values())
    if (held.length > 1) wrong.push(`a subject token was exchanged ${held.length} times`)
  return wrong
}

const whatEndedIsDead = ({ facts, remembered }: Outcome): string[] => {
  const wrong: string[] = []
  for (const { held, at } of facts.taken) {
    if (held.state === 'ended' && at.length > 0)
      wrong.push(`what was ended (${held.by}) is taken by ${at.join(', ')}`)
    if (held.state === 'live' && !at.includes('introspection')) wrong.push('what nobody ended is dead')
  }
  const asked = new Set(facts.taken.map(({ held }) => held))
  for (const held of remembered.held)
    if (held.state !== 'unknown' && !asked.has(held)) wrong.push('tokens that a client holds were not tried')
  const byHash = new Map(facts.tokens.map(({ hash, impersonationId }) => [hash, impersonationId]))
  const rows = new Map(facts.impersonations.map((row) => [row.id, row]))
  for (const held of remembered.held) {
    const row = rows.get(String(byHash.get(hashOf(held.access[0] ?? ''))))
    if (held.state === 'ended' && row?.endedAt === null) wrong.push(`${row.id} has no end (${held.by})`)
  }
  return wrong
}

const endsAreRecordedOnce = ({ facts, now }: Outcome): string[] => {
  const wrong: string[] = []
  const rows = grouped(
    facts.audit.filter(({ event }) => event === 'impersonation-ended'),
    (row) => String(row.impersonation_id),
  )
  for (const { id, startedAt, endedAt, endsAt, settledAt, state } of facts.impersonations) {
    const over = endedAt !== null || endsAt <= now.toISOString()
    const found = rows.get(id)?.length ?? 0
    if (found !== (over && startedAt !== null ? 1 : 0))
      wrong.push(`the end of ${id} is recorded ${found} times, and it is ${over ? 'over' : 'not over'}`)
    if (over !== (settledAt !== null) || over !== (state !== 'open'))
      wrong.push(`${id} is ${over ? 'over' : 'not over'}, and its row says ${state}`)
  }
  return wrong
}

const noMailIsLost = ({ facts }: Outcome): string[] => {
  const wrong: string[] = []
  const arrived = grouped(facts.deliveries, ({ messageId }) => messageId)
  const rows = grouped(facts.outbox, ({ messageId }) => messageId)
  for (const { messageId, sentAt, recipient } of facts.outbox) {
    const got = arrived.get(messageId) ?? []
    if (sentAt === null) wrong.push(`the mail ${messageId} is not sent`)
    if (got.length === 0) wrong.push(`the mail ${messageId} did not arrive`)
    if (got.some(({ to }) => to.join() !== recipient)) wrong.push(`${messageId} reached somebody else`)
  }
  for (const [messageId, found] of rows)
    if (found.length > 1) wrong.push(`two mails have the Message-ID ${messageId}`)
  for (const messageId of arrived.keys())
    if (!rows.has(messageId))
      wrong.push(`the mail ${messageId} arrived, and nothing says that it was to leave`)
  const about = grouped(
    facts.outbox.filter((row) => row.impersonationId !== null),
    ({ template, impersonationId }) => `${template} of ${impersonationId}`,
  )
  for (const [what, mails] of about)
    if (mails.length > 1) wrong.push(`${what} was told under ${mails.length} Message-IDs`)
  for (const { id, startedAt } of facts.impersonations)
    if (startedAt !== null && !about.has(`impersonation-started of ${id}`))
      wrong.push(`nobody was told that ${id} was started`)
  for (const { event, impersonation_id } of facts.audit)
    if (event === 'impersonation-ended' && !about.has(`impersonation-ended of ${impersonation_id}`))
      wrong.push(`nobody was told that ${impersonation_id} has ended`)
  return wrong
}

const theTrailIsWhole = ({ facts }: Outcome): string[] => {
  const wrong: string[] = []
  const { code, output } = facts.verify
  const intact = /^Intact: (\d+) sealed rows/.exec(output)
  if (code !== 0 || !intact) wrong.push(`mayact audit verify: ${code} ${output.trim()}`)
  else if (Number(intact[1]) !== facts.audit.length)
    wrong.push(`mayact audit verify saw ${intact[1]} of ${facts.audit.length} rows`)
  facts.audit.forEach(({ id, position }, index) => {
    if (position !== index + 1) wrong.push(`the audit row ${id} is at position ${position}, not ${index + 1}`)
  })
  return wrong
}

const everyRowHasItsLine = ({ facts }: Outcome): string[] => {
  const expected = new Set(facts.audit.map(auditLine))
  const written = new Set(facts.lines)
  // one that was cut off; the whole one is there, too
  const isPart = (line: string) => [...expected].some((whole) => whole.startsWith(line))
  return [
    ...[...expected].filter((line) => !written.has(line)).map((line) => `audit.log lacks: ${line}`),
    ...[...written]
      .filter((line) => !expected.has(line) && !isPart(line))
      .map((line) => `audit.log has no row for: ${line}`),
    ...facts.audit
      .filter(({ line_at }) => line_at === null)
      .map(({ id }) => `the audit row ${id} is not marked as written`),
  ]
}

const peopleAreCounted = ({ facts, remembered }: Outcome): string[] => {
  const wrong: string[] = []
  const keyOf = ({ kind, block }: { kind: string; block: string }) => `${kind} ${block}`
  const counted = new Map(facts.counted.map((block) => [keyOf(block), block.n]))
  const said = new Map(facts.population.map((block) => [keyOf(block), block.n]))
  for (const key of new Set([...counted.keys(), ...said.keys()])) {
    const [is, says] = [counted.get(key) ?? 0, said.get(key) ?? 0]
    if (is !== says) wrong.push(`the population of ${key} is ${is}, and its row says ${says}`)
  }
  const made = new Set(facts.audit.flatMap((row) => (row.event === 'user-created' ? [row.target] : [])))
  for (const [id, state] of remembered.people) {
    if (state !== 'unknown' && facts.people.has(id) !== (state === 'made'))
      wrong.push(`the user ${id} was ${state}, and is ${facts.people.has(id) ? '' : 'not '}there`)
    if (!made.has(id)) wrong.push(`the user ${id} was made without an audit row`)
  }
  return wrong
}

const theDatabaseIsSound = ({ facts }: Outcome): string[] =>
  facts.integrity.filter((word) => word !== 'ok').map((word) => `the database: ${word}`)

const everyAnswerWasRight = ({ remembered }: Outcome): string[] => [...remembered.wrong]

const checks = {
  'every token has its audit row and every such row its token': tokensAreAudited,
  'what a client received has its row': whatWasReceivedIsStored,
  'every use has its audit row': usesAreAudited,
  'subject tokens are spent at most once': subjectTokensAreSpentOnce,
  'what was ended is dead, and nothing else is': whatEndedIsDead,
  'an end is recorded exactly once': endsAreRecordedOnce,
  'no mail is lost, and none is told under two Message-IDs': noMailIsLost,
  'the trail is intact and without a gap': theTrailIsWhole,
  'audit.log has every row and nothing else': everyRowHasItsLine,
  'people are counted right': peopleAreCounted,
  'the database is sound': theDatabaseIsSound,
  'every answer was right': everyAnswerWasRight,
} as const satisfies Record<string, (outcome: Outcome) => string[]>

export type Check = keyof typeof checks

export interface Violation {
  readonly check: Check
  readonly found: readonly string[]
}

/** Every check that found something. */
export const violationsIn = (outcome: Outcome): readonly Violation[] =>
  Object.entries(checks).flatMap(([check, run]) => {
    const found = run(outcome)
    return found.length === 0 ? [] : [{ check: check as Check, found }]
  })
