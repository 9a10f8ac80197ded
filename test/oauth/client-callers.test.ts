import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { bump, commit, readRevision, write } from '../../lib/database/commit.ts'
import { findClient } from '../../lib/directory/applications.ts'
import { mintClientAccessToken, mintDelegatedAccessToken } from '../../lib/tokens/access-token.ts'
import { beginGrant } from '../../lib/tokens/grant.ts'
import { type Booted, boot } from '../boot.ts'
import { databases } from '../databases.ts'
import { nothingElse } from '../nothing-else.ts'
import { createApplication } from '../scenario.ts'
import { askToken, type Client, newPerson, tokensOf } from './granted.ts'

const users = '/scim2/Users'
const scopes = ['internal_user_mgt_create', 'internal_user_mgt_list', 'internal_user_mgt_view']

describe.each(databases)('who is no person at our APIs on $name', (database) => {
  let server: Booted
  let client: Client
  let person: Awaited<ReturnType<typeof newPerson>>

  beforeAll(async () => {
    server = await boot(database)
    client = await createApplication(server, {
      name: 'MACHINE',
      oidc: { grantTypes: ['client_credentials'] },
      apis: { [users]: scopes, 'system:impersonation': ['internal_user_impersonate'] },
    })
    person = await newPerson(server, client)
  }, 60_000)
  afterAll(() => server.stop())

  const own = async (scope: string) => {
    const response = await askToken(server, client, { grant_type: 'client_credentials', scope })
    return (await tokensOf(response)).access_token
  }
  const call = (token: string, method = 'GET', path = users, body?: unknown) =>
    server.send(method, path, body, { Authorization: `Bearer ${token}` })
  const application = async () => {
    const found = await findClient(server.db, await readRevision(server.db), client.clientId)
    if (!found) throw new Error('no client')
    return found
  }
  const somebody = () => ({ schemas: [], userName: `U${crypto.randomUUID()}`, password: 'Somebody@1' })

  test('a client may what its own token says, in its own name', async () => {
    const token = await own(scopes.join(' '))
    expect((await call(token)).status).toBe(200)
    const known = (await server.audit()).length
    const made = await call(token, 'POST', users, somebody())
    expect(made.status).toBe(201)
    const rows = (await server.audit()).slice(known)
    expect(rows.map(({ event, initiator, actor_id }) => [event, initiator, actor_id])).toEqual([
      ['user-created', client.clientId, null],
    ])
  })

  test('and nothing else', async () => {
    const token = await own('internal_user_mgt_list')
    await nothingElse(server.db, {}, async () => {
      expect((await call(token, 'POST', users, somebody())).status).toBe(403)
      expect((await call(token, 'GET', '/scim2/v2/Roles')).status).toBe(403)
      expect((await call(token, 'GET', '/api/server/v1/applications')).status).toBe(403)
      // a client is no user
      expect((await call(token, 'GET', '/scim2/Me')).status).toBe(403)
    })
  })

  test('it has no user’s scope, however it got one', async () => {
    const minted = await mintClientAccessToken(
      server.db,
      { issuer: server.config.issuer, sign: server.keys.sign, algorithmFor: server.keys.algorithmFor },
      await application(),
      server.organization,
      { scopes: ['internal_login', 'internal_user_impersonate'], claims: {}, seconds: 60 },
      new Date(),
    )
    expect(await commit(server.db, minted.writes)).toBe('committed')
    expect((await call(minted.value, 'GET', '/scim2/Me')).status).toBe(403)
  })

  test('a token for another resource is none of ours', async () => {
    const mint = async (audience: readonly string[]) => {
      const minted = await mintClientAccessToken(
        server.db,
        { issuer: server.config.issuer, sign: server.keys.sign, algorithmFor: server.keys.algorithmFor },
        await application(),
        server.organization,
        { scopes, claims: {}, seconds: 60, audience },
        new Date(),
      )
      expect(await commit(server.db, minted.writes)).toBe('committed')
      return minted.value
    }
    const { baseUrl } = server.config.server
    const foreign = await mint(['https://api.example'])
    await nothingElse(server.db, {}, async () => expect((await call(foreign)).status).toBe(401))
    expect((await call(await mint([`${baseUrl}.evil.example/`]))).status).toBe(401)
    expect((await call(await mint(['https://api.example', `${baseUrl}/scim2`]))).status).toBe(200)
  })

  test('whoever acts by a delegation gets no further than by an impersonation', async () => {
    const grant = beginGrant(server.db, {
      accountId: person.id,
      applicationId: (await application()).id,
      sessionId: null,
      endsAt: new Date(Date.now() + 60_000),
    })
    const minted = await mintDelegatedAccessToken(
      server.db,
      { issuer: server.config.issuer, sign: server.keys.sign, algorithmFor: server.keys.algorithmFor },
      {
        application: await application(),
        organization: server.organization,
        subjectId: person.id,
        sub: person.id,
        aut: 'APPLICATION_USER',
        follows: 'a token of his',
        actor: { sub: client.clientId },
        lineageId: grant.lineageId,
        sessionId: null,
        scopes: ['internal_login', ...scopes],
        audience: [],
        confirmation: null,
        context: { clients: { [client.clientId]: client.applicationId } },
        jwt: true,
      },
      new Date(Date.now() + 60_000),
      new Date(),
    )
    expect(await commit(server.db, [grant.write, ...minted.writes])).toBe('committed')
    expect((await call(minted.value, 'GET', '/scim2/Me')).status).toBe(200)
    const { changes } = await nothingElse(server.db, { audit: { added: 1 } }, async () =>
      expect((await call(minted.value, 'POST', users, somebody())).status).toBe(403),
    )
    const [row] = changes.added.audit ?? []
    expect([row?.initiator, row?.actor_id, row?.subject_id]).toEqual([
      client.clientId,
      client.clientId,
      person.id,
    ])
  })

  test('a client that has a user’s id for its name is not that user', async () => {
    const admin = await server.db
      .selectFrom('account')
      .select('id')
      .where('user_name', '=', 'admin')
      .executeTakeFirstOrThrow()
    const application = await createApplication(server, {
      name: 'NAMESAKE',
      oidc: { grantTypes: ['client_credentials'] },
      apis: { [users]: ['internal_user_mgt_update', 'internal_user_mgt_view'] },
    })
    for (const clientId of [admin.id, person.id, 'system']) {
      const created = await server.send('POST', '/api/server/v1/applications', {
        name: `NAMESAKE ${clientId}`,
        inboundProtocolConfiguration: { oidc: { clientId, grantTypes: ['client_credentials'] } },
      })
      expect(created.status).toBe(409)
    }
    // as a row of before could be
    const row = { client_id: admin.id }
    const older = server.db.updateTable('application').set(row).where('id', '=', application.applicationId)
    expect(await commit(server.db, [write(older), bump])).toBe('committed')
    const namesake = { ...application, clientId: admin.id }
    const fields = { grant_type: 'client_credentials', scope: 'internal_user_mgt_update' }
    const { access_token: token } = await tokensOf(await askToken(server, namesake, fields))
    const taken = {
      schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
      Operations: [{ op: 'replace', value: { password: 'Taken@12345' } }],
    }
    await nothingElse(server.db, {}, async () => {
      expect((await call(token, 'PATCH', `${users}/${admin.id}`, taken)).status).toBe(403)
      expect((await call(token, 'GET', '/scim2/Me')).status).toBe(403)
    })
  })

  test('what the application loses, its tokens lose', async () => {
    const token = await own('internal_user_mgt_list')
    expect((await call(token)).status).toBe(200)
    const scopesOfIt = server.db
      .deleteFrom('application_scope')
      .where('application_id', '=', client.applicationId)
      .where('scope_name', '=', 'internal_user_mgt_list')
    expect(await commit(server.db, [write(scopesOfIt), bump])).toBe('committed')
    await nothingElse(server.db, {}, async () => expect((await call(token)).status).toBe(403))
  })
})
