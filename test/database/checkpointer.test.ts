/** The thread that makes SQLite's checkpoints, beside a writer that makes none itself. */
import { Database as Sqlite } from 'bun:sqlite'
import { describe, expect, test } from 'bun:test'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { canCheckpointBeside, sqliteVersion, startCheckpointer } from '../../lib/database/checkpointer.ts'
import { temporaryDirectory } from '../databases.ts'

const writing = (path: string) => {
  const writer = new Sqlite(path)
  writer.exec('pragma journal_mode = wal')
  writer.exec('pragma wal_autocheckpoint = 0')
  writer.exec('create table if not exists page (id integer primary key, text)')
  const insert = writer.prepare("insert into page (text) values (printf('%.*c', 3900, 'x'))")
  return {
    /** Each row is a page, all of them a commit. */
    write: writer.transaction((rows: number) => {
      for (let row = 0; row < rows; row += 1) insert.run()
    }),
    log: () => writer.query('pragma wal_checkpoint(noop)').get() as { log: number; checkpointed: number },
    rows: () => (writer.query('select count(*) as n from page').get() as { n: number }).n,
    isWhole: () => writer.query('pragma integrity_check').get(),
    close() {
      insert.finalize()
      writer.close()
    },
  }
}

const until = async (holds: () => boolean) => {
  const end = Date.now() + 10_000
  while (!holds() && Date.now() < end) await Bun.sleep(10)
  expect(holds()).toBe(true)
}

describe('the checkpointer', () => {
  test('copies a long log into the file, and the next writer begins at its front', async () => {
    const path = join(temporaryDirectory(), 'mayact.db')
    const errors: string[] = []
    const writer = writing(path)
    const checkpointer = startCheckpointer(path, (reason) => errors.push(reason))
    writer.write(4_000)
    await until(() => writer.log().checkpointed === writer.log().log)
    expect(statSync(path).size).toBeGreaterThan(4_000 * 4_096)
    writer.write(1)
    expect(writer.log().log).toBeLessThan(10)
    await checkpointer.stop()
    expect(writer.rows()).toBe(4_001)
    expect(writer.isWhole()).toEqual({ integrity_check: 'ok' })
    expect(errors).toEqual([])
    writer.close()
  })

  test('leaves a short log alone', async () => {
    const path = join(temporaryDirectory(), 'mayact.db')
    const errors: string[] = []
    const writer = writing(path)
    const checkpointer = startCheckpointer(path, (reason) => errors.push(reason))
    writer.write(100)
    await Bun.sleep(500)
    expect(writer.log().checkpointed).toBe(0)
    await checkpointer.stop()
    expect(errors).toEqual([])
    writer.close()
  })

  test('is stopped at once after it was started, and nothing of it keeps the database open', async () => {
    const path = join(temporaryDirectory(), 'mayact.db')
    const errors: string[] = []
    const writer = writing(path)
    writer.write(3)
    await startCheckpointer(path, (reason) => errors.push(reason)).stop()
    writer.close()
    // the last one who closes a database removes its log
    expect(await Bun.file(`${path}-wal`).exists()).toBe(false)
    expect(errors).toEqual([])
  })

  test('says so when it cannot work, and can be stopped', async () => {
    const errors: string[] = []
    const checkpointer = startCheckpointer(join(temporaryDirectory(), 'missing', 'mayact.db'), (reason) =>
      errors.push(reason),
    )
    await until(() => errors.length > 0)
    expect(errors).toHaveLength(1)
    await checkpointer.stop()
  })

  test.each([0, 300])(
    'a process with nothing else to do waits for its stop, %d ms after its start',
    async (after) => {
      const path = join(temporaryDirectory(), 'mayact.db')
      const code = `
      const { startCheckpointer } = await import(${JSON.stringify(join(import.meta.dir, '../../lib/database/checkpointer.ts'))})
      const checkpointer = startCheckpointer(${JSON.stringify(path)}, console.error)
      await Bun.sleep(${after})
      await checkpointer.stop()
      console.log('stopped')`
      const child = Bun.spawn([process.execPath, '-e', code], { stdout: 'pipe', stderr: 'pipe' })
      expect(await new Response(child.stdout).text()).toBe('stopped\n')
      expect(await new Response(child.stderr).text()).toBe('')
      expect(await child.exited).toBe(0)
    },
  )

  test('is for a SQLite whose logs can be started over beside a checkpoint', () => {
    expect(['3.51.3', '3.52.0', '3.54.1', '4.0.0'].map(canCheckpointBeside)).toEqual([true, true, true, true])
    expect(['3.43.2', '3.51.2', '3.51.0', '3.9.9', '2.99.9'].map(canCheckpointBeside)).toEqual([
      false,
      false,
      false,
      false,
      false,
    ])
    expect(sqliteVersion()).toMatch(/^3\.\d+\.\d+$/)
  })
})
