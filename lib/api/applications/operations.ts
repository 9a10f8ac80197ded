/** What the OpenAPI document says of applications themselves. */
import * as z from 'zod'
import type { Describe } from '../../access/operation.ts'
import {
  applicationAnswer,
  done,
  listAnswer,
  metaAnswer,
  protocolsAnswer,
  provisioningAnswer,
  refusals,
  tag,
  unknownApplication,
} from './answers.ts'
import { ownerBody } from './applications.ts'
import { patchSchema } from './model-schema.ts'
import { applicationBody, applicationName } from './registration.ts'
import { residentBody } from './resident.ts'

const secretsQuery = () =>
  z.object({ exportSecrets: z.enum(['true', 'false']).optional().describe('Whether the secret is in it.') })

const refusedSettings = {
  400: 'UE-10000, APP-60001, APP-60515, APP-60517, APP-60518, OAUTH-60001',
  403: 'APP-60503, APP-60520: it takes permissions that the caller lacks.',
} as const

const number = () =>
  z
    .string()
    .regex(/^[0-9]{1,9}$/)
    .optional()

export const list: Describe = () => ({
  id: 'listApplications',
  summary: 'Applications by filter and page, the oldest first',
  tag,
  query: z.object({
    limit: number().describe('A whole number, 15 unless given; more than 100 are 100.'),
    offset: number().describe('A whole number, 0 unless given.'),
    filter: z
      .string()
      .optional()
      .describe('name, clientId or issuer with eq, co, sw or ew; joined by and, or. Values are not quoted.'),
    attributes: z.string().optional().describe('Further attributes, separated by commas.'),
    excludeSystemPortals: z.enum(['true', 'false']).optional().describe("true leaves the server's own out."),
  }),
  answers: {
    200: { description: 'One page.', schema: listAnswer() },
    ...refusals({ 400: 'APP-60001, APP-60004, APP-60505' }),
  },
})

export const create: Describe = () => ({
  id: 'createApplication',
  summary: 'Register an application',
  tag,
  body: applicationBody(),
  nulls: 'absent',
  answers: {
    201: { description: 'Registered.', headers: ['Location'] },
    ...refusals({ ...refusedSettings, 409: 'APP-60007, OAUTH-60008' }),
  },
})

export const read: Describe = () => ({
  id: 'readApplication',
  summary: 'One application',
  tag,
  conditional: true,
  answers: {
    200: { description: 'The application.', schema: applicationAnswer(), headers: ['ETag'] },
    ...refusals(unknownApplication),
  },
})

export const update: Describe = () => ({
  id: 'updateApplication',
  summary: 'Change an application; each object that is there is replaced whole',
  tag,
  body: patchSchema.extend({ name: applicationName().optional() }),
  nulls: 'absent',
  conditional: true,
  answers: {
    200: done('Changed.'),
    ...refusals({
      ...unknownApplication,
      400: 'UE-10000, APP-60001, APP-60506, APP-60515, APP-60516',
      403: 'APP-60520',
      409: 'APP-60007',
    }),
  },
})

export const remove: Describe = () => ({
  id: 'deleteApplication',
  summary: 'Delete an application with its roles and all that was issued to it',
  tag,
  conditional: true,
  answers: { 204: done('It is not there.'), ...refusals({ 403: 'APP-60008, APP-60520' }) },
})

export const changeOwner: Describe = () => ({
  id: 'changeApplicationOwner',
  summary: 'Name the user who owns an application',
  tag,
  conditional: true,
  body: ownerBody,
  answers: {
    200: done('Changed.'),
    ...refusals({ ...unknownApplication, 400: 'UE-10000, APP-60001', 403: 'APP-60520' }),
  },
})

export const listProtocols: Describe = () => ({
  id: 'listInboundProtocols',
  summary: 'The protocols that an application speaks',
  tag,
  answers: {
    200: { description: 'OAuth, or none.', schema: protocolsAnswer() },
    ...refusals(unknownApplication),
  },
})

export const readMeta: Describe = () => ({
  id: 'readOidcMetadata',
  summary: 'What the OAuth settings of an application can be',
  tag,
  answers: { 200: { description: 'Options and defaults.', schema: metaAnswer() } },
})

export const readResident: Describe = () => ({
  id: 'readResidentApplication',
  summary: 'The server itself as an application',
  tag,
  conditional: true,
  answers: { 200: { description: 'Its settings.', schema: provisioningAnswer(), headers: ['ETag'] } },
})

export const changeResident: Describe = () => ({
  id: 'updateResidentApplication',
  summary: 'Change what is said of provisioning into the server',
  tag,
  body: residentBody,
  nulls: 'absent',
  conditional: true,
  answers: { 200: done('Changed.') },
})

export const exportApplication: Describe = () => ({
  id: 'exportApplication',
  summary: 'An application as the body that registers it',
  tag,
  query: secretsQuery(),
  answers: {
    200: { description: 'Without its secret, unless that is asked for.', schema: exportAnswer() },
    ...refusals({ ...unknownApplication, 400: 'APP-60001', 403: 'APP-60520' }),
  },
})

export const exportFile: Describe = () => ({
  id: 'exportApplicationFile',
  summary: 'The same as a file',
  tag,
  query: secretsQuery(),
  answers: {
    200: {
      description: 'Without its secret, unless that is asked for.',
      schema: exportAnswer(),
      headers: ['Content-Disposition'],
    },
    ...refusals({ ...unknownApplication, 400: 'APP-60001', 403: 'APP-60520' }),
  },
})

const exportAnswer = () =>
  z.looseObject({
    name: z.string(),
    applicationEnabled: z.boolean(),
    inboundProtocolConfiguration: z
      .strictObject({ oidc: z.looseObject({ clientId: z.string(), clientSecret: z.string().optional() }) })
      .optional(),
  })

export const importNew: Describe = () => ({
  id: 'importApplication',
  summary: 'Register the application of an export',
  tag,
  body: applicationBody(),
  nulls: 'absent',
  answers: {
    201: { description: 'Registered.', headers: ['Location'] },
    ...refusals({ ...refusedSettings, 409: 'APP-60007, APP-60009' }),
  },
})

export const importOver: Describe = () => ({
  id: 'importApplicationOver',
  summary: 'Replace the application of that name by an export',
  tag,
  body: applicationBody(),
  nulls: 'absent',
  conditional: true,
  answers: {
    200: { description: 'Replaced.', headers: ['Location'] },
    ...refusals({ ...unknownApplication, ...refusedSettings, 409: 'APP-60009' }),
  },
})
