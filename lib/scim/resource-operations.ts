/** The operations of groups, roles, Bulk and discovery as the OpenAPI document describes them, by their schema tables. */
import * as z from 'zod'
import type { Answer, Describe } from '../access/operation.ts'
import { patchBody } from './patch-schema.ts'
import { groupSchema, type ResourceSchema, roleSchema, type SchemaAttribute } from './schema-attribute.ts'

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

const writtenResource = ({ name, attributes }: ResourceSchema) =>
  z
    .object({
      schemas: z.array(z.string()).optional(),
      externalId: z.string().max(255).optional(),
      ...Object.fromEntries(
        attributes
          .filter(({ mutability }) => mutability !== 'readOnly')
          .map((one) => [
            one.name,
            one.name === 'displayName' ? z.string().max(255).regex(/[!-~]/) : schemaOf(one).optional(),
          ]),
      ),
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
      answers: { 201: shown(`The ${noun}.`), 400: wrong, 409: taken },
    })),
    list: said(`list${name}s`, `Find ${noun}s`, () => ({
      query: z.object({ ...paging(), ...selection() }),
      answers: { 200: page(), 400: wrong },
    })),
    search: said(`search${name}s`, `Find ${noun}s by a body, which no log keeps`, () => ({
      body: z.object({
        schemas: z.array(z.string()).optional(),
        ...paging(),
        attributes: z.array(z.string()).optional(),
        excludedAttributes: z.array(z.string()).optional(),
      }),
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
      answers: { 200: shown('As it is now.'), 400: wrong, 404: missing, 409: taken },
    })),
    patch: said(`patch${name}`, `Change parts of a ${noun}`, () => ({
      conditional: true,
      query: z.object(selection()),
      body: patchBody(),
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

export const bulkOperation: Describe = () => ({
  id: 'bulk',
  summary: 'Several operations in one request',
  tag: 'Bulk',
  body: z.object({
    schemas: z.array(z.string()).optional(),
    failOnErrors: z.int().min(0).optional(),
    Operations: z
      .array(
        z.object({
          method: z.enum(['POST', 'PUT', 'PATCH', 'DELETE']),
          path: z.string(),
          bulkId: z.string().optional(),
          version: z.string().optional(),
          data: z.looseObject({}).optional(),
        }),
      )
      .min(1)
      .max(1_000),
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
