/** The hash that a login renews meets a password that is being changed: the changed one stays, the old one never comes back. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, spyOn, test } from 'bun:test'
import { commit, write } from '../lib/database/commit.ts'
import { type Booted, basic, boot } from './boot.ts'
import { locationOf, newBrowser } from './browser.ts'
import { databases } from './databases.ts'
import { account } from './fixtures.ts'
import { operator } from './management.ts'
import { createClient, requestOf } from './oauth/authorizing.ts'

const rounds = 100
const old = 'correct horse äß'

/** Of the old password, as imports bring them. */
const imported = [
  '$2a$05$pGmSm1Q6o.pr7DTncr8iW.IS0WCLF9J8V/jnlgWRlFuDLkgACYo0i',
  '$scrypt$ln=10,r=8,p=1$97631tob41wLwZhzDiEEIA$xDG//Dd01BH/dzr9JeL6BxYSp5Q1xWZIG1lN7lo7Gv0',
  '$pbkdf2-sha256$5000$5fw/B2CstZYyRmhtbS1F6A$U2qVKNwsBoXxte1OSacBdxAGk7imxWH/AtM.76dL0Cg',
] as const

const later = async (milliseconds: number) => {
  const until = performance.now() + milliseconds
  while (performance.now() < until) await new Promise(setImmediate)
}

describe.each(databases)('a password on $name', (database) => {
  let server: Booted
  let client: Awaited<ReturnType<typeof createClient>>
  beforeAll(async () => {
    server = await boot(database)
    client = await createClient(server)
  })
  afterAll(() => server.stop())

  // hashes that cost little, and take now longer and now shorter: what is raced for is where they are written
  let cheap: ReturnType<typeof spyOn<typeof Bun.password, 'hash'>>
  beforeEach(() => {
    const { hash } = Bun.password
    cheap = spyOn(Bun.password, 'hash').mockImplementation(async (password, options) => {
      // those that others keep are made as ever
      if (password !== old && !String(password).startsWith('Changed@')) return hash(password, options)
      const made = await hash(password, { algorithm: 'bcrypt', cost: 4 })
      await later(Math.random() * 3)
      return made
    })
  })
  afterEach(() => cheap.mockRestore())

  const lets = async (userName: string, word: string) => {
    const headers = { Authorization: basic(userName, word) }
    return (await server.request('/scim2/Me', { headers, address: '192.0.2.1' })).status
  }

  const eventsOf = async (id: string) => {
    const rows = await server.db.selectFrom('audit').select('event').where('target', '=', id).execute()
    return rows.map(({ event }) => event)
  }

  const change = (path: string, password: string, headers: Record<string, string>) =>
    server.request(path, {
      method: 'PATCH',
      headers: { ...headers, 'Content-Type': 'application/scim+json' },
      body: JSON.stringify({
        schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
        Operations: [{ op: 'replace', value: { password } }],
      }),
    })

  test(`is the changed one after ${rounds} rounds of logins that renew its hash, by whomever it is changed`, async () => {
    const admin = await operator(server, 'changer', ['internal_user_mgt_update', 'internal_user_mgt_view'])
    let renewed = 0
    for (let round = 0; round < rounds; round += 1) {
      const userName = `Imported${round}`
      const id = await account(server.db, { userName })
      const set = { password_hash: imported[round % imported.length] ?? null }
      const update = server.db.updateTable('account').set(set).where('id', '=', id)
      expect(await commit(server.db, [write(update)])).toBe('committed')
      const browser = newBrowser(server)
      const login = locationOf(await browser.get(requestOf(client)))
      const form = {
        username: userName,
        password: old,
        sessionDataKey: login.searchParams.get('sessionDataKey') ?? '',
      }
      const changed = `Changed@${round}`
      const [path, headers] =
        round % 2 === 0
          ? [`/scim2/Users/${id}`, admin]
          : ['/scim2/Me', { Authorization: basic(userName, old) }]
      const [early, late] = round % 4 < 2 ? [0, (round % 20) / 2] : [(round % 20) / 2, 0]
      const [, , answer] = await Promise.all([
        later(early).then(() => browser.post('/commonauth', form)),
        later(early / 2).then(() => lets(userName, old)),
        later(late).then(() => change(path, changed, headers)),
      ])
      expect([round, answer.status]).toEqual([round, 200])
      const events = await eventsOf(id)
      expect([round, events.filter((event) => event === 'password-changed')]).toEqual([
        round,
        ['password-changed'],
      ])
      if (events.includes('password-rehashed')) renewed += 1
      expect([round, await lets(userName, old)]).toEqual([round, 401])
      expect([round, await lets(userName, changed)]).toEqual([round, 200])
      const signedIn = await server.db
        .selectFrom('lineage')
        .select('id')
        .where('account_id', '=', id)
        .where('ended_at', 'is', null)
        .execute()
      expect([round, signedIn]).toEqual([round, []])
    }
    expect(renewed).toBeGreaterThan(0)
  }, 120_000)
})
