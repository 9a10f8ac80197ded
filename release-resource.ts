/** The npm package `mayact`: lib/resource as JavaScript with its types, for servers that take the tokens. */
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { $ } from 'bun'
import { dependencies, license, version } from './package.json'

const compilerOptions = {
  target: 'es2022',
  module: 'nodenext',
  lib: ['es2022', 'dom', 'dom.iterable'],
  types: [],
  strict: true,
  declaration: true,
  rewriteRelativeImportExtensions: true,
  verbatimModuleSyntax: true,
  skipLibCheck: true,
  rootDir: 'lib/resource',
}

/** Packs it into `out`; answers the file's path. */
export const packResource = async (out: string): Promise<string> => {
  const folder = mkdtempSync(join(tmpdir(), 'mayact-package-'))
  // tsc reads its options from a file beside what it compiles
  const project = join(import.meta.dir, `tsconfig.resource-${process.pid}.json`)
  try {
    mkdirSync(out, { recursive: true })
    const outDir = join(folder, 'resource')
    await Bun.write(
      project,
      JSON.stringify({
        compilerOptions: { ...compilerOptions, outDir },
        files: ['lib/resource/resource.ts'],
      }),
    )
    await $`bun x tsc -p ${project}`.cwd(import.meta.dir).quiet()
    await Bun.write(
      join(folder, 'package.json'),
      JSON.stringify(
        {
          name: 'mayact',
          version,
          description: 'For servers that take the access tokens of mayact: who acts for whom',
          license,
          type: 'module',
          exports: { './resource': { types: './resource/resource.d.ts', default: './resource/resource.js' } },
          dependencies: { jose: `^${dependencies.jose}` },
          engines: { node: '>=20' },
        },
        null,
        2,
      ),
    )
    cpSync(join(import.meta.dir, 'LICENSE'), join(folder, 'LICENSE'))
    cpSync(join(import.meta.dir, 'docs', 'resource-servers.md'), join(folder, 'README.md'))
    const packed = (await $`npm pack --silent --pack-destination ${out} ${folder}`.quiet().text()).trim()
    return join(out, packed)
  } finally {
    rmSync(project, { force: true })
    rmSync(folder, { recursive: true, force: true })
  }
}

if (import.meta.main) console.log(await packResource('dist'))
