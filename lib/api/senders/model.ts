/** The bodies of notification senders: what is read, and what is shown. Secrets are read and never shown. */
import * as z from 'zod'

/** The channels that are stored; e-mail is configured in deployment.toml. */
export const channels = { sms: 'SMSPublisher', push: 'PushPublisher' } as const
export type Channel = keyof typeof channels

const text = z.string().max(1_023)
/** Blank, or of dots, it would be no name of a path. */
const name = z
  .string()
  .max(255)
  .regex(/^(?!\.{1,2}$)(?=.*\S)/s, 'must be a name')

const authenticationTypes = [
  'NONE',
  'BASIC',
  'BEARER',
  'API_KEY',
  'CLIENT_CREDENTIAL',
  'PASSWORD_CREDENTIAL',
] as const

const mostProperties = 50

const property = z.strictObject({
  key: z.string().min(1).max(255),
  value: text.nullish().describe('Left out, the stored secret of that key stays'),
})

const properties = z.array(property).max(mostProperties)

const authentication = z.strictObject({
  type: z.enum(authenticationTypes),
  properties: z
    .record(z.string().min(1).max(255), z.string())
    .nullish()
    .describe('Never shown; left out, what is stored for that type stays'),
})

/** What is missing has a code of this API's own, so the schema lets it pass and the document says what is needed. */
const needed = { type: 'string', pattern: '\\S' } as const

const sms = {
  provider: text.nullish().meta(needed),
  providerURL: text.nullish().meta({ ...needed, description: 'An http or https URL without credentials' }),
  contentType: z.enum(['JSON', 'FORM']).nullish().meta({ type: 'string' }),
  key: text.nullish().describe('Never shown'),
  secret: text.nullish().describe('Never shown'),
  sender: text.nullish(),
  authentication: authentication.nullish(),
  properties: properties.nullish(),
}

const push = { provider: text.min(1), properties }

/** Of a new one; `name` is the channel's usual one unless said. */
export const creation = {
  sms: z
    .strictObject({ name: name.nullish(), ...sms })
    .meta({ required: ['provider', 'providerURL', 'contentType'] }),
  push: z.strictObject({ name: name.nullish(), ...push }),
} as const

/** Of an edition; the name is the path's, and one in the body is not looked at. */
export const edition = creation

/** What is read of any channel. */
export type AskedSender = z.output<(typeof creation)['sms']>

export const shownSchema = (channel: Channel) => {
  const shownProperties = z.array(z.strictObject({ key: z.string(), value: z.string().optional() }))
  return channel === 'push'
    ? z
        .strictObject({ name: z.string(), provider: z.string().optional(), properties: shownProperties })
        .meta({ title: 'PushSender' })
    : z
        .strictObject({
          name: z.string(),
          provider: z.string().optional(),
          providerURL: z.string().optional(),
          contentType: z.string().optional(),
          sender: z.string().optional(),
          authentication: z.strictObject({ type: z.string() }).optional(),
          properties: shownProperties,
        })
        .meta({ title: 'SMSSender' })
}
