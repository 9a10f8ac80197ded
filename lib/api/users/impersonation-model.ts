/** Impersonations as the user who is acted for is shown them; schema and rendering are side by side. */
import * as z from 'zod'
import type { Done } from '../../impersonation/done.ts'
import { impersonationStates, type ListedImpersonation } from '../../impersonation/list.ts'

const instant = () => z.iso.datetime()
const person = () => z.object({ id: z.string(), userName: z.string().optional() })

export const ownImpersonationSchema = () =>
  z
    .object({
      id: z.string(),
      state: z.enum(impersonationStates).exclude(['refused']),
      impersonator: person(),
      application: z.object({ id: z.string(), name: z.string().optional() }),
      scopes: z.array(z.string()),
      reason: z.string().optional(),
      ticket: z.string().optional(),
      authorizedAt: instant(),
      startedAt: instant().optional(),
      lastUsedAt: instant().optional(),
      expiresAt: instant().optional(),
      endedAt: instant().optional(),
      endedBy: z.enum(['you', 'impersonator', 'system', 'somebody else']).optional(),
      endReason: z.string().optional(),
      requests: z
        .array(
          z.object({
            at: instant(),
            method: z.string(),
            path: z.string(),
            outcome: z.string().describe('AUTHORIZED, or the status of its refusal'),
            changes: z.array(z.object({ event: z.string(), target: z.string() })),
          }),
        )
        .describe('What was done, the latest first'),
      hasMoreRequests: z.boolean().describe('There were more than are shown'),
    })
    .meta({ title: 'OwnImpersonation' })

/** Who ended it, without the ids of people whom the user need not know. */
const enderOf = ({ endedBy, subject, impersonator }: ListedImpersonation) => {
  if (endedBy === null) return undefined
  if (endedBy === subject.id) return 'you'
  if (endedBy === impersonator.id) return 'impersonator'
  return endedBy === 'system' ? 'system' : 'somebody else'
}

export const ownImpersonation = (item: ListedImpersonation, done: Done | undefined) => ({
  id: item.id,
  state: item.state,
  impersonator: item.impersonator,
  application: { id: item.application.id, name: item.application.name },
  scopes: item.scopes,
  // what is undefined is left out of JSON
  reason: item.reason ?? undefined,
  ticket: item.ticket ?? undefined,
  authorizedAt: item.authorizedAt,
  startedAt: item.startedAt ?? undefined,
  lastUsedAt: item.lastUsedAt ?? undefined,
  expiresAt: item.expiresAt ?? undefined,
  endedAt: item.endedAt ?? undefined,
  endedBy: enderOf(item),
  endReason: item.endReason ?? undefined,
  requests: done?.requests ?? [],
  hasMoreRequests: done?.hasMore ?? false,
})
