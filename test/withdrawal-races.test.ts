/** Withdrawing a consent meets what is under way for the application at that moment: after it nothing of it lives. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { sql } from 'kysely'
import { readAnswer } from './authorize-answer.ts'
import { type Booted, boot } from './boot.ts'
import { type Browser, newBrowser } from './browser.ts'
import { databases } from './databases.ts'
import { account, userToken } from './fixtures.ts'
import { operator } from './management.ts'
import { ask, type Client, createClient, requestOf } from './oauth/authorizing.ts'
import { redeem, refresh } from './oauth/granted.ts'
import { logIn } from './scenario.ts'

const rounds = 100
/** How many of a round are under way at once. */
const authorizations = 6
const password = 'Somebody@123'
const scope = 'openid email offline_access'

/** Lets others go on for that many milliseconds. */
const later = async (milliseconds: number) => {
  const until = performance.now() + milliseconds
  while (performance.now() < until) await new Promise(setImmediate)
}

describe.each(databases)('a withdrawal on $name', (database) => {
  let server: Booted
  let client: Client
  let browser: Browser
  let personId: string
  let name: string
  let own: Record<string, string>
  let remover: Record<string, string>

  const nameOf = async ({ applicationId }: Client) => {
    const { name } = await server.db
      .selectFrom('application')
      .select('name')
      .where('id', '=', applicationId)
      .executeTakeFirstOrThrow()
    return encodeURIComponent(name)
  }

  beforeAll(async () => {
    server = await boot(database)
    client = await createClient(server, {}, { skipLoginConsent: false })
    name = await nameOf(client)
    const other = await createClient(server)
    personId = await account(server.db, { userName: 'Withdrawing', password })
    remover = await operator(server, 'remover', ['internal_user_authorizedapp_delete'])
    browser = newBrowser(server)
    await logIn(browser, await browser.get(requestOf(other)), { userName: 'Withdrawing', password })
    const application = { id: other.applicationId, clientId: other.clientId }
    const value = await userToken(server.db, { application, subjectId: personId, scopes: ['internal_login'] })
    own = { Authorization: `Bearer ${value}` }
  })
  afterAll(() => server.stop())

  const code = { redirect_uri: 'https://client.example/cb', code_verifier: undefined }

  /** The code where it is given at once, undefined where he is asked first. */
  const authorized = async (): Promise<string | undefined> => {
    const answer = await ask(browser, client, { scope })
    if ('parameters' in answer) return answer.parameters.code
    expect(answer.place).toBe('consent')
    return undefined
  }

  const consent = async (): Promise<string> => {
    const answer = await ask(browser, client, { scope })
    if (!('key' in answer)) throw new Error(`no consent was asked for: ${JSON.stringify(answer)}`)
    const said = await browser.post('/oauth2/authorize', {
      sessionDataKeyConsent: String(answer.key),
      consent: 'approveAlways',
    })
    const given = await readAnswer(said)
    if (!('parameters' in given)) throw new Error(`not at the place: ${JSON.stringify(given)}`)
    return given.parameters.code ?? ''
  }

  interface Issued {
    readonly access_token?: string
    readonly refresh_token?: string
  }
  const issued = async (response: Response): Promise<Issued> => (await response.json()) as Issued

  const living = async () => {
    const rows = await server.db
      .selectFrom('lineage')
      .select('id')
      .where('account_id', '=', personId)
      .where('application_id', '=', client.applicationId)
      .where('ended_at', 'is', null)
      .execute()
    return rows.length
  }

  /** All three ways in which an operator or the user withdraws. */
  const withdrawals = () => [
    () =>
      server.request(`/api/users/v2/${personId}/authorized-apps/${client.applicationId}`, {
        method: 'DELETE',
        headers: remover,
      }),
    () => server.request(`/api/users/v1/me/authorized-apps/${name}`, { method: 'DELETE', headers: own }),
    () => server.request('/api/users/v2/me/authorized-apps', { method: 'DELETE', headers: own }),
  ]

  test(`in ${rounds} rounds leaves nothing of an authorization, an exchange and a refresh that were under way`, async () => {
    let before = 0
    for (let round = 0; round < rounds; round += 1) {
      const first = await issued(await redeem(server, client, await consent(), code))
      expect(first.refresh_token).toBeDefined()
      const waiting = await authorized()
      expect(waiting).toBeDefined()
      const withdraw = withdrawals()[round % 3]
      const [early, late] = round % 2 === 0 ? [0, (round % 20) / 10] : [(round % 20) / 10, 0]
      const [given, exchanged, refreshed, response] = await Promise.all([
        Promise.all(
          Array.from({ length: authorizations }, (_, n) => later(early + n * 0.2).then(authorized)),
        ),
        later(early).then(() => redeem(server, client, waiting ?? '', code)),
        later(early).then(() => refresh(server, client, first.refresh_token ?? '')),
        later(late).then(withdraw),
      ])
      expect([round, response?.status]).toEqual([round, 204])
      before += given.filter((value) => value !== undefined).length
      expect([round, await living()]).toEqual([round, 0])
      const tokens = [first, await issued(exchanged), await issued(refreshed)]
      for (const { access_token, refresh_token } of tokens) {
        if (access_token !== undefined) {
          const headers = { Authorization: `Bearer ${access_token}` }
          expect((await server.request('/oauth2/userinfo', { headers })).status).toBe(401)
        }
        if (refresh_token !== undefined)
          expect((await refresh(server, client, refresh_token)).status).toBe(400)
      }
      for (const value of given)
        if (value !== undefined) expect((await redeem(server, client, value, code)).status).toBe(400)
    }
    // both were met: what began before the withdrawal, and what came too late
    expect(before).toBeGreaterThan(0)
    expect(before).toBeLessThan(rounds * authorizations)
    if (database.name !== 'Postgres') return
    // nobody waited for somebody who waited for him
    const { rows } = await sql<{ deadlocks: string }>`
        select deadlocks from pg_stat_database where datname = current_database()`.execute(server.db)
    expect(Number(rows[0]?.deadlocks)).toBe(0)
  }, 120_000)
})
