/** `mayact check`: names what is missing with the calls that mend it, and writes nothing. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { inspect } from '../lib/commands/check/inspect.ts'
import { report } from '../lib/commands/check/report.ts'
import { harmless, paintFor } from '../lib/commands/paint.ts'
import type { Config } from '../lib/config.ts'
import { runScript } from '../lib/database/commit.ts'
import type { ApplicationReport } from '../lib/impersonation/readiness/application.ts'
import type { Call, Finding } from '../lib/impersonation/readiness/finding.ts'
import { selfSigned } from '../lib/keys/certificate.ts'
import { type Booted, boot } from './boot.ts'
import { databases, temporaryDirectory } from './databases.ts'
import { certificateAuthority, credentials, startMailServer } from './mail-server.ts'
import {
  addToRole,
  createApplication,
  createPerson,
  exchange,
  obtainSubjectToken,
  oidcSettings,
  removeFromRole,
  type Scenario,
  setLocked,
  setUp,
} from './scenario.ts'
import { dump } from './token-exchange-snapshot.ts'

const now = () => new Date()
const look = (server: Booted, config: Partial<Config> = {}, mail = false) =>
  inspect({ config: { ...server.config, ...config }, warnings: [], ignored: [] }, { mail }, now())

const reportOf = async (server: Booted, id: string): Promise<ApplicationReport> => {
  const found = (await look(server)).applications.find((application) => application.id === id)
  if (!found) throw new Error('the application is not in the report')
  return found
}

const wrongOnes = (findings: readonly Finding[]) =>
  findings.filter(({ state }) => state === 'wrong').map(({ about }) => about)

/** Makes the printed calls, word by word, putting in what an earlier one gives. */
const execute = async (server: Booted, calls: readonly Call[]): Promise<Response | undefined> => {
  const given = new Map<string, string>()
  let last: Response | undefined
  for (const { method, path, body, gives } of calls) {
    const text = JSON.stringify(body)?.replace(/\{\{(\w+)\}\}/g, (_, name: string) => given.get(name) ?? '')
    last = await server.send(method, path, text === undefined ? undefined : JSON.parse(text))
    const answer = await last.clone().text()
    expect([method, path, last.status < 300, last.status < 300 ? '' : answer]).toEqual([
      method,
      path,
      true,
      '',
    ])
    if (gives !== undefined) given.set(gives, String((JSON.parse(answer) as Record<string, unknown>)[gives]))
  }
  return last
}

/** Every wrong finding says what mends it, by a call that is there or in words. */
const expectMends = ({ findings, calls }: Pick<ApplicationReport, 'findings' | 'calls'>) => {
  for (const finding of findings.filter(({ state }) => state === 'wrong')) {
    expect([finding.about, finding.calls?.length ? 'calls' : finding.mend]).toEqual([
      finding.about,
      expect.any(String),
    ])
    for (const number of finding.calls ?? []) expect(calls[number - 1]).toBeDefined()
  }
}

const clientSecretOf = async (server: Booted, id: string): Promise<string> => {
  const answer = await server.send('GET', `/api/server/v1/applications/${id}/inbound-protocols/oidc`)
  return ((await answer.json()) as { clientSecret: string }).clientSecret
}

const changeOAuth = async (server: Booted, id: string, changes: object): Promise<void> => {
  const path = `/api/server/v1/applications/${id}/inbound-protocols/oidc`
  const stored = (await (await server.send('GET', path)).json()) as object
  expect((await server.send('PUT', path, { ...stored, ...changes })).status).toBe(200)
}

for (const database of databases) {
  describe(`on ${database.name}`, () => {
    let server: Booted
    let scenario: Scenario

    beforeAll(async () => {
      server = await boot(database)
    })
    afterAll(() => server.stop())

    test('without an application it gives the call that makes one, and the calls that follow make it ready', async () => {
      await createPerson(server, 'SomeBody')
      const empty = await look(server)
      expect(empty.ready).toBe(false)
      expectMends(empty)
      await execute(server, empty.calls)
      const [made] = (await look(server)).applications
      expect(wrongOnes(made?.findings ?? [])).toEqual(['API', 'role', 'impersonator'])
      await execute(server, made?.calls ?? [])
      expect((await look(server)).ready).toBe(true)
    })

    test('an application that lacks everything becomes ready by the calls, and is impersonated with', async () => {
      const created = await server.send('POST', '/api/server/v1/applications', {
        name: 'Bare',
        associatedRoles: { allowedAudience: 'APPLICATION', roles: [] },
        inboundProtocolConfiguration: { oidc: { grantTypes: ['client_credentials'] } },
      })
      const id = created.headers.get('location')?.split('/').at(-1) ?? ''
      const bare = await reportOf(server, id)
      expect([bare.begun, bare.ready]).toEqual([false, false])
      expect(wrongOnes(bare.findings)).toEqual([
        'grant',
        'subject token',
        'access token',
        'callback',
        'API',
        'role',
        'impersonator',
      ])
      expectMends(bare)
      expect(JSON.stringify(bare)).not.toContain(await clientSecretOf(server, id))
      await execute(server, bare.calls)
      const mended = await reportOf(server, id)
      expect(mended.findings.filter(({ state }) => state !== 'ok')).toEqual([])
      expect(mended.calls).toEqual([])
      const { clientId } = mended
      const subjectId = await server.db
        .selectFrom('account')
        .select('id')
        .where('user_name', '=', 'SomeBody')
        .executeTakeFirstOrThrow()
      const players = {
        clientId,
        clientSecret: await clientSecretOf(server, id),
        subject: { ...subjectId, userName: 'SomeBody', password: '' },
        impersonator: { id: '', userName: 'admin', password: 'admin' },
      }
      const tokens = await obtainSubjectToken(server, players)
      const answer = await exchange(server, players, tokens)
      expect(await answer.json()).toMatchObject({
        scope: 'internal_login internal_user_mgt_list internal_user_mgt_view openid',
      })
    })

    test('an application whose roles are the organization’s becomes ready, too', async () => {
      const created = await server.send('POST', '/api/server/v1/applications', {
        name: 'Shared roles',
        associatedRoles: { allowedAudience: 'ORGANIZATION', roles: [] },
      })
      const id = created.headers.get('location')?.split('/').at(-1) ?? ''
      await execute(server, (await reportOf(server, id)).calls)
      expect((await reportOf(server, id)).findings.filter(({ state }) => state !== 'ok')).toEqual([])
    })

    describe('of an application that was ready', () => {
      beforeAll(async () => {
        scenario = await setUp(server)
        expect((await reportOf(server, scenario.applicationId)).ready).toBe(true)
      })

      const { grantTypes, subjectToken, accessToken } = oidcSettings
      const oauth = (changes: object) => () => changeOAuth(server, scenario.applicationId, changes)
      const cases: [string, string, () => Promise<unknown>][] = [
        ['the grant', 'grant', oauth({ grantTypes: ['authorization_code'] })],
        ['the subject token', 'subject token', oauth({ subjectToken: { ...subjectToken, enable: false } })],
        ['JWT access tokens', 'access token', oauth({ accessToken: { ...accessToken, type: 'Default' } })],
        [
          'the callback',
          'callback',
          oauth({
            grantTypes: grantTypes.filter((grant) => grant.includes('token-exchange')),
            callbackURLs: [],
          }),
        ],
        [
          'the application’s being active',
          'active',
          () =>
            server.send('PATCH', `/api/server/v1/applications/${scenario.applicationId}`, {
              applicationEnabled: false,
            }),
        ],
        [
          'somebody in the role',
          'impersonator',
          () => removeFromRole(server, scenario.impersonatorRole, scenario.impersonator.id),
        ],
      ]
      test.each(cases)('it names what is missing: %s', async (_, about, breakIt) => {
        await breakIt()
        const broken = await reportOf(server, scenario.applicationId)
        expect(wrongOnes(broken.findings)).toEqual([about])
        expectMends(broken)
        expect((await look(server)).ready).toBe(false)
        await execute(server, broken.calls)
        expect((await reportOf(server, scenario.applicationId)).ready).toBe(true)
      })

      test('it does not count somebody who is locked', async () => {
        await addToRole(server, scenario.impersonatorRole, scenario.impersonator.id)
        const { impersonators } = await others(server, scenario)
        for (const id of impersonators) await removeFromRole(server, scenario.impersonatorRole, id)
        await setLocked(server, scenario.impersonator.id, true)
        expect(wrongOnes((await reportOf(server, scenario.applicationId)).findings)).toEqual(['impersonator'])
        await setLocked(server, scenario.impersonator.id, false)
        expect((await reportOf(server, scenario.applicationId)).ready).toBe(true)
      })

      test('it notes that nobody would bring a scope along, and gives the call', async () => {
        await removeFromRole(server, scenario.subjectRole, scenario.subject.id)
        const noted = await reportOf(server, scenario.applicationId)
        expect(noted.ready).toBe(true)
        expect(noted.findings.find(({ about }) => about === 'subject')).toMatchObject({ state: 'note' })
        expect(noted.calls).toHaveLength(1)
        await execute(server, noted.calls)
        const mended = await reportOf(server, scenario.applicationId)
        expect(mended.findings.find(({ about }) => about === 'subject')).toMatchObject({ state: 'ok' })
      })

      test('it adds the scope where an API is authorized without it', async () => {
        const { applicationId } = await createApplication(server, {
          name: "Without the scope's name",
          apis: { 'system:impersonation': [] },
        })
        const lacking = await reportOf(server, applicationId)
        expect(lacking.calls).toContainEqual(
          expect.objectContaining({
            method: 'PATCH',
            body: { addedScopes: ['internal_user_impersonate'], removedScopes: [] },
          }),
        )
        await execute(server, lacking.calls)
        expect((await reportOf(server, applicationId)).ready).toBe(true)
      })

      test('it gives a revoked one a new secret', async () => {
        const { applicationId } = await createApplication(server, { name: 'Revoked' })
        const protocol = `/api/server/v1/applications/${applicationId}/inbound-protocols/oidc`
        expect((await server.send('POST', `${protocol}/revoke`)).status).toBe(200)
        const lacking = await reportOf(server, applicationId)
        expect(lacking.findings).toContainEqual(expect.objectContaining({ says: 'was revoked', calls: [1] }))
        await execute(server, lacking.calls)
        expect((await reportOf(server, applicationId)).ready).toBe(true)
      })

      test('it leaves one that nobody meant for impersonation alone', async () => {
        await server.send('POST', '/api/server/v1/applications', {
          name: 'Ordinary',
          inboundProtocolConfiguration: { oidc: { grantTypes: ['client_credentials'] } },
        })
        const inspection = await look(server)
        expect(inspection.ready).toBe(true)
        const text = report((_, plain) => plain, inspection)
        expect(text).toContain('not set up for impersonation')
        expect(text).toContain('✓ impersonation works here')
      })
    })

    test('it writes nothing: no row, no file', async () => {
      const files = () =>
        readdirSync(server.directory, { recursive: true, encoding: 'utf8' })
          .filter((name) => statSync(join(server.directory, name)).isFile())
          .map((name) => [name, readFileSync(join(server.directory, name), 'base64')])
          .sort()
      const [rows, before] = [await dump(server.db), files()]
      const { findings } = await look(server)
      expect(findings.map(({ state }) => state)).not.toContain('wrong')
      expect(await dump(server.db)).toEqual(rows)
      expect(files()).toEqual(before)
    })

    test('it knows an encryption key that is missing, and one that is another', async () => {
      const elsewhere = { keyFile: join(temporaryDirectory(), 'none.key') }
      const missing = await look(server, { encryption: elsewhere })
      expect(wrongOnes(missing.findings)).toEqual(['encryption key'])
      const other = await look(server, { encryption: { ...elsewhere, key: 'ab'.repeat(32) } })
      expect(wrongOnes(other.findings)).toContain('encryption key')
      expect(JSON.stringify(other)).not.toContain('ab'.repeat(32))
    })

    test('it names tables of another version', async () => {
      await runScript(server.db, "update meta set value = '999' where name = 'schema_version'")
      const { findings, applications } = await look(server)
      expect([wrongOnes(findings), applications]).toEqual([['database'], []])
      await runScript(server.db, "update meta set value = '1' where name = 'schema_version'")
    })
  })
}

const others = async (server: Booted, { impersonatorRole, impersonator }: Scenario) => {
  const rows = await server.db
    .selectFrom('account_role')
    .select('account_id as id')
    .where('role_id', '=', impersonatorRole)
    .where('account_id', '!=', impersonator.id)
    .execute()
  return { impersonators: rows.map(({ id }) => id) }
}

describe('of the server itself', () => {
  let server: Booted
  beforeAll(async () => {
    const [sqlite] = databases
    if (!sqlite) throw new Error('no database')
    server = await boot(sqlite)
  })
  afterAll(() => server.stop())
  const findingOf = (findings: readonly Finding[], name: string) =>
    findings.filter(({ about }) => about === name).map(({ state, says }) => [state, says])

  test('it says that the feature is off, and that the shipped password is in use', async () => {
    const { findings } = await look(server, {
      impersonation: { ...server.config.impersonation, enabled: false },
    })
    expect(findingOf(findings, 'impersonation')).toEqual([['wrong', expect.stringContaining('is off')]])
    expect(findingOf(findings, 'passwords')).toEqual([['note', expect.stringContaining('admin')]])
  })

  test('it reads a database that nobody uses without leaving a file beside it', async () => {
    const path = join(temporaryDirectory(), 'copy.db')
    await server.db.selectFrom('meta').select('name').execute()
    const { config } = server
    if (config.database.type !== 'sqlite') throw new Error('not SQLite')
    await runScript(server.db, 'select 1')
    const { Database } = await import('bun:sqlite')
    const source = new Database(config.database.path)
    source.exec(`vacuum into '${path}'`)
    source.close()
    const idle = await look(server, { database: { type: 'sqlite', path } })
    expect(findingOf(idle.findings, 'database')).toEqual([['ok', expect.stringContaining('version')]])
    expect(readdirSync(join(path, '..'))).toEqual(['copy.db'])
    rmSync(path)
    const gone = await look(server, { database: { type: 'sqlite', path } })
    expect(findingOf(gone.findings, 'database')).toEqual([['wrong', expect.stringContaining('not there')]])
  })

  test('it says where Postgres cannot be reached, without the password', async () => {
    const url = 'postgresql://nobody:hidden@127.0.0.1:1/mayact'
    const { findings } = await look(server, { database: { type: 'postgres', url, poolSize: 1 } })
    expect(findingOf(findings, 'database')).toEqual([['wrong', expect.stringContaining('127.0.0.1:1')]])
    expect(JSON.stringify(findings)).not.toContain('hidden')
  })

  test.each([
    ['expired', -900, 'expired', 'wrong'],
    ['about to expire', -810, 'expires', 'note'],
    ['fresh', 0, 'valid until', 'ok'],
  ])('it reads a certificate that is %s', async (_, age, says, state) => {
    const made = new Date(Date.now() + age * 86_400_000)
    const names = ['other.example']
    const pair = await selfSigned({ commonName: 'x', names, algorithm: 'ES256', days: 825, now: made })
    const path = join(temporaryDirectory(), 'server.crt')
    writeFileSync(path, pair.certificate)
    const tls = { enabled: true, certificate: path, key: path } as const
    const { findings } = await look(server, { server: { ...server.config.server, tls } })
    expect(findingOf(findings, 'TLS')).toEqual([
      [state, expect.stringContaining(says)],
      ['wrong', expect.stringContaining('not for localhost')],
    ])
  })

  test('it names a plugin that would keep the server from starting, and those that would not', async () => {
    const directory = temporaryDirectory()
    const plugins = { ...server.config.plugins, directory }
    const rule = join(directory, 'rule.ts')
    const valid = `import { impersonationValidator } from 'mayact'
export default impersonationValidator({ name: 'rule', priority: 90, validate: ({ scopes }) => ({ allow: true, scopes }) })
`
    writeFileSync(rule, valid, { mode: 0o600 })
    const well = await look(server, { plugins })
    expect(findingOf(well.findings, 'plugins')).toEqual([['ok', expect.stringContaining('rule')]])
    writeFileSync(rule, 'export default 1')
    const broken = await look(server, { plugins })
    expect(findingOf(broken.findings, 'plugins')).toEqual([['wrong', expect.stringContaining('rule.ts')]])
  })

  test('it tries the mail server only when asked to', async () => {
    const mailServer = await startMailServer()
    const email = {
      fromAddress: 'no-reply@example.com',
      ...credentials,
      hostname: 'localhost',
      port: mailServer.port,
      security: 'starttls',
      authentication: true,
      certificateAuthority: await certificateAuthority(),
      messagesPerSecond: 20,
    } as const
    const quiet = await look(server, { email })
    expect(findingOf(quiet.findings, 'mail')).toEqual([['ok', expect.stringContaining('--mail')]])
    const tried = await look(server, { email }, true)
    expect(findingOf(tried.findings, 'mail')).toEqual([['ok', expect.stringContaining('answers')]])
    const refused = await look(server, { email: { ...email, password: 'Another+Secret/' } }, true)
    expect(findingOf(refused.findings, 'mail')).toEqual([['wrong', expect.stringContaining('login')]])
    expect(JSON.stringify(refused)).not.toContain('Another+Secret')
    await mailServer.stop()
    const down = await look(server, { email }, true)
    expect(findingOf(down.findings, 'mail')).toEqual([['wrong', expect.stringContaining('cannot be used')]])
  })
})

test('nothing that others chose reaches the terminal as a command', () => {
  expect(harmless('a\x1b[31mb\u202ec\x07')).toBe('ab c ')
  const tty = { isTTY: true }
  expect(paintFor({ variables: {} }, tty)('red', 'x')).toContain('\x1b[')
  expect(paintFor({ variables: { NO_COLOR: '1' } }, tty)('red', 'x')).toBe('x')
  expect(paintFor({ variables: {} }, {})('red', 'x')).toBe('x')
})
