/** The messages of webhooks: `{type, timestamp, data}`. docs/webhooks.md promises their members. */
import { type Happened, textOf } from './happened.ts'
import { testEvents, type Webhook } from './webhook.ts'

/** What the event has beside what all of them have. */
const particulars = ({ type, by, data, authorizedAt, startedAt, at }: Happened): object => {
  switch (type) {
    case 'impersonation.authorized':
      return {}
    case 'impersonation.started':
      return { authorizedAt }
    case 'impersonation.ended':
      return {
        startedAt,
        endedAt: textOf(data.endedAt) ?? at,
        endedBy: by,
        endReason: textOf(data.reason),
        endComment: textOf(data.comment),
        requests: typeof data.requests === 'number' ? data.requests : null,
      }
    case 'impersonation.refused':
      return { phase: textOf(data.phase), refusedBy: textOf(data.validator), code: textOf(data.reason) }
  }
}

/** The body, to the letter the same at every attempt. */
export const messageOf = (happened: Happened): string =>
  JSON.stringify({
    type: happened.type,
    timestamp: happened.at,
    data: {
      event: happened.event,
      trace: happened.trace,
      impersonation: happened.impersonation,
      impersonator: happened.impersonator,
      subject: happened.subject,
      application: happened.application,
      client: happened.client,
      organization: happened.organization,
      scopes: happened.scopes,
      reason: happened.reason,
      ticket: happened.ticket,
      ...particulars(happened),
    },
  })

/** What a test sends. */
export const testMessage = ({ id }: Pick<Webhook, 'id'>, now: Date): string =>
  JSON.stringify({ type: testEvents.webhook, timestamp: now.toISOString(), data: { webhook: id } })
