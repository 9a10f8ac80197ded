/** What is known of a person by the claims of OpenID Connect (Core §5.1), read from the account and its SCIM attributes. */
import {
  type Attributes,
  customSchema,
  enterpriseSchema,
  isObject,
  primaryText,
  wso2Schema,
} from './attributes.ts'

export interface Person {
  readonly userName: string
  readonly email: string | null
  readonly attributes: Attributes
  /** ISO 8601. */
  readonly modifiedAt: string
}

type Claim = (person: Person) => unknown

const text = (value: unknown): string | undefined => primaryText(value)

const plain =
  (attribute: string): Claim =>
  ({ attributes }) =>
    text(attributes.get(attribute))

/** In WSO2's extension, or where an application of the operator's put it. */
const extended =
  (name: string): Claim =>
  ({ attributes }) =>
    text(attributes.get(`${wso2Schema}:${name}`) ?? attributes.get(`${customSchema}:${name}`))

const partOfName = (attributes: Attributes, part: string): string | undefined => {
  const name = attributes.get('name')
  return isObject(name) ? text(name[part]) : undefined
}

const named =
  (part: string): Claim =>
  ({ attributes }) =>
    partOfName(attributes, part)

const fullName: Claim = ({ attributes }) => {
  const parts = ['givenName', 'middleName', 'familyName'].flatMap(
    (part) => partOfName(attributes, part) ?? [],
  )
  return partOfName(attributes, 'formatted') ?? (parts.join(' ') || text(attributes.get('displayName')))
}

const isTrue = (attributes: Attributes, name: string): boolean =>
  String(attributes.get(`${wso2Schema}:${name}`)) === 'true'

const verified = (attributes: Attributes, flag: string, list: string, value: string): boolean => {
  const values = attributes.get(`${wso2Schema}:${list}`)
  return isTrue(attributes, flag) || (Array.isArray(values) && values.includes(value))
}

const partsOfAddress = {
  formatted: 'formatted',
  street_address: 'streetAddress',
  locality: 'locality',
  region: 'region',
  postal_code: 'postalCode',
  country: 'country',
} as const

/** OpenID Connect Core §5.1.1. */
const address: Claim = ({ attributes }) => {
  const all = attributes.get('addresses')
  const entries = Array.isArray(all) ? all.filter(isObject) : []
  const chosen = entries.find(({ primary }) => primary === true) ?? entries[0] ?? {}
  const parts = Object.entries(partsOfAddress).flatMap(([name, part]) => {
    const value = text(chosen[part])
    return value === undefined ? [] : [[name, value] as const]
  })
  if (parts.length > 0) return Object.fromEntries(parts)
  const country = text(attributes.get(`${wso2Schema}:country`))
  return country === undefined ? undefined : { country }
}

const claims: ReadonlyMap<string, Claim> = new Map<string, Claim>([
  ['name', fullName],
  ['family_name', named('familyName')],
  ['given_name', named('givenName')],
  ['middle_name', named('middleName')],
  ['nickname', plain('nickName')],
  ['preferred_username', ({ userName }) => userName],
  ['profile', plain('profileUrl')],
  ['picture', plain('photos')],
  ['website', extended('website')],
  ['gender', extended('gender')],
  ['birthdate', extended('dateOfBirth')],
  ['zoneinfo', plain('timezone')],
  ['locale', ({ attributes }) => text(attributes.get('locale') ?? attributes.get('preferredLanguage'))],
  ['updated_at', ({ modifiedAt }) => Math.floor(Date.parse(modifiedAt) / 1000)],
  ['email', ({ email }) => email ?? undefined],
  [
    'email_verified',
    ({ email, attributes }) =>
      email === null ? undefined : verified(attributes, 'emailVerified', 'verifiedEmailAddresses', email),
  ],
  ['address', address],
  ['phone_number', plain('phoneNumbers')],
  [
    'phone_number_verified',
    ({ attributes }) => {
      const number = text(attributes.get('phoneNumbers'))
      return number === undefined
        ? undefined
        : verified(attributes, 'phoneVerified', 'verifiedMobileNumbers', number)
    },
  ],
  ['title', plain('title')],
  ['country', extended('country')],
  ['department', plain(`${enterpriseSchema}:department`)],
  ['division', plain(`${enterpriseSchema}:division`)],
  ['organization', plain(`${enterpriseSchema}:organization`)],
  ['cost_center', plain(`${enterpriseSchema}:costCenter`)],
  ['employee_number', plain(`${enterpriseSchema}:employeeNumber`)],
])

/** Claims that a scope may list beside those of the person: they need more than his row. */
const others: ReadonlySet<string> = new Set(['sub', 'roles', 'groups'])

/** A custom attribute is a claim of its own name; one that the token itself speaks of is not. */
const customClaim = /^custom_([A-Za-z][\w-]{0,99})$/

/** Whether there is a claim of that name for a scope to list. */
export const isClaim = (name: string): boolean =>
  claims.has(name) || others.has(name) || customClaim.test(name)

/** The value of a claim; undefined when nothing is known. */
export const claimOf = (person: Person, name: string): unknown => {
  const known = claims.get(name)
  if (known) return known(person)
  const custom = customClaim.exec(name)?.[1]
  return custom === undefined ? undefined : text(person.attributes.get(`${customSchema}:${custom}`))
}
