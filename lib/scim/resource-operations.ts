/** The operations of groups, roles, Bulk and discovery as the OpenAPI document describes them, by their schema tables. */
import * as z from 'zod'
import type { Answer, Describe } from '../access/operation.ts'
import { patchBody } from './patch-schema.ts'
import { groupSchema, type ResourceSchema, roleSchema, type SchemaAttribute } from './schema-attribute.ts'
import { paging, schemasNaming, searchBody, selection } from './written.ts'

const schemaOf = (one: SchemaAttribute): z.ZodType => {
  const single =
    one.type === 'complex'
      ? z.object(
          Object.fromEntries((one.subAttributes ?? []).map((sub) => [sub.name, schemaOf(sub).optional()])),
        )
      : one.type === 'boolean'
        ? z.boolean()
        : z.string()
  return one.multiValued ? z.array(single) : single
}

const shownResource = ({ name, attributes }: ResourceSchema) =>
  z
    .object({
      schemas: z.array(z.string()),
      id: z.string(),
      externalId: z.string().optional(),
      ...Object.fromEntries(attributes.map((one) => [one.name, schemaOf(one).optional()])),
      meta: z
        .object({
          created: z.string().optional(),
          lastModified: z.string().optional(),
          location: z.string().optional(),
          resourceType: z.string().optional(),
          version: z.string().optional(),
        })
        .optional(),
    })
    .meta({ title: name })

/** A reference as `readReferences` reads it: what only the server writes is not looked at. */
const writtenReference = ({ subAttributes = [] }: SchemaAttribute) => {
  const parts = subAttributes.map(({ name }) => [
    name,
    name === 'type'
      ? z
          .string()
          .regex(/^[Uu][Ss][Ee][Rr]$/)
          .optional()
      : z.unknown().optional(),
  ])
  const value = z.string().min(1)
  return z.union([z.strictObject({ ...Object.fromEntries(parts), value }), value])
}

const audience = () =>
  z.looseObject({
    value: z.string(),
    type: z
      .string()
      .regex(
        /^(?:[Aa][Pp][Pp][Ll][Ii][Cc][Aa][Tt][Ii][Oo][Nn]|[Oo][Rr][Gg][Aa][Nn][Ii][Zz][Aa][Tt][Ii][Oo][Nn])$/,
      ),
  })

const writtenOf = (one: SchemaAttribute): z.ZodType => {
  if (one.mutability === 'readOnly') return z.unknown().optional()
  if (one.name === 'displayName') return z.string().max(255).regex(/\S/)
  if (one.multiValued) return z.union([z.array(writtenReference(one)), writtenReference(one)]).optional()
  return audience().optional()
}

const writtenResource = ({ name, attributes }: ResourceSchema) =>
  z
    .strictObject({
      schemas: z.unknown().optional(),
      id: z.unknown().optional(),
      meta: z.unknown().optional(),
      externalId: name === 'Group' ? z.string().max(255).optional() : z.unknown().optional(),
      ...Object.fromEntries(attributes.map((one) => [one.name, writtenOf(one)])),
    })
    .meta({ title: `Written${name}` })

const listOf = (resource: z.ZodType) =>
  z.object({
    schemas: z.array(z.string()),
    totalResults: z.int().optional(),
    startIndex: z.int().optional(),
    itemsPerPage: z.int(),
    nextCursor: z.string().optional(),
    Resources: z.array(resource),
  })

const wrong: Answer = { description: 'The request is wrong in itself; scimType says how.' }
const taken: Answer = { description: 'The name is taken.' }
const large: Answer = {
  description: 'Changed; too large to be shown without being asked for.',
  headers: ['ETag', 'Location'],
}

/** The seven operations of a kind of resource. */
const crud = (schema: ResourceSchema, tag: string) => {
  const { name } = schema
  const noun = name.toLowerCase()
  const shown = (description: string): Answer => ({
    description,
    schema: shownResource(schema),
    headers: ['ETag', 'Location'],
  })
  const missing: Answer = { description: `There is no such ${noun}.` }
  const page = (): Answer => ({ description: `A page of ${noun}s.`, schema: listOf(shownResource(schema)) })
  const said =
    (
      id: string,
      summary: string,
      rest: () => Omit<ReturnType<Describe>, 'id' | 'summary' | 'tag'>,
    ): Describe =>
    () => ({ id, summary, tag, ...rest() })
  return {
    create: said(`create${name}`, `Create a ${noun}`, () => ({
      query: z.object(selection()),
      body: writtenResource(schema),
      nulls: 'absent',
      answers: { 201: shown(`The ${noun}.`), 400: wrong, 409: taken },
    })),
    list: said(`list${name}s`, `Find ${noun}s`, () => ({
      query: z.object({ ...paging(), ...selection() }),
      answers: { 200: page(), 400: wrong },
    })),
    search: said(`search${name}s`, `Find ${noun}s by a body, which no log keeps`, () => ({
      body: searchBody(),
      nulls: 'absent',
      answers: { 200: page(), 400: wrong },
    })),
    get: said(`get${name}`, `A ${noun}`, () => ({
      conditional: true,
      query: z.object(selection()),
      answers: { 200: shown(`The ${noun}.`), 404: missing },
    })),
    replace: said(`replace${name}`, `Replace a ${noun}`, () => ({
      conditional: true,
      query: z.object(selection()),
      body: writtenResource(schema),
      nulls: 'absent',
      answers: { 200: shown('As it is now.'), 400: wrong, 404: missing, 409: taken },
    })),
    patch: said(`patch${name}`, `Change parts of a ${noun}`, () => ({
      conditional: true,
      query: z.object(selection()),
      body: patchBody(),
      nulls: 'absent',
      answers: {
        200: shown('As it is now.'),
        204: large,
        400: wrong,
        404: missing,
        409: taken,
      },
    })),
    remove: said(`delete${name}`, `Delete a ${noun}`, () => ({
      conditional: true,
      answers: { 204: { description: 'Deleted.' }, 404: missing },
    })),
  }
}

export const groupOperations = crud(groupSchema, 'Groups')
export const roleOperations = crud(roleSchema, 'Roles')

const text = () => z.string().min(1)
const member = () => ({
  path: z.string().regex(/^\/[A-Za-z0-9_.:/-]+$/),
  bulkId: text().optional(),
  version: text().optional(),
})

export const bulkOperation: Describe = () => ({
  id: 'bulk',
  summary: 'Several operations in one request',
  tag: 'Bulk',
  nulls: 'absent',
  body: z.object({
    schemas: schemasNaming('urn:ietf:params:scim:api:messages:2.0:BulkRequest'),
    failOnErrors: z.union([z.int().min(0).max(999_999_999), z.string().regex(/^[0-9]{1,9}$/)]).optional(),
    Operations: z
      .array(
        z.union([
          z.object({ ...member(), method: z.literal('POST'), bulkId: text(), data: z.looseObject({}) }),
          z.object({ ...member(), method: z.enum(['PUT', 'PATCH']), data: z.looseObject({}) }),
          z.object({ ...member(), method: z.literal('DELETE'), data: z.unknown().optional() }),
        ]),
      )
      .min(1)
      .describe('1000 at most'),
  }),
  answers: {
    200: {
      description: 'What became of each.',
      schema: z.object({
        schemas: z.array(z.string()),
        Operations: z.array(
          z.object({
            method: z.string(),
            bulkId: z.string().optional(),
            location: z.string().optional(),
            version: z.string().optional(),
            status: z.object({ code: z.int() }),
            response: z.looseObject({}).optional(),
          }),
        ),
      }),
    },
    400: wrong,
  },
})

const discovering =
  (id: string, summary: string, one: boolean): Describe =>
  () => ({
    id,
    summary,
    tag: 'Discovery',
    answers: {
      200: { description: 'As it is.', schema: one ? z.looseObject({}) : listOf(z.looseObject({})) },
      403: { description: 'It cannot be filtered.' },
      404: { description: 'There is no such thing.' },
    },
  })

export const getServiceProviderConfig = discovering('getServiceProviderConfig', 'What SCIM can do here', true)
export const listResourceTypes = discovering('listResourceTypes', 'The kinds of resources', false)
export const getResourceType = discovering('getResourceType', 'A kind of resource', true)
export const listSchemas = discovering('listSchemas', 'The schemas of resources', false)
export const getSchema = discovering('getSchema', 'A schema', true)
