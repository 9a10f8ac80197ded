/**
 * Private copies of the folder of plugins, which they are imported from. In each one its process listens on a socket: a
 * copy whose socket refuses belongs to nobody any more, whatever became of process ids and containers since.
 */
import { lstat, mkdir, mkdtemp, readdir, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { ConfigurationError } from '../config.ts'
import type { PluginFile } from './files.ts'

export interface Copy {
  readonly path: string
  remove(): Promise<void>
}

const prefix = 'mayact-plugins-'
const sign = '.alive'

const copies = new Map<string, Copy>()

/** For the end of the process. */
export const removeCopies = async (): Promise<void> => {
  for (const copy of copies.values()) await copy.remove()
}

/** What ends the sign of life. Without one, where the path is too long for a socket, nobody removes the copy. */
const showLife = (path: string): (() => void) => {
  try {
    const listener = Bun.listen({
      unix: join(path, sign),
      socket: { open: (one) => void one.end(), data() {} },
    })
    listener.unref()
    return () => listener.stop(true)
  } catch {
    return () => {}
  }
}

const freshFolder = async (): Promise<string> => {
  try {
    return await realpath(await mkdtemp(join(tmpdir(), prefix)))
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new ConfigurationError([
      `plugins: there is no place for their private copy in ${tmpdir()} (set TMPDIR): ${reason}`,
    ])
  }
}

/**
 * Writes what was read to a fresh folder of our own. An import is remembered by its path, relative imports included:
 * only a fresh place makes all of it fresh; and what is loaded is what was hashed. Throws ConfigurationError without one.
 */
export const copyOf = async (files: readonly PluginFile[]): Promise<Copy> => {
  const path = await freshFolder()
  const endLife = showLife(path)
  const copy = {
    path,
    async remove() {
      copies.delete(path)
      endLife()
      await rm(path, { recursive: true, force: true })
    },
  }
  copies.set(path, copy)
  for (const { name, bytes } of files) {
    await mkdir(dirname(join(path, name)), { recursive: true, mode: 0o700 })
    await writeFile(join(path, name), bytes, { flag: 'wx', mode: 0o600 })
  }
  return copy
}

/** Whether the process that made a copy is gone for certain. */
const isLeftOver = async (path: string): Promise<boolean> => {
  const folder = await lstat(path)
  if (!folder.isDirectory() || folder.uid !== (process.getuid?.() ?? folder.uid)) return false
  if (!(await lstat(join(path, sign))).isSocket()) return false
  try {
    const connection = await Bun.connect({ unix: join(path, sign), socket: { data() {} } })
    connection.end()
    return false
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ECONNREFUSED'
  }
}

/** Removes the copies of processes that were killed; answers how many. What cannot be judged or removed stays. */
export const removeLeftOver = async (): Promise<number> => {
  let removed = 0
  for (const name of await readdir(tmpdir()).catch(() => [])) {
    if (!name.startsWith(prefix)) continue
    const path = join(tmpdir(), name)
    try {
      if (!(await isLeftOver(path))) continue
      await rm(path, { recursive: true })
      removed += 1
    } catch {
      // somebody else's, or somebody else was faster
    }
  }
  return removed
}
