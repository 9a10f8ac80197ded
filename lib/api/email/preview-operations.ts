/** What the OpenAPI document says of previews and test messages. */
import * as z from 'zod'
import { preview, testSend } from './bodies.ts'
import { notification } from './dialect.ts'
import { describing, noTemplate } from './operations.ts'

const of = describing(notification)

const shown = () =>
  z.strictObject({
    source: z.enum(['draft', 'application', 'organization', 'built-in']),
    locale: z.string(),
    contentType: z.string(),
    subject: z.string(),
    text: z.string(),
    html: z.string().optional(),
    unknownPlaceholders: z.array(z.string()),
  })

export const previewOperations = {
  preview: of(() => ({
    id: 'previewEmailTemplate',
    summary: 'Shows what a template, or a draft of one, becomes with example or given values.',
    body: preview,
    answers: { 200: { description: 'The message, as text.', schema: shown() }, 404: noTemplate },
  })),
  testSend: of(() => ({
    id: 'sendTestEmail',
    summary: 'Sends a template with example or given values to the address of whoever asks.',
    body: testSend,
    answers: {
      202: { description: 'Queued.', schema: z.strictObject({ to: z.string(), subject: z.string() }) },
      400: { description: 'The caller has no e-mail address.' },
      403: { description: 'It is not the address of the caller.' },
      404: noTemplate,
      429: { description: 'Too many in an hour.', headers: ['Retry-After'] },
    },
  })),
}
