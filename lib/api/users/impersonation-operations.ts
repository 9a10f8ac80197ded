/** What the OpenAPI document says of the routes for a user's own view of impersonations. */
import * as z from 'zod'
import type { Operation } from '../../access/operation.ts'
import { impersonationStates } from '../../impersonation/list.ts'
import { endBody, timeAndPage } from '../impersonations/model.ts'
import { ownImpersonationSchema } from './impersonation-model.ts'

const tag = 'Own impersonations'
const unknown = { description: 'Nobody acted for the caller in such an impersonation (IMP-60002).' }

const preference = () =>
  z.object({
    allowImpersonation: z.boolean(),
    changeable: z.boolean().describe('Whether this server lets users say it'),
  })

export const list = (): Operation => ({
  id: 'listOwnImpersonations',
  summary: 'Who acted for the caller, the latest first',
  tag,
  query: z.object({
    impersonator: z.string().optional().describe("The impersonator's id"),
    application: z.string().optional().describe("The application's id"),
    state: z
      .enum([...impersonationStates, ''])
      .exclude(['refused'])
      .optional(),
    ...timeAndPage(),
  }),
  answers: {
    200: {
      description: 'A page, with the links to its neighbours; of each the latest 20 requests.',
      schema: z.object({
        impersonations: z.array(ownImpersonationSchema()),
        links: z.array(z.object({ rel: z.string(), href: z.string() })),
      }),
    },
    400: { description: 'The query cannot be read (IMP-60001).' },
  },
})

export const get = (): Operation => ({
  id: 'getOwnImpersonation',
  summary: 'One impersonation of the caller, with its latest 500 requests',
  tag,
  answers: { 200: { description: 'The impersonation.', schema: ownImpersonationSchema() }, 404: unknown },
})

export const end = (): Operation => ({
  id: 'endOwnImpersonation',
  summary: 'Ends an impersonation of the caller now; one that is over stays as it is',
  tag,
  body: endBody.optional(),
  answers: { 204: { description: 'It is over.' }, 404: unknown },
})

export const getPreference = (): Operation => ({
  id: 'getImpersonationPreferences',
  summary: 'Whether others may act for the caller',
  tag,
  answers: { 200: { description: 'What the caller last said.', schema: preference() } },
})

/** Whether others may act for the caller. */
export const preferenceBody = z.strictObject({ allowImpersonation: z.boolean() })

export const setPreference = (): Operation => ({
  id: 'setImpersonationPreferences',
  summary: 'Says whether others may act for the caller; false ends what lives',
  tag,
  body: preferenceBody,
  answers: {
    200: { description: 'It is so.', schema: preference() },
    403: { description: 'This server does not let users say it (IMP-60003).' },
  },
})
