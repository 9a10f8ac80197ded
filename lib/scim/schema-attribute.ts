/** The characteristics of an attribute (RFC 7643 §7): what `/Schemas` tells of it, and what a body is held against. */

export interface SchemaAttribute {
  readonly name: string
  readonly type: 'string' | 'boolean' | 'complex' | 'reference' | 'dateTime'
  readonly multiValued: boolean
  readonly description: string
  readonly required: boolean
  readonly caseExact: boolean
  readonly mutability: 'readOnly' | 'readWrite' | 'immutable' | 'writeOnly'
  readonly returned: 'always' | 'never' | 'default' | 'request'
  readonly uniqueness: 'none' | 'server' | 'global'
  readonly canonicalValues?: readonly string[]
  readonly referenceTypes?: readonly string[]
  readonly subAttributes?: readonly SchemaAttribute[]
}

/** An attribute that is as most are: one text, written by clients, in which case does not count. */
export const attribute = (
  name: string,
  description: string,
  rest: Partial<SchemaAttribute> = {},
): SchemaAttribute => ({
  name,
  type: 'string',
  multiValued: false,
  description,
  required: false,
  caseExact: false,
  mutability: 'readWrite',
  returned: 'default',
  uniqueness: 'none',
  ...rest,
})

const scimTypes: ReadonlySet<string> = new Set(['User', 'Group', 'Role'])

/** Several references to other resources by their ids. */
export const references = (
  name: string,
  description: string,
  to: string,
  rest: Partial<SchemaAttribute> = {},
): SchemaAttribute => {
  const mutability = rest.mutability === 'readOnly' ? 'readOnly' : 'immutable'
  return attribute(name, description, {
    type: 'complex',
    multiValued: true,
    subAttributes: [
      attribute('value', `Identifier of the ${to}.`, { caseExact: true, mutability }),
      attribute('display', `Name of the ${to}.`, { mutability: 'readOnly' }),
      attribute('$ref', `URI of the ${to}.`, {
        type: 'reference',
        caseExact: true,
        mutability,
        // what is no resource of SCIM is a URI of any kind (RFC 7643 §7)
        referenceTypes: [scimTypes.has(to) ? to : 'uri'],
      }),
      ...(rest.subAttributes ?? []),
    ],
    ...Object.fromEntries(Object.entries(rest).filter(([key]) => key !== 'subAttributes')),
  })
}

export interface ResourceSchema {
  readonly id: string
  readonly name: string
  readonly description: string
  readonly attributes: readonly SchemaAttribute[]
}

const audience = { type: 'string', mutability: 'readOnly' } as const

/** A group (RFC 7643 §4.2), with the roles that its members have. */
export const groupSchema: ResourceSchema = {
  id: 'urn:ietf:params:scim:schemas:core:2.0:Group',
  name: 'Group',
  description: 'Group',
  attributes: [
    attribute('displayName', 'Name of the group; case does not distinguish groups.', {
      required: true,
      uniqueness: 'server',
    }),
    references('members', 'The users in the group.', 'User', {
      subAttributes: [
        attribute('type', 'What the member is.', { mutability: 'immutable', canonicalValues: ['User'] }),
      ],
    }),
    references('roles', 'The roles that the members of the group have; written at the role.', 'Role', {
      mutability: 'readOnly',
      subAttributes: [
        attribute('audienceValue', 'Identifier of the application or organization of the role.', audience),
        attribute('audienceDisplay', 'Name of the application or organization of the role.', audience),
        attribute('audienceType', 'application or organization.', audience),
      ],
    }),
  ],
}

/** A role (facts of WSO2: its second version). */
export const roleSchema: ResourceSchema = {
  id: 'urn:ietf:params:scim:schemas:extension:2.0:Role',
  name: 'Role',
  description: 'Role',
  attributes: [
    attribute('displayName', 'Name of the role; unique in its audience, where case does not count.', {
      required: true,
      uniqueness: 'server',
    }),
    attribute('audience', 'The application or organization in which the role counts.', {
      type: 'complex',
      mutability: 'immutable',
      subAttributes: [
        attribute('value', 'Its identifier.', { caseExact: true, mutability: 'immutable' }),
        attribute('display', 'Its name.', { mutability: 'readOnly' }),
        attribute('type', 'What it is.', {
          mutability: 'immutable',
          canonicalValues: ['application', 'organization'],
        }),
      ],
    }),
    references('users', 'The users to whom the role is given.', 'User'),
    references('groups', 'The groups whose members have the role.', 'Group'),
    references('permissions', 'The scopes that it permits.', 'Scope'),
    references('associatedApplications', 'The application whose role it is.', 'Application', {
      mutability: 'readOnly',
    }),
    attribute('properties', 'Further facts about the role.', {
      type: 'complex',
      multiValued: true,
      mutability: 'readOnly',
      subAttributes: [
        attribute('name', 'Name of the property.', { mutability: 'readOnly' }),
        attribute('value', 'Value of the property.', { mutability: 'readOnly' }),
      ],
    }),
  ],
}
