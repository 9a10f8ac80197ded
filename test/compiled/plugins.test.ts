/** Plugins in the compiled binary: in force when they are sound, a refused start when they are not, changed under load. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { selfSigned } from '../../lib/keys/certificate.ts'
import { fragmentOf, newBrowser } from '../browser.ts'
import { authorizePath, exchange, logIn, obtainSubjectToken, type Scenario, setUp } from '../scenario.ts'
import { deployment, folder, freePort, type Running, runCommand, start } from './binary.ts'

/** A rule by the body of its `validate`. */
const rule = (name: string, body: string, more = '') =>
  `import { impersonationValidator } from 'mayact'\nexport default impersonationValidator({ name: '${name}', priority: 90, ${more}\n  async validate({ phase, impersonator, subject, application, organization, requestedScopes, scopes, reason, now, config, signal }) {\n${body}\n  } })\n`

const allow = 'return { allow: true, scopes }'

const put = (directory: string, files: Readonly<Record<string, string>>) => {
  rmSync(join(directory, 'plugins'), { recursive: true, force: true })
  mkdirSync(join(directory, 'plugins'))
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, 'plugins', name), text)
}

describe('a start with a plugin that is not sound', () => {
  const cases: [string, Readonly<Record<string, string>>, string, readonly string[]][] = [
    ['a syntax error', { 'broken.ts': 'export default {' }, '', ['plugins/broken.ts', 'end of file']],
    ['one that throws at import', { 'a.ts': 'throw new Error("no luck")' }, '', ['plugins/a.ts', 'no luck']],
    ['one that imports what is not there', { 'a.ts': "import 'left-pad'" }, '', ['a.ts', 'left-pad']],
    ['no default export', { 'a.ts': 'export const a = 1' }, '', ['plugins/a.ts', 'no default export']],
    ['a default export of another make', { 'a.ts': 'export default { name: "a" }' }, '', ['plugins/a.ts']],
    [
      'a wrong shape',
      { 'a.ts': rule('a', allow).replace('priority: 90', 'priority: "high"') },
      '',
      ['plugins/a.ts', 'priority'],
    ],
    [
      'two of one name',
      { 'a.ts': rule('same', allow), 'b.ts': rule('Same', allow) },
      '',
      ['plugins/b.ts', 'plugins/a.ts', 'Same'],
    ],
    [
      'the name of a built-in rule',
      { 'a.ts': rule('SubjectScopeValidator', allow) },
      '',
      ['plugins/a.ts', 'SubjectScopeValidator'],
    ],
    [
      'a bad config',
      {
        'a.ts': rule('a', allow, 'config: z.object({ from: z.int() }),').replace(
          /^/,
          "import { z } from 'zod'\n",
        ),
      },
      '[plugins.a]\nfrom = "late"\n',
      ['plugins.a.from', 'plugins/a.ts'],
    ],
    [
      'a misspelt setting',
      {
        'a.ts': rule('a', allow, 'config: z.object({ from: z.int().default(1) }),').replace(
          /^/,
          "import { z } from 'zod'\n",
        ),
      },
      '[plugins.a]\nfrm = 1\n',
      ['plugins.a', 'frm'],
    ],
    ['settings that none takes', { 'a.ts': rule('a', allow) }, '[plugins.a]\nx = 1\n', ['plugins.a']],
    ['settings of one that is not there', {}, '[plugins.absent]\nx = 1\n', ['plugins.absent']],
  ]
  test.concurrent.each(cases)('it names %s', async (_, files, toml, expected) => {
    const directory = folder({
      'deployment.toml': deployment(await freePort(), (text) => `${text}\n${toml}`),
    })
    put(directory, files)
    const { code, stderr } = await runCommand(directory)
    for (const part of expected) expect(stderr).toContain(part)
    expect(stderr).not.toContain('mayact-plugins-')
    expect(code).toBe(78)
  })

  test('it refuses a file, and a folder, that everybody may write, and warns of a group', async () => {
    const directory = folder({ 'deployment.toml': deployment(await freePort()) })
    put(directory, { 'open.ts': rule('open', allow) })
    const file = join(directory, 'plugins/open.ts')
    chmodSync(file, 0o646)
    const refused = await runCommand(directory, 'plugins', 'list')
    expect([refused.code, refused.stderr.includes('plugins/open.ts'), refused.stdout]).toEqual([78, true, ''])
    chmodSync(file, 0o660)
    const warned = await runCommand(directory, 'plugins', 'list')
    expect([warned.code, warned.stderr.includes('its group may write it')]).toEqual([0, true])
    chmodSync(join(directory, 'plugins'), 0o777)
    expect((await runCommand(directory, 'plugins', 'list')).code).toBe(78)
  })
})

const cert = () =>
  selfSigned({ commonName: 'localhost', names: ['localhost'], algorithm: 'ES256', days: 9, now: new Date() })

describe('plugins in force', () => {
  let directory: string
  let server: Running
  let scenario: Scenario
  let port: number
  const limit = 200

  const reloaded = (text: string) => server.output().split(text).length - 1
  /** Sends SIGHUP and waits for the log to say what came of it. */
  const reload = async (expected = 'configuration reloaded') => {
    const before = reloaded(expected)
    server.process.kill('SIGHUP')
    const until = Date.now() + 5_000
    while (reloaded(expected) === before) {
      if (Date.now() > until) throw new Error(`not said: ${expected}\n${server.output()}`)
      await Bun.sleep(5)
    }
  }
  const inForce = async (files: Readonly<Record<string, string>>) => {
    put(directory, files)
    await reload()
  }

  const signedIn = newBrowser({ request: (path, init) => server.request(path, init) })
  const ask = async () => {
    const answer = await signedIn.get(authorizePath(scenario))
    return fragmentOf(answer)
  }
  const scopesOf = (parameters: URLSearchParams): string => {
    const [, payload = ''] = (parameters.get('subject_token') ?? '').split('.')
    return JSON.parse(Buffer.from(payload, 'base64url').toString()).scope
  }
  const auditOf = async (reason: string) => {
    const until = Date.now() + 3_000
    let text = ''
    while (!text.includes(reason) && Date.now() < until) {
      await Bun.sleep(20)
      text = await Bun.file(join(directory, 'data/audit.log')).text()
    }
    return text
  }

  beforeAll(async () => {
    port = await freePort()
    const first = await cert()
    directory = folder({
      'deployment.toml': deployment(
        port,
        (text) =>
          `${text}\n[server.tls]\ncertificate = "server.crt"\nkey = "server.key"\n[plugins]\ntimeout = "${limit}ms"\n[plugins.first]\nword = "yes"\n`,
      ),
      'server.crt': first.certificate,
      'server.key': first.privateKey,
    })
    mkdirSync(join(directory, 'data/tls'), { recursive: true })
    writeFileSync(join(directory, 'data/tls/certificate.pem'), first.certificate)
    put(directory, {
      'first.ts': `import { impersonationValidator } from 'mayact'
import * as z from 'zod'
import { decodeJwt } from 'jose'
import { Hono } from 'hono'
import { word } from './_word.ts'
export default impersonationValidator({
  name: 'first', priority: 90, config: z.object({ word: z.string() }),
  validate({ scopes, subject, impersonator, application, config }) {
    const sees = JSON.stringify({ subject, impersonator, application })
    if (/hash|secret|sealed/i.test(sees) || !Object.isFrozen(subject) || !Object.isFrozen(subject.roles[0])) return { allow: false, code: 'sees_too_much', message: sees }
    if (subject.email !== 'enduser@example.com' || subject.roles[0].name !== 'EndUserRole') return { allow: false, code: 'sees_too_little', message: sees }
    if (config.word !== word || !decodeJwt || !Hono) return { allow: false, code: 'wrong_word', message: config.word }
    return { allow: true, scopes }
  },
})`,
      '_word.ts': "export const word: string = 'yes'\n",
      'mayact.d.ts': 'this is no plugin',
    })
    server = await start(directory, port)
    scenario = await setUp(server)
  })
  afterAll(() => server.stop())

  test('it offers mayact, zod, jose and hono, follows a relative import, reads settings, and shows no secret', async () => {
    const first = await signedIn.get(authorizePath(scenario))
    const parameters = fragmentOf(await logIn(signedIn, first, scenario.impersonator))
    expect([parameters.get('error'), server.output().includes('plugin loaded')]).toEqual([null, true])
    expect(parameters.get('subject_token')).toBeTruthy()
    expect(await auditOf('plugin-loaded')).toMatch(
      /Initiator=system Action=plugin-loaded Target=first .*"sha256":"[\da-f]{64}"/,
    )
  })

  test('it reads relative imports and settings anew', async () => {
    writeFileSync(join(directory, 'plugins/_word.ts'), "export const word: string = 'other'\n")
    await reload()
    expect((await ask()).get('error')).toBe('access_denied')
    const toml = await Bun.file(join(directory, 'deployment.toml')).text()
    writeFileSync(join(directory, 'deployment.toml'), toml.replace('word = "yes"', 'word = "other"'))
    await reload()
    expect((await ask()).get('subject_token')).toBeTruthy()
    writeFileSync(join(directory, 'deployment.toml'), toml.replace('[plugins.first]\nword = "yes"\n', ''))
  })

  const judged: [string, string, string][] = [
    ['refuses', "return { allow: false, code: 'not_today', message: 'no' }", 'not_today'],
    ['throws', "throw new Error('oops')", '"reason":"fault"'],
    ['widens', "return { allow: true, scopes: [...scopes, 'internal_role_mgt_delete'] }", '"reason":"fault"'],
    ['answers with nothing', 'return undefined', '"reason":"fault"'],
    [
      'changes what it is given',
      'subject.id = impersonator.id; return { allow: true, scopes }',
      '"reason":"fault"',
    ],
    ['never settles', 'await new Promise(() => {})', '"reason":"timeout"'],
    [
      'blocks the thread',
      `const until = Date.now() + 600; while (Date.now() < until); ${allow}`,
      '"reason":"timeout"',
    ],
  ]
  test.each(judged)('one that %s denies, and the audit has why', async (what, body, reason) => {
    const name = what.replaceAll(' ', '-')
    await inForce({ 'rule.ts': rule(name, body) })
    const answer = await ask()
    expect([answer.get('error'), answer.get('error_description'), answer.has('subject_token')]).toEqual([
      'access_denied',
      'The impersonation was refused.',
      false,
    ])
    const text = await auditOf(`"validator":"${name}"`)
    const line = text.split('\n').find((found) => found.includes(`"validator":"${name}"`))
    expect(line).toContain(reason)
  })

  test('one that narrows narrows, and one that refuses at the exchange alone is asked there', async () => {
    await inForce({
      'rule.ts': rule(
        'narrow',
        "return { allow: true, scopes: scopes.filter((scope) => scope !== 'internal_user_mgt_view') }",
      ),
    })
    const scopes = scopesOf(await ask())
    expect([scopes.includes('internal_user_mgt_list'), scopes.includes('internal_user_mgt_view')]).toEqual([
      true,
      false,
    ])
    const tokens = await obtainSubjectToken(server, scenario, {}, signedIn)
    await inForce({
      'rule.ts': rule(
        'late',
        "return phase === 'exchange' ? { allow: false, code: 'late', message: '' } : { allow: true, scopes }",
      ),
    })
    const refused = await exchange(server, scenario, tokens)
    expect([refused.status, await refused.json()]).toEqual([
      400,
      { error: 'invalid_request', error_description: 'The impersonation was refused.' },
    ])
  })

  test('it keeps everything as it was when something new is not sound', async () => {
    await inForce({ 'rule.ts': rule('sound', "return { allow: false, code: 'sound', message: '' }") })
    const problem = 'nothing was reloaded'
    put(directory, { 'rule.ts': 'export default {' })
    await reload(problem)
    expect((await ask()).get('error')).toBe('access_denied')
    put(directory, {})
    const toml = await Bun.file(join(directory, 'deployment.toml')).text()
    writeFileSync(join(directory, 'deployment.toml'), `${toml}\n[sesion]\nx = 1\n`)
    await reload(problem)
    expect((await ask()).get('error')).toBe('access_denied')
    writeFileSync(
      join(directory, 'deployment.toml'),
      toml
        .replace(`port = ${port}`, `port = ${port}\nbind = "127.0.0.2"`)
        .concat('\n[impersonation]\nmax_duration = "10m"\n'),
    )
    await reload()
    expect(server.output()).toContain('server.bind has changed: it needs a restart')
    expect((await ask()).get('subject_token')).toBeTruthy()
    writeFileSync(join(directory, 'deployment.toml'), toml)
    await reload()
    const row = '"needRestart":["server.bind"]'
    expect(await auditOf(row)).toContain(row)
  })

  test('it changes under load without one wrong answer', async () => {
    const versions = [0, 1].map((version) =>
      rule(
        'toggle',
        version === 0 ? allow : "await 0; return { allow: false, code: 'toggled', message: '' }",
      ),
    )
    const write = (version: number) =>
      writeFileSync(join(directory, 'plugins/toggle.ts'), versions[version] ?? '')
    put(directory, {})
    write(0)
    await reload()
    // who was in force, from the signal on possibly and from the acknowledgement on surely
    const changes: { version: number; possibly: number; surely: number }[] = [
      { version: 0, possibly: 0, surely: 0 },
    ]
    const answers: { allowed: boolean; began: number; ended: number }[] = []
    let running = true
    const workers = Array.from({ length: 8 }, async () => {
      while (running) {
        const began = performance.now()
        const answer = await ask()
        const allowed = answer.has('subject_token')
        if (!allowed) expect(answer.get('error')).toBe('access_denied')
        answers.push({ allowed, began, ended: performance.now() })
      }
    })
    for (let turn = 1; turn <= 12; turn += 1) {
      const version = turn % 2
      write(version)
      const possibly = performance.now()
      await reload()
      changes.push({ version, possibly, surely: performance.now() })
      await Bun.sleep(60)
    }
    running = false
    await Promise.all(workers)
    const wrong = answers.filter(({ allowed, began, ended }) => {
      const couldBe = changes.filter(({ possibly }, index) => {
        const gone = changes[index + 1]?.surely ?? Number.POSITIVE_INFINITY
        return possibly <= ended && began <= gone
      })
      return !couldBe.some(({ version }) => (version === 0) === allowed)
    })
    expect(wrong).toEqual([])
    expect(answers.filter(({ allowed }) => allowed).length).toBeGreaterThan(20)
    expect(answers.filter(({ allowed }) => !allowed).length).toBeGreaterThan(20)
  })

  test('it changes the certificate without losing a request', async () => {
    const peer = () =>
      new Promise<string>((resolve, reject) => {
        const socket = connectTls(
          { port, host: '127.0.0.1', servername: 'localhost', rejectUnauthorized: false },
          () => {
            resolve(socket.getPeerCertificate().fingerprint256)
            socket.destroy()
          },
        )
        socket.on('error', reject)
      })
    const before = await peer()
    let running = true
    const lost: unknown[] = []
    let answered = 0
    const workers = Array.from({ length: 8 }, async (_, index) => {
      while (running) {
        try {
          const response = await fetch(`https://localhost:${port}/health/live`, {
            tls: { rejectUnauthorized: false },
            // half of them on a connection of their own
            ...(index % 2 ? { headers: { Connection: 'close' }, keepalive: false } : {}),
          })
          expect(response.status).toBe(200)
          answered += 1
        } catch (error) {
          lost.push(error)
        }
      }
    })
    const seen = new Set([before])
    for (let turn = 0; turn < 2; turn += 1) {
      const next = await cert()
      writeFileSync(join(directory, 'server.crt'), next.certificate)
      writeFileSync(join(directory, 'server.key'), next.privateKey)
      await reload()
      const after = await peer()
      expect(seen.has(after)).toBe(false)
      seen.add(after)
      await Bun.sleep(1_300)
    }
    running = false
    await Promise.all(workers)
    // elsewhere a connection that is being made at that moment may be reset
    if (process.platform === 'linux') expect(lost).toEqual([])
    expect(answered).toBeGreaterThan(200)
    writeFileSync(join(directory, 'server.key'), 'none')
    await reload('nothing was reloaded')
    expect(seen.has(await peer())).toBe(true)
  })
})
