/** The origins whose scripts may call: those that some active application lists, as of a revision. */
import type { Db } from '../database/connect.ts'
import { fact } from './facts.ts'

const load = async (db: Db): Promise<ReadonlySet<string>> => {
  const rows = await db
    .selectFrom('application')
    .select('oidc')
    .where('disabled_at', 'is', null)
    .where('revoked_at', 'is', null)
    // as JSON.stringify writes a list that is not empty; scripts' spelling is found by the second
    .where((eb) =>
      eb.or([eb('oidc', 'like', '%"allowedOrigins":["%'), eb('oidc', 'like', '%"allowedOrigins": ["%')]),
    )
    .execute()
  const origins = rows.flatMap(({ oidc }) => {
    const { allowedOrigins } = JSON.parse(oidc) as { allowedOrigins?: unknown }
    return Array.isArray(allowedOrigins) ? allowedOrigins : []
  })
  return new Set(origins.filter((origin): origin is string => typeof origin === 'string'))
}

export const isAllowedOrigin = async (db: Db, n: number, origin: string): Promise<boolean> =>
  (await fact(db, n, 'allowed origins', () => load(db))).has(origin)
