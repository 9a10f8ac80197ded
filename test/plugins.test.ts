/** Plugins in process: what each kind may do, and that none of them gains more than it is given. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { copyFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { app } from '../lib/app.ts'
import { startSealer } from '../lib/audit/sealer.ts'
import { pluginsOf } from '../lib/commands/plugins-of.ts'
import { type Config, parse } from '../lib/config.ts'
import { openAuditKey } from '../lib/keys/audit-key.ts'
import { createLog } from '../lib/log.ts'
import { removeCopies } from '../lib/plugins/copies.ts'
import { declarations } from '../lib/plugins/declarations.ts'
import { startFollowers } from '../lib/plugins/followers.ts'
import type { Plugins } from '../lib/plugins.ts'
import { type Booted, boot, origin } from './boot.ts'
import { fragmentOf, newBrowser, type Server } from './browser.ts'
import { databases, temporaryDirectory } from './databases.ts'
import { operator } from './management.ts'
import {
  authorizePath,
  basic,
  createApplication,
  exchange,
  logIn,
  obtainSubjectToken,
  type Scenario,
  setUp,
} from './scenario.ts'

const log = createLog({ level: 'silent', format: 'text' })
const shipped = await Bun.file(new URL('../deployment.toml', import.meta.url)).text()
const documentation = await Bun.file(new URL('../docs/plugins.md', import.meta.url)).text()
const blocks = [...documentation.matchAll(/^```(\S+)(?: (\S+))?\n([\s\S]*?)^```$/gm)].map(
  ([, language = '', place = '', text = '']) => ({ language, place, text }),
)

afterAll(removeCopies)

/** Configuration of a folder with these plugins. */
const configured = (files: Readonly<Record<string, string>>, toml = ''): Config => {
  const directory = temporaryDirectory()
  mkdirSync(join(directory, 'plugins'))
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, 'plugins', name), text)
  return parse(`${shipped}\n${toml}`, join(directory, 'deployment.toml'), { variables: {} }).config
}

const examples = Object.fromEntries(
  blocks
    .filter(({ place }) => place === 'example')
    .map(({ text }) => [`${/name: '([^']+)'/.exec(text)?.[1]}.ts`, text]),
)

const inFolder = (binaryArguments: readonly string[], directory: string) => {
  const child = Bun.spawnSync(
    [process.execPath, new URL('../server.ts', import.meta.url).pathname, ...binaryArguments],
    {
      cwd: directory,
      env: { PATH: process.env.PATH ?? '' },
    },
  )
  return { code: child.exitCode, text: `${child.stdout}${child.stderr}` }
}

describe('the folder', () => {
  const failing = async (files: Readonly<Record<string, string>>, toml = '') => {
    const result = await pluginsOf(configured(files, toml), log).catch((error: unknown) => error)
    return result instanceof Error ? result.message : 'loaded'
  }

  test('it is loaded as it is documented, each kind of it', async () => {
    const plugins = await pluginsOf(
      configured(examples, '[plugins.collector]\nurl = "https://x.example"\n'),
      log,
    )
    expect(plugins.files.map(({ kind, name }) => `${kind} ${name}`)).toEqual([
      'notifier chat',
      'auditSink collector',
      'claims department',
      'responseType needs-reason',
      'grantType nightly',
    ])
    await plugins.remove()
  })

  test('it may be missing, and may hold links, whose targets are looked at', async () => {
    expect(
      (
        await pluginsOf(
          { ...configured({}), plugins: { ...configured({}).plugins, directory: '/nowhere/at/all' } },
          log,
        )
      ).files,
    ).toEqual([])
    const elsewhere = temporaryDirectory()
    const config = configured({})
    writeFileSync(join(elsewhere, 'linked.ts'), examples['chat.ts'] ?? '', { mode: 0o600 })
    symlinkSync(join(elsewhere, 'linked.ts'), join(config.plugins.directory, 'linked.ts'))
    expect((await pluginsOf(config, log)).files.map(({ name }) => name)).toEqual(['chat'])
    Bun.spawnSync(['chmod', 'o+w', join(elsewhere, 'linked.ts')])
    await expect(pluginsOf(config, log)).rejects.toThrow(join(elsewhere, 'linked.ts'))
  })

  test('it is loaded whole or not at all, and all problems are told at once', async () => {
    const message = await failing({
      'a.ts': 'export default {',
      'b.ts': 'throw 1',
      'c.ts': examples['chat.ts'] ?? '',
    })
    expect(message).toContain('a.ts')
    expect(message).toContain('b.ts')
  })

  test('it takes no grant type of ours, and no name of a key', async () => {
    const nightly = examples['nightly.ts'] ?? ''
    const exchangeGrant = 'urn:ietf:params:oauth:grant-type:token-exchange'
    expect(await failing({ 'a.ts': nightly.replace('urn:example:nightly', exchangeGrant) })).toContain(
      exchangeGrant,
    )
    expect(await failing({ 'a.ts': nightly.replace("'nightly'", "'timeout'") })).toContain(
      'a key of [plugins]',
    )
  })
})

describe('the commands', () => {
  test('the guide leads from an empty folder to an enforced rule', () => {
    const directory = temporaryDirectory()
    writeFileSync(join(directory, 'deployment.toml'), shipped)
    const outputs: string[] = []
    for (const { language, place, text } of blocks) {
      if (place === 'deployment.toml') writeFileSync(join(directory, place), `${shipped}\n${text}`)
      else if (place.startsWith('plugins/')) writeFileSync(join(directory, place), text)
      if (language !== 'sh') continue
      for (const line of text.trim().split('\n')) {
        const { code, text: output } = inFolder(line.split(' ').slice(1), directory)
        expect([line, code, output]).toEqual([line, 0, output])
        outputs.push(output)
      }
    }
    const said = outputs.join('')
    expect(said).toContain('allow   authorize, at noon (UTC)')
    expect(said).toContain('no_ticket')
    expect(said).toMatch(/ticket {2}impersonationValidator 90 .*ticket\.ts {2}sha256:[\da-f]{64}/)
    expect(inFolder(['plugins', 'new', 'ticket'], directory).code).toBe(73)
    expect(inFolder(['plugins', 'new', '../x'], directory).code).toBe(64)
    writeFileSync(
      join(directory, 'plugins/_bad.ts'),
      "import { claims } from 'mayact'\nexport default claims({ name: 'bad', contribute() { throw new Error('x') } })",
    )
    expect(inFolder(['plugins', 'test', 'plugins/_bad.ts'], directory).code).toBe(1)
    expect(inFolder(['plugins', 'test', 'plugins/none.ts'], directory).code).toBe(78)
  }, 20_000)

  test('an editor checks the documented plugins and the example with the declarations alone', async () => {
    const directory = temporaryDirectory()
    writeFileSync(join(directory, 'mayact.d.ts'), declarations)
    const example = await Bun.file(new URL('../plugins/_business-hours.ts', import.meta.url)).text()
    const ticket = blocks.find(({ place }) => place === 'plugins/ticket.ts')?.text ?? ''
    for (const [name, text] of Object.entries({
      ...examples,
      '_business-hours.ts': example,
      'ticket.ts': ticket,
    })) {
      writeFileSync(join(directory, name), text)
    }
    const check = () => {
      const tsc = new URL('../node_modules/.bin/tsc', import.meta.url).pathname
      const words = [
        '--noEmit',
        '--strict',
        '--target',
        'esnext',
        '--module',
        'preserve',
        '--lib',
        'esnext,dom',
        '--types',
        '',
      ]
      const files = [...new Bun.Glob('*.ts').scanSync(directory)]
      const child = Bun.spawnSync([tsc, ...words, ...files], { cwd: directory })
      return `${child.stdout}${child.stderr}`
    }
    expect(check()).toBe('')
    writeFileSync(
      join(directory, 'wrong.ts'),
      ticket
        .replace('config.prefix)', 'config.prefx)')
        .replace('allow: true, scopes }', 'allow: true, scopes: 1 }'),
    )
    expect(check()).toContain('prefx')
  }, 20_000)

  test('declarations written into a clone of the repository do not stand beside the real modules', () => {
    const directory = temporaryDirectory()
    const root = new URL('..', import.meta.url).pathname
    for (const name of ['lib', 'node_modules']) symlinkSync(join(root, name), join(directory, name))
    copyFileSync(join(root, 'tsconfig.json'), join(directory, 'tsconfig.json'))
    mkdirSync(join(directory, 'plugins'))
    writeFileSync(join(directory, 'plugins/mayact.d.ts'), declarations)
    writeFileSync(
      join(directory, 'plugins/rule.ts'),
      blocks.find(({ place }) => place === 'plugins/ticket.ts')?.text ?? '',
    )
    const listed = Bun.spawnSync([join(root, 'node_modules/.bin/tsc'), '--listFilesOnly'], { cwd: directory })
    const files = `${listed.stdout}`.split('\n')
    expect(files.some((file) => file.endsWith('plugins/rule.ts'))).toBe(true)
    expect(files.filter((file) => /\/plugins\/mayact\.d\.ts$/.test(file) && !file.includes('/lib/'))).toEqual(
      [],
    )
  }, 20_000)
})

for (const database of databases) {
  describe(`plugins on ${database.name}`, () => {
    let booted: Booted
    let scenario: Scenario

    /** The same database and keys, with these plugins. */
    const withPlugins = async (files: Readonly<Record<string, string>>, toml = '') => {
      const config = { ...configured(files, toml), database: booted.config.database }
      const plugins: Plugins = await pluginsOf(config, log)
      const validators = [...booted.validators, ...plugins.validators]
      const server = app({ ...booted, config, validators, plugins, log })
      const request: Server['request'] = (path, init) =>
        server.fetch(new Request(new URL(path, origin).href, { redirect: 'manual', ...init }), '127.0.0.1')
      return { request, plugins }
    }

    const failed = () =>
      booted.audit().then((rows) => rows.filter(({ event }) => event === 'impersonation-refused'))

    beforeAll(async () => {
      booted = await boot(database)
      scenario = await setUp(booted)
    })
    afterAll(() => booted.stop())

    test('a rule sees the reason and narrows at authorize, and is asked again at the exchange', async () => {
      const text = (body: string) => ({
        'a.ts': `import { impersonationValidator } from 'mayact'\nexport default impersonationValidator({ name: 'a', priority: 250, validate: ({ phase, reason, subject, scopes }) => { ${body} } })`,
      })
      const server = await withPlugins(
        text(
          "if (phase === 'authorize' && reason !== 'ticket') return { allow: false, code: 'no_ticket', message: '' }; return { allow: true, scopes: scopes.filter((scope) => scope !== 'internal_user_mgt_view') }",
        ),
      )
      const browser = newBrowser(server)
      const paused = await browser.get(authorizePath(scenario))
      const refused = fragmentOf(await logIn(browser, paused, scenario.impersonator))
      expect([refused.get('error'), refused.get('error_description')]).toEqual([
        'access_denied',
        'The impersonation was refused.',
      ])
      expect((await failed()).at(-1)?.data).toMatchObject({ validator: 'a', reason: 'no_ticket' })
      const tokens = await obtainSubjectToken(server, scenario, { reason: 'ticket' }, browser)
      const scope = String(decodeJwt(tokens.subjectToken).scope).split(' ')
      expect([scope.includes('internal_user_mgt_list'), scope.includes('internal_user_mgt_view')]).toEqual([
        true,
        false,
      ])
      const stricter = await withPlugins(
        text(
          "return phase === 'exchange' ? { allow: false, code: 'late', message: '' } : { allow: true, scopes }",
        ),
      )
      expect((await exchange(stricter, scenario, tokens)).status).toBe(400)
      expect((await failed()).at(-1)?.data).toMatchObject({
        validator: 'a',
        reason: 'late',
        phase: 'exchange',
      })
      // a rule that runs before the subject's account is looked at is not asked about nobody
      const nobody = { clientId: scenario.clientId, subject: { ...scenario.subject, id: 'nobody' } }
      const unknown = fragmentOf(await browser.get(authorizePath(nobody, { reason: 'ticket' })))
      expect([...unknown.entries()].slice(0, 2)).toEqual([...refused.entries()].slice(0, 2))
    })

    test('claims are contributed; owned ones are not theirs, and who fails stops the exchange', async () => {
      const contribute = (body: string) => ({
        'a.ts': `import { claims } from 'mayact'\nexport default claims({ name: 'a', contribute: ({ subject, impersonator, config }) => (${body}) })`,
      })
      const server = await withPlugins(
        contribute(
          "{ department: subject.userName, act: { sub: 'x' }, sub: impersonator.id, scope: 'all', nothing: undefined }",
        ),
      )
      const response = await exchange(server, scenario, await obtainSubjectToken(server, scenario))
      const token = decodeJwt(((await response.json()) as { access_token: string }).access_token)
      expect(token).toMatchObject({
        department: 'EndUser',
        sub: scenario.subject.id,
        act: { sub: scenario.impersonator.id },
      })
      expect([token.scope === 'all', 'nothing' in token]).toEqual([false, false])
      for (const body of ['(() => { throw new Error() })()', '1n', '({ x: 1n })', '[1]', 'undefined']) {
        const broken = await withPlugins(contribute(body))
        const before = (await failed()).length
        const refused = await exchange(broken, scenario, await obtainSubjectToken(broken, scenario))
        expect([body, refused.status, (await failed()).length]).toEqual([body, 400, before + 1])
        expect((await failed()).at(-1)?.data).toMatchObject({ validator: 'a', reason: 'fault' })
      }
    })

    test('a check stands before the built-in response type, and an answer is a type of its own', async () => {
      const files = { 'a.ts': examples['needs-reason.ts'] ?? '' }
      const server = await withPlugins(
        files,
        '[[oauth.custom_response_type]]\nname = "greeting"\nclass = "needs-reason"\nvalidator = "needs-reason"\n',
      )
      const browser = newBrowser(server)
      const asked = { response_type: 'greeting', requested_subject: undefined }
      const without = fragmentOf(await browser.get(authorizePath(scenario, asked)))
      expect(without.get('error')).toBe('invalid_request')
      const paused = await browser.get(authorizePath(scenario, { ...asked, reason: 'ticket' }))
      const answer = fragmentOf(await logIn(browser, paused, scenario.impersonator))
      expect(answer.get('greeting')).toBe('hello Impersonator')
      const receipt = answer.get('receipt') ?? ''
      expect(decodeProtectedHeader(receipt).typ).toBe('plugin-needs-reason+jwt')
      expect(decodeJwt(receipt)).toMatchObject({ sub: scenario.impersonator.id, aud: scenario.clientId })
      const asToken = await server.request('/scim2/Me', { headers: { Authorization: `Bearer ${receipt}` } })
      expect(asToken.status).toBe(401)
      const asActor = await exchange(server, scenario, { subjectToken: receipt, idToken: receipt })
      expect(asActor.status).toBe(400)
    })

    test('a response type of a plugin neither takes our names nor sets our parameters', async () => {
      const entry = (name: string, of: string) =>
        `[[oauth.custom_response_type]]\nname = "${name}"\nclass = "${of}"\nvalidator = "${of}"\n`
      const text = examples['needs-reason.ts'] ?? ''
      for (const name of ['subject_token x', 'code', 'id_token']) {
        await expect(withPlugins({ 'a.ts': text }, entry(name, 'needs-reason'))).rejects.toThrow(
          'custom_response_type',
        )
      }
      await expect(withPlugins({ 'a.ts': text }, entry('x', 'other'))).rejects.toThrow('other')
      const server = await withPlugins(
        { 'a.ts': text.replace('greeting:', 'subject_token:') },
        entry('x', 'needs-reason'),
      )
      const browser = newBrowser(server)
      const asked = { response_type: 'x', requested_subject: undefined, reason: 'r' }
      const answer = await logIn(
        browser,
        await browser.get(authorizePath(scenario, asked)),
        scenario.impersonator,
      )
      expect(answer.status).toBe(500)
    })

    test('a grant gives a token of the client itself, and to clients that have it alone', async () => {
      const server = await withPlugins({
        'a.ts': (examples['nightly.ts'] ?? '').replace(
          "claims: { job: 'backup' }",
          "claims: { job: 'backup', act: { sub: 'x' }, sub: 'y' }",
        ),
      })
      const grant_type = 'urn:example:nightly'
      const client = await createApplication(server, {
        name: `Nightly ${database.name}`,
        oidc: { grantTypes: [grant_type] },
      })
      const post = (
        parameters: Record<string, string>,
        of: { clientId: string; clientSecret: string } = client,
      ) =>
        server.request('/oauth2/token', {
          method: 'POST',
          headers: { Authorization: basic(of.clientId, of.clientSecret) },
          body: new URLSearchParams({ grant_type, ...parameters }),
        })
      const given = (await (await post({ job: 'backup' })).json()) as {
        access_token: string
        expires_in: number
      }
      const claims = decodeJwt(given.access_token)
      expect(claims).toMatchObject({ job: 'backup', sub: client.clientId, aut: 'APPLICATION' })
      expect([given.expires_in, 'act' in claims]).toEqual([300, false])
      const me = await server.request('/scim2/Me', {
        headers: { Authorization: `Bearer ${given.access_token}` },
      })
      expect(me.status).toBe(403)
      expect(await (await post({ job: 'x' })).json()).toMatchObject({ error: 'invalid_grant' })
      expect(await (await post({ job: 'backup' }, scenario)).json()).toMatchObject({
        error: 'unauthorized_client',
      })
      const answered = (await booted.audit()).filter(({ event }) => event === 'plugin-answered')
      expect(answered.slice(-2).map(({ outcome }) => outcome)).toEqual(['Success', 'Refused'])
    })

    test('a client with such a grant is for those to change who hold what it has (invariant 14)', async () => {
      const server = await withPlugins({ 'a.ts': examples['nightly.ts'] ?? '' })
      const grantTypes = ['urn:example:nightly']
      const { applicationId } = await createApplication(server, {
        name: `Nightly with power ${database.name}`,
        oidc: { grantTypes, subjectToken: { enable: false } },
        apis: { '/scim2/Users': ['internal_user_mgt_delete'] },
      })
      const manager = await operator(
        booted,
        `manager of the nightly on ${database.name}`,
        ['view', 'create', 'update'].map((verb) => `internal_application_mgt_${verb}`),
      )
      const path = `/api/server/v1/applications/${applicationId}/inbound-protocols/oidc`
      const shown = await server.request(path, { headers: manager })
      expect(shown.status).toBe(200)
      expect(await shown.json()).not.toHaveProperty('clientSecret')
      const regenerated = await server.request(`${path}/regenerate-secret`, {
        method: 'POST',
        headers: manager,
      })
      expect(regenerated.status).toBe(403)
      expect(await regenerated.text()).toContain('internal_user_mgt_delete')
    })

    test('audit sinks and notifiers are told of everything, also after they have failed', async () => {
      const told: { kind: string; ids: string[] }[] = []
      const receiver = Bun.serve({
        port: 0,
        hostname: '127.0.0.1',
        async fetch(request) {
          told.push((await request.json()) as { kind: string; ids: string[] })
          return new Response('', { status: told.length === 1 ? 500 : 200 })
        },
      })
      const send = (kind: string, ids: string) =>
        `const answer = await fetch('${receiver.url}', { method: 'POST', body: JSON.stringify({ kind: '${kind}', ids: ${ids} }) }); if (!answer.ok) throw new Error('again')`
      const server = await withPlugins({
        'sink.ts': `import { auditSink } from 'mayact'\nexport default auditSink({ name: 'sink', async receive({ rows }) { ${send('sink', 'rows.map(({ id }) => id)')} } })`,
        'note.ts': `import { notifier } from 'mayact'\nexport default notifier({ name: 'note', async started({ impersonationId }) { ${send('note', '[impersonationId]')} } })`,
      })
      const sealer = startSealer({
        db: booted.db,
        log,
        file: join(booted.directory, 'audit.checkpoint'),
        sign: async (statement, typ) =>
          (await openAuditKey(booted.db, booted.vault, new Date())).sign(statement, typ),
      })
      await sealer.flush()
      const followers = startFollowers(booted.db, log)
      followers.follow(server.plugins.followers, 2_000)
      await Bun.sleep(700)
      const known = new Set((await booted.audit()).map(({ id }) => id))
      const response = await exchange(server, scenario, await obtainSubjectToken(server, scenario))
      expect(response.status).toBe(200)
      const fresh = (await booted.audit()).filter(({ id }) => !known.has(id))
      const started = fresh.find(({ event }) => event === 'impersonated-token-issued')?.impersonation_id ?? ''
      const missing = () => {
        const ids = (kind: string) =>
          new Set(
            told
              .slice(1)
              .filter((one) => one.kind === kind)
              .flatMap((one) => one.ids),
          )
        return [
          ...fresh.filter(({ id }) => !ids('sink').has(id)),
          ...(ids('note').has(started) ? [] : ['note']),
        ]
      }
      const until = Date.now() + 6_000
      while (missing().length > 0 && Date.now() < until) await Bun.sleep(50)
      expect(missing()).toEqual([])
      await followers.stop()
      await sealer.stop()
      await receiver.stop(true)
    })
  })
}
