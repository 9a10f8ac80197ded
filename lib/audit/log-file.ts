/**
 * The file that audit lines are appended to. What `append` has returned from is on the disk, whenever the machine stops.
 * A file that is full, or of another day (UTC), is set aside under its day and a number first: `audit.log` becomes
 * `audit-2026-01-31.1.log`. The path is opened for each append, so that somebody else may rotate it as well.
 */
import { mkdirSync } from 'node:fs'
import { type FileHandle, open, readdir, rename, stat, unlink } from 'node:fs/promises'
import { basename, dirname, extname, join } from 'node:path'

export interface LogFileRules {
  /** What does not fit any more begins a new file. */
  readonly maxBytes: number
  /** How many files that were set aside are kept; older ones are removed. */
  readonly keep: number
}

export interface LogFile {
  /** Appends whole lines, each with its line break. `trouble` hears why a file could not be set aside; it grows then. */
  append(lines: string, now: Date, trouble: (error: unknown) => void): Promise<void>
}

const hasCode = (error: unknown, code: string) =>
  error instanceof Error && 'code' in error && error.code === code

const dayOf = (instant: Date) => instant.toISOString().slice(0, 10)

/** A name in a folder is on the disk when the folder is. */
const syncFolder = async (folder: string) => {
  const handle = await open(folder, 'r')
  await handle.sync().finally(() => handle.close())
}

/** A full disk or a crash may have cut the last line off; then the next one begins on a line of its own. */
const lineBreakDue = async (handle: FileHandle, size: number): Promise<string> => {
  if (size === 0) return ''
  const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, size - 1)
  return buffer[0] === 0x0a ? '' : '\n'
}

/** The file at a path, and its folder, which is made. */
export const logFile = (file: string, { maxBytes, keep }: LogFileRules): LogFile => {
  const folder = dirname(file)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const extension = extname(file)
  const stem = basename(file, extension)

  /** Those that were set aside, the oldest first. */
  const aside = async () => {
    const found = (await readdir(folder)).flatMap((name) => {
      if (!name.startsWith(`${stem}-`) || !name.endsWith(extension)) return []
      const [, day, number] =
        /^(\d{4}-\d\d-\d\d)\.(\d+)$/.exec(name.slice(stem.length + 1, name.length - extension.length)) ?? []
      return day === undefined ? [] : [{ name, day, number: Number(number) }]
    })
    return found.sort((one, other) =>
      one.day === other.day ? one.number - other.number : one.day < other.day ? -1 : 1,
    )
  }

  const setAside = async (day: string) => {
    let number = ((await aside()).findLast((one) => one.day === day)?.number ?? 0) + 1
    for (;;) {
      const target = join(folder, `${stem}-${day}.${number}${extension}`)
      try {
        // the name is taken before anything is moved there: nobody's file is overwritten
        await (await open(target, 'wx', 0o600)).close()
      } catch (error) {
        if (!hasCode(error, 'EEXIST')) throw error
        number += 1
        continue
      }
      try {
        await rename(file, target)
      } catch (error) {
        await unlink(target)
        // somebody else has set it aside
        if (!hasCode(error, 'ENOENT')) throw error
      }
      break
    }
    for (const { name } of (await aside()).slice(0, -keep)) await unlink(join(folder, name))
    await syncFolder(folder)
  }

  const rotateIfDue = async (bytes: number, now: Date) => {
    const there = await stat(file).catch((error: unknown) => {
      if (hasCode(error, 'ENOENT')) return undefined
      throw error
    })
    if (!there || there.size === 0) return
    const day = dayOf(there.mtime)
    if (day < dayOf(now) || there.size + bytes > maxBytes) await setAside(day)
  }

  return {
    async append(lines, now, trouble) {
      await rotateIfDue(Buffer.byteLength(lines), now).catch(trouble)
      const handle = await open(file, 'a+', 0o600)
      try {
        const { size } = await handle.stat()
        await handle.appendFile(`${await lineBreakDue(handle, size)}${lines}`)
        await handle.datasync()
        if (size === 0) await syncFolder(folder)
      } finally {
        await handle.close()
      }
    },
  }
}
