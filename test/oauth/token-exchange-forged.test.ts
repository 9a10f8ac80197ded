/** Forged access tokens at the token exchange: none has a row that fits, whatever its header, claims and signature say. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { type Booted, boot } from '../boot.ts'
import { databases } from '../databases.ts'
import { createPerson, type Person, setUp, tokenType } from '../scenario.ts'
import { leavingOnlyAudit } from '../token-exchange-snapshot.ts'
import {
  ask,
  bookingsToml,
  type Client,
  clientToken,
  createService,
  delegation,
  exchanged,
  userTokens,
} from './exchanged-tokens.ts'
import { forgeries } from './forgeries.ts'

for (const database of databases) {
  describe(`a forged access token on ${database.name}`, () => {
    let server: Booted
    let client: Client
    let alice: Person
    let bertram: Person

    beforeAll(async () => {
      server = await boot(database, { toml: bookingsToml })
      await setUp(server)
      alice = await createPerson(server, 'Alice')
      bertram = await createPerson(server, 'Bertram')
      client = await createService(server, 'FRONTEND', [alice.id, bertram.id])
    })
    afterAll(() => server.stop())

    const expectRefused = async (
      parameters: ReturnType<typeof delegation>,
      error: string,
      reason: string,
    ) => {
      const { result, rows } = await leavingOnlyAudit(server, () => ask(server, client, parameters))
      const body = (await result.json()) as { error: string; error_description: string }
      expect([result.status, body.error]).toEqual([400, error])
      expect(body.error_description).not.toContain(alice.id)
      expect(rows.map(({ event, outcome, data }) => [event, outcome, data.reason])).toEqual([
        ['token-refused', 'Refused', reason],
      ])
    }

    for (const [title, forge, error] of forgeries) {
      test(`with ${title} is no subject token and no actor token`, async () => {
        const { accessToken } = await userTokens(server, client, alice.id)
        const acting = await userTokens(server, client, bertram.id)
        const forged = await forge(accessToken, server)
        expect(forged).not.toBe(accessToken)
        await expectRefused(delegation(forged), error, 'subject_token_unknown')
        const forgedActor = await forge(acting.accessToken, server)
        await expectRefused(delegation(accessToken, forgedActor), error, 'actor_token_unknown')
        await exchanged(server, client, delegation(accessToken, acting.accessToken))
      })
    }

    test('nor is a token of another class: an ID token, a subject token’s look-alike, the hash of a token', async () => {
      const { accessToken, idToken } = await userTokens(server, client, alice.id)
      const acting = await userTokens(server, client, bertram.id)
      const { hash } = await server.db
        .selectFrom('token')
        .select('hash')
        .where('subject_id', '=', alice.id)
        .where('class', '=', 'access')
        .executeTakeFirstOrThrow()
      for (const value of [idToken, hash]) {
        await expectRefused(delegation(value), 'invalid_request', 'subject_token_unknown')
        await expectRefused(delegation(accessToken, value), 'invalid_request', 'actor_token_unknown')
      }
      // an access token is no ID token
      await expectRefused(
        delegation(accessToken, acting.accessToken, { actor_token_type: tokenType('id_token') }),
        'invalid_request',
        'actor_token_unknown',
      )
      await expectRefused(
        delegation(accessToken, await clientToken(server, client), {
          actor_token_type: tokenType('id_token'),
        }),
        'invalid_request',
        'actor_token_unknown',
      )
    })
  })
}
