import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import * as jose from 'jose'
import { type Booted, boot } from '../boot.ts'
import { databases } from '../databases.ts'
import { account, role } from '../fixtures.ts'
import { nothingElse } from '../nothing-else.ts'
import { basic, createApplication } from '../scenario.ts'
import { askToken, type Client, newClient, refusalOf, tokensOf } from './granted.ts'

describe.each(databases)('client_credentials on $name', (database) => {
  let server: Booted
  let client: Client
  beforeAll(async () => {
    server = await boot(database)
    client = await newClient(server, {
      accessToken: { type: 'JWT', applicationAccessTokenExpiryInSeconds: 120 },
    })
  }, 60_000)
  afterAll(() => server.stop())

  const ask = (fields: Readonly<Record<string, string | undefined>> = {}, of = client) =>
    askToken(server, of, { grant_type: 'client_credentials', ...fields })

  test('it gives the client a token of its own, for its own time, and no other', async () => {
    const scope = 'internal_user_mgt_list internal_user_mgt_view'
    const { result } = await nothingElse(
      server.db,
      { lineage: { added: 1 }, token: { added: 1 }, audit: { added: 1 } },
      () => ask({ scope }),
    )
    const tokens = await tokensOf(result)
    expect(Object.keys(tokens)).toEqual(['access_token', 'token_type', 'expires_in', 'scope'])
    expect([tokens.token_type, tokens.expires_in, tokens.scope]).toEqual(['Bearer', 120, scope])
    const claims = jose.decodeJwt(tokens.access_token)
    expect(claims).toMatchObject({ sub: client.clientId, aut: 'APPLICATION', scope, aud: client.clientId })
    expect(claims.act).toBeUndefined()
    const [row] = (await server.audit()).slice(-1)
    expect(row).toMatchObject({ event: 'token-issued', initiator: client.clientId, target: client.clientId })
  })

  test('it has neither what the application may not have, nor what only people have, nor a way to impersonate', async () => {
    const impersonating = await createApplication(server, {
      name: 'IMPERSONATING',
      oidc: { grantTypes: ['client_credentials'] },
    })
    const scope =
      'openid profile offline_access internal_login internal_user_impersonate internal_user_mgt_delete internal_user_mgt_view'
    const tokens = await tokensOf(await ask({ scope }, impersonating))
    expect(tokens.scope).toBe('internal_user_mgt_view')
    const none = await tokensOf(await ask({ scope: 'openid internal_user_impersonate' }, impersonating))
    expect(none.scope).toBeUndefined()
    expect(jose.decodeJwt(none.access_token).scope).toBeUndefined()
  })

  test('without scope it has none', async () => {
    expect((await tokensOf(await ask())).scope).toBeUndefined()
  })

  test('nobody manages himself the scopes of an application that he does not hold', async () => {
    const { db } = server
    const manager = await account(db, { userName: 'manager', password: 'Manager@123' })
    const permissions = ['internal_application_mgt_view', 'internal_application_mgt_update']
    await role(db, { name: 'Managers', permissions, users: [manager] })
    const Authorization = basic('manager', 'Manager@123')
    const quiet = await newClient(server, {
      grantTypes: ['authorization_code'],
      subjectToken: { enable: false },
    })
    const pathOf = ({ applicationId }: Client) =>
      `/api/server/v1/applications/${applicationId}/inbound-protocols/oidc`
    const read = async (of: Client) =>
      (await (await server.send('GET', pathOf(of), undefined, { Authorization })).json()) as Record<
        string,
        unknown
      >
    const model = (await (await server.send('GET', pathOf(quiet))).json()) as Record<string, unknown>
    expect(model.clientSecret).toBe(quiet.clientSecret)
    // neither may he become the client that has them, nor give it the grant, nor send its codes elsewhere
    for (const one of [client, quiet]) expect((await read(one)).clientSecret).toBeUndefined()
    const elsewhere = { ...model, callbackURLs: ['https://elsewhere.example/cb'] }
    const led = await nothingElse(db, {}, () =>
      server.send('PUT', pathOf(quiet), elsewhere, { Authorization }),
    )
    expect(led.result.status).toBe(403)
    const { result } = await nothingElse(db, {}, () =>
      server.send('PUT', pathOf(quiet), { ...model, grantTypes: ['client_credentials'] }, { Authorization }),
    )
    expect(result.status).toBe(403)
  })

  test('a public client, a malformed scope and a foreign resource are refused', async () => {
    const open = await newClient(server, { publicClient: true })
    const without = await newClient(server, { grantTypes: ['authorization_code'] })
    const refused = [
      // nobody has proved to be a public client, and nobody fills the audit in its name
      [() => ask({}, open), 'unauthorized_client', undefined],
      [() => ask({}, without), 'unauthorized_client', without],
      [() => ask({ scope: '"' }), 'invalid_scope', client],
      [() => ask({ resource: 'https://api.example/' }), 'invalid_target', client],
      [() => ask({ resource: '/scim2/Users' }), 'invalid_target', client],
      [() => ask({ grant_type: 'password' }), 'unsupported_grant_type', client],
      [() => ask({ grant_type: '' }), 'invalid_request', client],
    ] as const
    for (const [asking, error, refusedClient] of refused) {
      const { result, changes } = await nothingElse(
        server.db,
        refusedClient === undefined ? {} : { audit: { added: 1 } },
        asking,
      )
      expect(await refusalOf(result)).toEqual([400, error])
      if (refusedClient === undefined) continue
      expect(changes.added.audit?.[0]).toMatchObject({
        event: 'token-refused',
        initiator: refusedClient.clientId,
        application_id: refusedClient.applicationId,
        outcome: 'Refused',
        data: expect.stringContaining(`"error":"${error}"`),
      })
    }
  })
})
