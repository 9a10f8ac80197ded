/** What an audit sink or a notifier hears of audit rows. */
import type { AuditRow, Json } from 'mayact'
import type { AuditTable } from '../database/schema.ts'
import type { Follower } from '../plugins.ts'
import { frozen } from './views.ts'
import { within } from './within.ts'

const viewOf = (row: AuditTable): AuditRow =>
  frozen({
    id: row.id,
    position: row.position ?? 0,
    at: row.at,
    event: row.event,
    initiator: row.initiator,
    target: row.target,
    // record() wrote it as JSON
    data: JSON.parse(row.data) as Json,
    outcome: row.outcome,
    impersonatorId: row.actor_id ?? undefined,
    subjectId: row.subject_id ?? undefined,
    applicationId: row.application_id ?? undefined,
    organizationId: row.organization_id ?? undefined,
    impersonationId: row.impersonation_id ?? undefined,
    traceId: row.trace_id,
  })

const textOf = (data: Json, name: string): string => {
  const value = typeof data === 'object' && data !== null ? Reflect.get(data, name) : undefined
  return typeof value === 'string' ? value : ''
}

/** Tells one of some rows, in their order. Rejects with PluginFault. */
export const tell = async (
  { name, config, follows }: Follower,
  found: readonly AuditTable[],
  limit: number,
): Promise<void> => {
  const rows = found.map(viewOf)
  const asked = (signal: AbortSignal) => ({ now: new Date(), config, signal })
  if (follows.kind === 'auditSink') {
    await within(name, limit, (signal) => follows.plugin.receive(frozen({ ...asked(signal), rows })))
    return
  }
  for (const { at, data, impersonatorId = '', subjectId = '', impersonationId = '' } of rows) {
    const scope = textOf(data, 'scope')
    const told = {
      impersonationId,
      at,
      impersonatorId,
      subjectId,
      clientId: textOf(data, 'clientId'),
      scopes: scope === '' ? [] : scope.split(' '),
    }
    await within(name, limit, (signal) => follows.plugin.started(frozen({ ...asked(signal), ...told })))
  }
}
