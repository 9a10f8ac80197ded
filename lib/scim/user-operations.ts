/** The operations of `/Users` and `/Me` as the OpenAPI document describes them. */
import * as z from 'zod'
import type { Answer, Describe, Operation } from '../access/operation.ts'
import {
  type Attribute,
  attributesOf,
  coreSchema,
  enterpriseSchema,
  wso2Schema,
} from '../directory/attributes.ts'
import { patchBody } from './patch-schema.ts'

const tag = 'Users'

const schemaOf = ({ kind, name, subs }: Attribute, reading: boolean): z.ZodType => {
  if (kind === 'boolean') return z.boolean()
  if (kind === 'string') return z.string()
  if (kind === 'strings') return z.array(z.string())
  const parts = Object.fromEntries(
    [...subs.values()].map((sub) => [sub, sub === 'primary' ? z.boolean() : z.string()]),
  )
  const entry = z.strictObject(parts).partial()
  if (kind === 'complex') return entry
  // the primary address comes back as WSO2's clients wrote it
  return z.array(name === 'emails' || !reading ? z.union([z.string(), entry]) : entry)
}

const written = (schema: string, reading: boolean) =>
  Object.fromEntries(
    attributesOf(schema)
      .filter(({ access, name }) => access !== 'readOnly' && !(reading && name === 'password'))
      .map((attribute) => [attribute.place.at(-1) ?? '', schemaOf(attribute, reading)]),
  )

const belonging = (parts: readonly string[]) =>
  z.array(z.object(Object.fromEntries(parts.map((part) => [part, z.string()]))))

const userAnswer = () =>
  z
    .looseObject({
      ...z.object(written(coreSchema, true)).partial().shape,
      schemas: z.array(z.string()),
      id: z.string(),
      groups: belonging(['value', 'display', '$ref']).optional(),
      roles: belonging([
        'value',
        'display',
        '$ref',
        'audienceValue',
        'audienceDisplay',
        'audienceType',
      ]).optional(),
      meta: z
        .object({
          created: z.string(),
          lastModified: z.string(),
          location: z.string(),
          resourceType: z.literal('User'),
          version: z.string(),
        })
        .partial()
        .optional(),
      [enterpriseSchema]: z.object(written(enterpriseSchema, true)).partial().optional(),
      [wso2Schema]: z.object(written(wso2Schema, true)).partial().optional(),
    })
    .meta({ title: 'User' })

const userBody = (required: readonly string[]) => {
  const core = z.object(written(coreSchema, false)).partial()
  const own = Object.fromEntries(
    Object.entries(core.shape).map(([name, schema]) => [
      name,
      required.includes(name) && schema instanceof z.ZodOptional ? schema.unwrap() : schema,
    ]),
  )
  return z
    .looseObject({
      schemas: z.array(z.string()).optional(),
      ...own,
      [enterpriseSchema]: z.object(written(enterpriseSchema, false)).partial().optional(),
      [wso2Schema]: z.object(written(wso2Schema, false)).partial().optional(),
    })
    .meta({ title: required.includes('password') ? 'NewUser' : 'WrittenUser' })
}

const listAnswer = () =>
  z
    .object({
      schemas: z.array(z.string()),
      totalResults: z.int().optional(),
      startIndex: z.int().optional(),
      itemsPerPage: z.int(),
      nextCursor: z.string().optional(),
      Resources: z.array(userAnswer()),
    })
    .meta({ title: 'UserList' })

const integer = () => z.int().min(-999_999_999).max(999_999_999).optional()

const selection = () => ({ attributes: z.string().optional(), excludedAttributes: z.string().optional() })

const paging = () => ({
  filter: z.string().optional(),
  sortBy: z.string().optional(),
  sortOrder: z.enum(['ascending', 'descending']).optional(),
  startIndex: integer(),
  count: integer(),
  cursor: z.string().optional(),
  domain: z
    .string()
    .regex(/^(?:[Pp][Rr][Ii][Mm][Aa][Rr][Yy])?$/)
    .optional(),
})

const wrong: Answer = { description: 'The request is wrong in itself; scimType says how.' }
const missing: Answer = { description: 'There is no such user.' }
const taken: Answer = { description: 'The user name is taken.' }
const unseen: Answer = { description: 'The client has it already.', headers: ['ETag'] }
const overloaded: Answer = {
  description: 'Others are changing it, or setting too many passwords. Try again.',
}
const user = (description: string): Answer => ({
  description,
  schema: userAnswer(),
  headers: ['ETag', 'Location'],
})
const gone: Answer = { description: 'Deleted, with the sessions, grants and impersonations of the account.' }

const reading =
  (id: string, summary: string): Describe =>
  () => ({
    id,
    summary,
    tag,
    query: z.object(selection()),
    answers: { 200: user('The user.'), 304: unseen, 404: missing },
  })

const making =
  (id: string, summary: string): Describe =>
  () => ({
    id,
    summary,
    tag,
    query: z.object(selection()),
    body: userBody(['userName']),
    answers: { 201: user('The user.'), 400: wrong, 409: taken, 503: overloaded },
  })

const changing =
  (id: string, summary: string, body: () => Operation['body']): Describe =>
  () => ({
    id,
    summary,
    tag,
    conditional: true,
    query: z.object(selection()),
    body: body(),
    answers: { 200: user('The user as he is now.'), 400: wrong, 404: missing, 503: overloaded },
  })

const ending =
  (id: string, summary: string): Describe =>
  () => ({
    id,
    summary,
    tag,
    conditional: true,
    answers: { 204: gone, 404: missing },
  })

export const createUser = making('createUser', 'Create a user')
export const getUser = reading('getUser', 'A user')
export const replaceUser = changing('replaceUser', 'Replace the attributes of a user', () =>
  userBody(['userName']),
)
export const patchUser = changing('patchUser', 'Change parts of a user', patchBody)
export const deleteUser = ending('deleteUser', 'Delete a user')

export const listUsers: Describe = () => ({
  id: 'listUsers',
  summary: 'Find users',
  tag,
  query: z.object({ ...paging(), ...selection() }),
  answers: { 200: { description: 'A page of users.', schema: listAnswer() }, 400: wrong },
})

export const searchUsers: Describe = () => ({
  id: 'searchUsers',
  summary: 'Find users by a body, which no log keeps',
  tag,
  body: z.object({
    schemas: z.array(z.string()).optional(),
    ...paging(),
    attributes: z.array(z.string()).optional(),
    excludedAttributes: z.array(z.string()).optional(),
  }),
  answers: { 200: { description: 'A page of users.', schema: listAnswer() }, 400: wrong },
})

export const getMe = reading('getMe', 'The user that the call counts as')
export const createMe = making('createMe', 'Create a user, as /Users does')
export const replaceMe = changing('replaceMe', 'Replace the own attributes', () => userBody(['userName']))
export const patchMe = changing('patchMe', 'Change parts of the own account', patchBody)
export const deleteMe = ending('deleteMe', 'Delete the own account')
