/** What the OpenAPI document says of the routes for impersonations. */
import * as z from 'zod'
import type { Operation } from '../../access/operation.ts'
import { impersonationStates } from '../../impersonation/list.ts'
import { detailsSchema, endBody, endManyBody, impersonationSchema, timeAndPage } from './model.ts'

const tag = 'Impersonations'
const unknown = { description: 'No impersonation of this organization (IMP-60002).' }

export const list = (): Operation => ({
  id: 'listImpersonations',
  summary: 'Impersonations of all states, the newest first',
  tag,
  query: z.object({
    impersonator: z.string().optional().describe("The impersonator's id"),
    subject: z.string().optional().describe('The id of the user acted for'),
    application: z.string().optional().describe("The application's id"),
    organization: z.string().optional().describe("The organization's id"),
    state: z.enum([...impersonationStates, '']).optional(),
    ...timeAndPage(),
  }),
  answers: {
    200: {
      description: 'A page, with the links to its neighbours.',
      schema: z.object({
        impersonations: z.array(impersonationSchema()),
        links: z.array(z.object({ rel: z.string(), href: z.string() })),
      }),
    },
    400: { description: 'The query cannot be read (IMP-60001).' },
  },
})

export const get = (): Operation => ({
  id: 'getImpersonation',
  summary: 'An impersonation with its tokens, the requests made in it and its audit events',
  tag,
  answers: { 200: { description: 'The impersonation.', schema: detailsSchema() }, 404: unknown },
})

export const end = (): Operation => ({
  id: 'endImpersonation',
  summary: 'Ends an impersonation now; one that is over stays as it is',
  tag,
  body: endBody.optional(),
  answers: { 204: { description: 'It is over.' }, 404: unknown },
})

export const endMany = (): Operation => ({
  id: 'endImpersonations',
  summary: 'Ends all impersonations of an impersonator, a subject or an application, or all there are',
  tag,
  body: endManyBody,
  answers: {
    200: {
      description: 'They are over; `ended` is how many there were when it began.',
      schema: z.object({ ended: z.int() }),
    },
  },
})
