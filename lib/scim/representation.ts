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
import type { User } from '../directory/users.ts'
import { entityTag } from '../entity-tag.ts'

type Resource = Readonly<Record<string, unknown>>

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

/** The entity tag of a user: also what he belongs to is shown of him, and that is a matter of his version. */
export const userTag = ({ edition, version }: Pick<User, 'edition' | 'version'>): string =>
  entityTag(`${edition}.${version}`)

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
      version: userTag(user),
    },
  }
}
