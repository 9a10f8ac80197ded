import { isIP, isIPv4 } from 'node:net'
import * as z from 'zod'
import { refusedDatabases } from './stock-tables.ts'

// The keys of deployment.toml as an operator writes them, with their defaults. Custom messages are predicates
// that follow the key's name and never repeat the value, which may be a secret.

const century = 3_153_600_000
/** A file of the configuration store is one value of one row. */
const largestFile = 16_777_216
const unitSeconds = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86_400 } as const

/**
 * Seconds of "90s", "15m", "1h", "7d", of a bare count ("900" or 900), or undefined when it is none of these.
 */
const secondsOf = (value: unknown): number | undefined => {
  if (typeof value === 'number') return value
  const match = typeof value === 'string' ? /^(\d{1,12}) ?(ms|s|m|h|d)?$/.exec(value) : null
  return match ? Number(match[1]) * unitSeconds[(match[2] ?? 's') as keyof typeof unitSeconds] : undefined
}

const duration = z.unknown().transform((value, context) => {
  const length = secondsOf(value)
  if (length !== undefined && Number.isInteger(length) && length >= 1 && length <= century) return length
  const message =
    'must be a duration such as "90s", "15m", "1h" or "7d", or a whole number of seconds, at least 1'
  context.addIssue({ code: 'custom', message })
  return z.NEVER
})

const milliseconds = z.unknown().transform((value, context) => {
  const length = Math.round((secondsOf(value) ?? 0) * 1000)
  if (length >= 1 && length <= 3_600_000) return length
  context.addIssue({ code: 'custom', message: 'must be a duration from "1ms" to "1h", such as "3s"' })
  return z.NEVER
})

/** Milliseconds from "0" (never) to a minute. */
const grace = z.unknown().transform((value, context) => {
  const length = Math.round((secondsOf(value) ?? -1) * 1000)
  if (length >= 0 && length <= 60_000) return length
  context.addIssue({ code: 'custom', message: 'must be a duration up to "1m", such as "10s", or 0' })
  return z.NEVER
})

const text = z.string().min(1)
const seconds = z.int().min(1).max(century)
const port = z.int().min(1).max(65_535)
const isName = (value: string) =>
  /^[a-z\d_]([a-z\d_.-]*[a-z\d_])?$/i.test(value) && URL.canParse(`https://${value}`)
const host = z.string().refine((value) => isIP(value) > 0 || isName(value), {
  error: 'must be a host name or an IP address, without scheme, port or path',
})
const url = z.string().refine((value) => /^https?:\/\/[^\s?#@\\]+$/i.test(value) && URL.canParse(value), {
  error: 'must be an absolute http or https URL without user, query or fragment',
})
const network = z.string().refine(
  (value) => {
    const [address = '', prefix, ...rest] = value.split('/')
    if (isIP(address) === 0 || rest.length > 0) return false
    return (
      prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (isIPv4(address) ? 32 : 128))
    )
  },
  { error: 'must be an IP address or a network such as "10.0.0.0/8"' },
)
const words = z.string().refine((value) => /^[!-~]+( [!-~]+)*$/.test(value), {
  error: 'must be words separated by single spaces, such as "id_token subject_token"',
})
const scopeName = z.string().refine((value) => /^[!#-[\]-~]+$/.test(value), {
  error: 'must be a scope name: printable ASCII without spaces, quotes and backslashes (RFC 6749 §3.3)',
})
const headerName = z.string().refine((value) => /^[!#$%&'*+.^_`|~\dA-Za-z-]+$/.test(value), {
  error: 'must be the name of an HTTP header',
})
const databaseType = z.string().superRefine((value, context) => {
  if (['sqlite', 'postgres', 'postgre'].includes(value)) return
  const message = refusedDatabases.get(value) ?? 'must be "sqlite" or "postgres"'
  context.addIssue({ code: 'custom', message })
})

const scope = z.strictObject({
  name: scopeName,
  displayName: text.optional(),
  description: z.string().default(''),
})

const apiResource = z.strictObject({
  name: text,
  identifier: text,
  requiresAuthorization: z.boolean().default(true),
  description: z.string().default(''),
  type: text.default('TENANT'),
  disabled: z.boolean().default(false),
  scopes: z.array(scope).default([]),
})

const server = z.strictObject({
  hostname: host.default('localhost'),
  port: port.default(9443),
  offset: z.int().min(0).max(65_534).default(0),
  base_path: url.optional(),
  bind: host.optional(),
  node_ip: host.optional(),
  data: text.default('data'),
  trusted_proxies: z.array(network).default([]),
  max_body_size: z.int().min(4_096).max(67_108_864).default(1_048_576),
  metrics: z.enum(['loopback', 'everybody', 'off']).default('loopback'),
  metrics_token: z.string().min(16).optional(),
  tls: z
    .strictObject({
      enabled: z.boolean().default(true),
      certificate: text.optional(),
      key: text.optional(),
    })
    .prefault({}),
})

const identityDatabase = z.strictObject({
  type: databaseType.default('sqlite'),
  path: text.optional(),
  url: text.optional(),
  hostname: host.optional(),
  port: port.optional(),
  name: text.optional(),
  username: text.optional(),
  password: z.string().optional(),
  pool_size: z.int().min(1).max(1000).optional(),
})

const signingAlgorithm = z.enum(['RS256', 'ES256', 'PS256', 'EdDSA'])

const oauth = z.strictObject({
  signing_algorithm: signingAlgorithm.default('RS256'),
  additional_signing_algorithms: z.array(signingAlgorithm).default([]),
  issuer: url.optional(),
  token_validation: z
    .strictObject({
      app_access_token_validity: seconds.default(3600),
      user_access_token_validity: seconds.default(3600),
      authorization_code_validity: seconds.default(300),
      refresh_token_validity: seconds.default(86_400),
      id_token_validity: seconds.default(3600),
    })
    .prefault({}),
  custom_response_type: z.array(z.strictObject({ name: words, class: text, validator: text })).default([]),
  grant_type: z
    .strictObject({
      token_exchange: z
        .strictObject({
          enable: z.boolean().default(true),
          allow_refresh_tokens: z.boolean().default(false),
          delegation: z.boolean().default(true),
          iat_validity_period: duration.default(3600),
        })
        .prefault({}),
      refresh_token: z.strictObject({ reuse_grace: grace.default(10_000) }).prefault({}),
    })
    .prefault({}),
  dcr: z
    .strictObject({
      enable: z.boolean().default(true),
      authentication_required: z.boolean().default(true),
      registrations_per_hour: z.int().min(1).max(1000).default(20),
    })
    .prefault({}),
  dpop: z.strictObject({ require_nonce: z.boolean().default(true) }).prefault({}),
  mutualtls: z.strictObject({ client_certificate_header: headerName.optional() }).prefault({}),
  outbound: z.strictObject({ allow_private_addresses: z.boolean().default(false) }).prefault({}),
})

const mailbox = z
  .string()
  .refine((value) => /^[^\s\p{Cc}@,:;<>()[\]"\\]+@[^\s\p{Cc}@,:;<>()[\]"\\]+$/u.test(value), {
    error: 'must be an e-mail address',
  })
const email = z.strictObject({
  from_address: z.string().refine((value) => /^[^\r\n]*[^\s@]@[^\s@]+$/.test(value), {
    error: 'must be an e-mail address',
  }),
  reply_to: mailbox.optional(),
  support_address: mailbox.optional(),
  organization_name: z
    .string()
    .refine((value) => /^\P{Cc}*[^\p{Cc}\s]\P{Cc}*$/u.test(value), { error: 'must be a name on one line' })
    .optional(),
  username: text.optional(),
  password: text.optional(),
  hostname: host,
  port: port.default(587),
  enable_start_tls: z.boolean().default(true),
  enable_tls: z.boolean().optional(),
  enable_authentication: z.boolean().default(true),
  certificate_authority: text.optional(),
  messages_per_second: z.int().min(1).max(1000).default(20),
})

/** More of one kind than this nobody remembers. */
const kind = z.int().min(0).max(64).default(0)

const passwordPolicy = z.strictObject({
  min_length: z.int().min(1).max(1_024).default(8),
  max_length: z.int().min(8).max(1_024).default(1_024),
  min_uppercase: kind,
  min_lowercase: kind,
  min_digits: kind,
  min_special: kind,
})

/** Nothing is compiled for a file that is read once: the compiling takes longer than the reading. */
export const parsedOnce = { jitless: true } as const

export const schema = z.strictObject({
  server: server.prefault({}),
  super_admin: z
    .strictObject({
      username: text.default('admin'),
      password: text.default('admin'),
      create_admin_account: z.boolean().default(true),
    })
    .prefault({}),
  database: z.strictObject({ identity_db: identityDatabase.prefault({}) }).prefault({}),
  encryption: z
    .strictObject({ key: text.optional(), key_file: text.default('secrets/encryption.key') })
    .prefault({}),
  oauth: oauth.prefault({}),
  api_resources: z.array(apiResource).default([]),
  configuration_store: z
    .strictObject({ max_file_bytes: z.int().min(1).max(largestFile).default(1_048_576) })
    .prefault({}),
  applications: z.strictObject({ max: z.int().min(1).default(100_000) }).prefault({}),
  password_policy: passwordPolicy.prefault({}),
  session: z
    .strictObject({
      idle_timeout: duration.default(900),
      lifetime: duration.default(28_800),
      same_site: z.enum(['lax', 'none']).default('lax'),
      interaction_timeout: duration.default(600),
    })
    .prefault({}),
  impersonation: z
    .strictObject({
      max_duration: duration.optional(),
      allow_query_response: z.boolean().default(false),
      allow_regexp_callbacks: z.boolean().default(false),
      require_reason: z.boolean().default(false),
      require_ticket: z.boolean().default(false),
      ticket_pattern: text.optional(),
      ticket_hint: text.max(200).optional(),
      allow_opt_out: z.boolean().default(false),
    })
    .prefault({}),
  plugins: z
    .strictObject({ directory: text.default('plugins'), timeout: milliseconds.default(3000) })
    .prefault({}),
  output_adapter: z.strictObject({ email: email.optional() }).prefault({}),
  audit: z
    .strictObject({
      retention: duration.optional(),
      checkpoint_file: text.optional(),
    })
    .prefault({}),
  log: z
    .strictObject({
      level: z.enum(['debug', 'info', 'warn', 'error']).default('info'),
      format: z.enum(['json', 'text', 'auto']).default('auto'),
      audit_file: text.optional(),
      audit_format: z.enum(['text', 'json']).default('text'),
      audit_max_size: z.int().min(65_536).default(10_485_760),
      audit_keep: z.int().min(1).max(100_000).default(20),
    })
    .prefault({}),
})

/** deployment.toml once it is valid: its own key names, every default filled in, durations as numbers. */
export type Settings = z.output<typeof schema>
