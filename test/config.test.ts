import 'reflect-metadata'
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { X509CertificateGenerator } from '@peculiar/x509'
import { ConfigurationError, load, parse } from '../lib/config.ts'
import { selfSigned } from '../lib/keys/certificate.ts'

/** As docs say: two connections for each processor and one, five at least. */
const usualPoolSize = Math.max(5, 2 * availableParallelism() + 1)

const seed = `
[[oauth.custom_response_type]]
name= "subject_token"
class= "org.wso2.carbon.identity.oauth2.authz.handlers.SubjectTokenResponseTypeHandler"
validator= "org.wso2.carbon.identity.oauth.common.SubjectTokenResponseValidator"

[[oauth.custom_response_type]]
name= "id_token subject_token"
class= "org.wso2.carbon.identity.oauth2.authz.handlers.SubjectTokenResponseTypeHandler"
validator= "org.wso2.carbon.identity.oauth.common.SubjectTokenResponseValidator"

[[api_resources]]
name= "User Impersonation"
identifier= "system:impersonation"
requiresAuthorization= true
description= "Resource representation of the User Impersonation"
type= "TENANT"

[[api_resources.scopes]]
displayName = "User Impersonation Scope"
name = "internal_user_impersonate"
description = "Allows to impersonate another user"
`

const file = '/srv/mayact/deployment.toml'
const own = '[super_admin]\npassword = "Tr0ub4dor"\n'
type Variables = Record<string, string>

const read = (text: string, variables: Variables = {}) => parse(text, file, { variables })
const configOf = (text: string, variables: Variables = {}) => read(text, variables).config

const problemsOf = (action: () => unknown): readonly string[] => {
  try {
    action()
  } catch (error) {
    if (error instanceof ConfigurationError) return error.problems
    throw error
  }
  return []
}

/** The problems of a text without the file's name, which each of them must begin with. */
const refusals = (text: string, variables: Variables = {}): readonly string[] =>
  problemsOf(() => read(text, variables)).map((problem) => {
    expect(problem).toStartWith(`${file}:`)
    return problem.slice(file.length + 1).trimStart()
  })

let folder: string
const at = (name: string) => join(folder, name)

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mayact-config-'))
})

afterAll(() => rm(folder, { recursive: true }))

describe('an empty file', () => {
  test('it has a default for everything', () => {
    const { config, warnings, ignored } = read('')
    expect(config).toEqual({
      file,
      directory: '/srv/mayact',
      server: {
        hostname: 'localhost',
        port: 9443,
        bind: '127.0.0.1',
        baseUrl: 'https://localhost:9443',
        tls: { enabled: true },
        trustedProxies: [],
        maxBodySize: 1_048_576,
        metrics: 'loopback',
        hosts: ['localhost:9443', '127.0.0.1:9443', '[::1]:9443'],
      },
      issuer: 'https://localhost:9443/oauth2/token',
      superAdmin: { username: 'admin', password: 'admin', create: true, shipped: true },
      database: { type: 'sqlite', path: '/srv/mayact/data/mayact.db' },
      dataDirectory: '/srv/mayact/data',
      encryption: { keyFile: '/srv/mayact/secrets/encryption.key' },
      oauth: {
        signingAlgorithm: 'RS256',
        signingAlgorithms: ['RS256'],
        tokenValidation: {
          applicationAccessTokenSeconds: 3600,
          userAccessTokenSeconds: 3600,
          authorizationCodeSeconds: 300,
          refreshTokenSeconds: 86_400,
          idTokenSeconds: 3600,
        },
        responseTypes: [],
        tokenExchange: {
          enabled: true,
          allowRefreshTokens: false,
          delegation: true,
          iatValiditySeconds: 3600,
        },
        registration: { enabled: true, authenticationRequired: true, perHour: 20 },
        dpop: { requireNonce: true },
        refreshToken: { reuseGraceMilliseconds: 10_000 },
        clientCertificateHeader: undefined,
        outbound: { allowPrivateAddresses: false },
      },
      apiResources: [],
      passwordPolicy: {
        minLength: 8,
        maxLength: 1_024,
        minUppercase: 0,
        minLowercase: 0,
        minDigits: 0,
        minSpecial: 0,
      },
      applications: { most: 100_000 },
      configurationStore: { largestFile: 1_048_576 },
      session: { idleSeconds: 900, lifetimeSeconds: 28_800, sameSite: 'lax', interactionSeconds: 600 },
      impersonation: {
        allowQueryResponse: false,
        allowRegexpCallbacks: false,
        enabled: false,
        requireReason: false,
        requireTicket: false,
        allowOptOut: false,
      },
      plugins: { directory: '/srv/mayact/plugins', timeoutMilliseconds: 3000, configuration: {} },
      audit: { checkpointFile: '/srv/mayact/data/audit.checkpoint' },
      log: {
        level: 'info',
        format: 'auto',
        auditFile: '/srv/mayact/data/audit.log',
        auditFormat: 'text',
        auditMaxBytes: 10_485_760,
        auditKeep: 20,
      },
    })
    expect(warnings).toEqual([])
    expect(ignored).toEqual([])
  })
})

describe('the shipped deployment.toml', () => {
  const path = join(import.meta.dir, '..', 'deployment.toml')

  test('it turns impersonation on with the very blocks of the guide', async () => {
    const text = await readFile(path, 'utf8')
    for (const block of seed.trim().split('\n\n')) expect(text).toContain(block)
    const { config, warnings, ignored } = await load(path, { variables: {} })
    expect(config.impersonation.enabled).toBeTrue()
    expect(config.oauth.responseTypes.map(({ name }) => name)).toEqual([
      'subject_token',
      'id_token subject_token',
    ])
    expect(config.apiResources).toEqual([
      {
        name: 'User Impersonation',
        identifier: 'system:impersonation',
        requiresAuthorization: true,
        description: 'Resource representation of the User Impersonation',
        type: 'TENANT',
        disabled: false,
        scopes: [
          {
            name: 'internal_user_impersonate',
            displayName: 'User Impersonation Scope',
            description: 'Allows to impersonate another user',
          },
        ],
      },
    ])
    expect([...warnings, ...ignored]).toEqual([])
  })

  test('it is unchanged, but for warnings, when the blocks are pasted after it', async () => {
    const text = await readFile(path, 'utf8')
    const { config, warnings } = read(text + seed)
    expect(config).toEqual(configOf(text))
    expect(warnings).toEqual([
      `${file}: oauth.custom_response_type: "subject_token" is given twice, with the same content`,
      `${file}: oauth.custom_response_type: "id_token subject_token" is given twice, with the same content`,
      `${file}: api_resources: "system:impersonation" is given twice, with the same content`,
    ])
  })

  test('it shows the defaults as they are', async () => {
    const text = await readFile(path, 'utf8')
    const uncommented = text
      .split('\n\n')
      .filter((part) => /^# \[(oauth|session|log)|^\[server\]/.test(part))
      .join('\n')
      .replace(/^# (?=\[|[a-z_]+ = )/gm, '')
      .replace('bind = "0.0.0.0"', '')
      // a proxy that does not set it must not lend it to strangers
      .replace(/^client_certificate_header = .*$/m, '')
      .replace(/^additional_signing_algorithms = .*$/m, '')
      .replace(/^metrics_token = .*$/m, '')
    expect(uncommented).toContain('\nport = 9443')
    expect(uncommented).toContain('\niat_validity_period = "1h"')
    expect(configOf(uncommented)).toEqual(configOf(''))
  })

  test('it knows every key that it shows', async () => {
    const text = await readFile(path, 'utf8')
    const uncommented = text
      .replace(/^# (?=\[|[a-z_]+ = )/gm, '')
      .replace('type = "sqlite"\npath = "data/mayact.db"', '')
      .replace(/^(certificate|key|certificate_authority) = .*$/gm, '')
      .replace('password = "admin"', 'password = "another"')
    const variables = {
      DATABASE_PASSWORD: 'd',
      ENCRYPTION_KEY: 'e',
      MAIL_PASSWORD: 'm',
      METRICS_TOKEN: 'a token of metrics',
    }
    expect(configOf(uncommented, variables)).toMatchObject({
      database: { type: 'postgres', url: 'postgresql://mayact:d@localhost:5432/mayact', poolSize: 5 },
      impersonation: { maxDurationSeconds: 900 },
      email: { fromAddress: 'no-reply@example.com', password: 'm' },
    })
  })
})

describe('a file of WSO2', () => {
  const stock = `
[server]
hostname = "localhost"
node_ip = "127.0.0.1"
base_path = "https://$ref{server.hostname}:\${carbon.management.port}"
offset = 2

[super_admin]
username = "admin"
password = "admin"
create_admin_account = true

[user_store]
type = "database_unique_id"

[database.identity_db]
type = "sqlite"

[database.shared_db]
type = "h2"
url = "jdbc:h2:./repository/database/WSO2SHARED_DB"
username = "wso2carbon"
password = "wso2carbon"

[datasource.AgentIdentity]
id = "AgentIdentity"

[keystore.primary]
file_name = "wso2carbon.p12"
password = "wso2carbon"
type = "PKCS12"

[keystore.tls]
file_name = "$ref{keystore.primary.file_name}"
password = "$secret{keystore_password}"

[truststore]
file_name = "client-truststore.p12"

[account_recovery.endpoint.auth]
hash = "66cd9688a2ae068244ea01e70f0e230f5623b7fa4cdecb65070a09ec06452262"

[identity.auth_framework.endpoint]
app_password = "dashboard"

[recaptcha]
enabled = false

[oauth.grant_type.token_exchange]
enable = true
allow_refresh_tokens = true
iat_validity_period = "2h"

[output_adapter.email]
from_address = "no-reply@example.com"
username = "no-reply"
password = "letmein"
hostname = "smtp.example.com"
port = 465
enable_start_tls = false
enable_authentication = true
`

  test('it loads once the database is changed, and lists what it ignores', () => {
    const { config, warnings, ignored } = read(stock + seed)
    expect(config.server).toMatchObject({
      port: 9445,
      bind: '127.0.0.1',
      baseUrl: 'https://localhost:9445',
    })
    expect(config.oauth.tokenExchange).toEqual({
      enabled: true,
      allowRefreshTokens: true,
      delegation: true,
      iatValiditySeconds: 7200,
    })
    expect(config.email).toEqual({
      fromAddress: 'no-reply@example.com',
      username: 'no-reply',
      password: 'letmein',
      hostname: 'smtp.example.com',
      port: 465,
      security: 'tls',
      authentication: true,
      messagesPerSecond: 20,
    })
    expect(config.impersonation.enabled).toBeTrue()
    expect(warnings).toEqual([])
    expect(ignored).toEqual([
      'user_store',
      'datasource',
      'keystore',
      'truststore',
      'account_recovery',
      'identity',
      'recaptcha',
      'database.shared_db',
    ])
  })

  test.each(['h2', 'mysql', 'mssql', 'oracle', 'db2'])('it is told what to write instead of %s', (type) => {
    const text = `[database.identity_db]\ntype = "${type}"\nurl = "jdbc:${type}:x"\nusername = "wso2carbon"\n`
    expect(refusals(text)).toEqual([
      `database.identity_db.type: "${type}" is not available here; write type = "sqlite" and remove url, username ` +
        'and password, or type = "postgres" with the url of a Postgres database',
    ])
  })

  test('it is told how keys are spelled here', () => {
    expect(
      refusals('[[oauth.custom_grant_type]]\nname = "x"\n[oauth.response_type.subject_token]\nenable = true'),
    ).toEqual([
      'oauth.custom_grant_type: is not a known key; write [oauth.grant_type.token_exchange] with enable = true',
      'oauth.response_type: is not a known key; write [[oauth.custom_response_type]] with name, class and validator',
    ])
  })
})

describe('an unknown key', () => {
  test.each([
    ['[server]\nhostnam = "x"', 'server.hostnam', 'did you mean server.hostname?'],
    ['[sesion]\nlifetime = "1h"', 'sesion', 'did you mean session?'],
    [
      '[oauth]\nallow_refresh_token = true',
      'oauth.allow_refresh_token',
      'did you mean oauth.grant_type.token_exchange.allow_refresh_tokens?',
    ],
    ['[database.identity]\ntype = "sqlite"', 'database.identity', 'did you mean database.identity_db?'],
    ['[plugins]\ntimeuot = "3s"', 'plugins.timeuot', 'did you mean plugins.timeout?'],
    ['[encryption]\nwhatever_else = 1', 'encryption.whatever_else', 'known here: key, key_file'],
    [
      '[[api_resources]]\nname = "a"\nidentifier = "a"\n[[api_resources.scopes]]\nname = "s"\ndisplay_name = "S"',
      'api_resources[0].scopes[0].display_name',
      'did you mean api_resources.scopes.displayName?',
    ],
    ['["odd key"]\na = 1', '"odd key"', 'known here: server, '],
    ['[server]\n__proto__ = 1', 'server.__proto__', 'known here: hostname, '],
  ])('it is named with its path and the nearest known one: %j', (text, key, remedy) => {
    const [problem, ...others] = refusals(text)
    expect(problem).toStartWith(`${key}: is not a known key; ${remedy}`)
    expect(others).toEqual([])
  })
})

describe('a wrong value', () => {
  test.each([
    ['[server]\nport = "9443"', 'server.port: found a string, wanted a whole number'],
    ['[server]\nport = 9443.5', 'server.port: found a number that is not whole, wanted a whole number'],
    [
      '[server]\nport = 99999999999999999999',
      'server.port: found an integer that is too large, wanted a whole number',
    ],
    ['[server]\nport = 0', 'server.port: found 0, wanted at least 1'],
    ['[server]\nport = 70000', 'server.port: found 70000, wanted at most 65535'],
    ['[server]\noffset = 60000', 'server.offset: makes the port 69443; wanted at most 65535'],
    ['[server]\nhostname = 2026-01-01', 'server.hostname: found a date, wanted a string'],
    ['[server]\nhostname = ["a"]', 'server.hostname: found a list, wanted a string'],
    ['[server]\ntrusted_proxies = "10.0.0.1"', 'server.trusted_proxies: found a string, wanted a list'],
    ['server = true', 'server: found a boolean, wanted a table'],
    ['[server.hostname]\na = 1', 'server.hostname: found a table, wanted a string'],
    ['[server.tls]\nenabled = "yes"', 'server.tls.enabled: found a string, wanted true or false'],
    ['plugins = "x"', 'plugins: found a string, wanted a table'],
    ['[super_admin]\nusername = ""', 'super_admin.username: is empty; give it a text or remove the line'],
    [
      '[oauth]\nsigning_algorithm = "HS256"',
      'oauth.signing_algorithm: found "HS256", wanted one of "RS256", "ES256", "PS256", "EdDSA"',
    ],
    ['[session]\nsame_site = "strict"', 'session.same_site: found "strict", wanted one of "lax", "none"'],
    ['[log]\nlevel = 3', 'log.level: found an integer, wanted one of "debug", "info", "warn", "error"'],
    ['[database.identity_db]\ntype = "mongo"', 'database.identity_db.type: must be "sqlite" or "postgres"'],
    ['[[api_resources]]\nname = "a"', 'api_resources[0].identifier: is missing; give it a string'],
    [
      '[[oauth.custom_response_type]]\nname = "a  b"\nclass = "c"\nvalidator = "v"',
      'oauth.custom_response_type[0].name: must be words separated by single spaces, such as "id_token subject_token"',
    ],
    [
      '[[api_resources]]\nname = "a"\nidentifier = "a"\n[[api_resources.scopes]]\nname = "a b"',
      'api_resources[0].scopes[0].name: must be a scope name: printable ASCII without spaces, quotes and backslashes (RFC 6749 §3.3)',
    ],
    [
      `${own}[server]\ntrusted_proxies = ["10.0.0.0/33"]`,
      'server.trusted_proxies[0]: must be an IP address or a network such as "10.0.0.0/8"',
    ],
    [
      '[server]\nhostname = "https://localhost"',
      'server.hostname: must be a host name or an IP address, without scheme, port or path',
    ],
    [
      `${own}[server]\nhostname = "999.1.1.1"`,
      'server.hostname: must be a host name or an IP address, without scheme, port or path',
    ],
    [
      '[output_adapter.email]\nfrom_address = "nobody"\nhostname = "h"\nenable_authentication = false',
      'output_adapter.email.from_address: must be an e-mail address',
    ],
    [
      '[output_adapter.email]\nfrom_address = "a@b"',
      'output_adapter.email.hostname: is missing; give it a string',
    ],
    [
      '[password_policy]\nmin_length = 20\nmax_length = 12',
      'password_policy.min_length: is more than max_length, 12',
    ],
    [
      '[password_policy]\nmax_length = 8\nmin_digits = 9',
      'password_policy.max_length: is less than the 9 characters that the min_… keys ask for',
    ],
    ['[plugins]\ntimeout = "2h"', 'plugins.timeout: must be a duration from "1ms" to "1h", such as "3s"'],
  ])('it is refused with what was found and what is wanted: %j', (text, problem) => {
    expect(refusals(text)).toEqual([problem])
  })

  test.each(['"soon"', '"1.5h"', '"-1s"', '"0s"', '"500ms"', '0', '-5', '1.5', 'true', '"200000d"'])(
    'it is refused as a duration: %s',
    (value) => {
      expect(refusals(`[session]\nidle_timeout = ${value}`)).toEqual([
        'session.idle_timeout: must be a duration such as "90s", "15m", "1h" or "7d", or a whole number of seconds, at least 1',
      ])
    },
  )

  test.each([
    '"localhost:9443"',
    '"ftp://localhost"',
    '"https://localhost?a=b"',
    '"https://localhost/#a"',
    '"https://me:hunter2@localhost"',
    '"/auth"',
    '"https://"',
  ])('it is refused as a base path: %s', (value) => {
    expect(refusals(`[server]\nbase_path = ${value}`)).toEqual([
      'server.base_path: must be an absolute http or https URL without user, query or fragment',
    ])
  })

  test.each(['/oauth2', '/t/acme', '/api/', '/.well-known', '/scim2//'])(
    'a base path may not begin as a path of the server itself: %s',
    (path) => {
      expect(refusals(`[server]\nbase_path = "https://localhost${path}"`)).toEqual([
        'server.base_path: has a path that begins as one of the server’s own; take another, such as /sso',
      ])
      expect(refusals('[server]\nbase_path = "https://localhost/oauth2s"')).toEqual([])
    },
  )
})

describe('several problems', () => {
  test('they are told at once, those that follow from others left out', () => {
    const text = `
[server]
hostname = "sso.example.com"
port = "many"
prot = 9443
offset = -1
base_path = "https://\${carbon.management.port}"

[database.identity_db]
type = "h2"
path = "x"

[session]
lifetime = "$env{LIFETIME}"

[server.tls]
certificate = "a.pem"

[[api_resources]]
name = "a"

[[oauth.custom_response_type]]
name = "a"
class = "c"
validator = "v"

[[oauth.custom_response_type]]
name = "a"
class = "d"
validator = "v"
`
    expect(refusals(text).toSorted()).toEqual([
      'api_resources[0].identifier: is missing; give it a string',
      expect.stringMatching(/^database\.identity_db\.type: "h2" is not available here/),
      'oauth.custom_response_type[1]: "a" is given before with other content; remove one of the two',
      expect.stringMatching(/^server\.base_path: \$\{carbon\.management\.port\} needs whole numbers/),
      expect.stringMatching(/^server\.hostname: must be "localhost" while/),
      'server.offset: found -1, wanted at least 0',
      'server.port: found a string, wanted a whole number',
      'server.prot: is not a known key; did you mean server.port?',
      'server.tls.key: is missing beside server.tls.certificate; give both or neither',
      'session.lifetime: the environment variable LIFETIME of $env{LIFETIME} is not set; set it',
    ])
  })

  test('they are the lines of the message', () => {
    const text = '[server]\nprot = 1\nport = true'
    try {
      read(text)
      expect.unreachable()
    } catch (error) {
      expect(error).toBeInstanceOf(ConfigurationError)
      expect(String(error)).toBe(
        `ConfigurationError: ${file}: server.port: found a boolean, wanted a whole number\n` +
          `${file}: server.prot: is not a known key; did you mean server.port?`,
      )
    }
  })
})

describe('a syntax error', () => {
  test.each([
    ['[server]\nport = \n', '2:8: not valid TOML: unexpected character, expecting string'],
    ['a = 1\na = 2\n', "2:6: not valid TOML: can't redefine existing key; correct"],
    ['[super_admin]\npassword = "hunter2\n', '2:20: not valid TOML: unterminated string; correct'],
    ['[super_admin]\npassword = "\\qhunter2"\n', '2:14: not valid TOML: unknown escape character; correct'],
  ])('it is told with line and column, and without the line itself: %j', (text, problem) => {
    const [first = '', ...others] = refusals(text)
    expect(first).toStartWith(problem)
    expect(first).not.toContain('hunter2')
    expect(others).toEqual([])
  })
})

describe('a file', () => {
  const failing = (path: string) =>
    load(path, { variables: {} }).then(
      () => [],
      (error: ConfigurationError) => error.problems,
    )

  test('it is missed by its name', async () => {
    const path = at('absent.toml')
    expect(await failing(path)).toEqual([`${path}: does not exist; create it, or name another file`])
  })

  test('it is refused when it is a folder', async () => {
    expect(await failing(folder)).toEqual([`${folder}: cannot be read (EISDIR)`])
  })

  test('it is refused when it is not UTF-8', async () => {
    await writeFile(at('latin1.toml'), Buffer.from('# caf\xe9\n', 'latin1'))
    expect(await failing(at('latin1.toml'))).toEqual([
      `${at('latin1.toml')}: is not UTF-8 text; save it as UTF-8`,
    ])
  })

  test('it gives relative paths their folder', async () => {
    await writeFile(at('paths.toml'), '[server]\ndata = "state"\n[log]\naudit_file = "/var/log/audit.log"\n')
    const { config } = await load(at('paths.toml'), {
      variables: { CREDENTIALS_DIRECTORY: '/run/credentials' },
    })
    expect(config.dataDirectory).toBe(at('state'))
    expect(config.database).toEqual({ type: 'sqlite', path: at('state/mayact.db') })
    expect(config.log.auditFile).toBe('/var/log/audit.log')
    expect(config.encryption).toEqual({
      keyFile: at('secrets/encryption.key'),
      credentialsDirectory: '/run/credentials',
    })
  })
})

describe('substitution', () => {
  test('it puts environment variables, files and other keys into strings', async () => {
    await writeFile(at('name.txt'), 'support\n')
    const text = `
[super_admin]
username = "$file{name.txt}-$env{SUFFIX}"
password = "$env{PASSWORD}"
[oauth]
issuer = "https://$ref{server.hostname}/$ref{super_admin.username}"
[plugins.greeter]
text = "\${name}, this is $ref{super_admin.username}"
nested = [{ secret = "$env{SUFFIX}" }]
`
    const variables = { SUFFIX: 'desk', PASSWORD: `with \${braces} and $env{NOTHING}` }
    const { config } = parse(text, at('x.toml'), { variables })
    expect(config.superAdmin).toMatchObject({ username: 'support-desk', password: variables.PASSWORD })
    expect(config.issuer).toBe('https://localhost/support-desk')
    expect(config.plugins.configuration).toEqual({
      greeter: { text: `\${name}, this is support-desk`, nested: [{ secret: 'desk' }] },
    })
  })

  test('it refers to defaults of keys that the file leaves out', () => {
    const issuer = (tls: string) =>
      configOf(`[server]\noffset = 1\n${tls}\n[oauth]\nissuer = "$ref{server.base_path}/$ref{server.data}"`)
        .issuer
    expect(issuer('')).toBe('https://localhost:9444/data')
    expect(issuer('tls.enabled = false')).toBe('http://localhost:9444/data')
  })

  test('it makes numbers and booleans where they are wanted', () => {
    const text = `
[server]
port = "$env{PORT}"
base_path = "https://localhost:\${carbon.management.port}"
offset = "$env{OFFSET}"
[server.tls]
enabled = "$env{TLS}"
[session]
lifetime = "$env{LIFETIME}"
idle_timeout = "$env{IDLE}"
`
    const variables = { PORT: '8443', OFFSET: '7', TLS: 'false', LIFETIME: '3600', IDLE: '5m' }
    const config = configOf(text, variables)
    expect(config.server).toMatchObject({
      port: 8450,
      baseUrl: 'https://localhost:8450',
      tls: { enabled: false },
    })
    expect(config.session).toMatchObject({ lifetimeSeconds: 3600, idleSeconds: 300 })
  })

  test.each([
    ['[server]\nport = "$env{PORT}"', 'server.port: found a string, wanted a whole number'],
    ['[server]\nport = "8$env{DIGITS}"', 'server.port: found a string, wanted a whole number'],
    ['[server.tls]\nenabled = "$env{PORT}"', 'server.tls.enabled: found a string, wanted true or false'],
    [
      '[log]\nlevel = "$env{PORT}"',
      'log.level: found a string, wanted one of "debug", "info", "warn", "error"',
    ],
  ])('it does not guess: %j', (text, problem) => {
    expect(refusals(text, { PORT: 'hunter2', DIGITS: '443' })).toEqual([problem])
  })

  const instead = 'write $env{NAME}, $file{path} or $ref{section.key} instead'
  test.each([
    ['$env{UNSET}', 'the environment variable UNSET of $env{UNSET} is not set; set it'],
    ['$env{toString}', 'the environment variable toString of $env{toString} is not set; set it'],
    ['$file{absent.txt}', 'the file /srv/mayact/absent.txt of $file{absent.txt} does not exist'],
    ['$file{/}', 'the file / of $file{/} cannot be read (EISDIR)'],
    ['$secret{alias}', `$secret{…} is not available here; ${instead}`],
    ['$sys{user.home}', `$sys{…} is not available here; ${instead}`],
    [`hunter\${2}`, `\${…} is not available here; ${instead}`],
    ['$env{UNSET', 'a substitution has no closing brace'],
    [
      '$ref{server.nothing}',
      '$ref{server.nothing} names a key with neither a value nor a default; name a key with a text, number or boolean',
    ],
    ['$ref{server}', '$ref{server} names a table, list or date; name a key with a text, number or boolean'],
    [
      '$ref{super_admin.username}',
      '$ref{super_admin.username} goes round in a circle: super_admin.username → super_admin.username',
    ],
    [
      '$ref{log.audit_file}',
      '$ref{super_admin.username} goes round in a circle: super_admin.username → log.audit_file → super_admin.username',
    ],
  ])('it is refused with the key: %s', (value, problem) => {
    const text = `[super_admin]\nusername = "${value}"\n`
    const others = value.includes('audit') ? '[log]\naudit_file = "$ref{super_admin.username}"\n' : ''
    expect(refusals(text + others)).toContain(`super_admin.username: ${problem}`)
    expect(refusals(text + others)).toHaveLength(others ? 2 : 1)
  })

  test('it refuses a port made of itself', () => {
    expect(refusals(`[server]\nport = "\${carbon.management.port}"`)).toEqual([
      'server.port: $ref{server.port} goes round in a circle: server.port → server.port',
    ])
  })

  test('it tells every missing variable of one string', () => {
    expect(refusals('[oauth]\nissuer = "https://$env{A}/$env{B}"')).toEqual([
      'oauth.issuer: the environment variable A of $env{A} is not set; set it',
      'oauth.issuer: the environment variable B of $env{B} is not set; set it',
    ])
  })
})

describe('the server', () => {
  test.each([
    [own, 'https://localhost:9443', '0.0.0.0'],
    [`${own}[server]\nbind = "10.0.0.5"`, 'https://localhost:9443', '10.0.0.5'],
    [`${own}[server]\nnode_ip = "::1"`, 'https://localhost:9443', '::1'],
    [`${own}[server]\nhostname = "SSO.example.com"\nport = 443`, 'https://sso.example.com', '0.0.0.0'],
    [`${own}[server]\nhostname = "::1"`, 'https://[::1]:9443', '0.0.0.0'],
    [
      `${own}[server]\nbase_path = "https://sso.example.com/auth/"`,
      'https://sso.example.com/auth',
      '0.0.0.0',
    ],
    ['[server.tls]\nenabled = false', 'http://localhost:9443', '127.0.0.1'],
    ['[server]\nbind = "localhost"', 'https://localhost:9443', 'localhost'],
  ])('it has a base URL, an issuer and an address to bind to: %j', (text, baseUrl, bind) => {
    const config = configOf(text)
    expect(config.server).toMatchObject({ baseUrl, bind })
    expect(config.issuer).toBe(`${baseUrl}/oauth2/token`)
  })

  test.each([
    [
      `${own}[server]\nbase_path = "https://SSO.example.com"`,
      ['localhost:9443', '127.0.0.1:9443', '[::1]:9443', 'sso.example.com', 'sso.example.com:443'],
    ],
    [`${own}[server]\nhostname = "a.example"\nport = 443`, ['a.example:443', 'a.example']],
    [`${own}[server]\nhostname = "a.example"\nport = 80\ntls.enabled = false`, ['a.example:80', 'a.example']],
    [`${own}[server]\nhostname = "a.example"\nport = 80`, ['a.example:80']],
  ])('it knows which Host headers are its own: %j', (text, hosts) => {
    expect(configOf(text).server.hosts).toEqual(hosts)
  })

  test('it takes one of the two names of bind', () => {
    expect(configOf('[server]\nbind = "127.0.0.1"\nnode_ip = "127.0.0.1"').server.bind).toBe('127.0.0.1')
    expect(refusals('[server]\nbind = "127.0.0.1"\nnode_ip = "127.0.0.2"')).toEqual([
      'server.node_ip: is another name of server.bind and says something else; remove one of them',
    ])
  })

  const remedy = 'while the password is the shipped one: change [super_admin] password'
  test.each([
    ['bind = "0.0.0.0"', `server.bind: must be a loopback address such as "127.0.0.1" ${remedy}`],
    ['node_ip = "192.168.1.2"', `server.node_ip: must be a loopback address such as "127.0.0.1" ${remedy}`],
    ['bind = "::"', `server.bind: must be a loopback address such as "127.0.0.1" ${remedy}`],
    ['trusted_proxies = ["127.0.0.1"]', `server.trusted_proxies: must be empty ${remedy}`],
    ['hostname = "sso.example.com"', `server.hostname: must be "localhost" ${remedy}`],
    ['base_path = "https://sso.example.com"', `server.base_path: must name localhost ${remedy}`],
  ])('it stays on its machine while the password is the shipped one: %s', (line, problem) => {
    expect(refusals(`[server]\n${line}`)).toEqual([problem])
    expect(refusals(`[server]\n${line}\n${own}`)).toEqual([])
  })

  test.each(['127.0.0.1', '127.8.0.1', '::1', '0:0:0:0:0:0:0:1', 'LOCALHOST'])(
    'it may bind to %s with the shipped password',
    (bind) => {
      expect(refusals(`[server]\nbind = "${bind}"`)).toEqual([])
    },
  )

  test('it does not judge the address when the password itself is wrong', () => {
    expect(refusals('[server]\nbind = "0.0.0.0"\n[super_admin]\npassword = 1')).toEqual([
      'super_admin.password: found an integer, wanted a string',
    ])
  })
})

describe('certificates', () => {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
  const pair = async (name: string) => {
    const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
    const certificate = await X509CertificateGenerator.createSelfSigned({
      name: 'CN=localhost',
      keys,
      signingAlgorithm: algorithm,
    })
    const key = Buffer.from(await crypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64')
    await writeFile(at(`${name}.crt`), certificate.toString('pem'))
    await writeFile(at(`${name}.key`), `-----BEGIN PRIVATE KEY-----\n${key}\n-----END PRIVATE KEY-----\n`)
  }
  const tls = (certificate: string, key: string, variables: Variables = {}) => {
    const text = `[server.tls]\ncertificate = "${certificate}"\nkey = "${key}"\n`
    return parse(text, at('tls.toml'), { variables }).config.server.tls
  }
  const refused = (certificate: string, key: string, variables: Variables = {}) =>
    problemsOf(() => tls(certificate, key, variables)).map((problem) =>
      problem.slice(at('tls.toml: ').length),
    )

  beforeAll(async () => {
    await pair('one')
    await pair('two')
    await writeFile(at('text.pem'), 'hello\n')
    await writeFile(at('broken.pem'), '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n')
  })

  test('they are given as absolute paths', () => {
    expect(tls('one.crt', 'one.key')).toEqual({
      enabled: true,
      certificate: at('one.crt'),
      key: at('one.key'),
    })
  })

  test('they are given together', () => {
    expect(refusals('[server.tls]\ncertificate = "a"')).toEqual([
      'server.tls.key: is missing beside server.tls.certificate; give both or neither',
    ])
    expect(refusals('[server.tls]\nkey = "a"')).toEqual([
      'server.tls.certificate: is missing beside server.tls.key; give both or neither',
    ])
  })

  test('they are not looked at when TLS is off', () => {
    expect(configOf('[server.tls]\nenabled = false\ncertificate = "absent"').server.tls).toEqual({
      enabled: false,
    })
  })

  test('they must be there, be PEM and belong together', () => {
    expect(refused('absent.crt', 'absent.key')).toEqual([
      `server.tls.certificate: the file ${at('absent.crt')} does not exist; give the path of a PEM file`,
      `server.tls.key: the file ${at('absent.key')} does not exist; give the path of a PEM file`,
    ])
    expect(refused('.', 'one.key')).toEqual([
      `server.tls.certificate: the file ${folder} cannot be read (EISDIR); give the path of a PEM file`,
    ])
    expect(refused('text.pem', 'text.pem')).toEqual([
      `server.tls.certificate: the file ${at('text.pem')} holds no certificate in PEM form`,
      `server.tls.key: the file ${at('text.pem')} holds no private key in PEM form without a passphrase`,
    ])
    expect(refused('broken.pem', 'one.key')).toEqual([
      `server.tls.certificate: the file ${at('broken.pem')} holds no certificate in PEM form`,
    ])
    expect(refused('one.crt', 'two.key')).toEqual([
      `server.tls.key: the file ${at('two.key')} holds the key of another certificate`,
    ])
  })

  test('they are not repeated when they stand where their path should', () => {
    expect(refused('one.crt', '$env{TLS_KEY}', { TLS_KEY: 'hunter2' })).toEqual([
      'server.tls.key: the file it names does not exist; give the path of a PEM file',
    ])
    const [problem] = refused('one.crt', '$file{one.key}')
    expect(problem).toStartWith('server.tls.key: the file it names ')
    expect(problem).not.toContain('BEGIN')
  })
})

describe('the database', () => {
  const postgres = (lines: string) => configOf(`[database.identity_db]\ntype = "postgres"\n${lines}`).database

  test.each([
    ['url = "postgresql://db:5432/mayact"', 'postgresql://db:5432/mayact'],
    ['url = "postgres://u:p@db/mayact?sslmode=require"', 'postgres://u:p@db/mayact?sslmode=require'],
    ['url = "jdbc:postgresql://db:5432/mayact"', 'postgresql://db:5432/mayact'],
    [
      'url = "jdbc:postgresql://db/mayact?user=me&password=a%26b&ssl=true"',
      'postgresql://me:a%26b@db/mayact?ssl=true',
    ],
    [
      'url = "jdbc:postgresql://db/mayact"\nusername = "me@x"\npassword = "p:/%@"',
      'postgresql://me%40x:p%3A%2F%25%40@db/mayact',
    ],
    ['url = "postgresql://me@db/mayact"\nusername = "me"\npassword = "p"', 'postgresql://me:p@db/mayact'],
    ['name = "mayact"', 'postgresql://localhost:5432/mayact'],
    [
      'hostname = "db"\nport = 6432\nname = "my act"\nusername = "me"\npassword = "p"',
      'postgresql://me:p@db:6432/my%20act',
    ],
    ['hostname = "::1"\nname = "mayact"', 'postgresql://[::1]:5432/mayact'],
  ])('it is one URL, whatever it was given as: %j', (lines, url) => {
    expect(postgres(lines)).toEqual({ type: 'postgres', url, poolSize: usualPoolSize })
  })

  test('it may be called postgre, and have its pool sized', () => {
    const text = '[database.identity_db]\ntype = "postgre"\nname = "m"\npool_size = 25'
    expect(configOf(text).database).toEqual({
      type: 'postgres',
      url: 'postgresql://localhost:5432/m',
      poolSize: 25,
    })
  })

  test.each([
    ['type = "postgres"', 'name: is missing; give it, with hostname, username and password, or give url'],
    [
      'type = "postgres"\nurl = "mysql://u:hunter2@db/x"',
      'url: must be a URL such as "postgresql://localhost:5432/mayact"',
    ],
    [
      'type = "postgres"\nurl = "postgresql://u:hunter2%zz@db/x"',
      'url: must be a URL such as "postgresql://localhost:5432/mayact"',
    ],
    [
      'type = "postgres"\nurl = "jdbc:postgresql:x"',
      'url: must be a URL such as "postgresql://localhost:5432/mayact"',
    ],
    [
      'type = "postgres"\nurl = "postgresql://db/x"\nname = "y"',
      'name: is already said by database.identity_db.url; remove one of them',
    ],
    [
      'type = "postgres"\nurl = "postgresql://u:hunter2@db/x"\npassword = "hunter3"',
      'password: differs from the one in database.identity_db.url; remove one of them',
    ],
    [
      'type = "postgres"\nname = "x"\npath = "x.db"',
      'path: means nothing with type = "postgres"; remove it, or write type = "sqlite"',
    ],
    [
      'url = "postgresql://u:hunter2@db/x"',
      'url: means nothing with type = "sqlite"; remove it, or write type = "postgres"',
    ],
    ['path = ":memory:"', 'path: must be the path of a file'],
  ])('it is refused with the key, and without its password: %j', (lines, problem) => {
    const problems = refusals(`[database.identity_db]\n${lines}`)
    expect(problems).toEqual([`database.identity_db.${problem}`])
    expect(problems.join()).not.toContain('hunter')
  })
})

describe('repeats', () => {
  const resource = (identifier: string, rest = '') =>
    `[[api_resources]]\nname = "A"\nidentifier = "${identifier}"\n${rest}`
  const scope = (name: string, rest = '') => `[[api_resources.scopes]]\nname = "${name}"\n${rest}`

  test('they are the same when what they leave out is the default', () => {
    const { config, warnings } = read(
      `${resource('a')}${resource('a', 'type = "TENANT"\ndisabled = false\n')}`,
    )
    expect(config.apiResources).toHaveLength(1)
    expect(warnings).toEqual([`${file}: api_resources: "a" is given twice, with the same content`])
  })

  test('they are refused when they differ', () => {
    expect(
      refusals(seed + seed.replaceAll('SubjectTokenResponseValidator', 'Other').replace('true', 'false')),
    ).toEqual([
      'oauth.custom_response_type[2]: "subject_token" is given before with other content; remove one of the two',
      'oauth.custom_response_type[3]: "id_token subject_token" is given before with other content; remove one of the two',
      'api_resources[1]: "system:impersonation" is given before with other content; remove one of the two',
    ])
  })

  test('they are refused as a scope of two resources', () => {
    expect(refusals(`${resource('a')}${scope('read')}${resource('b')}${scope('read')}`)).toEqual([
      'api_resources: the scope "read" is in "a" and in "b"; rename one',
    ])
  })

  test('they are merged or refused as a scope of one resource', () => {
    const { config, warnings } = read(`${resource('a')}${scope('read')}${scope('read')}`)
    expect(config.apiResources[0]?.scopes).toEqual([{ name: 'read', displayName: 'read', description: '' }])
    expect(warnings).toEqual([
      `${file}: api_resources[0].scopes: "read" is given twice, with the same content`,
    ])
    expect(refusals(`${resource('a')}${scope('read')}${scope('read', 'description = "x"')}`)).toEqual([
      'api_resources[0].scopes[1]: "read" is given before with other content; remove one of the two',
    ])
  })
})

describe('the other tables', () => {
  test('they reach the configuration', () => {
    const config = configOf(`
[encryption]
key = "0123456789abcdef0123456789abcdef"
key_file = "/etc/mayact/key"
[oauth]
signing_algorithm = "EdDSA"
issuer = "https://sso.example.com/oauth2/token"
[oauth.token_validation]
app_access_token_validity = 1
user_access_token_validity = 2
authorization_code_validity = 3
refresh_token_validity = 4
id_token_validity = 5
[oauth.grant_type.token_exchange]
enable = false
delegation = false
iat_validity_period = 90
[oauth.grant_type.refresh_token]
reuse_grace = 0
[oauth.mutualtls]
client_certificate_header = "X-SSL-CERT"
[oauth.dpop]
require_nonce = false
[session]
idle_timeout = "90s"
lifetime = "7d"
same_site = "none"
interaction_timeout = "5 m"
[impersonation]
max_duration = "10m"
allow_query_response = true
allow_regexp_callbacks = true
require_reason = true
require_ticket = true
ticket_pattern = '^[A-Z]{2,10}-[0-9]{1,7}$'
ticket_hint = "such as CASE-42"
allow_opt_out = true
[plugins]
directory = "validators"
timeout = "250ms"
[log]
level = "debug"
format = "json"
audit_file = "audit.log"
audit_format = "json"
audit_max_size = 1048576
audit_keep = 3
`)
    expect(config).toMatchObject({
      encryption: { key: '0123456789abcdef0123456789abcdef', keyFile: '/etc/mayact/key' },
      issuer: 'https://sso.example.com/oauth2/token',
      oauth: {
        signingAlgorithm: 'EdDSA',
        tokenValidation: {
          applicationAccessTokenSeconds: 1,
          userAccessTokenSeconds: 2,
          authorizationCodeSeconds: 3,
          refreshTokenSeconds: 4,
          idTokenSeconds: 5,
        },
        tokenExchange: {
          enabled: false,
          allowRefreshTokens: false,
          delegation: false,
          iatValiditySeconds: 90,
        },
        refreshToken: { reuseGraceMilliseconds: 0 },
        clientCertificateHeader: 'X-SSL-CERT',
        dpop: { requireNonce: false },
      },
      session: { idleSeconds: 90, lifetimeSeconds: 604_800, sameSite: 'none', interactionSeconds: 300 },
      impersonation: {
        maxDurationSeconds: 600,
        allowQueryResponse: true,
        allowRegexpCallbacks: true,
        enabled: false,
        requireReason: true,
        requireTicket: true,
        ticketPattern: /^(?:[A-Z]{2,10}-[0-9]{1,7})$/,
        ticketHint: 'such as CASE-42',
        allowOptOut: true,
      },
      plugins: { directory: '/srv/mayact/validators', timeoutMilliseconds: 250 },
      log: {
        level: 'debug',
        format: 'json',
        auditFile: '/srv/mayact/audit.log',
        auditFormat: 'json',
        auditMaxBytes: 1_048_576,
        auditKeep: 3,
      },
    })
  })

  test('they turn impersonation on by the word subject_token alone', () => {
    const type = (name: string) =>
      `[[oauth.custom_response_type]]\nname = "${name}"\nclass = "some.other.Handler"\nvalidator = "v"\n`
    expect(configOf(type('subject_token')).impersonation.enabled).toBeTrue()
    expect(configOf(type('my_subject_token code')).impersonation.enabled).toBeFalse()
  })

  test('they ask for the credentials of the mail server', () => {
    const email = '[output_adapter.email]\nfrom_address = "a@b.example"\nhostname = "smtp"\n'
    expect(refusals(email)).toEqual([
      'output_adapter.email.username: is missing; give it, or write enable_authentication = false',
      'output_adapter.email.password: is missing; give it, or write enable_authentication = false',
    ])
    expect(configOf(`${email}enable_authentication = false`).email).toEqual({
      fromAddress: 'a@b.example',
      hostname: 'smtp',
      port: 587,
      security: 'starttls',
      authentication: false,
      messagesPerSecond: 20,
    })
  })

  const mail = (lines: string, host = 'smtp.example') =>
    `[output_adapter.email]\nfrom_address = "a@b.example"\nhostname = "${host}"\nusername = "u"\npassword = "p"\n${lines}`

  test.each([
    ['port = 587', 'starttls'],
    ['port = 465', 'tls'],
    ['port = 465\nenable_tls = false', 'starttls'],
    ['port = 2465\nenable_tls = true', 'tls'],
    ['enable_tls = true\nenable_start_tls = true', 'tls'],
    ['port = 25\nenable_start_tls = false', 'none'],
  ] as const)('they say how mail is encrypted: %j', (lines, security) => {
    expect(configOf(mail(lines)).email?.security).toBe(security)
  })

  test('they warn of a password that is sent unencrypted, but not to this machine', () => {
    expect(read(mail('enable_start_tls = false')).warnings).toEqual([
      `${file}: output_adapter.email: the password is sent unencrypted; write enable_start_tls = true or enable_tls = true`,
    ])
    for (const host of ['localhost', '127.0.0.2', '::1'])
      expect(read(mail('enable_start_tls = false', host)).warnings).toEqual([])
    expect(read(mail('enable_start_tls = false\nenable_authentication = false')).warnings).toEqual([])
  })

  test('they say who writes the mail and whom to answer', async () => {
    const { certificate } = await selfSigned({
      commonName: 'smtp.example',
      names: ['smtp.example'],
      algorithm: 'ES256',
      days: 1,
      now: new Date(),
    })
    await writeFile(at('mail-ca.pem'), certificate)
    const lines = `reply_to = "help@b.example"\nsupport_address = "support@b.example"\norganization_name = "B & Söhne"\nmessages_per_second = 5\ncertificate_authority = "${at('mail-ca.pem')}"`
    expect(configOf(mail(lines)).email).toMatchObject({
      replyTo: 'help@b.example',
      supportAddress: 'support@b.example',
      organizationName: 'B & Söhne',
      messagesPerSecond: 5,
      certificateAuthority: certificate,
    })
  })

  test.each([
    ['reply_to = "a@b, c@d"', 'reply_to: must be an e-mail address'],
    ['support_address = "nobody"', 'support_address: must be an e-mail address'],
    ['organization_name = "a\\nBcc: b@c"', 'organization_name: must be a name on one line'],
    ['messages_per_second = 0', 'messages_per_second: found 0, wanted at least 1'],
    [
      'certificate_authority = "/nowhere.pem"',
      'certificate_authority: must be the path of a file with a certificate in PEM form',
    ],
  ])('they refuse what no mail can be sent with: %j', (lines, problem) => {
    expect(refusals(mail(lines))).toEqual([`output_adapter.email.${problem}`])
  })

  test('they keep tables of plugins as they are', () => {
    const text =
      '[plugins.business-hours]\nfrom = 8\nzones = ["a", "b"]\nsince = 2026-01-01T00:00:00Z\n[plugins.x.y]\nz = 1.5'
    expect(configOf(text).plugins.configuration).toEqual({
      'business-hours': { from: 8, zones: ['a', 'b'], since: new Date('2026-01-01T00:00:00Z') },
      x: { y: { z: 1.5 } },
    })
  })
})

describe('secrets', () => {
  test('they are in no problem, whatever is wrong with them', () => {
    const text = `
[server]
port = "$env{SECRET}"
hostname = "$env{SECRET} x"
base_path = "$env{SECRET}"
bind = "hunter2:"
[super_admin]
password = ["hunter2"]
[encryption]
key = { value = "hunter2" }
[database.identity_db]
type = "$env{SECRET}"
url = "postgresql://u:hunter2@"
password = 4711
[oauth]
signing_algorithm = "$env{SECRET}"
issuer = "$env{SECRET}"
[output_adapter.email]
from_address = "$env{SECRET}"
password = 4711
[session]
same_site = "$env{SECRET}"
lifetime = "$env{SECRET}"
`
    const problems = refusals(text, { SECRET: 'hunter2' })
    expect(problems.length).toBeGreaterThan(10)
    expect(problems.join('\n')).not.toMatch(/hunter|4711/)
  })
})
