/** The house of design.md §3: what may import what. An arrow that points the wrong way fails here. */
import { expect, test } from 'bun:test'
import { dirname, join, normalize } from 'node:path'
import { Glob } from 'bun'

const root = new URL('..', import.meta.url).pathname

const doors = ['oauth', 'scim', 'api', 'pages']
const decisions = ['access', 'impersonation', 'tokens', 'sign-in', 'webhooks']
const nouns = ['directory', 'keys', 'email', 'audit']
const ground = [
  'database',
  'config',
  'log',
  'metrics',
  'client-address',
  'outbound',
  'bounded-body',
  'harmless-json',
  'entity-tag',
  'allowed-methods',
]

/** For each room what it may import beside itself. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  'server.ts': ['commands'],
  commands: [
    'app',
    'published-path',
    'journal',
    'housekeeping',
    'plugins',
    ...doors,
    ...decisions,
    ...nouns,
    ...ground,
  ],
  app: ['plugins', 'published-path', 'openapi', ...doors, ...decisions, ...nouns, ...ground],
  plugins: ['impersonation', 'directory', 'audit', 'database', 'config', 'log'],
  openapi: ['access'],
  journal: ['audit', 'database', 'log', 'metrics'],
  housekeeping: ['tokens', 'database', 'log'],
  oauth: [...decisions, ...nouns, ...ground],
  scim: [...decisions, ...nouns, ...ground],
  api: [...decisions, ...nouns, ...ground],
  pages: [...decisions, ...nouns, ...ground],
  access: ['tokens', 'sign-in', 'directory', 'audit', 'database'],
  impersonation: ['tokens', 'directory', 'email', 'audit', 'database', 'metrics', 'config', 'log'],
  webhooks: ['tokens', 'keys', 'delivery', 'directory', 'audit', 'database', 'outbound', 'log'],
  'sign-in': ['tokens', 'directory', 'delivery', 'audit', 'database', 'metrics', 'outbound', 'log'],
  tokens: ['directory', 'keys', 'database'],
  directory: ['audit', 'database'],
  keys: ['audit', 'database'],
  email: ['directory', 'delivery', 'audit', 'database', 'config', 'log'],
  audit: ['database', 'log'],
  delivery: ['database', 'log'],
  database: ['metrics'],
  config: [],
  log: [],
  metrics: [],
  'client-address': [],
  outbound: [],
  'bounded-body': [],
  'harmless-json': [],
  'entity-tag': [],
  'allowed-methods': [],
  'published-path': [],
  resource: [],
}

const roomOf = (file: string): string => {
  if (file === 'server.ts' || !file.startsWith('lib/')) return file
  return (file.slice('lib/'.length).split('/')[0] ?? '').replace(/\.tsx?$/, '')
}

interface Source {
  readonly file: string
  readonly text: string
  readonly imports: readonly string[]
}

const sources: Source[] = []
for (const pattern of ['lib/**/*.{ts,tsx}', 'server.ts']) {
  for await (const file of new Glob(pattern).scan(root)) {
    if (file.endsWith('.d.ts')) continue
    const text = await Bun.file(join(root, file)).text()
    const imports = [...text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map(([, target = '']) => target)
    sources.push({ file, text, imports })
  }
}

const resolved = ({ file, imports }: Source) =>
  imports
    .filter((target) => target.startsWith('.'))
    .map((target) => normalize(join(dirname(file), target)))
    .filter((target) => /\.tsx?$/.test(target))

test('every room is named in the table of arrows', () => {
  expect(sources.length).toBeGreaterThan(80)
  expect([...new Set(sources.map(({ file }) => roomOf(file)))].filter((room) => !(room in allowed))).toEqual(
    [],
  )
})

test('no import points up, and doors do not know each other', () => {
  const wrong = sources.flatMap((source) => {
    const from = roomOf(source.file)
    return resolved(source)
      .filter((target) => roomOf(target) !== from && !allowed[from]?.includes(roomOf(target)))
      .map((target) => `${source.file} → ${target}`)
  })
  expect(wrong).toEqual([])
})

test('only doors and app.ts import hono', () => {
  // plugins offers it to what it loads
  const may = [...doors, 'app', 'plugins']
  const wrong = sources
    .filter(
      ({ file, imports }) =>
        imports.some((target) => /^hono(\/|$)/.test(target)) && !may.includes(roomOf(file)),
    )
    .map(({ file }) => file)
  expect(wrong).toEqual([])
})

test('doors hold no SQL', () => {
  const wrong = sources
    .filter(({ file }) => doors.includes(roomOf(file)))
    .filter(
      ({ text, imports }) =>
        imports.includes('kysely') ||
        /\.(selectFrom|selectNoFrom|insertInto|updateTable|deleteFrom)\(/.test(text),
    )
    .map(({ file }) => file)
  expect(wrong).toEqual([])
})

const importersOf = (name: string, from: string) =>
  sources
    .filter((source) => resolved(source).includes(from))
    .filter(({ text }) =>
      new RegExp(`import[^;]*?\\{[^}]*\\b${name}\\b[^}]*\\}[^;]*?from '[^']*${from.split('/').at(-1)}'`).test(
        text,
      ),
    )
    .map(({ file }) => file)

test('only the decision makes an approval', () => {
  expect(importersOf('approve', 'lib/tokens/approval.ts')).toEqual(['lib/impersonation/decide.ts'])
})

test('only commands act as the system', () => {
  const importers = importersOf('systemCaller', 'lib/directory/caller.ts')
  expect(importers.length).toBeGreaterThan(0)
  expect(importers.filter((file) => !file.startsWith('lib/commands/'))).toEqual([])
})

test('only server.ts reads the environment', () => {
  const wrong = sources
    .filter(({ file, text }) => file !== 'server.ts' && /process\.env|Bun\.env|import\.meta\.env/.test(text))
    .map(({ file }) => file)
  expect(wrong).toEqual([])
})
