/** What a restored database may not do twice ends, on both databases; what was started goes on. */
import { afterEach, describe, expect, test } from 'bun:test'
import { endUnfinished } from '../lib/commands/end-unfinished.ts'
import { runScript } from '../lib/database/commit.ts'
import type { Db } from '../lib/database/connect.ts'
import { deviceCodeGrant } from '../lib/tokens/device-authorization.ts'
import { hashOf } from '../lib/tokens/token.ts'
import { type Booted, basic, boot } from './boot.ts'
import { locationOf } from './browser.ts'
import { databases } from './databases.ts'
import { askToken, newClient, newCode, newPerson, redeem, refusalOf } from './oauth/granted.ts'
import { authorizePath, exchange, logIn, obtainSubjectToken, setUp, type TokenResponse } from './scenario.ts'

let booted: Booted | undefined
afterEach(async () => {
  await booted?.stop()
  booted = undefined
})

const script = await Bun.file(new URL('../docs/operations/after-restore.sql', import.meta.url)).text()

const ways: [string, (typeof databases)[number], (db: Db) => Promise<unknown>][] = [
  ...databases.map((database): (typeof ways)[number] => [
    `mayact restore on ${database.name}`,
    database,
    (db) => endUnfinished(db, 'saved.db', new Date()),
  ]),
  ...databases
    .filter(({ name }) => name === 'Postgres')
    .map((database): (typeof ways)[number] => [
      'after-restore.sql on Postgres',
      database,
      (db) => runScript(db, script),
    ]),
]

for (const [name, database, end] of ways) {
  describe(name, () => {
    test('what is spent once is spent', async () => {
      const server = await boot(database)
      booted = server
      const { db } = server
      const client = await newClient(server, { grantTypes: ['authorization_code', deviceCodeGrant] })
      const person = await newPerson(server, client)
      const code = await newCode(server, client, person)
      const authorization = await server.request('/oauth2/device_authorize', {
        method: 'POST',
        body: new URLSearchParams({ scope: 'openid' }),
        headers: { Authorization: basic(client.clientId, client.clientSecret) },
      })
      const { device_code } = (await authorization.json()) as { device_code: string }
      await end(db)
      expect(await refusalOf(await redeem(server, client, code.value))).toEqual([400, 'invalid_grant'])
      const polled = await askToken(server, client, { grant_type: deviceCodeGrant, device_code })
      expect(await refusalOf(polled)).toEqual([400, 'invalid_grant'])
    })

    test('it ends what was not started, cookies and pending logins, and nothing that was started', async () => {
      const server = await boot(database)
      booted = server
      const { db } = server
      const scenario = await setUp(server)
      const started = await obtainSubjectToken(server, scenario)
      const { access_token: accessToken } = (await (
        await exchange(server, scenario, started)
      ).json()) as TokenResponse
      const { browser } = started
      const open = await obtainSubjectToken(server, scenario, {}, browser)
      const other = server.browser()
      const paused = await other.get(authorizePath(scenario))
      const tokens = await db.selectFrom('token').select('hash').orderBy('hash').execute()
      const events = (await server.audit()).length

      const ended = await end(db)

      const alive = () => server.request('/scim2/Me', { headers: { Authorization: `Bearer ${accessToken}` } })
      expect((await alive()).status).toBe(200)
      expect(await db.selectFrom('token').select('hash').orderBy('hash').execute()).toEqual(tokens)
      expect(tokens.map(({ hash }) => hash)).toContain(hashOf(open.subjectToken))
      const lineages = await db
        .selectFrom('lineage')
        .leftJoin('impersonation', 'lineage_id', 'lineage.id')
        .select(['kind', 'started_at', 'lineage.ended_by'])
        .execute()
      const which = lineages.map(
        ({ kind, started_at, ended_by }) => `${kind} ${started_at !== null} ${ended_by}`,
      )
      expect(which.sort()).toEqual([
        'impersonation false restore',
        'impersonation true null',
        'session false null',
      ])

      const again = await exchange(server, scenario, open)
      expect([again.status, await again.json()]).toEqual([
        400,
        { error: 'invalid_request', error_description: 'The impersonation was refused.' },
      ])
      expect(locationOf(await browser.get(authorizePath(scenario))).pathname).toBe(
        '/authenticationendpoint/login.do',
      )
      const resumed = await logIn(other, paused, scenario.impersonator).catch((error: Error) => error)
      expect(resumed).toBeInstanceOf(Error)
      expect((await alive()).status).toBe(200)

      const rows = (await server.audit()).slice(events).map(({ event, initiator }) => `${event} ${initiator}`)
      const refused = `impersonation-refused ${scenario.impersonator.id}`
      // a script is not audited: it is the operator's
      expect(rows).toEqual(ended ? ['database-restored restore', refused] : [refused])
      if (ended) expect(ended).toEqual({ impersonations: 1, sessions: 1 })
      // and signing in once more is all it takes
      expect((await obtainSubjectToken(server, scenario, {}, browser)).subjectToken).not.toBe('')
    })
  })
}
