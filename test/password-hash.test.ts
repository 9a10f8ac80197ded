/** Hashes that other servers made: they are verified, bounded, and replaced by ours at the next login. */
import { afterAll, beforeAll, describe, expect, spyOn, test } from 'bun:test'
import { commit, write } from '../lib/database/commit.ts'
import { verifyPassword } from '../lib/sign-in/password.ts'
import { readPasswordHash } from '../lib/sign-in/password-hash.ts'
import { type Booted, basic, boot } from './boot.ts'
import { databases } from './databases.ts'
import { createPerson } from './scenario.ts'

const password = 'correct horse äß'

/** Made by argon2-cffi, bcrypt and passlib, and by Python's hashlib for scrypt and PBKDF2. */
const vectors = [
  [
    'argon2id m=4096,t=3,p=2',
    '$argon2id$v=19$m=4096,t=3,p=2$Yh5JinwT+e7ox1I2Fl6RSQ$HPVHIQ6bbQsnYEUSKakWI/oq0o4iS0dXpXWB4UqvO0c',
  ],
  [
    'argon2i m=4096,t=3,p=2',
    '$argon2i$v=19$m=4096,t=3,p=2$2UHmckHPPkIYxUVv3kPNrA$B5VbXqZCZLy0SIuB/N0G94YPtLLs9Jwf7ECnE7BImb8',
  ],
  ['2b', '$2b$05$pwMp0F/VdXKW2r/H4mS6j.yzVOB6GXJr7CW9NJSgtJUABJJOz1onu'],
  ['2a', '$2a$05$pGmSm1Q6o.pr7DTncr8iW.IS0WCLF9J8V/jnlgWRlFuDLkgACYo0i'],
  ['2y', '$2y$05$f4fS6FA.ke0KLJRoqhle..ynmwxcgoDYHsCuUzjVIdZkP8WIPWzD6'],
  ['bcrypt r=5', '$bcrypt$r=5$h6hU8HCAmg2MNLTqsjngAA$0poyzeiqFaJuEwW1lXKfbmR+YKRY1F8'],
  [
    'scrypt ln=14,r=8,p=2',
    '$scrypt$ln=14,r=8,p=2$AQIDBAUGBwgJCgsMDQ4PEA$AKDVML5lGXBDtJbalpm3fD/GKhcq7++lZtPLbM0WuBo',
  ],
  [
    'scrypt ln=10,r=8,p=1',
    '$scrypt$ln=10,r=8,p=1$97631tob41wLwZhzDiEEIA$xDG//Dd01BH/dzr9JeL6BxYSp5Q1xWZIG1lN7lo7Gv0',
  ],
  [
    'pbkdf2-sha256 i=20000',
    '$pbkdf2-sha256$i=20000$AQIDBAUGBwgJCgsMDQ4PEA$UfWoOdmS0Ug5/r1w5Ge39LpXt5iexTzwWC56Mlpcogs',
  ],
  [
    'pbkdf2-sha256 i=20000,l=32',
    '$pbkdf2-sha256$i=20000,l=32$AQIDBAUGBwgJCgsMDQ4PEA$UfWoOdmS0Ug5/r1w5Ge39LpXt5iexTzwWC56Mlpcogs',
  ],
  [
    'pbkdf2-sha512 i=20000',
    '$pbkdf2-sha512$i=20000$AQIDBAUGBwgJCgsMDQ4PEA$Wx9VquBVvcIUIKY4IJTUXwOeKozf3FfSEwTcYH5nW+n+/Feibg8bv/eLN9Iw1n7XXN1nO1GoPSR3LOxj0/zc7w',
  ],
  [
    'pbkdf2-sha512 i=20000,l=32',
    '$pbkdf2-sha512$i=20000,l=32$AQIDBAUGBwgJCgsMDQ4PEA$Wx9VquBVvcIUIKY4IJTUXwOeKozf3FfSEwTcYH5nW+k',
  ],
  [
    'pbkdf2-sha256 5000',
    '$pbkdf2-sha256$5000$5fw/B2CstZYyRmhtbS1F6A$U2qVKNwsBoXxte1OSacBdxAGk7imxWH/AtM.76dL0Cg',
  ],
  [
    'pbkdf2-sha512 5000',
    '$pbkdf2-sha512$5000$g5DS.l8L4RwjpJQS4lwLgQ$eA5QEYoR4hHmGa7FYiiIxDDSUVQzYVCdVbXmM9EpCIHF0ZnrHjfFXEYabFWZTcROTBwT4sZc6iu3x55unw4.nA',
  ],
] as const

test.each(vectors)('%s is verified', async (_, hash) => {
  expect(await verifyPassword(password, hash)).toBe(true)
  expect(await verifyPassword(`${password}.`, hash)).toBe(false)
  expect(await verifyPassword('', hash)).toBe(false)
})

test('bcrypt looks at 72 bytes, as everywhere', async () => {
  const hash = '$2b$04$fuOM/YsiY8xcH9FPyTbTzucuin4QQ53iSZtneUNChQWu4uEkLz3Sq'
  expect(await verifyPassword('x'.repeat(72), hash)).toBe(true)
  expect(await verifyPassword('x'.repeat(80), hash)).toBe(true)
  expect(await verifyPassword('x'.repeat(71), hash)).toBe(false)
})

const salt = 'AQIDBAUGBwgJCgsMDQ4PEA'
const digest = 'UfWoOdmS0Ug5/r1w5Ge39LpXt5iexTzwWC56Mlpcogs'

test.each([
  ['argon2id by memory', `$argon2id$v=19$m=262145,t=1,p=1$${salt}$${digest}`],
  ['argon2id by passes', `$argon2id$v=19$m=65536,t=17,p=1$${salt}$${digest}`],
  ['argon2i by lanes', `$argon2i$v=19$m=65536,t=1,p=17$${salt}$${digest}`],
  ['bcrypt', `$2b$15$${'a'.repeat(53)}`],
  ['bcrypt as PHC', `$bcrypt$r=31$${salt}$${'a'.repeat(31)}`],
  ['scrypt by memory', `$scrypt$ln=18,r=8,p=1$${salt}$${digest}`],
  ['scrypt by a huge exponent', `$scrypt$ln=999999999,r=8,p=1$${salt}$${digest}`],
  ['scrypt by lanes', `$scrypt$ln=17,r=8,p=5$${salt}$${digest}`],
  ['PBKDF2', `$pbkdf2-sha256$i=5000001$${salt}$${digest}`],
])('%s that costs too much is refused', (_, hash) => {
  expect(readPasswordHash(hash)).toEqual({ problem: expect.stringMatching(/^costs too much: at most /) })
})

test.each([
  '',
  'secret',
  '$',
  '$constructor$x',
  `$argon2d$v=19$m=65536,t=3,p=4$${salt}$${digest}`,
  `$argon2id$m=65536,t=3,p=4$${salt}$${digest}`,
  `$argon2id$v=16$m=65536,t=3,p=4$${salt}$${digest}`,
  `$argon2id$v=19$m=65536,t=3$${salt}$${digest}`,
  `$argon2id$v=19$t=3,m=65536,p=4$${salt}$${digest}`,
  `$argon2id$v=19$m=7,t=3,p=1$${salt}$${digest}`,
  `$argon2id$v=19$m=65536,t=0,p=1$${salt}$${digest}`,
  `$argon2id$v=19$m=65536,t=3,p=4$${salt}`,
  `$argon2id$v=19$m=65536,t=3,p=4$AQ$${digest}`,
  `$argon2id$v=19$m=65536,t=3,p=4$${salt}$${digest}$more`,
  `$2x$05$${'a'.repeat(53)}`,
  `$2b$03$${'a'.repeat(53)}`,
  `$2b$05$${'a'.repeat(52)}`,
  `$scrypt$ln=0,r=8,p=1$${salt}$${digest}`,
  `$scrypt$ln=-1,r=8,p=1$${salt}$${digest}`,
  `$scrypt$ln=14,r=8,p=1$${salt}$AQID`,
  `$scrypt$16384$8$1$${salt}$${digest}`,
  `$pbkdf2-sha256$i=0$${salt}$${digest}`,
  `$pbkdf2-sha256$i=1e3$${salt}$${digest}`,
  `$pbkdf2-sha256$i=1000,l=16$${salt}$${digest}`,
  `$pbkdf2-sha256$i=1000$not base64$${digest}`,
  `$pbkdf2-sha1$i=1000$${salt}$${digest}`,
  `$argon2id$v=19$m=65536,t=3,p=4$${salt}$${'a'.repeat(600)}`,
])('%p is no hash that is taken, and no password fits it', async (hash) => {
  expect(readPasswordHash(hash)).toHaveProperty('problem')
  expect(await verifyPassword('secret', hash)).toBe(false)
})

const loose = digest.slice(0, -1)
test.each([
  ['argon2id with bits behind the end of its hash', `$argon2id$v=19$m=64,t=1,p=1$${salt}$${loose}d`],
  [
    'argon2id with bits behind the end of its salt',
    `$argon2id$v=19$m=64,t=1,p=1$${salt.slice(0, -1)}B$${digest}`,
  ],
  ['argon2id with a dot for a plus', `$argon2id$v=19$m=64,t=1,p=1$${salt}$.${digest.slice(1)}`],
  ['argon2id of the most passes', `$argon2id$v=19$m=16,t=65536,p=1$${salt}$${digest}`],
  [
    'argon2id of the longest salt and hash',
    `$argon2id$v=19$m=64,t=1,p=1$${'A'.repeat(86)}$${'A'.repeat(86)}`,
  ],
  ['bcrypt with bits behind the ends', `$2b$04$${'9'.repeat(53)}`],
  ['bcrypt as PHC with bits behind the ends', `$bcrypt$r=4$${'/'.repeat(22)}$${'+'.repeat(31)}`],
  ['scrypt of the largest table for its blocks', `$scrypt$ln=15,r=1,p=1$${salt}$${digest}`],
])('%s is taken, and then it can be verified: a login is no error', async (_, hash) => {
  expect(readPasswordHash(hash)).toHaveProperty('fits')
  expect(await verifyPassword('secret', hash)).toBe(false)
})

test.each([
  `$pbkdf2-sha256$i=1000$${salt}$ictY0KTmm7DgHxLBjcPxog3xbkqPJOWV3W41J4aR9xk`,
  `$scrypt$ln=10,r=8,p=1$${salt}$0v+JnXbM3FgYhUUwkYO0oZGcgKPt++Td/uFBFTYpmLk`,
])('the empty password fits nothing, not even its own hash: %s', async (hash) => {
  expect(await verifyPassword('', hash)).toBe(false)
})

test('bcrypt means what its bytes are, whatever some implementations leave behind their ends', async () => {
  const hash = '$2y$04$fuOM/YsiY8xcH9FPyTbTzvcuin4QQ53iSZtneUNChQWu4uEkLz3Sr'
  expect(await verifyPassword('x'.repeat(72), hash)).toBe(true)
  expect(await verifyPassword('x'.repeat(71), hash)).toBe(false)
})

test.each([
  ['argon2id that no library makes', `$argon2id$v=19$m=8,t=65537,p=1$${salt}$${digest}`, /too much/],
  [
    'scrypt whose table is too large for its blocks (RFC 7914 §2)',
    `$scrypt$ln=16,r=1,p=1$${salt}$${digest}`,
    /^is scrypt of a table/,
  ],
  ['scrypt by the memory of its lanes', `$scrypt$ln=1,r=1,p=2097152$${salt}$${digest}`, /too much/],
  ['scrypt by large blocks and lanes', `$scrypt$ln=1,r=524288,p=4$${salt}$${digest}`, /too much/],
])('%s is refused before anybody signs in', (_, hash, problem) => {
  expect(readPasswordHash(hash)).toEqual({ problem: expect.stringMatching(problem) })
})

describe.each(databases)('on $name', (database) => {
  let server: Booted
  beforeAll(async () => {
    server = await boot(database)
  })
  afterAll(() => server.stop())

  const stored = (id: string) =>
    server.db.selectFrom('account').selectAll().where('id', '=', id).executeTakeFirstOrThrow()
  const giveHash = async (id: string, password_hash: string) =>
    commit(server.db, [write(server.db.updateTable('account').set({ password_hash }).where('id', '=', id))])
  const me = (userName: string, word: string) =>
    server.request('/scim2/Me', { headers: { Authorization: basic(userName, word) } })

  test('a login replaces the hash that an import brought, once, and says so in the audit', async () => {
    const { id, userName } = await createPerson(server, 'imported')
    await giveHash(id, vectors[3][1])
    const before = await stored(id)
    expect((await me(userName, 'wrong')).status).toBe(401)
    expect(await stored(id)).toEqual(before)
    expect((await me(userName, password)).status).toBe(200)
    const after = await stored(id)
    expect(after).toEqual({ ...before, password_hash: after.password_hash })
    expect(after.password_hash).toStartWith('$argon2id$v=19$m=19456,t=2,p=1$')
    expect((await me(userName, password)).status).toBe(200)
    expect(await stored(id)).toEqual(after)
    const rows = (await server.audit()).filter(({ event }) => event.startsWith('password'))
    expect(rows).toMatchObject([
      {
        event: 'password-rehashed',
        initiator: id,
        target: id,
        data: { from: 'bcrypt 5' },
        outcome: 'Success',
      },
    ])
  })

  test('it is not replaced for somebody who is locked', async () => {
    const { id, userName } = await createPerson(server, 'locked-import')
    await giveHash(id, vectors[3][1])
    await commit(server.db, [
      write(
        server.db.updateTable('account').set({ locked_at: '2026-01-01T00:00:00.000Z' }).where('id', '=', id),
      ),
    ])
    const before = await stored(id)
    expect((await me(userName, password)).status).toBe(401)
    expect(await stored(id)).toEqual(before)
  })

  test('a password that is set while the login is under way stays', async () => {
    const { id, userName } = await createPerson(server, 'overtaken')
    await giveHash(id, vectors[3][1])
    const { version } = await stored(id)
    const newer = await Bun.password.hash('a newer password', { algorithm: 'bcrypt', cost: 4 })
    const slow = spyOn(Bun.password, 'hash').mockImplementationOnce(async () => {
      const set = { password_hash: newer, version: version + 1 }
      await commit(server.db, [write(server.db.updateTable('account').set(set).where('id', '=', id))])
      return 'never written'
    })
    await me(userName, password)
    slow.mockRestore()
    expect(await stored(id)).toMatchObject({ password_hash: newer, version: version + 1 })
  })
})
