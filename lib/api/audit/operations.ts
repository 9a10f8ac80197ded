/** What the OpenAPI document says of the audit trail. */
import * as z from 'zod'
import type { Answer, Operation } from '../../access/operation.ts'
import { limitText } from '../page.ts'
import { instant, longestValue, names } from './query.ts'

const of = (about: () => Omit<Operation, 'tag'>) => (): Operation => ({ tag: 'Audit trail', ...about() })

const row = () =>
  z
    .strictObject({
      id: z.string(),
      recordedAt: z.string().describe('ISO 8601, UTC'),
      event: z.string(),
      action: z.string().describe('As the line of audit.log has it'),
      initiator: z.string().describe("A user's id, a client id, or `system`"),
      target: z.string(),
      actor: z.string().optional().describe('The impersonator'),
      subject: z.string().optional().describe('Whom he acted as'),
      application: z.string().optional(),
      organization: z.string().optional(),
      impersonation: z.string().optional(),
      outcome: z.string(),
      traceId: z.string(),
      data: z.unknown().describe('An object, by event (docs/audit.md)'),
      sealed: z.boolean().describe('Whether it has its place in the chain'),
      proven: z.boolean().describe('Whether a checkpoint is signed for its place'),
      position: z.int().optional(),
      link: z.string().optional().describe('SHA-256 over the link before it and the row'),
    })
    .meta({ title: 'AuditRow' })

const links = () => z.array(z.strictObject({ rel: z.literal('next'), href: z.string() }))
const badQuery: Answer = { description: 'A parameter is unknown, repeated, or cannot be read (AUD-60001).' }

export const operations = {
  search: of(() => ({
    id: 'searchAudit',
    summary: 'Rows of the audit trail, the newest first; all that is asked for must hold.',
    query: z.object({
      ...Object.fromEntries(names.map((name) => [name, z.string().min(1).max(longestValue).optional()])),
      from: z.string().regex(instant).optional().describe('This instant and later, ISO 8601'),
      to: z.string().regex(instant).optional().describe('Earlier than this instant, ISO 8601'),
      limit: limitText(),
      after: z.string().optional().describe('What the link to this page says'),
    }),
    answers: {
      200: {
        description:
          'A page. It can have fewer rows than the limit, or none: as long as there is a link to the next one, more rows have to be looked at.',
        schema: z.strictObject({ count: z.int(), links: links(), events: z.array(row()) }),
      },
      400: badQuery,
    },
  })),
  read: of(() => ({
    id: 'getAuditRow',
    summary: 'One row of the audit trail.',
    answers: {
      200: { description: 'The row.', schema: row() },
      404: { description: 'There is no such row (AUD-60002).' },
    },
  })),
  listCheckpoints: of(() => ({
    id: 'listAuditCheckpoints',
    summary: 'The signed checkpoints, the newest first.',
    query: z.object({
      limit: limitText(),
      after: z
        .string()
        .regex(/^[0-9]{1,15}$/)
        .optional()
        .describe('Before this position'),
    }),
    answers: {
      200: {
        description: 'A page.',
        schema: z.strictObject({
          count: z.int(),
          links: links(),
          checkpoints: z.array(
            z.strictObject({
              position: z.int(),
              link: z.string(),
              at: z.string(),
              statement: z.string().describe('A JWS over the position and the link'),
            }),
          ),
        }),
      },
      400: badQuery,
    },
  })),
  keys: of(() => ({
    id: 'listAuditKeys',
    summary: 'The public keys that the checkpoints are verified with.',
    answers: {
      200: {
        description: 'A JWK set (RFC 7517).',
        schema: z.strictObject({ keys: z.array(z.record(z.string(), z.unknown())) }),
      },
    },
  })),
}
