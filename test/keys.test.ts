import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createLocalJWKSet, decodeProtectedHeader, type JWK, jwtVerify } from 'jose'
import { close, commit, readRevision, revisionIs, runScript } from '../lib/database/commit.ts'
import { connect, type DatabaseConfig, type Db } from '../lib/database/connect.ts'
import { migrate } from '../lib/database/migrate.ts'
import { selfSigned } from '../lib/keys/certificate.ts'
import { listKeys, retire, rotate } from '../lib/keys/rotation.ts'
import { EncryptionKeyError, ensureSameKey, openVault, SealError, type Vault } from '../lib/keys/secrets.ts'
import { type Algorithm, loadSigningKeys, type SigningKeys } from '../lib/keys/signing.ts'
import { loadTls, TlsError } from '../lib/keys/tls.ts'
import { databases, temporaryDirectory } from './databases.ts'

const algorithms: readonly Algorithm[] = ['RS256', 'PS256', 'ES256', 'EdDSA']
const now = new Date()
const trace = { id: 'a trace', address: '127.0.0.1' }
const day = 86_400_000
const later = (days: number) => new Date(now.getTime() + days * day)
const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8)
const unusedFile = '/nonexistent/mayact.key'
const vaultWith = (digit: string) => openVault({ key: digit.repeat(64), keyFile: unusedFile })

/** Verifies as any relying party would, knowing the JWKS alone. */
const verify = (token: string, keys: SigningKeys, algorithm: Algorithm) =>
  jwtVerify(token, createLocalJWKSet({ keys: [...keys.jwks().keys] }), { algorithms: [algorithm] })

const kidOf = (token: string) => decodeProtectedHeader(token).kid
const kidsOf = (keys: SigningKeys) => keys.jwks().keys.map(({ kid }) => kid)

const certificateOf = (jwk: JWK | undefined) => {
  const der = jwk?.x5c?.[0]
  if (der === undefined) throw new Error('no certificate')
  return new X509Certificate(Buffer.from(der, 'base64'))
}

describe('secrets at rest', () => {
  const vault = vaultWith('a')

  test('it opens what it sealed, text and bytes', () => {
    expect(vault.openText(vault.seal('s3crét', 'application/1'), 'application/1')).toBe('s3crét')
    const bytes = crypto.getRandomValues(new Uint8Array(1_000))
    expect(Buffer.from(vault.open(vault.seal(bytes, 'k'), 'k')).equals(bytes)).toBe(true)
    expect(vault.openText(vault.seal('', 'k'), 'k')).toBe('')
  })

  test('it never seals twice to the same text, and hides the plain one', () => {
    const [first, second] = [vault.seal('secret', 'k'), vault.seal('secret', 'k')]
    expect(first).not.toBe(second)
    expect(first).toMatch(/^v1\.[\w-]+$/)
    expect(Buffer.from(first.slice(3), 'base64url').includes('secret')).toBe(false)
  })

  test('it refuses a value in another context or under another key', () => {
    const sealed = vault.seal('secret', 'application/1')
    expect(() => vault.open(sealed, 'application/2')).toThrow(SealError)
    expect(() => vaultWith('b').open(sealed, 'application/1')).toThrow(SealError)
  })

  test('it refuses a text altered in any character', () => {
    const sealed = vault.seal('secret', 'k')
    for (let at = 0; at < sealed.length; at += 1) {
      const altered = sealed.slice(0, at) + (sealed[at] === 'A' ? 'B' : 'A') + sealed.slice(at + 1)
      expect(() => vault.open(altered, 'k')).toThrow(SealError)
    }
    for (const altered of ['', 'v1.', sealed.slice(0, -1), `${sealed}A`, `${sealed}=`, `${sealed}\n`])
      expect(() => vault.open(altered, 'k')).toThrow(SealError)
  })

  test('it takes the configured key as hex or base64, and nothing else', () => {
    const key = Buffer.alloc(32, 0xa7)
    const texts = [key.toString('hex'), key.toString('base64'), key.toString('base64url')]
    const sealed = openVault({ key: key.toString('hex'), keyFile: unusedFile }).seal('secret', 'k')
    for (const text of texts)
      expect(openVault({ key: text, keyFile: unusedFile }).openText(sealed, 'k')).toBe('secret')
    for (const text of ['', 'password', key.toString('hex').slice(2), `${key.toString('base64')}AAAA`]) {
      expect(() => openVault({ key: text, keyFile: unusedFile })).toThrow(EncryptionKeyError)
      expect(() => openVault({ key: text, keyFile: unusedFile })).toThrow(/openssl rand -hex 32/)
    }
  })

  test('it makes a key file for its owner only, once', () => {
    const folder = join(temporaryDirectory(), 'secrets')
    const keyFile = join(folder, 'mayact.key')
    const sealed = openVault({ keyFile }).seal('secret', 'k')
    expect([modeOf(folder), modeOf(keyFile)]).toEqual(['700', '600'])
    expect(readdirSync(folder)).toEqual(['mayact.key'])
    const content = readFileSync(keyFile, 'utf8')
    expect(Buffer.from(content, 'base64').length).toBe(32)
    expect(openVault({ keyFile }).openText(sealed, 'k')).toBe('secret')
    expect(readFileSync(keyFile, 'utf8')).toBe(content)
  })

  test('it refuses a key file that others may read, with the command that mends it', () => {
    const keyFile = join(temporaryDirectory(), 'mayact.key')
    openVault({ keyFile })
    for (const mode of [0o640, 0o604, 0o660]) {
      chmodSync(keyFile, mode)
      expect(() => openVault({ keyFile })).toThrow(`chmod 600 ${keyFile}`)
    }
    writeFileSync(keyFile, 'short')
    chmodSync(keyFile, 0o600)
    expect(() => openVault({ keyFile })).toThrow(EncryptionKeyError)
  })

  test('it prefers a credential to the key file, and the configured key to both', () => {
    const credentialsDirectory = temporaryDirectory()
    const keyFile = join(temporaryDirectory(), 'mayact.key')
    for (const name of ['encryption.key', 'mayact.key']) {
      const digit = name === 'mayact.key' ? 'c' : 'd'
      writeFileSync(join(credentialsDirectory, name), `${digit.repeat(64)}\n`)
      const sealed = openVault({ keyFile, credentialsDirectory }).seal('secret', 'k')
      expect(vaultWith(digit).openText(sealed, 'k')).toBe('secret')
    }
    const sealed = openVault({ key: 'a'.repeat(64), keyFile, credentialsDirectory }).seal('secret', 'k')
    expect(vault.openText(sealed, 'k')).toBe('secret')
    expect(existsSync(keyFile)).toBe(false)
    openVault({ keyFile, credentialsDirectory: temporaryDirectory() })
    expect(existsSync(keyFile)).toBe(true)
  })

  test('it agrees on one key file when several processes start at once', async () => {
    const keyFile = join(temporaryDirectory(), 'secrets', 'mayact.key')
    const module = join(import.meta.dir, '../lib/keys/secrets.ts')
    const script = `const { openVault } = await import(${JSON.stringify(module)})
      process.stdout.write(openVault({ keyFile: ${JSON.stringify(keyFile)} }).seal('secret', 'k'))`
    const sealed = await Promise.all(
      Array.from({ length: 6 }, () =>
        new Response(Bun.spawn([process.execPath, '-e', script]).stdout).text(),
      ),
    )
    for (const text of sealed) expect(openVault({ keyFile }).openText(text, 'k')).toBe('secret')
    expect(readdirSync(join(keyFile, '..'))).toEqual(['mayact.key'])
  })
})

for (const database of databases) {
  describe(`keys on ${database.name}`, () => {
    const opened: Db[] = []
    const vault: Vault = vaultWith('a')
    let config: DatabaseConfig
    let db: Db

    const open = async (to: DatabaseConfig) => {
      const value = await connect(to)
      opened.push(value)
      return value
    }
    const fresh = async () => {
      const value = await open(await database.create())
      await migrate(value, now)
      return value
    }

    beforeAll(async () => {
      config = await database.create()
      db = await open(config)
      await migrate(db, now)
    })
    afterAll(async () => {
      for (const value of opened) await close(value)
    })

    test('it refuses a database whose secrets another key sealed', async () => {
      await ensureSameKey(db, vault)
      await ensureSameKey(db, vaultWith('a'))
      const refused = ensureSameKey(db, vaultWith('b'))
      await expect(refused).rejects.toThrow(EncryptionKeyError)
      await expect(refused).rejects.toThrow(/another encryption key/)
      await ensureSameKey(db, vault)
    })

    test('it lets one of two different keys win when both start at once on a new database', async () => {
      const value = await fresh()
      const outcomes = await Promise.allSettled([
        ensureSameKey(value, vault),
        ensureSameKey(value, vaultWith('b')),
      ])
      expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    })

    for (const algorithm of algorithms) {
      test(`it signs ${algorithm} tokens that jose verifies with the JWKS alone`, async () => {
        const keys = await loadSigningKeys(db, vault, [algorithm], () => now)
        const claims = { iss: 'https://localhost:9443/oauth2/token', sub: 'zoë', act: { sub: 'agent' } }
        const token = await keys.sign(claims, 'at+jwt')
        const { payload, protectedHeader } = await verify(token, keys, algorithm)
        expect(payload).toEqual(claims)
        const jwk = keys.jwks().keys.find(({ kid }) => kid === protectedHeader.kid)
        const { fingerprint } = certificateOf(jwk)
        const x5t = Buffer.from(fingerprint.replaceAll(':', ''), 'hex').toString('base64url')
        expect(protectedHeader).toEqual({ typ: 'at+jwt', alg: algorithm, kid: String(jwk?.kid), x5t })

        const untyped = await verify(await keys.sign(claims), keys, algorithm)
        expect(untyped.protectedHeader).toEqual({ alg: algorithm, kid: String(jwk?.kid), x5t })
        const [header, , signature] = token.split('.')
        const forged = Buffer.from(JSON.stringify({ ...claims, sub: 'bob' })).toString('base64url')
        await expect(verify(`${header}.${forged}.${signature}`, keys, algorithm)).rejects.toThrow(/signature/)
      })

      test(`it publishes the ${algorithm} key with a certificate of that very key`, async () => {
        const keys = await loadSigningKeys(db, vault, [algorithm], () => now)
        const jwk = keys.jwks().keys[0]
        const certificate = certificateOf(jwk)
        expect(certificate.verify(certificate.publicKey)).toBe(true)
        const members = {
          RS256: ['e', 'n'],
          PS256: ['e', 'n'],
          ES256: ['crv', 'x', 'y'],
          EdDSA: ['crv', 'x'],
        }
        const common = ['alg', 'kid', 'kty', 'use', 'x5c', 'x5t', 'x5t#S256']
        expect(Object.keys(jwk ?? {}).sort()).toEqual([...common, ...members[algorithm]].sort())
        const { kty = '', n = '', e = '', crv = '', x = '', y = '' } = jwk ?? {}
        const publicKey = createPublicKey({
          key: kty === 'RSA' ? { kty, n, e } : kty === 'EC' ? { kty, crv, x, y } : { kty, crv, x },
          format: 'jwk',
        })
        expect(certificate.publicKey.equals(publicKey)).toBe(true)
        const sha256 = certificate.fingerprint256.replaceAll(':', '')
        expect(jwk?.['x5t#S256']).toBe(Buffer.from(sha256, 'hex').toString('base64url'))
      })
    }

    test('it makes one key for each algorithm and publishes all, the signing one first', async () => {
      const keys = await loadSigningKeys(db, vault, ['ES256'], () => now)
      expect(keys.algorithm).toBe('ES256')
      expect(
        keys
          .jwks()
          .keys.map(({ alg }) => String(alg))
          .sort(),
      ).toEqual([...algorithms].sort())
      expect(keys.jwks().keys[0]?.alg).toBe('ES256')
      expect(kidOf(await keys.sign({}))).toBe(keys.jwks().keys[0]?.kid)
    })

    test('it keeps no private key in clear in the table or in the JWKS', async () => {
      const rows = await db.selectFrom('signing_key').selectAll().execute()
      const keys = await loadSigningKeys(db, vault, ['RS256'], () => now)
      const dump = JSON.stringify([rows, keys.jwks()])
      expect(rows.length).toBe(algorithms.length)
      for (const row of rows) {
        const key = createPrivateKey({
          key: Buffer.from(vault.open(row.private_key, row.kid)),
          format: 'der',
          type: 'pkcs8',
        })
        const { d } = key.export({ format: 'jwk' })
        const secrets = [Buffer.from(String(d), 'base64url'), key.export({ format: 'der', type: 'pkcs8' })]
        for (const secret of secrets)
          for (const encoding of ['hex', 'base64', 'base64url'] as const)
            expect(dump.includes(secret.toString(encoding))).toBe(false)
        expect(() => vault.open(row.private_key, 'another row')).toThrow(SealError)
      }
      expect(dump).not.toMatch(/"d":|PRIVATE KEY/)
      await expect(loadSigningKeys(db, vaultWith('b'), ['RS256'], () => now)).rejects.toThrow(SealError)
    })

    test('it agrees on one key when several servers start at once', async () => {
      const to = await database.create()
      const servers = await Promise.all(Array.from({ length: 4 }, () => open(to)))
      await Promise.all(servers.map((server) => migrate(server, now)))
      const before = await readRevision(servers[0] as Db)
      const all = await Promise.all(
        servers.map((server) => loadSigningKeys(server, vault, ['ES256'], () => now)),
      )
      const [first, ...others] = all.map(kidsOf)
      expect(first?.length).toBe(1)
      for (const kids of others) expect(kids).toEqual(first ?? [])
      expect(await readRevision(servers[0] as Db)).toBe(before + 1)
    })

    test('a rotation publishes the next key before it signs, and the one before it until its last token has ended', async () => {
      const value = await fresh()
      let clock = now
      const keys = await loadSigningKeys(value, vault, ['ES256'], () => clock)
      const old = await keys.sign({ sub: 'alice' })
      const first = kidOf(old) ?? ''
      const revision = await readRevision(value)
      const [next = ''] = await rotate(value, vault, ['ES256'], 900, trace, now)
      expect(await readRevision(value)).toBe(revision + 1)

      await keys.refresh()
      expect([kidsOf(keys), kidOf(await keys.sign({}))]).toEqual([[first, next], first])
      clock = new Date(now.getTime() + 899_999)
      expect(kidOf(await keys.sign({}))).toBe(first)
      clock = new Date(now.getTime() + 900_000)
      expect([kidOf(await keys.sign({})), kidsOf(keys)]).toEqual([next, [next, first]])
      expect((await verify(old, keys, 'ES256')).payload.sub).toBe('alice')

      // a token that ends in three days, of whichever key
      await runScript(
        value,
        `insert into lineage (id, kind, ends_at) values ('l', 'client', '${later(3).toISOString()}');
        insert into token (hash, id, class, lineage_id, application_id, client_id, organization_id, subject_id, scopes, issued_at, expires_at)
        values ('h', 't', 'access', 'l', 'a', 'c', 'o', 's', '', '${now.toISOString()}', '${later(3).toISOString()}')`,
      )
      clock = new Date(now.getTime() + 900_000 + 60_001)
      await keys.refresh()
      const listed = await listKeys(value, clock)
      expect(listed.map(({ kid, state }) => [kid, state])).toEqual([
        [next, 'signs'],
        [first, 'retired'],
      ])
      const end = new Date(later(3).getTime() + 3_600_000)
      expect(listed[1]?.publishedUntil).toBe(end.toISOString())
      clock = new Date(end.getTime() - 1)
      await keys.refresh()
      expect(kidsOf(keys)).toEqual([next, first])
      clock = end
      expect([kidOf(await keys.sign({})), kidsOf(keys)]).toEqual([next, [next]])
      const another = await loadSigningKeys(value, vault, ['ES256'], () => clock)
      expect(kidsOf(another)).toEqual([next])
      expect((await listKeys(value, clock)).map(({ state }) => state)).toEqual(['signs', 'gone'])
    })

    test('a change by another process is seen by the next token, without a start', async () => {
      const to = await database.create()
      const [mine, theirs] = [await open(to), await open(to)]
      await migrate(mine, now)
      const keys = await loadSigningKeys(mine, vault, ['ES256'])
      await keys.sign({})
      const [next] = await rotate(theirs, vault, ['ES256'], 0, trace, new Date())
      // what every request does
      await readRevision(mine)
      expect(kidOf(await keys.sign({}))).toBe(next)
      const [after] = await rotate(theirs, vault, ['ES256'], 0, trace, new Date())
      // and where there was no request for a second
      await Bun.sleep(1_050)
      expect([kidOf(await keys.sign({})), keys.jwks().keys.length]).toEqual([after, 3])
    })

    test('it leaves one key alive when two rotate at once, and each has its audit row', async () => {
      const value = await fresh()
      await loadSigningKeys(value, vault, ['EdDSA'], () => now)
      await Promise.all([0, 1].map(() => rotate(value, vault, ['EdDSA'], 0, trace, later(1))))
      const rows = await value.selectFrom('signing_key').select('retired_at').execute()
      expect(rows.filter((row) => row.retired_at === null).length).toBe(1)
      expect(rows.length).toBe(3)
      const events = await value.selectFrom('audit').select('event').orderBy('event').execute()
      expect(events.map(({ event }) => event)).toEqual([
        ...Array<string>(3).fill('signing-key-created'),
        ...Array<string>(2).fill('signing-key-retired'),
      ])
    })

    test('it retires a key once, and makes a new one when none is left', async () => {
      const value = await fresh()
      const keys = await loadSigningKeys(value, vault, ['ES256'], () => now)
      const kid = kidOf(await keys.sign({})) ?? ''
      const keeping = { withdraw: false }
      expect(await retire(value, kid, keeping, trace, now)).toBe(true)
      expect(await retire(value, kid, keeping, trace, later(1))).toBe(false)
      expect(await retire(value, 'unknown', keeping, trace, now)).toBe(false)
      await keys.refresh()
      expect(kidOf(await keys.sign({}))).not.toBe(kid)
      expect(kidsOf(keys)).toContain(kid)
    })

    test('it withdraws a stolen key from the JWKS at once, and the waiting one signs', async () => {
      const value = await fresh()
      const keys = await loadSigningKeys(value, vault, ['ES256'], () => now)
      const stolen = kidOf(await keys.sign({})) ?? ''
      const [kid = ''] = await rotate(value, vault, ['ES256'], 900, trace, now)
      expect(await retire(value, stolen, { withdraw: true }, trace, now)).toBe(true)
      expect(await retire(value, stolen, { withdraw: true }, trace, now)).toBe(false)
      await keys.refresh()
      expect([kidsOf(keys), kidOf(await keys.sign({}))]).toEqual([[kid], kid])
    })

    test('a retired key that turns out to be stolen can still be withdrawn', async () => {
      const value = await fresh()
      const keys = await loadSigningKeys(value, vault, ['ES256'], () => now)
      const stolen = kidOf(await keys.sign({})) ?? ''
      const [kid = ''] = await rotate(value, vault, ['ES256'], 0, trace, now)
      expect(await retire(value, stolen, { withdraw: true }, trace, later(1))).toBe(true)
      const row = (await listKeys(value, later(1))).find((key) => key.kid === stolen)
      expect([row?.kid, row?.state, row?.retiredAt]).toEqual([stolen, 'gone', now.toISOString()])
      await keys.refresh()
      const another = await loadSigningKeys(value, vault, ['ES256'], () => later(1))
      expect(kidsOf(another)).toEqual([kid])
    })

    test('several algorithms sign at once, and one that is not offered gives way to the configured one', async () => {
      const value = await fresh()
      const keys = await loadSigningKeys(value, vault, ['RS256', 'ES256', 'EdDSA'], () => now)
      const algorithmOf = async (asked?: string) =>
        decodeProtectedHeader(await keys.sign({}, undefined, asked)).alg
      expect(await Promise.all([undefined, 'ES256', 'EdDSA', 'PS256', 'none'].map(algorithmOf))).toEqual([
        'RS256',
        'ES256',
        'EdDSA',
        'RS256',
        'RS256',
      ])
      await rotate(value, vault, ['RS256', 'ES256', 'EdDSA'], 0, trace, now)
      await keys.refresh()
      expect(keys.jwks().keys.map(({ alg }) => alg)).toEqual([
        'RS256',
        'ES256',
        'EdDSA',
        ...keys
          .jwks()
          .keys.slice(3)
          .map(({ alg }) => alg),
      ])
      expect((await verify(await keys.sign({}, undefined, 'ES256'), keys, 'ES256')).payload).toEqual({})
    })

    test('rotations under load: every token has its key published when it is released', async () => {
      const to = await database.create()
      const [mine, theirs] = [await open(to), await open(to)]
      await migrate(mine, now)
      const keys = await loadSigningKeys(mine, vault, ['ES256'])
      const elsewhere = await loadSigningKeys(theirs, vault, ['ES256'])
      let rotating = true
      let signed = 0
      const load = async (server: Db, own: SigningKeys, other: SigningKeys) => {
        while (rotating) {
          const n = await readRevision(server)
          const token = await own.sign({ n })
          // what is released was guarded by the revision
          if ((await commit(server, [revisionIs(n)])) !== 'committed') continue
          await other.refresh()
          await verify(token, other, 'ES256')
          signed += 1
        }
      }
      const loads = [load(mine, keys, elsewhere), load(theirs, elsewhere, keys), load(mine, keys, elsewhere)]
      for (let turn = 0; turn < 10; turn += 1) {
        const [kid = ''] = await rotate(mine, vault, ['ES256'], turn % 2 === 0 ? 0 : 1, trace, new Date())
        await Bun.sleep(20)
        // the one before is stolen, as far as this test is concerned
        const before = (await listKeys(mine, new Date())).find(
          (key) => key.kid !== kid && key.state !== 'gone',
        )
        if (turn % 3 === 0 && before) await retire(theirs, before.kid, { withdraw: true }, trace, new Date())
      }
      rotating = false
      await Promise.all(loads)
      expect(signed).toBeGreaterThan(20)
    }, 30_000)
  })
}

describe('TLS', () => {
  const serve = async (tls: { cert: string; key: string }, check: (url: URL) => Promise<void>) => {
    const { cert, key } = tls
    const server = Bun.serve({ port: 0, tls: { cert, key }, fetch: () => new Response('served') })
    try {
      await check(server.url)
    } finally {
      await server.stop(true)
    }
  }

  test('it makes a self-signed pair that serves HTTPS to who trusts it, by name and by address', async () => {
    const directory = temporaryDirectory()
    const tls = await loadTls({ directory, hostname: 'mayact.example', now })
    expect({ made: tls.made, path: tls.path }).toEqual({
      made: true,
      path: join(directory, 'tls/certificate.pem'),
    })
    await serve(tls, async ({ port }) => {
      for (const host of ['localhost', '127.0.0.1']) {
        const response = await fetch(`https://${host}:${port}/`, { tls: { ca: tls.cert } })
        expect(await response.text()).toBe('served')
      }
      await expect(fetch(`https://localhost:${port}/`)).rejects.toThrow(/self.signed/i)
    })
  })

  test('it names host and loopback addresses, for servers only, and signs nothing else', async () => {
    const { cert } = await loadTls({ directory: temporaryDirectory(), hostname: 'mayact.example', now })
    const certificate = new X509Certificate(cert)
    for (const name of ['mayact.example', 'localhost']) expect(certificate.checkHost(name)).toBe(name)
    for (const address of ['127.0.0.1', '::1']) expect(certificate.checkIP(address)).toBe(address)
    expect(certificate.checkHost('other.example')).toBeUndefined()
    expect(certificate.checkIP('127.0.0.2')).toBeUndefined()
    expect(certificate.ca).toBe(false)
    expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1'])
    expect(certificate.subject).toBe('CN=mayact.example')
    expect(certificate.serialNumber).toMatch(/^[4-7][0-9A-F]{31}$/)
  })

  test('it keeps the pair for its owner and uses it again', async () => {
    const directory = temporaryDirectory()
    const first = await loadTls({ directory, hostname: 'localhost', now })
    expect(modeOf(join(directory, 'tls'))).toBe('700')
    expect(modeOf(join(directory, 'tls/key.pem'))).toBe('600')
    expect(readdirSync(join(directory, 'tls')).sort()).toEqual(['certificate.pem', 'key.pem'])
    expect(await loadTls({ directory, hostname: 'localhost', now: later(700) })).toEqual({
      ...first,
      made: false,
    })
  })

  test('it makes another pair when the host name changed, the end is near or the files do not fit', async () => {
    const directory = temporaryDirectory()
    const first = await loadTls({ directory, hostname: 'localhost', now })
    const renamed = await loadTls({ directory, hostname: '192.0.2.7', now })
    expect(renamed.made).toBe(true)
    expect(new X509Certificate(renamed.cert).checkIP('192.0.2.7')).toBe('192.0.2.7')
    const renewed = await loadTls({ directory, hostname: '192.0.2.7', now: later(800) })
    expect(renewed.made).toBe(true)
    writeFileSync(join(directory, 'tls/key.pem'), first.key)
    const mended = await loadTls({ directory, hostname: '192.0.2.7', now: later(800) })
    expect(mended.made).toBe(true)
    expect((await loadTls({ directory, hostname: '192.0.2.7', now: later(800) })).cert).toBe(mended.cert)
  })

  test('it reads the configured files, writes nothing, and names the one that is wrong', async () => {
    const directory = temporaryDirectory()
    const files = temporaryDirectory()
    mkdirSync(files, { recursive: true })
    const pair = await selfSigned({
      commonName: 'mayact.example',
      names: ['localhost'],
      algorithm: 'RS256',
      days: 1,
      now,
    })
    const other = await selfSigned({ commonName: 'other', names: [], algorithm: 'ES256', days: 1, now })
    const [certificate, key, otherKey] = ['cert.pem', 'key.pem', 'other.pem'].map((name) => join(files, name))
    if (!certificate || !key || !otherKey) throw new Error('unreachable')
    writeFileSync(certificate, pair.certificate)
    writeFileSync(key, pair.privateKey)
    writeFileSync(otherKey, other.privateKey)

    const common = { directory, hostname: 'localhost', now }
    const tls = await loadTls({ ...common, certificate, key })
    expect(tls).toEqual({ cert: pair.certificate, key: pair.privateKey, made: false, path: certificate })
    await serve(tls, async (url) => {
      expect((await fetch(url, { tls: { ca: tls.cert } })).status).toBe(200)
    })
    await expect(loadTls({ ...common, certificate, key: otherKey })).rejects.toThrow(/does not belong/)
    await expect(loadTls({ ...common, certificate: key, key })).rejects.toThrow(/not a TLS certificate/)
    await expect(loadTls({ ...common, certificate, key: certificate })).rejects.toThrow(/not a TLS key/)
    await expect(loadTls({ ...common, certificate, key: join(files, 'none.pem') })).rejects.toThrow(
      /none\.pem/,
    )
    await expect(loadTls({ ...common, certificate })).rejects.toThrow(TlsError)
    await expect(loadTls({ ...common, key })).rejects.toThrow(TlsError)
    expect(readdirSync(directory)).toEqual([])
  })
})
