/** Users and roles as SCIM shows them. */
import {
  coreSchema,
  customSchema,
  disabledAttribute,
  emailsAttribute,
  enterpriseSchema,
  isObject,
  lockedAttribute,
  nestAttributes,
  wso2Schema,
} from '../directory/attributes.ts'
import type { Member } from '../directory/role-members.ts'
import type { Permission } from '../directory/role-permissions.ts'
import type { Role } from '../directory/roles.ts'
import type { User } from '../directory/users.ts'
import { entityTag } from '../entity-tag.ts'

type Resource = Readonly<Record<string, unknown>>

const roleSchema = 'urn:ietf:params:scim:schemas:extension:2.0:Role'

export const userLocation = (baseUrl: string, id: string) => `${baseUrl}/scim2/Users/${id}`
export const groupLocation = (baseUrl: string, id: string) => `${baseUrl}/scim2/Groups/${id}`
export const roleLocation = (baseUrl: string, id: string) => `${baseUrl}/scim2/v2/Roles/${id}`

/** The primary address without a type is shown as a plain string, as WSO2's clients wrote it. */
const renderEmails = (emails: readonly unknown[]): readonly unknown[] => {
  const marked = emails.findIndex((entry) => isObject(entry) && entry.primary === true)
  // the first one counts when none says so
  const primary = Math.max(0, marked)
  return emails.map((entry, index) =>
    index === primary && isObject(entry) && entry.type === undefined && entry.display === undefined
      ? entry.value
      : entry,
  )
}

export const renderUser = (user: User, baseUrl: string): Resource => {
  const attributes = new Map(user.attributes)
  const emails = attributes.get(emailsAttribute.name)
  if (Array.isArray(emails)) attributes.set(emailsAttribute.name, renderEmails(emails))
  attributes.set(lockedAttribute.name, user.locked)
  attributes.set(disabledAttribute.name, user.disabled)
  const nested = nestAttributes(attributes)
  return {
    schemas: [coreSchema, enterpriseSchema, wso2Schema, ...(customSchema in nested ? [customSchema] : [])],
    id: user.id,
    userName: user.userName,
    ...nested,
    active: !user.disabled,
    ...(user.groups.length === 0
      ? {}
      : {
          groups: user.groups.map(({ id, name }) => ({
            value: id,
            display: name,
            $ref: groupLocation(baseUrl, id),
          })),
        }),
    ...(user.roles.length === 0
      ? {}
      : {
          roles: user.roles.map((role) => ({
            value: role.id,
            display: role.name,
            $ref: roleLocation(baseUrl, role.id),
            audienceValue: role.audienceId,
            audienceDisplay: role.audienceName,
            audienceType: role.audienceType,
          })),
        }),
    meta: {
      created: user.createdAt,
      lastModified: user.modifiedAt,
      location: userLocation(baseUrl, user.id),
      resourceType: 'User',
      version: entityTag(user.edition),
    },
  }
}

/** A role as the answer to its creation and in lists. */
export const renderRole = (role: Role, baseUrl: string): Resource => ({
  displayName: role.name,
  meta: { location: roleLocation(baseUrl, role.id), resourceType: 'Role' },
  schemas: [roleSchema],
  id: role.id,
  audience: { value: role.audience.id, display: role.audience.name, type: role.audience.type },
})

/** A role with all that belongs to it. */
export const renderWholeRole = (
  role: Role,
  users: readonly Member[],
  permissions: readonly Permission[],
  baseUrl: string,
): Resource => {
  const { audience } = role
  return {
    ...renderRole(role, baseUrl),
    users: users.map(({ id, userName }) => ({
      value: id,
      display: userName,
      $ref: userLocation(baseUrl, id),
    })),
    groups: [],
    permissions: permissions.map(({ name, displayName, apiResourceId }) => ({
      value: name,
      display: displayName,
      $ref: `${baseUrl}/api/server/v1/api-resources/${apiResourceId}`,
    })),
    associatedApplications:
      audience.type === 'application'
        ? [
            {
              value: audience.id,
              display: audience.name,
              $ref: `${baseUrl}/api/server/v1/applications/${audience.id}`,
            },
          ]
        : [],
    properties: [],
  }
}
