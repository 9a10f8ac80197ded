/**
 * The attributes of a user, by their SCIM names: which exist, of which kind they are, who may write them, and the claim
 * by which the audit calls them. Stored as JSON as SCIM nests them; inside, a map from full name to value.
 */

export const coreSchema = 'urn:ietf:params:scim:schemas:core:2.0:User'
export const enterpriseSchema = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User'
export const wso2Schema = 'urn:scim:wso2:schema'
export const customSchema = 'urn:scim:schemas:extension:custom:User'
export const extensionSchemas = [enterpriseSchema, wso2Schema, customSchema] as const

export interface Attribute {
  /** Its full name: with the extension's URN in front, but for the core schema. */
  readonly name: string
  /** Where it lies in the nested form. */
  readonly place: readonly [string] | readonly [string, string]
  readonly kind: 'string' | 'boolean' | 'strings' | 'complex' | 'multi'
  /** The sub-attributes of a complex one. */
  readonly subs: ReadonlyMap<string, string>
  /**
   * `sensitive`: who writes it could take the account over or shut its owner out. `status`: sensitive, and not for the
   * owner himself. `readOnly`: written by this server alone.
   */
  readonly access: 'plain' | 'sensitive' | 'status' | 'readOnly'
  /** The claim's URI in the audit. */
  readonly claim: string
}

/** From full name to value; status, user name and password are not among them. */
export type Attributes = ReadonlyMap<string, unknown>

const lower = (names: string): ReadonlyMap<string, string> =>
  new Map(names.split(' ').flatMap((name) => (name ? [[name.toLowerCase(), name]] : [])))

const known = new Map<string, Attribute>()

const claimNames: Readonly<Record<string, string>> = {
  emails: 'emailaddress',
  phoneNumbers: 'mobile',
  nickName: 'nickname',
  profileUrl: 'url',
  locale: 'local',
  timezone: 'timeZone',
  externalId: 'externalID',
  dateOfBirth: 'dob',
}

const define = (
  schema: string,
  access: Attribute['access'],
  kind: Attribute['kind'],
  names: string,
  subs = '',
) => {
  for (const short of names.split(' ')) {
    const name = schema === coreSchema ? short : `${schema}:${short}`
    known.set(name.toLowerCase(), {
      name,
      place: schema === coreSchema ? [short] : [schema, short],
      kind,
      subs: lower(subs),
      access,
      claim: `http://wso2.org/claims/${claimNames[short] ?? short}`,
    })
  }
}

const entry = 'value display type primary'
define(coreSchema, 'readOnly', 'multi', 'groups roles schemas')
define(coreSchema, 'readOnly', 'string', 'id')
define(coreSchema, 'readOnly', 'complex', 'meta')
define(coreSchema, 'sensitive', 'string', 'userName password externalId')
define(coreSchema, 'status', 'boolean', 'active')
define(coreSchema, 'sensitive', 'multi', 'emails phoneNumbers entitlements x509Certificates', entry)
define(
  coreSchema,
  'plain',
  'complex',
  'name',
  'formatted familyName givenName middleName honorificPrefix honorificSuffix',
)
define(
  coreSchema,
  'plain',
  'string',
  'displayName nickName profileUrl title userType preferredLanguage locale timezone',
)
define(coreSchema, 'plain', 'multi', 'ims photos', entry)
define(
  coreSchema,
  'plain',
  'multi',
  'addresses',
  'formatted streetAddress locality region postalCode country type primary',
)
define(enterpriseSchema, 'plain', 'string', 'employeeNumber costCenter organization division department')
define(enterpriseSchema, 'plain', 'complex', 'manager', 'value $ref displayName')
define(wso2Schema, 'plain', 'string', 'country dateOfBirth')
define(
  wso2Schema,
  'status',
  'boolean',
  'accountLocked accountDisabled emailVerified phoneVerified forcePasswordReset askPassword verifyEmail verifyMobile',
)
define(
  wso2Schema,
  'status',
  'string',
  'lockedReason unlockTime passwordExpiryTime failedLoginAttempts failedLoginAttemptsBeforeSuccess failedLoginLockoutCount failedPasswordRecoveryAttempts failedTOTPAttempts failedEmailOtpAttempts failedSMSOtpAttempts',
)
define(wso2Schema, 'sensitive', 'boolean', 'totpEnabled backupCodeEnabled')
define(wso2Schema, 'sensitive', 'string', 'preferredMFAOption')
define(wso2Schema, 'sensitive', 'strings', 'emailAddresses mobileNumbers')
define(wso2Schema, 'status', 'strings', 'pendingEmails verifiedEmailAddresses verifiedMobileNumbers')
// nobody asks for a one-time password here, and one that was written would lie in clear
define(wso2Schema, 'readOnly', 'string', 'oneTimePassword')
define(
  wso2Schema,
  'readOnly',
  'string',
  'accountState lastLogonTime lastLoginTime lastPasswordUpdateTime managedOrg userSourceId userSource isReadOnlyUser sharedType',
)

const ofName = (name: string): Attribute => {
  const found = known.get(name)
  if (!found) throw new Error(`no such attribute: ${name}`)
  return found
}

/** The attributes of a schema, the readable and the writable; custom ones are not known beforehand. */
export const attributesOf = (schema: string): readonly Attribute[] =>
  [...known.values()].filter(({ place }) => (place.length === 1 ? coreSchema : place[0]) === schema)

export const userNameAttribute = ofName('username')
export const passwordAttribute = ofName('password')
export const activeAttribute = ofName('active')
export const emailsAttribute = ofName('emails')
export const lockedAttribute = ofName(`${wso2Schema}:accountlocked`)
export const disabledAttribute = ofName(`${wso2Schema}:accountdisabled`)
/** Sensitive although it can never be written; kept apart so that an actor hears 403. */
const forbiddenToActors = ofName(`${wso2Schema}:onetimepassword`)

/** What a custom attribute may be called; names that JavaScript's objects have of themselves are not among them. */
const customName = /^(?!constructor$|prototype$)[A-Za-z][\w-]{0,99}$/

/** The extension that `text` names, whatever the case of its letters. */
export const findExtension = (text: string): string | undefined =>
  extensionSchemas.find((schema) => schema.toLowerCase() === text.toLowerCase())

/** The attribute of that name, without regard to case; in `schema`, or in the core schema. */
export const findAttribute = (name: string, schema: string = coreSchema): Attribute | undefined => {
  if (schema === coreSchema) return known.get(name.toLowerCase())
  const found = known.get(`${schema}:${name}`.toLowerCase())
  if (found) return found
  // older clients know WSO2's attributes by the enterprise extension
  if (schema === enterpriseSchema) return known.get(`${wso2Schema}:${name}`.toLowerCase())
  if (schema !== customSchema || !customName.test(name)) return undefined
  return {
    name: `${customSchema}:${name}`,
    place: [customSchema, name],
    kind: 'string',
    subs: new Map(),
    access: 'plain',
    claim: `http://wso2.org/claims/${name}`,
  }
}

/** The attribute of a full name, as it stands in `Attributes`. */
export const attributeOf = (full: string): Attribute | undefined => {
  const schema = extensionSchemas.find((urn) => full.startsWith(`${urn}:`))
  return schema ? findAttribute(full.slice(schema.length + 1), schema) : findAttribute(full)
}

/** Whether writing it is for the account's owner and for those who hold at least his permissions, in person. */
export const isSensitive = ({ name, access }: Attribute): boolean =>
  access === 'sensitive' || access === 'status' || name === forbiddenToActors.name

/** The attribute that a local claim's URI names, in the audit and in an application's claim configuration. */
export const attributeOfClaim = (uri: string): Attribute | undefined =>
  known.values().find(({ claim, access }) => claim === uri && access !== 'readOnly') ??
  findAttribute(uri.split('/').at(-1) ?? '', customSchema)

/** A JSON object: neither null nor an array. */
export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Reads the stored JSON. */
export const parseAttributes = (stored: string): Attributes => {
  const flat = new Map<string, unknown>()
  const nested: unknown = JSON.parse(stored)
  if (!isObject(nested)) return flat
  for (const [name, value] of Object.entries(nested)) {
    if (findExtension(name) && isObject(value)) {
      for (const [inner, innerValue] of Object.entries(value)) flat.set(`${name}:${inner}`, innerValue)
    } else flat.set(name, value)
  }
  return flat
}

/** The nested form: what is stored, and what SCIM shows. */
export const nestAttributes = (attributes: Attributes): Record<string, unknown> => {
  const nested: Record<string, unknown> = {}
  const extensions = new Map<string, Record<string, unknown>>()
  for (const [full, value] of attributes) {
    const [first, second] = attributeOf(full)?.place ?? [full]
    if (second === undefined) nested[first] = value
    else {
      const extension = extensions.get(first) ?? {}
      extension[second] = value
      extensions.set(first, extension)
    }
  }
  return { ...nested, ...Object.fromEntries(extensions) }
}

/** The primary e-mail address, which is the account's. */
export const primaryEmail = (attributes: Attributes): string | null => {
  const emails = attributes.get(emailsAttribute.name)
  if (!Array.isArray(emails)) return null
  const entries = emails.filter(isObject)
  const chosen = entries.find(({ primary }) => primary === true) ?? entries[0]
  return typeof chosen?.value === 'string' ? chosen.value : null
}

/** The one text of an attribute: of several entries the primary one's; undefined when there is none. */
export const primaryText = (value: unknown): string | undefined => {
  if (typeof value === 'string') return value || undefined
  if (!Array.isArray(value)) return undefined
  const chosen = value.find((entry) => isObject(entry) && entry.primary === true) ?? value[0]
  return primaryText(isObject(chosen) ? chosen.value : Array.isArray(chosen) ? undefined : chosen)
}
