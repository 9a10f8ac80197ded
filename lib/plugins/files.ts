/** The folder of plugins on disk: what is in it, and who may write it. */
import { createHash } from 'node:crypto'
import { readdir, readFile, realpath, stat } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'

export interface PluginFile {
  /** Relative to the folder. */
  readonly name: string
  readonly bytes: Uint8Array
  readonly sha256: string
}

export interface Folder {
  readonly files: readonly PluginFile[]
  readonly problems: readonly string[]
  readonly warnings: readonly string[]
}

/** Nested deeper, or more: that is no folder of plugins, and somebody has pointed at the wrong one. */
const deepest = 8
const mostFiles = 1_000

const code = (error: unknown) =>
  error instanceof Error && 'code' in error ? String(error.code) : String(error)

/** A file of the folder itself that is to be loaded: `.d.ts` files and those that begin with `_` are not. */
export const isPlugin = (name: string): boolean =>
  !name.includes('/') && /^[^_.].*\.ts$/.test(name) && !name.endsWith('.d.ts')

/** Reads the whole folder once. What everybody may write is a problem; what a group may write is a warning. */
export const readFolder = async (directory: string): Promise<Folder> => {
  const files: PluginFile[] = []
  const problems: string[] = []
  const warnings: string[] = []

  const judge = (path: string, real: string, mode: number) => {
    if (process.platform === 'win32') return
    const shown = real === path ? path : `${path} (${real})`
    if (mode & 0o002) problems.push(`${shown}: everybody may write it; chmod o-w it`)
    else if (mode & 0o020) warnings.push(`${shown}: its group may write it; chmod g-w it`)
  }

  const visit = async (path: string, depth: number, within: readonly string[]): Promise<void> => {
    try {
      const real = await realpath(path)
      const found = await stat(real)
      if (!found.isDirectory() && !found.isFile()) {
        if (isPlugin(relative(directory, path))) problems.push(`${path}: is not a file`)
        return
      }
      judge(path, real, found.mode)
      // where a link leads into a folder that everybody may write, the file can be replaced
      if (real !== path && found.isFile()) {
        const parent = dirname(real)
        judge(parent, parent, (await stat(parent)).mode & ~0o020)
      }
      if (found.isFile()) {
        const bytes = await readFile(real)
        const sha256 = createHash('sha256').update(bytes).digest('hex')
        files.push({ name: relative(directory, path).replaceAll('\\', '/'), bytes, sha256 })
        if (files.length > mostFiles) throw new Error(`more than ${mostFiles} files`)
        return
      }
      if (within.includes(real)) return
      if (depth > deepest) throw new Error('too many folders in each other')
      for (const name of (await readdir(real)).sort()) {
        if (name === 'node_modules' || name.startsWith('.')) continue
        await visit(join(path, name), depth + 1, [...within, real])
      }
    } catch (error) {
      problems.push(`${path}: cannot be read: ${code(error)}`)
    }
  }

  await visit(directory, 0, [])
  return { files, problems, warnings }
}

/** Whether there is anything to load, or to judge. */
export const isThere = async (directory: string): Promise<boolean> => {
  try {
    await stat(directory)
    return true
  } catch (error) {
    if (code(error) === 'ENOENT') return false
    throw error
  }
}
