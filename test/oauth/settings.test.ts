/** The OAuth settings of an application: what is checked of them, and that all of it comes back; on both databases. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { type Booted, boot } from '../boot.ts'
import { databases } from '../databases.ts'
import { stateOf } from '../management.ts'

const path = '/api/server/v1/applications'
const key = { kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' }

for (const database of databases) {
  describe(`OAuth settings on ${database.name}`, () => {
    let server: Booted
    beforeAll(async () => {
      server = await boot(database)
    })
    afterAll(() => server.stop())

    let made = 0
    const create = (oidc: object) => {
      made += 1
      return server.send('POST', path, {
        name: `settings ${made}`,
        inboundProtocolConfiguration: {
          oidc: { grantTypes: ['authorization_code'], callbackURLs: ['https://client.example/cb'], ...oidc },
        },
      })
    }

    test('every known setting is stored and comes back as it was written', async () => {
      const settings = {
        allowedOrigins: ['https://spa.example', 'http://localhost:5173'],
        hybridFlow: { enable: true, responseType: 'code token,code id_token' },
        logout: {
          backChannelLogoutUrl: 'https://client.example/back',
          frontChannelLogoutUrl: 'http://localhost:3000/front',
        },
        clientAuthentication: {
          tokenEndpointAuthMethod: 'private_key_jwt',
          tokenEndpointAuthSigningAlg: 'PS256',
          tokenEndpointAllowReusePvtKeyJwt: false,
        },
        requestObject: { requestObjectSigningAlg: 'EdDSA' },
        pushAuthorizationRequest: { requirePushAuthorizationRequest: true },
        subject: { subjectType: 'pairwise', sectorIdentifierUri: 'https://client.example/sector' },
        mayact: {
          redirectUris: ['https://client.example/other', 'com.example:/cb'],
          responseTypes: ['code', 'code id_token'],
          postLogoutRedirectUris: ['https://client.example/out'],
          userinfoSignedResponseAlg: 'RS256',
          dpopBoundAccessTokens: true,
          requestedSubjectByParOnly: true,
          defaultMaxAge: 0,
          jwks: { keys: [key] },
          scope: 'openid profile',
          requestUris: ['https://client.example/request#part'],
          applicationType: 'web',
          softwareId: 'software',
        },
      }
      const created = await create(settings)
      expect([created.status, await created.text()]).toEqual([201, ''])
      const own = `${new URL(created.headers.get('location') ?? '').pathname}/inbound-protocols/oidc`
      const stored = (await (await server.send('GET', own)).json()) as object
      expect(stored).toMatchObject(settings)
      expect((await server.send('PUT', own, stored)).status).toBe(200)
      expect(await (await server.send('GET', own)).json()).toEqual(stored)
    })

    test('what is wrong is refused, and nothing happens', async () => {
      const wrong: readonly object[] = [
        { mayact: { unknown: true } },
        { mayact: { dpopBoundAccessTokens: 'yes' } },
        { mayact: { redirectUris: ['http://client.example/cb'] } },
        { mayact: { redirectUris: ['regexp=(https://client.example/.*)'] } },
        { mayact: { postLogoutRedirectUris: ['javascript:alert(1)'] } },
        { mayact: { jwks: { keys: [{ ...key, d: 'AAAA' }] } } },
        { mayact: { jwks: { keys: [{ kty: 'oct', k: 'AAAA' }] } } },
        { mayact: { jwks: { keys: [] } } },
        { mayact: { jwks: { keys: [key] }, jwksUri: 'https://client.example/jwks' } },
        { mayact: { jwksUri: 'http://client.example/jwks' } },
        { mayact: { jwksUri: 'file:///etc/passwd' } },
        { mayact: { requestUris: ['http://client.example/request'] } },
        { mayact: { requestUris: [`https://client.example/${'x'.repeat(512)}`] } },
        { mayact: { requestUris: Array.from({ length: 21 }, (_, n) => `https://client.example/${n}`) } },
        { mayact: { userinfoSignedResponseAlg: 'none' } },
        { mayact: { introspectionSignedResponseAlg: 'ES512' } },
        { mayact: { defaultMaxAge: -1 } },
        { mayact: { responseTypes: ['subject_token'] } },
        { mayact: { scope: 'two  spaces' } },
        { mayact: { logoUri: 'data:image/png,x' } },
        { idToken: { idTokenSignedResponseAlg: 'HS256' } },
        { idToken: { encryption: { enabled: true } } },
        { requestObject: { requestObjectSigningAlg: 'HS256' } },
        { requestObject: { encryption: { enabled: true } } },
        { clientAuthentication: { tokenEndpointAuthMethod: 'client_secret_jwt' } },
        { clientAuthentication: { tokenEndpointAuthMethod: 'none' } },
        { clientAuthentication: { tokenEndpointAuthMethod: 'private_key_jwt' }, publicClient: true },
        { clientAuthentication: { tokenEndpointAuthSigningAlg: 'HS256' } },
        { subject: { subjectType: 'private' } },
        { subject: { sectorIdentifierUri: 'http://client.example/' } },
        { logout: { backChannelLogoutUrl: 'http://client.example/' } },
        { logout: { frontChannelLogoutUrl: 'https://user:password@client.example/' } },
        { hybridFlow: { enable: true } },
        { hybridFlow: { enable: true, responseType: 'code nonsense' } },
        { allowedOrigins: ['https://spa.example/'] },
        { pushAuthorizationRequest: { requirePushAuthorizationRequest: 'yes' } },
      ]
      const before = await stateOf(server)
      for (const settings of wrong) {
        const response = await create(settings)
        expect([settings, response.status]).toEqual([settings, 400])
        expect(Object.keys((await response.json()) as object).sort()).toEqual([
          'code',
          'description',
          'message',
          'traceId',
        ])
      }
      expect(await stateOf(server)).toEqual(before)
    })
  })
}
