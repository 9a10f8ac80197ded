/** The key that signs the audit trail's checkpoints. It is made once and stays: exports are verified with it for years. */
import {
  calculateJwkThumbprint,
  exportJWK,
  exportPKCS8,
  generateKeyPair,
  importPKCS8,
  type JWK,
  SignJWT,
} from 'jose'
import { commit, write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import type { Vault } from './secrets.ts'

const algorithm = 'ES256'

export interface AuditKey {
  readonly kid: string
  /** Signs a statement of that `typ`. */
  sign(statement: Readonly<Record<string, unknown>>, typ: string): Promise<string>
}

const stored = (db: Db) =>
  db.selectFrom('audit_key').selectAll().orderBy('created_at', 'desc').orderBy('kid').executeTakeFirst()

const make = async (db: Db, vault: Vault, now: Date) => {
  const pair = await generateKeyPair(algorithm, { extractable: true })
  const jwk = await exportJWK(pair.publicKey)
  const kid = await calculateJwkThumbprint(jwk)
  const row = {
    kid,
    private_key: vault.seal(await exportPKCS8(pair.privateKey), kid),
    public_jwk: JSON.stringify({ ...jwk, kid, alg: algorithm, use: 'sig' }),
    created_at: now.toISOString(),
  }
  // two processes that make one at once: both stay, the newer one signs
  await commit(db, [write(db.insertInto('audit_key').values(row))])
  return row
}

/** The key, made when there is none. Throws `SealError` when the encryption key is another one. */
export const openAuditKey = async (db: Db, vault: Vault, now: Date): Promise<AuditKey> => {
  const { kid, private_key } = (await stored(db)) ?? (await make(db, vault, now))
  const key = await importPKCS8(vault.openText(private_key, kid), algorithm)
  return {
    kid,
    sign: (statement, typ) =>
      new SignJWT(statement).setProtectedHeader({ alg: algorithm, kid, typ }).sign(key),
  }
}

/** The public keys, for whoever verifies. */
export const auditPublicKeys = async (db: Db): Promise<readonly JWK[]> => {
  const rows = await db.selectFrom('audit_key').select('public_jwk').orderBy('created_at').execute()
  return rows.map(({ public_jwk }) => JSON.parse(public_jwk) as JWK)
}
