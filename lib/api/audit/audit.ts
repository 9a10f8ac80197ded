/**
 * The audit trail, mounted at /api/server/v1/audit: rows, checkpoints and the keys that prove them. To read it leaves no
 * row itself, or each look would lengthen what is looked at.
 */
import { Hono } from 'hono'
import { findAuditRow, listCheckpoints, searchAudit } from '../../audit/search.ts'
import type { AuditTable } from '../../database/schema.ts'
import { auditPublicKeys } from '../../keys/audit-key.ts'
import type { ApiNeeds } from '../api.ts'
import { gate } from '../gate.ts'
import { parameter } from '../parameter.ts'
import { Problem } from '../problem.ts'
import { operations } from './operations.ts'
import { cursorOf, invalid, readLimit, readSearch, requireKnown } from './query.ts'

const path = '/api/server/v1/audit'
const permission = 'internal_audit_view'

const given = <Value>(name: string, value: Value | null) => (value === null ? {} : { [name]: value })

/** As JSON, as it was written; text that somebody put there by hand is shown as it is. */
const dataOf = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

const shown = (row: AuditTable, provenTo: number) => ({
  id: row.id,
  recordedAt: row.at,
  event: row.event,
  action: row.action,
  initiator: row.initiator,
  target: row.target,
  ...given('actor', row.actor_id),
  ...given('subject', row.subject_id),
  ...given('application', row.application_id),
  ...given('organization', row.organization_id),
  ...given('impersonation', row.impersonation_id),
  outcome: row.outcome,
  traceId: row.trace_id,
  data: dataOf(row.data),
  sealed: row.position !== null,
  proven: row.position !== null && row.position <= provenTo,
  ...given('position', row.position),
  ...given('link', row.link),
})

/** The link to the page behind; it repeats what was asked for. */
const nextLink = (of: string, query: URLSearchParams, after: string) => {
  const next = new URLSearchParams(query)
  next.set('after', after)
  return { rel: 'next', href: `${of}?${next}` }
}

export const audit = (needs: ApiNeeds) => {
  const { db } = needs
  const guarded = gate(needs)
  return new Hono()
    .get(
      '/',
      guarded(
        permission,
        async (_, c) => {
          const query = new URL(c.req.url).searchParams
          const { rows, next, provenTo } = await searchAudit(db, readSearch(query))
          return c.json({
            count: rows.length,
            links: next ? [nextLink(path, query, cursorOf(next))] : [],
            events: rows.map((row) => shown(row, provenTo)),
          })
        },
        operations.search,
      ),
    )
    .get(
      '/checkpoints',
      guarded(
        permission,
        async (_, c) => {
          const query = new URL(c.req.url).searchParams
          requireKnown(query, ['limit', 'after'])
          const limit = readLimit(query.get('limit'))
          const after = query.get('after')
          if (after !== null && !/^\d{1,15}$/.test(after)) throw invalid('after must be a position.')
          const found = await listCheckpoints(db, after === null ? undefined : Number(after), limit + 1)
          const checkpoints = found.slice(0, limit)
          const last = found.length > limit ? checkpoints.at(-1) : undefined
          return c.json({
            count: checkpoints.length,
            links: last ? [nextLink(`${path}/checkpoints`, query, String(last.position))] : [],
            checkpoints,
          })
        },
        operations.listCheckpoints,
      ),
    )
    .get(
      '/keys',
      guarded(permission, async (_, c) => c.json({ keys: await auditPublicKeys(db) }), operations.keys),
    )
    .get(
      '/:id',
      guarded(
        permission,
        async (_, c) => {
          const id = parameter(c, 'id')
          const found = await findAuditRow(db, id)
          if (!found) {
            throw new Problem({
              status: 404,
              code: 'AUD-60002',
              message: 'Resource not found.',
              description: `There is no audit row with the id ${id}.`,
            })
          }
          return c.json(shown(found.row, found.provenTo))
        },
        operations.read,
      ),
    )
}
