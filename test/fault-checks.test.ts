/** The checks of the fault test find what they are there for: a sound outcome, broken in one place at a time. */
import { describe, expect, test } from 'bun:test'
import { auditLine } from '../lib/audit.ts'
import type { AuditTable } from '../lib/database/schema.ts'
import { hashOf } from '../lib/tokens/token.ts'
import { type Check, type Outcome, violationsIn } from './faults/checks.ts'
import type { Facts } from './faults/facts.ts'
import type { Held } from './faults/load.ts'

const at = '2026-11-23T10:00:00.000Z'
const later = '2026-11-23T11:00:00.000Z'

const row = (position: number, event: string, changes: Partial<AuditTable> = {}): AuditTable => ({
  id: `row-${position}`,
  at,
  event,
  action: event,
  initiator: 'impersonator',
  target: 'subject',
  data: '{}',
  outcome: 'Success',
  actor_id: 'impersonator',
  subject_id: 'subject',
  application_id: 'application',
  organization_id: 'organization',
  impersonation_id: null,
  trace_id: `trace-${position}`,
  writer: 'writer',
  line_at: at,
  position,
  link: `link-${position}`,
  ...changes,
})

const tokenRow = (position: number, event: string, of: string, tokenId: string) =>
  row(position, event, { impersonation_id: of, data: JSON.stringify({ tokenId }) })

const ended: Held = {
  client: 0,
  subjectToken: 'subject-1',
  access: ['access-1', 'access-1b'],
  refresh: 'refresh-1',
  used: true,
  state: 'ended',
  by: 'end',
}
const live: Held = {
  client: 0,
  subjectToken: 'subject-2',
  access: ['access-2'],
  refresh: undefined,
  used: true,
  state: 'live',
  by: undefined,
}

const token = (value: string, tokenClass: string, impersonationId: string) => ({
  hash: hashOf(value),
  id: `id of ${value}`,
  class: tokenClass,
  impersonationId,
})

const mail = (of: string, template = 'impersonation-started') => ({
  messageId: `<${template}-${of}@localhost>`,
  template,
  recipient: 'subject@example.com',
  impersonationId: of,
  sentAt: at,
})

const audit = [
  row(1, 'subject-token-issued', { impersonation_id: 'one' }),
  tokenRow(2, 'impersonated-token-issued', 'one', 'id of access-1'),
  tokenRow(3, 'token-refreshed', 'one', 'id of access-1b'),
  row(4, 'impersonation-ended', { impersonation_id: 'one' }),
  row(5, 'subject-token-issued', { impersonation_id: 'two' }),
  tokenRow(6, 'impersonated-token-issued', 'two', 'id of access-2'),
  row(7, 'user-created', { target: 'somebody' }),
  row(8, 'resource-modification-via-impersonation', { impersonation_id: 'one' }),
  row(9, 'resource-modification-via-impersonation', { impersonation_id: 'two' }),
]

const facts: Facts = {
  tokens: [
    token('subject-1', 'subject', 'one'),
    token('access-1', 'access', 'one'),
    token('access-1b', 'access', 'one'),
    token('refresh-1', 'refresh', 'one'),
    token('subject-2', 'subject', 'two'),
    token('access-2', 'access', 'two'),
  ],
  audit,
  impersonations: [
    { id: 'one', state: 'ended', startedAt: at, endsAt: later, endedAt: at, settledAt: at },
    { id: 'two', state: 'open', startedAt: at, endsAt: later, endedAt: null, settledAt: null },
  ],
  outbox: [mail('one'), mail('two'), mail('one', 'impersonation-ended')],
  population: [{ kind: 'account', block: 'ab', n: 3 }],
  counted: [{ kind: 'account', block: 'ab', n: 3 }],
  people: new Set(['somebody']),
  integrity: ['ok'],
  // a doubled mail, doubled lines and one that was cut off are what is allowed
  deliveries: [mail('one'), mail('two'), mail('one'), mail('one', 'impersonation-ended')].map(
    ({ messageId, recipient }) => ({
      messageId,
      to: [recipient],
    }),
  ),
  lines: [
    ...audit.map(auditLine),
    ...audit.slice(6).map(auditLine),
    auditLine(audit[6] ?? row(7, '')).slice(0, 40),
  ],
  verify: { code: 0, output: 'Intact: 9 sealed rows, to position 9.\n' },
  taken: [
    { held: ended, at: [] },
    { held: live, at: ['introspection'] },
  ],
}

const outcome: Outcome = {
  facts,
  remembered: {
    held: [ended, live],
    subjectTokens: ['subject-1', 'subject-2'],
    people: new Map([['somebody', 'made']]),
    wrong: [],
    cut: 1,
  },
  now: new Date('2026-11-23T10:30:00.000Z'),
}

const withFacts = (changes: Partial<Facts>): Outcome => ({ ...outcome, facts: { ...facts, ...changes } })
const remembering = (changes: Partial<Outcome['remembered']>): Outcome => ({
  ...outcome,
  remembered: { ...outcome.remembered, ...changes },
})
const without = <Item>(items: readonly Item[], index: number) => items.toSpliced(index, 1)
const twice = <Item>(items: readonly Item[], index: number) => [...items, ...items.slice(index).slice(0, 1)]
/** The trail without a row, which nobody noticed: its lines and its verification say the same. */
const trail = (rows: readonly AuditTable[]) => {
  const renumbered = rows.map((one, index) => ({ ...one, position: index + 1 }))
  return {
    audit: renumbered,
    lines: renumbered.map(auditLine),
    verify: { code: 0, output: `Intact: ${rows.length} sealed rows, to position ${rows.length}.\n` },
  }
}

const [first, second] = facts.impersonations
if (!first || !second) throw new Error('there are two')

const tokens: Check = 'every token has its audit row and every such row its token'
const received: Check = 'what a client received has its row'
const used: Check = 'every use has its audit row'
const once: Check = 'subject tokens are spent at most once'
const dead: Check = 'what was ended is dead, and nothing else is'
const recorded: Check = 'an end is recorded exactly once'
const mails: Check = 'no mail is lost, and none is told under two Message-IDs'
const whole: Check = 'the trail is intact and without a gap'
const written: Check = 'audit.log has every row and nothing else'
const counted: Check = 'people are counted right'

const broken: readonly (readonly [string, Check, Outcome])[] = [
  ['a subject token without its row', tokens, withFacts(trail(without(audit, 4)))],
  ['an access token without its row', tokens, withFacts(trail(without(audit, 2)))],
  ['a subject token with two rows', tokens, withFacts(trail(twice(audit, 0)))],
  ['a row without its subject token', tokens, withFacts({ tokens: without(facts.tokens, 4) })],
  ['a row without its access token', tokens, withFacts({ tokens: without(facts.tokens, 2) })],
  ['a refresh token that nobody issued', received, withFacts({ tokens: without(facts.tokens, 3) })],
  ['a subject token that nobody issued', received, withFacts({ tokens: without(facts.tokens, 0) })],
  ['a use without its row', used, withFacts(trail(without(audit, 7)))],
  ['a use with two rows', used, withFacts(trail(twice(audit, 8)))],
  [
    'two starts of one',
    once,
    withFacts({
      ...trail([...audit, tokenRow(10, 'impersonated-token-issued', 'two', 'id of access-3')]),
      tokens: [...facts.tokens, token('access-3', 'access', 'two')],
    }),
  ],
  [
    'a subject token exchanged twice',
    once,
    remembering({ held: [ended, live, { ...live, access: ['access-2'] }] }),
  ],
  ...['introspection', 'userinfo', 'gate', 'refresh', 'exchange'].map(
    (place) =>
      [
        `what was ended is taken by ${place}`,
        dead,
        withFacts({
          taken: [
            { held: ended, at: [place] },
            { held: live, at: ['introspection'] },
          ],
        }),
      ] as const,
  ),
  [
    'what nobody ended is dead',
    dead,
    withFacts({
      taken: [
        { held: ended, at: [] },
        { held: live, at: [] },
      ],
    }),
  ],
  ['what was not tried', dead, withFacts({ taken: without(facts.taken, 0) })],
  [
    'an acknowledged end without a trace',
    dead,
    withFacts({ impersonations: [{ ...first, endedAt: null, settledAt: null, state: 'open' }, second] }),
  ],
  ['an end that is not recorded', recorded, withFacts(trail(without(audit, 3)))],
  ['an end that is recorded twice', recorded, withFacts(trail(twice(audit, 3)))],
  [
    'the end of what lives',
    recorded,
    withFacts(trail([...audit, row(10, 'impersonation-ended', { impersonation_id: 'two' })])),
  ],
  [
    'an end that its row does not know',
    recorded,
    withFacts({ impersonations: [{ ...first, state: 'open' }, second] }),
  ],
  [
    'one that has run out and is open',
    recorded,
    withFacts({ impersonations: [first, { ...second, endsAt: at }] }),
  ],
  ['a mail that did not arrive', mails, withFacts({ deliveries: without(facts.deliveries, 1) })],
  [
    'a mail of the end that was never written',
    mails,
    withFacts({ outbox: without(facts.outbox, 2), deliveries: without(facts.deliveries, 3) }),
  ],
  [
    'a mail that was never written',
    mails,
    withFacts({ outbox: without(facts.outbox, 1), deliveries: without(facts.deliveries, 1) }),
  ],
  [
    'a mail that waits',
    mails,
    withFacts({ outbox: [{ ...mail('one'), sentAt: null }, ...facts.outbox.slice(1)] }),
  ],
  [
    'one notice under two Message-IDs',
    mails,
    withFacts({
      outbox: [...facts.outbox, { ...mail('one'), messageId: '<again@localhost>' }],
      deliveries: [...facts.deliveries, { messageId: '<again@localhost>', to: ['subject@example.com'] }],
    }),
  ],
  [
    'a repetition under another Message-ID',
    mails,
    withFacts({
      deliveries: [...facts.deliveries, { messageId: '<again@localhost>', to: ['subject@example.com'] }],
    }),
  ],
  [
    'two mails with one Message-ID',
    mails,
    withFacts({ outbox: [...facts.outbox, { ...mail('three'), messageId: mail('one').messageId }] }),
  ],
  [
    'a mail to somebody else',
    mails,
    withFacts({
      deliveries: [...facts.deliveries, { messageId: mail('one').messageId, to: ['else@example.com'] }],
    }),
  ],
  [
    'a trail that is not intact',
    whole,
    withFacts({ verify: { code: 65, output: 'NOT INTACT at position 3' } }),
  ],
  [
    'rows that are not sealed',
    whole,
    withFacts({ verify: { code: 0, output: 'Intact: 8 sealed rows, to position 8.\n1 not sealed yet.\n' } }),
  ],
  [
    'a gap',
    whole,
    withFacts({ audit: audit.map((one) => (one.id === 'row-9' ? { ...one, position: 10 } : one)) }),
  ],
  ['a row without its line', written, withFacts({ lines: facts.lines.slice(1) })],
  ['a line without its row', written, withFacts({ lines: [...facts.lines, 'TID: [-1234] forged'] })],
  [
    'half a line without the whole one',
    written,
    withFacts({ lines: [...facts.lines.slice(1), facts.lines[0]?.slice(0, 40) ?? ''] }),
  ],
  [
    'a row that is not marked',
    written,
    withFacts({
      audit: [...without(audit, 6), { ...row(7, 'user-created', { target: 'somebody' }), line_at: null }],
    }),
  ],
  ['a count that is too high', counted, withFacts({ population: [{ kind: 'account', block: 'ab', n: 4 }] })],
  ['a block that is not counted', counted, withFacts({ population: [] })],
  ['a user who was made and is not there', counted, withFacts({ people: new Set() })],
  [
    'a user who was deleted and is there',
    counted,
    remembering({ people: new Map([['somebody', 'deleted']]) }),
  ],
  ['a user without an audit row', counted, withFacts(trail(without(audit, 6)))],
  [
    'a database that is not sound',
    'the database is sound',
    withFacts({ integrity: ['wrong # of entries in index'] }),
  ],
  [
    'an answer that no kill explains',
    'every answer was right',
    remembering({ wrong: ['a use was answered with 500'] }),
  ],
]

describe('the checks of the fault test', () => {
  test('find nothing in a sound outcome, with a doubled mail, doubled lines and one cut off', () => {
    expect(violationsIn(outcome)).toEqual([])
  })

  for (const [title, check, wrong] of broken) {
    test(`find ${title}`, () => {
      expect(violationsIn(wrong).map((violation) => violation.check)).toContain(check)
    })
  }

  test('every check is seen to fail', () => {
    expect(new Set(broken.map(([, check]) => check)).size).toBe(12)
  })
})
