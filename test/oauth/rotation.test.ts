import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import * as jose from 'jose'
import { listKeys, retire, rotate } from '../../lib/keys/rotation.ts'
import { type Booted, boot, origin } from '../boot.ts'
import { databases } from '../databases.ts'
import { type Client, newClient, newCode, newPerson, redeem, tokensOf } from './granted.ts'

const trace = { id: 'rotation of a test', address: '127.0.0.1' }

describe.each(databases)('signing keys of a running server on $name', (database) => {
  let server: Booted
  let beside: Booted
  let client: Client
  let person: Awaited<ReturnType<typeof newPerson>>

  beforeAll(async () => {
    const toml = '[oauth]\nadditional_signing_algorithms = ["ES256"]'
    server = await boot(database, { toml })
    beside = await boot(database, { toml, beside: server })
    client = await newClient(server)
    person = await newPerson(server, client)
  }, 60_000)
  afterAll(async () => {
    await beside.stop()
    await server.stop()
  })

  const jwksOf = async (from: Booted) => {
    const response = await from.request('/oauth2/jwks')
    expect(response.headers.get('cache-control')).toBe('public, max-age=300')
    return (await response.json()) as jose.JSONWebKeySet
  }

  const tokens = async (at: Booted, by = client) =>
    tokensOf(await redeem(at, by, (await newCode(at, by, person)).value))

  test('no token is released whose key the JWKS of another server lacks, while keys are rotated', async () => {
    let rotating = true
    let count = 0
    const kids = new Set<unknown>()
    const load = async (at: Booted, other: Booted) => {
      while (rotating) {
        const { access_token, id_token = '' } = await tokens(at)
        const keys = jose.createLocalJWKSet(await jwksOf(other))
        for (const token of [access_token, id_token]) {
          const { protectedHeader } = await jose.jwtVerify(token, keys, { algorithms: ['RS256'] })
          kids.add(protectedHeader.kid)
        }
        count += 1
      }
    }
    const loads = [load(server, beside), load(beside, server)]
    const failed = Promise.all(loads)
    for (let turn = 0; turn < 6; turn += 1) {
      await rotate(server.db, server.vault, ['RS256', 'ES256'], turn % 2, trace, new Date())
      await Bun.sleep(150)
    }
    rotating = false
    await failed
    expect(count).toBeGreaterThan(5)
    expect(kids.size).toBeGreaterThan(1)
  }, 60_000)

  test('a key that is withdrawn is gone from every JWKS at once, and signs nowhere', async () => {
    const [before] = (await jwksOf(beside)).keys
    await retire(server.db, before?.kid ?? '', { withdraw: true }, trace, new Date())
    for (const at of [server, beside]) {
      const { keys } = await jwksOf(at)
      expect(keys.map(({ kid }) => kid)).not.toContain(before?.kid)
      const { access_token } = await tokens(at)
      expect(jose.decodeProtectedHeader(access_token).kid).toBe(keys[0]?.kid ?? '')
    }
    const listed = await listKeys(server.db, new Date())
    expect(listed.find(({ kid }) => kid === before?.kid)?.state).toBe('gone')
  })

  test('an application that asks for another algorithm gets its ID token so, and discovery lists it', async () => {
    const asking = await newClient(server, { idToken: { idTokenSignedResponseAlg: 'ES256' } })
    const { id_token = '', access_token } = await tokens(server, asking)
    const keys = jose.createLocalJWKSet(await jwksOf(server))
    const verified = await jose.jwtVerify(id_token, keys, { algorithms: ['ES256'] })
    expect([verified.protectedHeader.alg, jose.decodeProtectedHeader(access_token).alg]).toEqual([
      'ES256',
      'RS256',
    ])
    const metadata = await server.request(`${origin}/oauth2/token/.well-known/openid-configuration`)
    const document = (await metadata.json()) as Record<string, unknown>
    expect(document.id_token_signing_alg_values_supported).toEqual(['RS256', 'ES256'])
  })
})
