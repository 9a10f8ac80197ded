/**
 * The secret behind pairwise subject identifiers (OpenID Connect Core §8.1). It is made once, kept sealed in `meta` and
 * never changed: with another one every pairwise client would meet strangers. All servers on a database have the same.
 */
import { commit, write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import type { Vault } from '../keys/secrets.ts'
import { randomValue } from './token.ts'

const row = 'pairwise_salt'

const salts = new WeakMap<Db, string>()

/** Reads the salt, or makes it; servers that start at once agree on one. Throws `SealError` with another vault's key. */
export const openPairwiseSalt = async (db: Db, vault: Vault): Promise<void> => {
  const find = () => db.selectFrom('meta').select('value').where('name', '=', row).executeTakeFirst()
  let stored = await find()
  if (!stored) {
    const value = vault.seal(randomValue(), row)
    // whether this one was written or another server's was first: what is there now counts
    await commit(db, [write(db.insertInto('meta').values({ name: row, value }))])
    stored = await find()
  }
  if (!stored) throw new Error('the salt of pairwise subjects could be neither written nor read')
  salts.set(db, vault.openText(stored.value, row))
}

/** The salt of an opened database. */
export const pairwiseSalt = (db: Db): string => {
  const salt = salts.get(db)
  if (salt === undefined) throw new Error('this database was not opened with its salt of pairwise subjects')
  return salt
}
