/** `mayact import`: what it makes, refuses and resumes, on the database itself and through a running server. */
import { afterEach, describe, expect, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { auditWriter } from '../lib/audit.ts'
import { listenForCommands } from '../lib/commands/control.ts'
import { rootOrganization } from '../lib/database/migrate.ts'
import { systemCaller } from '../lib/directory/caller.ts'
import { beginImport, importProgress } from '../lib/directory/import-progress.ts'
import { type ImportedUser, type ImportPart, importUsers } from '../lib/directory/user-import.ts'
import { createLog } from '../lib/log.ts'
import { type Booted, basic, boot } from './boot.ts'
import { databases, type TestDatabase } from './databases.ts'
import { nothingElse } from './nothing-else.ts'

const root = new URL('..', import.meta.url).pathname
const endings: (() => unknown)[] = []
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end()
})

const hash = '$2b$05$pwMp0F/VdXKW2r/H4mS6j.yzVOB6GXJr7CW9NJSgtJUABJJOz1onu'
const password = 'correct horse äß'

/** The app, and what runs the command beside it on the same database. */
const setUp = async (database: TestDatabase) => {
  const server = await boot(database)
  endings.push(() => server.stop())
  const { directory, config } = server
  const to = config.database
  const place = 'path' in to ? `path = "${to.path}"` : `url = "${to.url}"`
  const toml = join(directory, 'import.toml')
  writeFileSync(
    toml,
    `[server]\ndata = "${directory}"\n[database.identity_db]\ntype = "${to.type}"\n${place}\n`,
  )
  const importing = async (name: string, content: string | Uint8Array, ...options: string[]) => {
    const file = join(directory, name)
    writeFileSync(file, content)
    const words = ['import', file, ...options, '--config', toml]
    const child = Bun.spawn([process.execPath, join(root, 'server.ts'), ...words], {
      stdout: 'pipe',
      stderr: 'pipe',
      timeout: 20_000,
    })
    const [stdout, stderr, code] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ])
    return { code, stdout, stderr }
  }
  return { server, importing, directory }
}

const listed = async (server: Booted, filter: string) => {
  const response = await server.send('GET', `/scim2/Users?filter=${encodeURIComponent(filter)}`)
  const body = (await response.json()) as { Resources?: Record<string, unknown>[] }
  return body.Resources ?? []
}
const created = async ({ db }: Booted) => {
  const rows = await db.selectFrom('audit').selectAll().where('event', '=', 'user-created').execute()
  return rows.filter(({ initiator, data }) => initiator === 'system' && data.includes('"file"'))
}

describe.each(databases)('mayact import on $name', (database) => {
  test('CSV: every kind of column is what a POST would have made of it', async () => {
    const { server, importing } = await setUp(database)
    const group = await server.send('POST', '/scim2/Groups', { displayName: 'Support' })
    const { id: groupId } = (await group.json()) as { id: string }
    const csv = [
      '\ufeffuserName,passwordHash,password,givenName,name.familyName,email,mobile,active,externalId,Groups,department,urn:scim:schemas:extension:custom:User:floor',
      `first,${hash},,Ann,"Lee, ""Jr""",a@example.com; b@example.com,+491,true,x-1,Support,Sales,3`,
      `second,,secret words,"two\nlines",,,,false,,,,`,
      '',
    ].join('\r\n')
    const { changes } = await nothingElse(
      server.db,
      {
        account: { added: 2 },
        account_value: { added: 10 },
        account_without: { added: 4 },
        audit: { added: 3 },
        group_member: { added: 1 },
        import_progress: { added: 1 },
        population: { added: 2 },
        user_group: { changed: 1 },
      },
      async () => {
        const ran = await importing('users.csv', csv)
        expect(ran).toEqual({
          code: 0,
          stdout: '2 users made, 0 lines refused.\n',
          stderr: expect.stringMatching(/^users\.csv: passwords are hashed here.*\n$/),
        })
      },
    )
    expect(changes.changed.user_group).toMatchObject([{ id: groupId, edition: 2 }])
    const [ann] = await listed(server, 'userName eq "first"')
    expect(ann).toMatchObject({
      name: { givenName: 'Ann', familyName: 'Lee, "Jr"' },
      emails: ['a@example.com', { value: 'b@example.com' }],
      phoneNumbers: [{ type: 'mobile', value: '+491' }],
      externalId: 'x-1',
      groups: [{ display: 'Support', value: groupId }],
      'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User': { department: 'Sales' },
      'urn:scim:schemas:extension:custom:User': { floor: '3' },
    })
    expect(await listed(server, 'emails eq "b@example.com" and name.familyName sw "lee"')).toHaveLength(1)
    const me = (userName: string, word: string) =>
      server.request('/scim2/Me', { headers: { Authorization: basic(userName, word) } })
    expect([(await me('first', password)).status, (await me('second', 'secret words')).status]).toEqual([
      200, 401,
    ])
    expect((await listed(server, 'userName eq "second"'))[0]).toMatchObject({
      name: { givenName: 'two\nlines' },
    })
    const rows = await created(server)
    expect(rows.map(({ data }) => JSON.parse(data))).toEqual([
      { userName: 'f***t', file: expect.stringMatching(/^[0-9a-f]{64}$/), line: 2 },
      { userName: 's****d', file: expect.any(String), line: 3 },
    ])
    const total = (await (await server.send('GET', '/scim2/Users?count=0')).json()) as {
      totalResults: number
    }
    expect(total.totalResults).toBe(3)
  }, 30_000)

  test('JSON Lines: bad lines are told with their reasons, the others are made, and a second run does nothing', async () => {
    const { server, importing, directory } = await setUp(database)
    await server.send('POST', '/scim2/Users', { userName: 'there', password: 'secret words' })
    const lines = [
      { userName: 'one', passwordHash: hash, groups: [], roles: [{ value: 'x' }], id: 'x', meta: {} },
      { userName: 'there', passwordHash: hash },
      { userName: 'ONE', passwordHash: hash },
      { userName: 'two', passwordHash: '$1$md5$crypt' },
      { userName: 'two', passwordHash: '$2b$31$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' },
      { userName: 'two', passwordHash: hash, password: 'secret words' },
      { userName: 'two' },
      { userName: 'two', password: 'short' },
      { userName: 'x', passwordHash: hash },
      { userName: 'two', passwordHash: hash, shoeSize: 44 },
      { userName: 'two', passwordHash: hash, emails: ['nobody'] },
      { userName: 'two', passwordHash: hash, groups: ['Nobody'] },
      { userName: 'two', passwordHash: hash, nickName: 'a\0b' },
    ].map((line) => JSON.stringify(line))
    const content = Buffer.concat([
      Buffer.from(`${[...lines, '', '{', '[]', 'x'.repeat(1_100_000), '\t'].join('\n')}\n`),
      Buffer.from([0xff, 0x0a]),
      Buffer.from(JSON.stringify({ USERNAME: 'last', passwordhash: hash, active: 'false' })),
    ])
    const report = join(directory, 'report.jsonl')
    const ran = await importing('users.jsonl', content, '--report', report)
    expect([ran.code, ran.stdout]).toEqual([65, '2 users made, 16 lines refused.\n'])
    const refused = readFileSync(report, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { line: number; reason: string })
    expect(ran.stderr).toBe(refused.map(({ line, reason }) => `users.jsonl:${line}: ${reason}\n`).join(''))
    expect(refused.map(({ line, reason }) => [line, reason.slice(0, 36)])).toEqual([
      [2, 'A user of that name exists.'],
      [3, 'A user of that name exists.'],
      [4, 'passwordHash is none of argon2id, ar'],
      [5, 'passwordHash costs too much: at most'],
      [6, 'password and passwordHash exclude ea'],
      [7, 'A user needs password or passwordHas'],
      [8, 'The password has to be a string of 8'],
      [9, 'userName has to be 3 to 50 character'],
      [10, 'There is no attribute "shoeSize".'],
      [11, 'emails.value has to be an e-mail add'],
      [12, 'There is no group "Nobody".'],
      [13, expect.stringMatching(/^It is not JSON: /)],
      [15, expect.stringMatching(/^It is not JSON: /)],
      [16, 'It is not a JSON object.'],
      [17, 'A line may have 1048576 bytes.'],
      [19, expect.stringMatching(/^It is not JSON: /)],
    ])
    expect(await listed(server, 'userName eq "last"')).toMatchObject([{ active: false }])

    await nothingElse(server.db, {}, async () => {
      const again = await importing('users.jsonl', content)
      expect([again.code, again.stdout, again.stderr]).toEqual([
        65,
        '',
        expect.stringMatching(
          /^users\.jsonl: it was imported at .* \(2 users made, 16 lines refused\); --again begins anew\n$/,
        ),
      ])
    })
    const anew = await importing('users.jsonl', content, '--again')
    expect([anew.code, anew.stdout]).toEqual([65, '0 users made, 18 lines refused.\n'])
    // another file, so it begins anew; who is there stays as he is
    const changed = await importing('users.jsonl', `${lines[0]}\n`)
    expect([changed.code, changed.stderr]).toEqual([65, 'users.jsonl:1: A user of that name exists.\n'])
  }, 40_000)

  test('a run that was ended goes on behind its last commit, and two at once make nobody twice', async () => {
    const { server, importing } = await setUp(database)
    const names = Array.from({ length: 1_200 }, (_, index) => `user-${index}`)
    const csv = `userName,passwordHash\n${names.map((name) => `${name},${hash}\n`).join('')}`
    const file = new Bun.CryptoHasher('sha256').update(csv).digest('hex')
    const caller = systemCaller(rootOrganization.id, 0, { id: 'run', address: 'shell' })
    const now = new Date()
    const user = (index: number): ImportedUser => ({
      line: index + 2,
      userName: `user-${index}`,
      attributes: '{}',
      locked: false,
      disabled: false,
      passwordHash: hash,
      groups: [],
    })
    await beginImport(server.db, file, false, now)
    const begun: ImportPart = {
      file,
      from: 0,
      to: 101,
      isLast: false,
      users: Array.from({ length: 100 }, (_, index) => user(index)),
      refusedLines: [],
    }
    expect(await importUsers(server.db, caller, begun, 30, () => now)).toEqual({ made: 100, refused: [] })
    // the same part once more, as of a second run that began at the same time
    await nothingElse(server.db, {}, async () =>
      expect(await importUsers(server.db, caller, begun, 30, () => now)).toEqual({ overtaken: 101 }),
    )
    const runs = await Promise.all([importing('users.csv', csv), importing('users.csv', csv)])
    expect(runs.some(({ code }) => code === 0)).toBe(true)
    for (const { code, stderr } of runs) {
      expect([0, 75]).toContain(code)
      expect(stderr).toMatch(
        code === 0
          ? /going on behind line \d+ \(|^$|it was imported at/
          : /another import of .* is at line \d+/,
      )
    }
    expect(await importProgress(server.db, file)).toMatchObject({ line: 1_201, made: 1_200, refused: 0 })
    expect(await created(server)).toHaveLength(1_200)
    const total = (await (await server.send('GET', '/scim2/Users?count=0')).json()) as {
      totalResults: number
    }
    expect(total.totalResults).toBe(1_201)
  }, 40_000)

  test('who is made by others at the same moment is refused, and nobody else with him', async () => {
    const { server } = await setUp(database)
    const { db } = server
    const caller = systemCaller(rootOrganization.id, 0, { id: 'run', address: 'shell' })
    const now = new Date()
    const users = ['a1', 'b1', 'c1', 'd1', 'e1'].map((name, index) => ({
      line: index + 1,
      userName: `name-${name}`,
      attributes: '{}',
      locked: false,
      disabled: false,
      passwordHash: hash,
      groups: [],
    }))
    const part = (file: string): ImportPart => ({
      file,
      from: 0,
      to: 5,
      isLast: true,
      users,
      refusedLines: [],
    })
    for (const file of ['one', 'other']) await beginImport(db, file, false, now)
    const outcomes = await Promise.all(
      ['one', 'other'].map((file) => importUsers(db, caller, part(file), 5, () => now)),
    )
    const made = outcomes.map((outcome) => ('made' in outcome ? outcome.made : -1))
    const refused = outcomes.map((outcome) => ('refused' in outcome ? outcome.refused.length : -1))
    expect([(made[0] ?? 0) + (made[1] ?? 0), (refused[0] ?? 0) + (refused[1] ?? 0)]).toEqual([5, 5])
    expect(await created(server)).toHaveLength(5)
    for (const [index, file] of ['one', 'other'].entries()) {
      expect(await importProgress(db, file)).toMatchObject({
        line: 5,
        made: made[index],
        refused: refused[index],
      })
    }
  }, 20_000)

  test('a dry run says what would be refused and writes nothing', async () => {
    const { server, importing } = await setUp(database)
    const csv = `userName,passwordHash,groups\nadmin,${hash},\nfirst,${hash},Nobody\nthird,${hash},\n`
    await nothingElse(server.db, {}, async () => {
      expect(await importing('users.csv', csv, '--dry-run')).toEqual({
        code: 65,
        stdout: '1 user could be made, 2 lines refused.\n',
        stderr: 'users.csv:2: A user of that name exists.\nusers.csv:3: There is no group "Nobody".\n',
      })
    })
  }, 20_000)
})

const sqlite = databases.filter(({ name }) => name === 'SQLite')[0] as TestDatabase

test('a running server makes them where SQLite has one', async () => {
  const { server, importing, directory } = await setUp(sqlite)
  const log = createLog({ level: 'silent', format: 'text' })
  const stop = await listenForCommands(server.db, directory, log)
  endings.push(() => stop?.())
  const csv = `userName,passwordHash\n${Array.from({ length: 700 }, (_, n) => `user-${n},${hash}\n`).join('')}admin,${hash}\n`
  const ran = await importing('users.csv', csv)
  expect(ran).toEqual({
    code: 65,
    stdout: '700 users made, 1 line refused.\n',
    stderr: 'users.csv:702: A user of that name exists.\n',
  })
  // a server of this process wrote the rows, so its journal has them to write
  expect(new Set((await created(server)).map(({ writer }) => writer))).toEqual(
    new Set([auditWriter(server.db).id]),
  )
}, 20_000)

test('what is no import is refused before anything is written', async () => {
  const { server, importing } = await setUp(sqlite)
  const cases: readonly (readonly [string, string, readonly string[], number, RegExp])[] = [
    ['users.txt', 'x', [], 64, /ends in \.csv or \.jsonl/],
    ['users.csv', '', [], 65, /users\.csv: it has no header\n$/],
    ['users.csv', 'userName,shoeSize\n', [], 65, /there is no column "shoeSize"\n$/],
    ['users.csv', 'userName,roles\n', [], 65, /the column roles cannot be imported\n$/],
    ['users.csv', 'userName,email,emails\n', [], 65, /two columns mean the same\n$/],
    ['users.csv', 'userName,"password\n', [], 65, /its header cannot be read: A quote is never closed\.\n$/],
    ['users.csv', 'userName\n', ['--report'], 64, /--report needs a file|takes one file/],
    ['users.csv', 'userName\n', ['--force'], 64, /import does not know --force/],
  ]
  const before = await server.db.selectFrom('account').select('id').execute()
  for (const [name, content, options, code, message] of cases) {
    const ran = await importing(name, content, ...options)
    expect([name, content, ran.code, ran.stdout]).toEqual([name, content, code, ''])
    expect(ran.stderr.split('\n\n')[0]?.replace(/\n?$/, '\n')).toMatch(message)
  }
  expect(await server.db.selectFrom('account').select('id').execute()).toEqual(before)
}, 30_000)
