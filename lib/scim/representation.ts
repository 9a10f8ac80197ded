/** Users and roles as SCIM shows them. */
import { createHash } from 'node:crypto'
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
import { entityTag, isStale } from '../entity-tag.ts'

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
    index === primary &&
    isObject(entry) &&
    typeof entry.value === 'string' &&
    entry.type === undefined &&
    entry.display === undefined
      ? entry.value
      : entry,
  )
}

/** The edition of a user that a change is for; whatever he belongs to is a matter of his version. */
const editionOf = ({ edition, version }: Pick<User, 'edition' | 'version'>): string => `${edition}.${version}`

/**
 * The entity tag of a user as he is shown. Names of his groups and roles, and the roles of his groups, change without
 * him: a digest of them stands behind his edition.
 */
export const userTag = (user: User): string => {
  const { groups, roles } = user
  if (groups.length === 0 && roles.length === 0) return entityTag(editionOf(user))
  const digest = createHash('sha256')
    .update(JSON.stringify([groups, roles]))
    .digest('base64url')
  return entityTag(`${editionOf(user)}.${digest.slice(0, 8)}`)
}

/** Whether a change that is for the tags of `ifMatch` is for another edition of the user than this one. */
export const isOtherEdition = (ifMatch: string | undefined, user: User): boolean =>
  isStale(ifMatch?.replace(/"(\d+\.\d+)\.[\w-]{8}"/g, '"$1"'), entityTag(editionOf(user)))

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
