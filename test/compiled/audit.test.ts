/** `mayact audit verify` of the binary: what a kill left is intact, and what somebody did to the file afterwards is named. */
import { Database as Sqlite } from 'bun:sqlite'
import { expect, test } from 'bun:test'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createPerson, impersonate, setUp } from '../scenario.ts'
import { deployment, folder, freePort, runCommand, start } from './binary.ts'

const prepared = async () => {
  const port = await freePort()
  const directory = folder({ 'deployment.toml': deployment(port) })
  const change = (statement: string) => {
    const database = new Sqlite(join(directory, 'data/mayact.db'))
    database.run(statement)
    database.close()
  }
  return {
    port,
    directory,
    change,
    verify: (...words: string[]) => runCommand(directory, 'audit', 'verify', ...words),
  }
}

test('after kill -9 the trail is intact; a changed row is named, in the table and in an export', async () => {
  const { port, directory, change, verify } = await prepared()
  const killed = await start(directory, port)
  await impersonate(killed, await setUp(killed))
  await killed.stop('SIGKILL')
  const left = await verify()
  expect([left.code, left.stderr]).toEqual([0, ''])
  expect(left.stdout).toMatch(/^Intact: \d+ sealed rows/)

  // the next server seals what the killed one left, as soon as that one's lease is over
  change("delete from meta where name like '%audit-sealer%'")
  const server = await start(directory, port)
  await createPerson(server, 'Somebody')
  expect(await server.stop()).toBe(0)
  const whole = await verify()
  expect([whole.code, whole.stdout]).toEqual([
    0,
    expect.stringMatching(/^Intact: \d+ sealed rows, to position \d+\.\n$/),
  ])

  const exported = await runCommand(directory, 'audit', 'export')
  expect(exported.code).toBe(0)
  const keys = await runCommand(directory, 'audit', 'keys')
  // elsewhere: nothing there but the two files
  const elsewhere = folder({ 'trail.jsonl': exported.stdout, 'keys.json': keys.stdout })
  const offline = (file: string) => runCommand(elsewhere, 'audit', 'verify', file, '--keys', 'keys.json')
  expect((await offline('trail.jsonl')).stdout).toBe(whole.stdout)
  writeFileSync(
    join(elsewhere, 'forged.jsonl'),
    exported.stdout.replace('impersonated-token-issued', 'token-issued'),
  )
  const forged = await offline('forged.jsonl')
  expect([forged.code, forged.stdout]).toEqual([
    65,
    expect.stringMatching(/^NOT INTACT at position \d+: the row .* is not what was sealed\n$/),
  ])
  writeFileSync(join(elsewhere, 'cut.jsonl'), exported.stdout.slice(0, -200))
  expect((await offline('cut.jsonl')).code).toBe(65)
  expect((await offline('nothing.jsonl')).code).toBe(66)
  expect((await runCommand(elsewhere, 'audit', 'verify', 'trail.jsonl', '--keys', 'none.json')).code).toBe(66)
  expect((await offline('.')).code).toBe(66)

  change("update audit set initiator = 'nobody' where position = 7")
  change("update audit set outcome = 'Refused' where position = 9")
  const tampered = await verify()
  expect([tampered.code, tampered.stdout]).toEqual([
    65,
    expect.stringMatching(/^NOT INTACT at position 7: the row .* is not what was sealed\n/),
  ])
  expect(tampered.stderr).toBe('')
}, 60_000)

test('a restored backup is intact at once, and goes on from there', async () => {
  const { port, directory, verify } = await prepared()
  let server = await start(directory, port)
  await createPerson(server, 'Before')
  expect((await runCommand(directory, 'backup', 'saved.db')).code).toBe(0)
  await createPerson(server, 'Behind')
  await server.stop()
  expect((await verify()).code).toBe(0)
  const restored = await runCommand(directory, 'restore', 'saved.db', '--force')
  const aside = join(directory, 'data/audit.checkpoint.before-restore')
  expect([restored.code, restored.stdout.includes(aside), existsSync(aside)]).toEqual([0, true, true])
  expect([(await verify()).code, existsSync(join(directory, 'data/audit.checkpoint'))]).toEqual([0, false])
  server = await start(directory, port)
  await createPerson(server, 'Again')
  await server.stop()
  expect(await verify()).toMatchObject({ code: 0, stdout: expect.stringMatching(/^Intact/) })
}, 60_000)
