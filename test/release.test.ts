/** `bun run release`: what lies beside the binary says the truth about it. */
import { expect, test } from 'bun:test'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, renameSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import lock from '../bun.lock' with { type: 'jsonc' }
import { dependencies, version } from '../package.json'
import { temporaryDirectory } from './databases.ts'

const root = new URL('..', import.meta.url).pathname
const system = { darwin: 'macos', win32: 'windows' }[process.platform as string] ?? process.platform
const platform = `${system}-${process.arch}`

const release = (...words: string[]) => {
  const child = Bun.spawnSync([process.execPath, 'release.ts', ...words], { cwd: root, timeout: 60_000 })
  return { code: child.exitCode, text: `${child.stdout}${child.stderr}` }
}

/** The packages whose code is in the bundle, by what the bundler says it read: two versions of one are two. */
const bundled = async (): Promise<readonly string[]> => {
  const { outputs } = await Bun.build({
    entrypoints: [join(root, 'server.ts')],
    target: 'bun',
    sourcemap: 'external',
  })
  const map = await outputs.find(({ kind }) => kind === 'sourcemap')?.json()
  const folders = (map.sources as string[]).map(
    (source) => /node_modules\/(?:.*\/node_modules\/)?(?:@[^/]+\/)?[^/]+/.exec(source)?.[0] ?? '',
  )
  const found = [...new Set(folders)].filter((folder) => folder !== '').sort()
  return Promise.all(
    found.map(async (folder) => {
      const { name, version: number } = await Bun.file(join(root, folder, 'package.json')).json()
      return `${name}@${number}`
    }),
  )
}

interface Component {
  readonly type: string
  readonly name: string
  readonly version: string
  readonly purl: string
  readonly hashes?: readonly { readonly alg: string; readonly content: string }[]
}

test('a release has the checksums of its files, and an SBOM with every package in the binary', async () => {
  const out = join(temporaryDirectory(), 'release')
  const { code, text } = release('--out', out, platform)
  expect([code, text.includes('SHA256SUMS')]).toEqual([0, false])
  const suffix = process.platform === 'win32' ? '.exe' : ''
  const binary = `mayact-${version}-${platform}${suffix}`
  const [module, sbom] = [`mayact-${version}.tgz`, `mayact-${version}.cdx.json`]
  expect(readdirSync(out).sort()).toEqual(['SHA256SUMS', binary, module, sbom].sort())

  const lines = (await Bun.file(join(out, 'SHA256SUMS')).text()).trimEnd().split('\n')
  const wanted = await Promise.all(
    [binary, module, sbom].map(async (name) => {
      const bytes = await Bun.file(join(out, name)).bytes()
      return `${createHash('sha256').update(bytes).digest('hex')}  ${name}`
    }),
  )
  expect(lines).toEqual(wanted)
  Bun.spawnSync(['tar', '-xzf', module], { cwd: out })
  mkdirSync(join(out, 'node_modules'))
  renameSync(join(out, 'package'), join(out, 'node_modules', 'mayact'))
  symlinkSync(join(root, 'node_modules', 'jose'), join(out, 'node_modules', 'jose'))
  const program = "import('mayact/resource').then((module) => console.log(Object.keys(module).sort().join()))"
  const imported = Bun.spawnSync(['node', '--input-type=module', '-e', program], { cwd: out })
  expect(`${imported.stdout}${imported.stderr}`).toBe(
    'Refused,readOnlyWhileImpersonated,requireNoImpersonation,requireScope,resource\n',
  )

  const said = Bun.spawnSync([join(out, binary), '--version'], { cwd: out })
  expect(`${said.stdout}`).toBe(`mayact ${version}\n`)

  const document = await Bun.file(join(out, sbom)).json()
  expect(document).toMatchObject({
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: { component: { type: 'application', name: 'mayact', version } },
  })
  const components: readonly Component[] = document.components
  for (const { type, name, version: number, purl, hashes } of components) {
    expect([type, purl]).toEqual(['library', `pkg:npm/${name.replace('@', '%40')}@${number}`])
    if (name !== 'bun')
      expect(hashes).toEqual([{ alg: 'SHA-512', content: expect.stringMatching(/^[\da-f]{128}$/) }])
  }
  const listed = components.map(({ name, version: number }) => `${name}@${number}`)
  expect(listed).toEqual([...new Set(listed)])
  expect(listed).toContain(`bun@${Bun.version}`)
  const packages: Readonly<Record<string, readonly unknown[]>> = lock.packages
  for (const name of Object.keys(dependencies)) expect(listed).toContain(String(packages[name]?.[0]))
  const inside = await bundled()
  expect(inside.length).toBeGreaterThan(Object.keys(dependencies).length)
  expect(inside.filter((one) => !listed.includes(one))).toEqual([])
}, 90_000)

test('a platform that there is not builds nothing', () => {
  const out = join(temporaryDirectory(), 'release')
  const { code, text } = release('--out', out, 'plan9-x64')
  expect([code, text.includes('plan9-x64'), existsSync(out)]).toEqual([64, true, false])
})
