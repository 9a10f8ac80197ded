/**
 * SIGTERM under load: what was taken is finished and answered, what came too late is refused or never taken, and
 * both the database and audit.log have all that was answered.
 */
import { describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import { connect } from '../../lib/database/connect.ts'
import { hashOf } from '../../lib/tokens/token.ts'
import { databases } from '../databases.ts'
import { authorizePath, exchange, obtainSubjectToken, setUp, type TokenResponse } from '../scenario.ts'
import { deployment, folder, freePort, start } from './binary.ts'

const clients = 16

for (const database of databases) {
  describe(`SIGTERM under load on ${database.name}`, () => {
    test('it loses no request and takes no new one', async () => {
      const port = await freePort()
      const config = await database.create()
      const path = 'mayact.db'
      const toml = deployment(port, (text) =>
        config.type === 'sqlite'
          ? text.replace('# path = "data/mayact.db"', `path = "${path}"`)
          : text.replace('type = "sqlite"', `type = "postgres"\nurl = "${config.url}"\npool_size = 5`),
      ).replace('# signing_algorithm = "RS256"', 'signing_algorithm = "ES256"')
      const directory = folder({ 'deployment.toml': toml.replace('# [oauth]', '[oauth]') })
      const server = await start(directory, port)
      const scenario = await setUp(server)
      const { browser } = await obtainSubjectToken(server, scenario)

      const outcomes = { answered: 0, refused: 0, unreached: 0 }
      const wrong: string[] = []
      const tokens: string[] = []
      let stopping = false
      /** The answer, or undefined when the request was refused or not taken. */
      const attempt = async (send: () => Promise<Response>) => {
        try {
          const response = await send()
          const text = await response.text()
          if (response.status === 503 && text === 'The server is stopping.') {
            outcomes.refused += 1
            return undefined
          }
          outcomes.answered += 1
          return { response, text }
        } catch (error) {
          outcomes.unreached += 1
          if (!stopping) wrong.push(String(error))
          return undefined
        }
      }
      const untaken: string[] = []
      const client = async () => {
        for (;;) {
          const answer = await attempt(() => browser.get(authorizePath(scenario)))
          if (!answer) return
          const place = new URL(answer.response.headers.get('location') ?? 'https://nowhere.example')
          const fragment = new URLSearchParams(place.hash.slice(1))
          const presented = {
            subjectToken: fragment.get('subject_token') ?? '',
            idToken: fragment.get('id_token') ?? '',
          }
          if (presented.subjectToken === '') wrong.push(`authorize ${answer.response.status} ${place}`)
          tokens.push(presented.subjectToken, presented.idToken)
          const exchanged = await attempt(() => exchange(server, scenario, presented))
          if (!exchanged) {
            untaken.push(presented.subjectToken)
            return
          }
          if (exchanged.response.status !== 200)
            wrong.push(`exchange ${exchanged.response.status} ${exchanged.text}`)
          else tokens.push((JSON.parse(exchanged.text) as TokenResponse).access_token)
        }
      }
      const load = Array.from({ length: clients }, client)
      await Bun.sleep(700)
      stopping = true
      const signalled = Date.now()
      const code = await server.stop()
      const took = Date.now() - signalled
      await Promise.all(load)

      expect(wrong).toEqual([])
      expect([code, took < 5_000]).toEqual([0, true])
      expect(outcomes.answered).toBeGreaterThan(clients * 2)
      expect(outcomes.refused + outcomes.unreached).toBe(clients)

      const db = await connect(
        config.type === 'sqlite' ? { type: 'sqlite', path: join(directory, path) } : config,
      )
      const known = new Set((await db.selectFrom('token').select('hash').execute()).map(({ hash }) => hash))
      expect(tokens.filter((token) => !known.has(hashOf(token)))).toEqual([])
      // a refused exchange has spent nothing
      const spent = await db
        .selectFrom('token')
        .innerJoin('impersonation', 'impersonation.id', 'token.impersonation_id')
        .select('token.hash')
        .where('token.hash', 'in', ['', ...untaken.map(hashOf)])
        .where('started_at', 'is not', null)
        .execute()
      expect(spent).toEqual([])
      const rows = await db.selectFrom('audit').select(['action', 'line_at']).execute()
      expect(rows.filter(({ line_at }) => line_at === null)).toEqual([])
      const issued = rows.filter(({ action }) => action === 'impersonated-token-issued').length
      const lines = (await Bun.file(join(directory, 'data/audit.log')).text()).split('\n')
      expect(lines.pop()).toBe('')
      expect(lines.filter((line) => line.includes(' Action=impersonated-token-issued ')).length).toBe(issued)
      expect(lines).toHaveLength(rows.length)
      const access = await db.selectFrom('token').select('hash').where('class', '=', 'access').execute()
      expect(access.length).toBe(issued)
      await db.destroy()
    }, 30_000)
  })
}
