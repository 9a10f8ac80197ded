import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { type ApiResource, apiResourcesOf } from './config/api-resources.ts'
import { type Database, databaseOf } from './config/database.ts'
import { documentOf, withoutPluginTables } from './config/document.ts'
import { type Draft, draft, given } from './config/draft.ts'
import { type Email, emailOf } from './config/email.ts'
import { type Impersonation, impersonationOf } from './config/impersonation.ts'
import { type OAuth, oauthOf } from './config/oauth.ts'
import { type PasswordPolicy, passwordPolicyOf } from './config/password-policy.ts'
import { ConfigurationError } from './config/problems.ts'
import { parsedOnce, type Settings, schema } from './config/schema.ts'
import { type Server, serverOf, shippedPassword } from './config/server.ts'
import { withoutStockTables } from './config/stock-tables.ts'
import { substitute } from './config/substitute.ts'
import { validate } from './config/validate.ts'

// deployment.toml, read once at the start. Everything that can be wrong with it is found here, told at once
// and in the operator's own key names; the rest of the program sees a Config, which has no default left to
// fill in.

export type { ResponseType } from './config/oauth.ts'
export type { ApiResource }
export { ConfigurationError }

/**
 * What the server was started with. Only the entry point reads the process's environment and passes it in.
 */
export interface Environment {
  readonly variables: Readonly<Record<string, string | undefined>>
}

/**
 * The deployment as the program uses it. Paths are absolute, lengths of time are in the unit of their name.
 */
export interface Config {
  readonly file: string
  /** The folder of `file`; relative paths in the file start there. */
  readonly directory: string
  readonly server: Server
  readonly issuer: string
  readonly superAdmin: {
    readonly username: string
    readonly password: string
    readonly create: boolean
    /** The password is the one that everybody knows. */
    readonly shipped: boolean
  }
  readonly database: Database
  readonly dataDirectory: string
  /**
   * Where the key for secrets at rest comes from: `key` itself, else the credentials folder, else `keyFile`.
   */
  readonly encryption: {
    readonly key?: string
    readonly keyFile: string
    readonly credentialsDirectory?: string
  }
  readonly oauth: OAuth
  readonly apiResources: readonly ApiResource[]
  readonly applications: {
    /** How many there can be. */
    readonly most: number
  }
  readonly configurationStore: {
    /** The largest file that a resource may have, in bytes. */
    readonly largestFile: number
  }
  readonly passwordPolicy: PasswordPolicy
  readonly session: {
    readonly idleSeconds: number
    readonly lifetimeSeconds: number
    readonly sameSite: 'lax' | 'none'
    readonly interactionSeconds: number
  }
  readonly impersonation: Impersonation
  readonly plugins: {
    readonly directory: string
    readonly timeoutMilliseconds: number
    /** The `[plugins.NAME]` tables by name, as they stand in the file but for substitutions. */
    readonly configuration: Readonly<Record<string, unknown>>
  }
  /** Without it mail is written to files in the data folder. */
  readonly email?: Email
  readonly audit: {
    /** How long rows are kept; undefined for ever. */
    readonly retentionSeconds?: number
    /** Where the newest checkpoint is kept beside the database. */
    readonly checkpointFile: string
  }
  readonly log: {
    readonly level: Settings['log']['level']
    readonly format: Settings['log']['format']
    readonly auditFile: string
    /** The seed's lines, or WSO2's JSON (v2). */
    readonly auditFormat: Settings['log']['audit_format']
    /** A larger audit log is set aside. */
    readonly auditMaxBytes: number
    /** How many of those are kept. */
    readonly auditKeep: number
  }
}

export interface Loaded {
  readonly config: Config
  /** What works but should be put right, each with file and key. */
  readonly warnings: readonly string[]
  /** Tables of a stock WSO2 file that mean nothing here, by dotted name. */
  readonly ignored: readonly string[]
}

const configOf = (draft: Draft, { variables }: Environment) => {
  const { settings, locate } = draft
  const { super_admin, encryption, session, plugins, audit, log } = settings
  const server = serverOf(draft)
  const oauth = oauthOf(draft)
  return {
    server,
    issuer: settings.oauth.issuer ?? `${server.baseUrl}/oauth2/token`,
    superAdmin: {
      username: super_admin.username,
      password: super_admin.password,
      create: super_admin.create_admin_account,
      shipped: super_admin.password === shippedPassword,
    },
    database: databaseOf(draft),
    dataDirectory: locate(settings.server.data),
    encryption: {
      ...given('key', encryption.key),
      keyFile: locate(encryption.key_file),
      ...given('credentialsDirectory', variables.CREDENTIALS_DIRECTORY || undefined),
    },
    oauth,
    apiResources: apiResourcesOf(draft),
    passwordPolicy: passwordPolicyOf(draft),
    applications: { most: settings.applications.max },
    configurationStore: { largestFile: settings.configuration_store.max_file_bytes },
    session: {
      idleSeconds: session.idle_timeout,
      lifetimeSeconds: session.lifetime,
      sameSite: session.same_site,
      interactionSeconds: session.interaction_timeout,
    },
    impersonation: impersonationOf(
      draft,
      oauth.responseTypes.some(({ name }) => name.split(' ').includes('subject_token')),
    ),
    plugins: { directory: locate(plugins.directory), timeoutMilliseconds: plugins.timeout },
    ...given('email', emailOf(draft)),
    audit: {
      ...given('retentionSeconds', audit.retention),
      checkpointFile: locate(audit.checkpoint_file ?? `${settings.server.data}/audit.checkpoint`),
    },
    log: {
      level: log.level,
      format: log.format,
      auditFile: locate(log.audit_file ?? `${settings.server.data}/audit.log`),
      auditFormat: log.audit_format,
      auditMaxBytes: log.audit_max_size,
      auditKeep: log.audit_keep,
    },
  }
}

/** Asked for by references to keys that the file leaves out. */
const defaults = () => schema.parse({}, parsedOnce)

/**
 * The configuration in the text of a deployment.toml; `file` names it in messages and is where relative paths
 * start. Reads the files that the text names (`$file{…}`, certificates). Throws ConfigurationError with every
 * problem.
 */
export const parse = (text: string, file: string, environment: Environment): Loaded => {
  const path = resolve(file)
  const directory = dirname(path)
  const document = documentOf(text, path)
  const { kept, ignored } = withoutStockTables(document)
  const { variables } = environment
  const substituted = substitute(kept, { document, directory, variables, defaults })
  const { tree, configuration } = withoutPluginTables(substituted.tree)
  const { open, problems, warnings } = draft(validate({ ...substituted, tree }), directory)
  const { plugins, ...config } = configOf(open, environment)
  if (problems.length > 0)
    throw new ConfigurationError(problems.map(({ key, message }) => `${path}: ${key}: ${message}`))
  return {
    config: { file: path, directory, ...config, plugins: { ...plugins, configuration } },
    warnings: warnings.map((warning) => `${path}: ${warning}`),
    ignored,
  }
}

/**
 * Reads the deployment.toml at `path` and parses it. Throws ConfigurationError when it cannot be read or
 * used.
 */
export const load = async (path: string, environment: Environment): Promise<Loaded> => {
  const file = resolve(path)
  let bytes: Uint8Array
  try {
    bytes = await readFile(file)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable'
    const reason =
      code === 'ENOENT' ? 'does not exist; create it, or name another file' : `cannot be read (${code})`
    throw new ConfigurationError([`${file}: ${reason}`])
  }
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new ConfigurationError([`${file}: is not UTF-8 text; save it as UTF-8`])
  }
  return parse(text, file, environment)
}
