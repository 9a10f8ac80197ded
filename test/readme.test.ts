/** The README does what it says: its first command in a clean copy of the repository, and its blocks pasted one by one. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { parse } from '@iarna/toml'
import { $ } from 'bun'
import * as z from 'zod'
import { schema } from '../lib/config/schema.ts'
import { deployment } from './compiled/binary.ts'
import { freePort, temporaryDirectory } from './databases.ts'
import { blocksOf, root, rowsBelow } from './markdown.ts'
import { paste, run, within } from './shell.ts'

/** What `git clone` would give, with the changes that are not committed yet. */
const cleanCopy = async (): Promise<string> => {
  const directory = join(temporaryDirectory(), 'mayact')
  mkdirSync(directory)
  const files = (await $`git ls-files -z`.cwd(root).text()).split('\0').filter((file) => file !== '')
  for (const file of files.filter((name) => existsSync(join(root, name)))) {
    mkdirSync(join(directory, dirname(file)), { recursive: true })
    cpSync(join(root, file), join(directory, file))
  }
  return directory
}

const commands = (await blocksOf('README.md')).find(({ kind }) => kind === 'console')?.text.split('\n') ?? []
const [startCommand = '', testCommand = ''] = commands

describe('the README, on a clean copy of the repository', () => {
  let directory: string
  let port: number
  let server: ReturnType<typeof run>
  let shell: ReturnType<typeof run>

  beforeAll(async () => {
    directory = await cleanCopy()
    port = await freePort()
    // the one change to the copy: 9443 may be in use here
    writeFileSync(join(directory, 'deployment.toml'), deployment(port))
  })
  afterAll(async () => {
    shell?.signal('SIGKILL')
    server?.signal('SIGKILL')
  })

  test('its first command starts the server', async () => {
    expect(startCommand).toStartWith('npx -y bun@1.4.5 start')
    server = run(['sh', '-c', startCommand], directory, 'ignore')
    const started = () => server.output().includes('mayact is ready') || server.child.exitCode !== null
    await within(60, started, server.output)
    expect(server.output()).toContain(`mayact is ready: https://localhost:${port}`)
  }, 70_000)

  test('its blocks, pasted as they are, end in an impersonated token, a change and what tells of it', async () => {
    shell = run(['sh', '-eu'], directory, 'pipe')
    const outbox = join(directory, 'data/outbox')
    const mailed = () => existsSync(outbox) && readdirSync(outbox).some((name) => name.endsWith('.eml'))
    const audit = join(directory, 'data/audit.log')
    const recorded = () => readFileSync(audit, 'utf8').includes('Outcome=Success | Impersonator : ')
    const seen: string[] = []
    const { stdin } = shell.child
    for (const { text } of (await blocksOf('README.md')).filter(({ kind }) => kind === 'sh')) {
      // "a moment later", as the README says
      if (text.includes('outbox')) await within(10, () => mailed() && recorded(), shell.output)
      // the one change to the blocks: BASE names the port of this test
      const asked = text.replace('BASE=https://localhost:9443', `BASE=https://localhost:${port}`)
      seen.push(await paste(shell, asked))
    }
    stdin?.end()
    const [, people = '', application, role, answer, token = '', changed, told] = seen
    const [, alice, bob] = /^alice is (\S+), bob is (\S+)\n/.exec(people) ?? []
    expect(application).toMatch(/^the application is [\w-]{36}\n/)
    expect(role).toContain('"displayName":"Impersonators"')
    expect(answer).toMatch(/^https:\/\/client\.example\/cb#id_token=.*&subject_token=/)
    expect(JSON.parse(token)).toMatchObject({ sub: bob, act: { sub: alice } })
    expect(changed).toMatch(/"nickName":"Bobby".*\n200\n/)
    const line = `Initiator=${alice} Action=resource-modification-via-impersonation Target=${bob} `
    expect(told).toContain(line)
    expect(told).toContain(` Outcome=Success | Impersonator : ${alice}`)
    expect(told).toContain('To: bob@example.com')
    expect(told).toContain('Application: Support desk')
    expect(server.output()).not.toContain('"level":"error"')
  }, 30_000)

  test('Ctrl+C ends the server', async () => {
    expect([await server.interrupt(), server.output()]).toEqual([true, expect.any(String)])
    const again = fetch(`https://localhost:${port}/health/live`, { tls: { rejectUnauthorized: false } })
    expect(again).rejects.toThrow()
  }, 20_000)
})

test('its second command is the first step of .ci/run, which runs this test, too', async () => {
  // run from here it would run itself for ever
  expect(testCommand).toStartWith('npx -y bun@1.4.5 run test ')
  const ci = await Bun.file(join(root, '.ci/run')).text()
  expect(ci).toContain('\nbun=(npx -y bun@1.4.5)\n')
  expect(/^step .*$/m.exec(ci)?.[0]).toBe(`step 'every test' "\${bun[@]}" run test`)
})

describe('the table of the configuration', async () => {
  let section = ''
  const keys = (await rowsBelow('README.md', 'Configuration')).flatMap(
    ([table = '', names = '', fallback = '']) => {
      section = /`\[(.*)\]`/.exec(table)?.[1] ?? section
      return [...names.matchAll(/`(\w+)`/g)].map(([, name = '']) => ({ section, name, fallback }))
    },
  )

  test('it has the keys that matter', () => {
    expect(keys.length).toBeGreaterThan(30)
  })

  const known = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' })
  test.each(keys)('[$section] $name is a key of deployment.toml, with the default $fallback', (key) => {
    const path = [...key.section.split('.'), key.name]
    let place: unknown = known
    for (const step of path) place = (place as z.core.JSONSchema.ObjectSchema).properties?.[step]
    expect(place).toBeDefined()
    // a default that is one value in backticks can be written as it stands and changes nothing
    const [, value] = /^`([^`]+)`$/.exec(key.fallback) ?? []
    if (value === undefined || key.section === 'output_adapter.email') return
    const written = schema.parse(parse(`[${key.section}]\n${key.name} = ${value}\n`))
    expect(written).toEqual(schema.parse({}))
  })
})
