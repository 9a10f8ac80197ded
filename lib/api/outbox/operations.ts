/** What the OpenAPI document says of the outbox. */
import * as z from 'zod'
import type { Answer, Operation } from '../../access/operation.ts'
import { mailStates } from '../../email/outbox-list.ts'
import { limitText } from '../page.ts'

const tag = 'Outbox'

const instant = () => z.iso.datetime().nullable()

const mail = () =>
  z
    .strictObject({
      id: z.string(),
      state: z.enum(mailStates).describe('`failed`: given up, and not tried again unless asked for'),
      template: z.string(),
      recipient: z.string().describe('Masked: `a***e@example.com`'),
      messageId: z.string().describe('The same at every attempt'),
      impersonation: z.string().nullable().describe('Of which it tells'),
      attempts: z.int(),
      created: z.iso.datetime(),
      nextAttempt: instant(),
      sent: instant(),
      gaveUp: instant(),
      retried: instant().describe('When somebody had it tried again last'),
      lastError: z.string().nullable(),
    })
    .meta({ title: 'OutboxMail' })

const missing: Answer = { description: 'There is no such mail (OBX-60002).' }

export const list = (): Operation => ({
  id: 'listOutbox',
  summary: 'Mail that waits, left or was given up, the newest first',
  tag,
  query: z.object({
    state: z
      .enum([...mailStates, ''])
      .optional()
      .describe('Only those in that state'),
    limit: limitText(),
    after: z.string().optional().describe('A cursor: what is older than it'),
    before: z.string().optional().describe('A cursor: what is newer than it'),
  }),
  answers: {
    200: {
      description: 'A page.',
      schema: z.strictObject({
        links: z.array(z.strictObject({ rel: z.enum(['previous', 'next']), href: z.string() })),
        mails: z.array(mail()),
      }),
    },
    400: { description: 'The query cannot be read (OBX-60001).' },
  },
})

export const read = (): Operation => ({
  id: 'getOutboxMail',
  summary: 'One mail, without what it says',
  tag,
  answers: { 200: { description: 'The mail.', schema: mail() }, 404: missing },
})

export const retry = (): Operation => ({
  id: 'retryOutboxMail',
  summary: 'Has a mail tried again now',
  tag,
  answers: {
    202: { description: 'It is due.', schema: mail() },
    404: missing,
    409: { description: 'It was sent (OBX-60003).' },
  },
})

export const retryAll = (): Operation => ({
  id: 'retryOutbox',
  summary: 'Has all mail that was given up tried again now',
  tag,
  answers: {
    202: {
      description: 'They are due; there may be none.',
      schema: z.strictObject({ retried: z.int().describe('How many') }),
    },
  },
})
