/** Impersonations as the API shows them; schemas and rendering are side by side. */
import * as z from 'zod'
import type { ImpersonationDetails } from '../../impersonation/details.ts'
import { impersonationStates, type ListedImpersonation } from '../../impersonation/list.ts'
import { limitText } from '../page.ts'

const instant = () => z.iso.datetime()
const person = () => z.object({ id: z.string(), userName: z.string().optional() })

const fields = () => ({
  id: z.string(),
  state: z.enum(impersonationStates),
  impersonator: person(),
  subject: person(),
  application: z.object({ id: z.string(), name: z.string().optional(), clientId: z.string() }),
  organization: z.object({ id: z.string() }),
  scopes: z.array(z.string()),
  reason: z.string().optional(),
  ticket: z.string().optional(),
  authorizedAt: instant(),
  startedAt: instant().optional(),
  lastUsedAt: instant().optional(),
  expiresAt: instant().optional(),
  refusedAt: instant().optional(),
  refusal: z.string().optional().describe('The validator that refused, and its code'),
  endedAt: instant().optional(),
  endedBy: z.string().optional().describe("An account's id, a client id, or system"),
  endReason: z.string().optional(),
  endComment: z.string().optional(),
})

export const impersonationSchema = () => z.object(fields()).meta({ title: 'Impersonation' })

const event = () =>
  z.object({
    id: z.string(),
    at: instant(),
    event: z.string(),
    initiator: z.string(),
    target: z.string(),
    outcome: z.string(),
  })

export const detailsSchema = () =>
  z
    .object({
      ...fields(),
      tokens: z.array(
        z.object({
          id: z.string(),
          class: z.string(),
          scopes: z.array(z.string()),
          issuedAt: instant(),
          expiresAt: instant(),
          spentAt: instant().optional(),
        }),
      ),
      requests: z.array(
        z.object({
          at: instant(),
          action: z.string(),
          method: z.string(),
          path: z.string(),
          outcome: z.string(),
          traceId: z.string(),
          changes: z.array(event()),
        }),
      ),
      events: z.array(event()),
      totals: z
        .object({ tokens: z.int(), requests: z.int(), events: z.int(), isExact: z.boolean() })
        .describe(
          'How many there are, shown or not; `isExact` is false where more than 10,000 rows were to be counted',
        ),
    })
    .meta({ title: 'ImpersonationDetails' })

/** Spaces alone say nothing: in the words of the document. */
const something = { pattern: '\\S' } as const

/** What the caller of `end` says. */
export const endBody = z.strictObject({
  reason: z.string().trim().min(1).max(500).meta(something).optional(),
})

const id = () => z.string().trim().min(1).max(255).meta(something).optional()
export const endManyBody = z
  .strictObject({
    impersonator: id(),
    subject: id(),
    application: id(),
    all: z.literal(true).optional(),
    reason: endBody.shape.reason,
  })
  .refine(
    ({ all, impersonator, subject, application }) =>
      (all === true) !== [impersonator, subject, application].some((value) => value !== undefined),
    { error: 'name an impersonator, a subject or an application, or say {"all": true}', path: ['all'] },
  )
  // the same in the words of the document
  .meta({
    oneOf: [
      { required: ['all'] },
      { anyOf: ['impersonator', 'subject', 'application'].map((name) => ({ required: [name] })) },
    ],
  })

const present = <Value extends object>(value: Value) =>
  Object.fromEntries(Object.entries(value).filter(([, each]) => each !== null && each !== undefined))

export const shown = ({ lineageId: _, organizationId, ...impersonation }: ListedImpersonation) => ({
  ...present(impersonation),
  impersonator: present(impersonation.impersonator),
  subject: present(impersonation.subject),
  application: present(impersonation.application),
  organization: { id: organizationId },
})

export const shownDetails = (impersonation: ListedImpersonation, details: ImpersonationDetails) => ({
  ...shown(impersonation),
  ...details,
  tokens: details.tokens.map(present),
})

const instantAsked = () => z.union([z.literal(''), z.iso.datetime({ offset: true })]).optional()

/** The time and the page that a list is asked for, as the document says it. */
export const timeAndPage = () => ({
  from: instantAsked().describe('Authorized then or later'),
  to: instantAsked().describe('Authorized before then'),
  // empty is not asked for
  limit: z
    .union([z.literal(''), limitText().unwrap()])
    .optional()
    .describe('20 unless said, at most 100'),
  after: z.string().optional().describe('The cursor of a link'),
  before: z.string().optional().describe('The cursor of a link'),
})
