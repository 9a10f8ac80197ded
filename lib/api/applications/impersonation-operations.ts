/** What the OpenAPI document says of the switch of impersonation. */
import * as z from 'zod'
import type { Describe } from '../../access/operation.ts'
import { done, refusals, tag } from './answers.ts'
import { switchBody } from './impersonation.ts'

const report = () => ({
  enabled: z.boolean().describe('The application may ask for subject tokens and exchange them.'),
  ready: z.boolean().describe('Nothing is missing.'),
  findings: z.array(
    z.strictObject({
      about: z.string(),
      state: z.enum(['ok', 'wrong', 'note']),
      says: z.string(),
      mend: z.string().optional(),
      calls: z.array(z.int()).optional().describe('Which calls mend it, from 1.'),
    }),
  ),
  calls: z
    .array(
      z.strictObject({
        method: z.enum(['GET', 'POST', 'PUT', 'PATCH']),
        path: z.string(),
        body: z.unknown().optional(),
        gives: z.string().optional().describe('What a later call has as {{name}}.'),
      }),
    )
    .describe('Calls that bring what is missing, in their order.'),
})

export const read: Describe = () => ({
  id: 'readApplicationImpersonation',
  summary: 'What an application lacks for impersonation, and the calls that bring it',
  tag,
  answers: {
    200: { description: 'What is there and what is missing.', schema: z.strictObject(report()) },
    ...refusals({ 404: 'APP-60006; 404 where the server has no impersonation.' }),
  },
})

export const switchOn: Describe = () => ({
  id: 'enableApplicationImpersonation',
  summary: 'Switch impersonation on: settings, API and the role of its impersonators in one commit',
  tag,
  body: switchBody.optional(),
  nulls: 'absent',
  conditional: true,
  answers: {
    200: {
      description: 'It is on.',
      schema: z.strictObject({ role: z.strictObject({ id: z.string(), name: z.string() }), ...report() }),
    },
    ...refusals({
      400: 'UE-10000, APP-60001, APP-60508, OAUTH-60001',
      403: 'APP-60520',
      404: 'APP-60006, APP-60501; 404 where the server has no impersonation.',
    }),
  },
})

export const switchOff: Describe = () => ({
  id: 'disableApplicationImpersonation',
  summary: 'Switch impersonation off; what is under way ends',
  tag,
  conditional: true,
  answers: {
    204: done('It is off.'),
    ...refusals({
      403: 'APP-60520',
      404: 'APP-60006, APP-60501; 404 where the server has no impersonation.',
    }),
  },
})
