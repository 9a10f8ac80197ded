/**
 * `/Schemas` and `/ResourceTypes` (RFC 7643 §6, §7), made of the very tables by which bodies are read: what is announced
 * is what is there.
 */
import {
  type Attribute,
  attributesOf,
  coreSchema,
  customSchema,
  enterpriseSchema,
  wso2Schema,
} from '../directory/attributes.ts'
import {
  attribute,
  groupSchema,
  type ResourceSchema,
  roleSchema,
  type SchemaAttribute,
} from './schema-attribute.ts'

const caseExact = new Set(['password', 'externalId', 'profileUrl'])
/** Common to all resources: no schema's own (RFC 7643 §3.1). */
const common = new Set(['id', 'externalId', 'meta', 'schemas'])

const sub = (owner: Attribute, name: string): SchemaAttribute => {
  if (name === 'primary') return attribute(name, 'Whether it is the one to be used.', { type: 'boolean' })
  if (name === '$ref') {
    return attribute(name, 'URI of it.', { type: 'reference', caseExact: true, referenceTypes: ['User'] })
  }
  return attribute(name, `${name} of ${owner.place.at(-1)}.`)
}

/** What only this server writes, and other resources refer to. */
const reference = (name: string, to: string): SchemaAttribute =>
  attribute(name, `The ${name} of the user; written there.`, {
    type: 'complex',
    multiValued: true,
    mutability: 'readOnly',
    subAttributes: [
      attribute('value', `Identifier of the ${to}.`, { caseExact: true, mutability: 'readOnly' }),
      attribute('display', `Name of the ${to}.`, { mutability: 'readOnly' }),
      attribute('$ref', `URI of the ${to}.`, {
        type: 'reference',
        caseExact: true,
        mutability: 'readOnly',
        referenceTypes: [to],
      }),
      ...(to === 'Role'
        ? ['audienceValue', 'audienceDisplay', 'audienceType'].map((part) =>
            attribute(part, 'Where the role counts.', { mutability: 'readOnly' }),
          )
        : []),
    ],
  })

/** An attribute of users as it is validated. */
const ofUser = (one: Attribute): SchemaAttribute => {
  const name = one.place.at(-1) ?? one.name
  if (name === 'groups' || name === 'roles') return reference(name, name === 'groups' ? 'Group' : 'Role')
  const mutability = one.access === 'readOnly' ? 'readOnly' : 'readWrite'
  const plain = attribute(name, `${name} of the user.`, { caseExact: caseExact.has(name), mutability })
  if (name === 'userName') {
    // a name that was given stays
    return { ...plain, required: true, uniqueness: 'server', mutability: 'immutable' }
  }
  if (name === 'password') {
    const description = 'Password of the user; without one nobody signs in as the user by password.'
    return { ...plain, description, mutability: 'writeOnly', returned: 'never' }
  }
  if (one.kind === 'boolean') return { ...plain, type: 'boolean' }
  if (one.kind === 'string') return plain
  if (one.kind === 'strings') return { ...plain, multiValued: true }
  return {
    ...plain,
    type: 'complex',
    multiValued: one.kind === 'multi',
    subAttributes: [...one.subs.values()].map((part) => sub(one, part)),
  }
}

const userSchemaOf = (id: string, name: string, description: string): ResourceSchema => ({
  id,
  name,
  description,
  attributes: attributesOf(id)
    .filter(({ place }) => place.length === 2 || !common.has(place[0]))
    .map(ofUser),
})

type Resource = Readonly<Record<string, unknown>>

/** Made when they are first asked for. */
let made: readonly ResourceSchema[] | undefined

const all = (): readonly ResourceSchema[] => {
  made ??= [
    userSchemaOf(coreSchema, 'User', 'User Account'),
    userSchemaOf(enterpriseSchema, 'EnterpriseUser', 'Enterprise User'),
    userSchemaOf(
      wso2Schema,
      'WSO2User',
      'Status of an account and further facts about the user, as WSO2 has them',
    ),
    userSchemaOf(
      customSchema,
      'CustomUser',
      'Attributes of your own: every name is one, and its value a string',
    ),
    groupSchema,
    roleSchema,
  ]
  return made
}

const renderSchema = ({ id, name, description, attributes }: ResourceSchema, baseUrl: string): Resource => ({
  schemas: ['urn:ietf:params:scim:schemas:core:2.0:Schema'],
  id,
  name,
  description,
  attributes,
  meta: { resourceType: 'Schema', location: `${baseUrl}/scim2/Schemas/${id}` },
})

export const schemaResources = (baseUrl: string): readonly Resource[] =>
  all().map((schema) => renderSchema(schema, baseUrl))

const types = [
  {
    id: 'User',
    name: 'User',
    endpoint: '/Users',
    description: 'User Account',
    schema: coreSchema,
    extensions: [enterpriseSchema, wso2Schema, customSchema],
  },
  {
    id: 'Group',
    name: 'Group',
    endpoint: '/Groups',
    description: 'Group',
    schema: groupSchema.id,
    extensions: [],
  },
  {
    id: 'RoleV2',
    name: 'Role',
    endpoint: '/v2/Roles',
    description: 'Role',
    schema: roleSchema.id,
    extensions: [],
  },
] as const

export const resourceTypes = (baseUrl: string): readonly Resource[] =>
  types.map(({ id, name, endpoint, description, schema, extensions }) => ({
    schemas: ['urn:ietf:params:scim:schemas:core:2.0:ResourceType'],
    id,
    // what `meta.resourceType` of its resources says (RFC 7643 §6)
    name,
    description,
    endpoint,
    schema,
    ...(extensions.length > 0
      ? { schemaExtensions: extensions.map((extension) => ({ schema: extension, required: false })) }
      : {}),
    meta: { resourceType: 'ResourceType', location: `${baseUrl}/scim2/ResourceTypes/${id}` },
  }))
