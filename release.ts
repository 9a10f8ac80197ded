/**
 * `bun run release [--out FOLDER] [PLATFORM…]`: dist/release with a binary for each platform, or for those named,
 * the npm package for resource servers, SHA256SUMS and an SBOM (CycloneDX). The platforms' Bun comes from the package registry, is checked against the
 * registry's own checksum, and is kept in node_modules/.cache.
 */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { $ } from 'bun'
import { dependencies, version } from './package.json'
import { packResource } from './release-resource.ts'

const { values, positionals: wanted } = parseArgs({
  options: { out: { type: 'string', default: 'dist/release' } },
  allowPositionals: true,
})
const { out } = values
const cache = 'node_modules/.cache/bun'

/** Bun's name of the target, its package, and the file in that. */
const targets = [
  { name: 'linux-x64', target: 'bun-linux-x64', file: 'bun-linux-x64', program: 'bun' },
  { name: 'linux-arm64', target: 'bun-linux-arm64', file: 'bun-linux-aarch64', program: 'bun' },
  { name: 'macos-x64', target: 'bun-darwin-x64', file: 'bun-darwin-x64', program: 'bun' },
  { name: 'macos-arm64', target: 'bun-darwin-arm64', file: 'bun-darwin-aarch64', program: 'bun' },
  { name: 'windows-x64', target: 'bun-windows-x64', file: 'bun-windows-x64', program: 'bun.exe' },
] as const

type Target = (typeof targets)[number]

/** The executable of a platform, from the registry. */
const executableOf = async ({ file, program }: Target): Promise<string> => {
  const folder = join(cache, `${file}-${Bun.version}`)
  const path = join(folder, 'package', 'bin', program)
  if (existsSync(path)) return path
  mkdirSync(folder, { recursive: true })
  const packed = (
    await $`npm pack --silent --pack-destination ${folder} @oven/${file}@${Bun.version}`.text()
  ).trim()
  await $`tar -xzf ${join(folder, packed)} -C ${folder}`
  rmSync(join(folder, packed))
  return path
}

const build = async (target: Target): Promise<string> => {
  const suffix = target.target.includes('windows') ? '.exe' : ''
  const outfile = join(out, `mayact-${version}-${target.name}${suffix}`)
  const result = await Bun.build({
    entrypoints: ['server.ts'],
    compile: {
      target: target.target,
      executablePath: await executableOf(target),
      outfile,
      autoloadDotenv: false,
      autoloadBunfig: false,
      autoloadTsconfig: false,
      autoloadPackageJson: false,
    },
    minify: true,
    bytecode: true,
    format: 'esm',
  })
  for (const message of result.logs) console.error(message)
  if (!result.success) throw new Error(`${target.name} could not be built`)
  return outfile
}

type Locked = readonly [
  string,
  string?,
  { readonly dependencies?: Readonly<Record<string, string>> }?,
  string?,
]

/** What is in the binary: the dependencies of package.json and theirs, as bun.lock has them. */
const components = async () => {
  const lock = (await import('./bun.lock', { with: { type: 'jsonc' } })) as {
    readonly default: { readonly packages: Readonly<Record<string, Locked>> }
  }
  const { packages } = lock.default
  const found = new Map<string, Locked>()
  /** What a package at `place`, names of folders in each other, finds by a name: in its own folder first. */
  const walk = (name: string, place: readonly string[]): void => {
    const here = [...place, name]
    const locked = packages[here.join('/')]
    if (!locked && place.length > 0) walk(name, place.slice(0, -1))
    if (!locked || found.has(here.join('/'))) return
    found.set(here.join('/'), locked)
    for (const dependency of Object.keys(locked[2]?.dependencies ?? {})) walk(dependency, here)
  }
  for (const name of Object.keys(dependencies)) walk(name, [])
  const library = (name: string, number: string, integrity?: string) => ({
    type: 'library',
    name,
    version: number,
    purl: `pkg:npm/${name.replace('@', '%40')}@${number}`,
    ...(integrity?.startsWith('sha512-')
      ? { hashes: [{ alg: 'SHA-512', content: Buffer.from(integrity.slice(7), 'base64').toString('hex') }] }
      : {}),
  })
  const listed = [...found.values()].map(([spec, , , integrity]) => {
    const at = spec.lastIndexOf('@')
    return library(spec.slice(0, at), spec.slice(at + 1), integrity)
  })
  return [library('bun', Bun.version), ...listed].sort((a, b) => a.name.localeCompare(b.name))
}

const unknown = wanted.filter((name) => !targets.some((target) => target.name === name))
if (unknown.length > 0) {
  console.error(
    `no such platform: ${unknown.join(', ')}; there are ${targets.map(({ name }) => name).join(', ')}`,
  )
  process.exit(64)
}
rmSync(out, { recursive: true, force: true })
mkdirSync(out, { recursive: true })
const files: string[] = []
for (const target of targets) {
  if (wanted.length > 0 && !wanted.includes(target.name)) continue
  files.push(await build(target))
}
files.push(await packResource(out))
const sbom = join(out, `mayact-${version}.cdx.json`)
const document = {
  bomFormat: 'CycloneDX',
  specVersion: '1.6',
  version: 1,
  metadata: {
    component: {
      type: 'application',
      name: 'mayact',
      version,
      licenses: [{ license: { id: 'Apache-2.0' } }],
    },
  },
  components: await components(),
}
await Bun.write(sbom, `${JSON.stringify(document, null, 2)}\n`)
const sums = await Promise.all(
  [...files, sbom].map(async (file) => {
    const sum = createHash('sha256')
      .update(await Bun.file(file).bytes())
      .digest('hex')
    return `${sum}  ${file.slice(out.length + 1)}`
  }),
)
await Bun.write(join(out, 'SHA256SUMS'), `${sums.join('\n')}\n`)
console.log(`${sums.join('\n')}\n${out}`)
