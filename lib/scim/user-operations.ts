/** The operations of `/Users` and `/Me` as the OpenAPI document describes them. */
import * as z from 'zod'
import type { Answer, Describe, Operation } from '../access/operation.ts'
import {
  type Attribute,
  attributesOf,
  coreSchema,
  customSchema,
  enterpriseSchema,
  wso2Schema,
} from '../directory/attributes.ts'
import { patchBody } from './patch-schema.ts'
import { addressForm, longestOf } from './user-value.ts'
import { oneOrMore, paging, searchBody, selection, truth } from './written.ts'

const tag = 'Users'

/** Facts of WSO2, as `draftUser` reads it; names that look like others' are refused beside that. */
const userName = () => z.string().regex(/^[^\s*?%/]{3,50}$/)

const writtenPart = (name: string, sub: string): z.ZodType => {
  if (sub === 'primary') return truth()
  const text = z.string().max(longestOf(`${name}.${sub}`))
  return name === 'emails' && sub === 'value' ? text.regex(addressForm) : text
}

/** An attribute as it is read from a body. */
const writtenOf = ({ kind, name, subs }: Attribute): z.ZodType => {
  const text = z.string().max(longestOf(name))
  if (kind === 'boolean') return truth()
  if (kind === 'string') return name === 'userName' ? userName() : text
  if (kind === 'strings') return oneOrMore(text)
  const parts = [...subs.values()].map((sub) => [sub, writtenPart(name, sub)] as const)
  const entry = z.strictObject(Object.fromEntries(parts)).partial()
  const item = subs.has('value') ? z.union([writtenPart(name, 'value'), entry]) : entry
  return kind === 'complex' ? item : oneOrMore(item)
}

const schemaOf = ({ kind, name, subs }: Attribute): z.ZodType => {
  if (kind === 'boolean') return z.boolean()
  if (kind === 'string') return z.string()
  if (kind === 'strings') return z.array(z.string())
  const parts = Object.fromEntries(
    [...subs.values()].map((sub) => [sub, sub === 'primary' ? z.boolean() : z.string()]),
  )
  const entry = z.strictObject(parts).partial()
  if (kind === 'complex') return entry
  // the primary address comes back as WSO2's clients wrote it
  return z.array(name === 'emails' ? z.union([z.string(), entry]) : entry)
}

const written = (schema: string, reading: boolean) =>
  Object.fromEntries(
    attributesOf(schema)
      .filter(({ access, name }) => access !== 'readOnly' && !(reading && name === 'password'))
      .map((attribute) => [
        attribute.place.at(-1) ?? '',
        reading ? schemaOf(attribute) : writtenOf(attribute),
      ]),
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

const userBody = () =>
  z
    .strictObject({
      // some clients name the schema inside of its extension, too; nobody reads it
      schemas: z.unknown().optional(),
      ...z.object(written(coreSchema, false)).partial().shape,
      userName: userName(),
      [enterpriseSchema]: extension(enterpriseSchema).optional(),
      [wso2Schema]: extension(wso2Schema).optional(),
      [customSchema]: z.looseObject({}).optional(),
    })
    .meta({ title: 'WrittenUser' })

const extension = (schema: string) =>
  z.strictObject({ schemas: z.unknown(), ...written(schema, false) }).partial()

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
    body: userBody(),
    nulls: 'absent',
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
    nulls: 'absent',
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
export const replaceUser = changing('replaceUser', 'Replace the attributes of a user', () => userBody())
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
  body: searchBody(),
  nulls: 'absent',
  answers: { 200: { description: 'A page of users.', schema: listAnswer() }, 400: wrong },
})

export const getMe = reading('getMe', 'The user that the call counts as')
export const createMe = making('createMe', 'Create a user, as /Users does')
export const replaceMe = changing('replaceMe', 'Replace the own attributes', () => userBody())
export const patchMe = changing('patchMe', 'Change parts of the own account', patchBody)
export const deleteMe = ending('deleteMe', 'Delete the own account')
