/** The JSON (v2) format of an audit line, as WSO2's `AuditLog` has it: one object a line. */
import type { AuditTable } from '../database/schema.ts'

/** What an event is done to, by the beginning of its name; the first that fits. */
const targetTypes = [
  ['user-', 'User'],
  ['password-', 'User'],
  ['login-', 'User'],
  ['logout', 'User'],
  ['session', 'User'],
  ['role-', 'Role'],
  ['group-', 'Group'],
  ['application-', 'Application'],
  ['resident-application-', 'Application'],
  ['client-', 'Application'],
  ['api-resource-', 'APIResource'],
  ['oidc-scope-', 'Scope'],
  ['configuration-', 'Configuration'],
  ['signing-key-', 'Key'],
  ['plugin-', 'Plugin'],
  ['database-', 'System'],
  ['audit-', 'System'],
] as const

const kebab = (action: string) => action.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')

const clientOf = (data: unknown): unknown =>
  typeof data === 'object' && data !== null && 'clientId' in data ? data.clientId : undefined

const initiatorType = (initiator: string, data: unknown): string => {
  if (initiator === 'system') return 'System'
  // no user has the id of a client (docs/compatibility.md)
  return initiator === clientOf(data) ? 'Application' : 'User'
}

const targetType = ({ event, target, initiator }: AuditTable, data: unknown): string => {
  if (target === clientOf(data)) return 'Application'
  const known = targetTypes.find(([start]) => event.startsWith(start))
  if (known) return known[1]
  // tokens, consents and impersonations are about a person
  return target === initiator ? initiatorType(initiator, data) : 'User'
}

const dataOf = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return { text }
  }
}

/** The row's line; `outcome` is there beside WSO2's members, whose log knows no refusals. */
export const jsonLine = (row: AuditTable): string => {
  const data = dataOf(row.data)
  const line = {
    id: row.id,
    recordedAt: row.at,
    requestId: row.trace_id,
    initiatorId: row.initiator,
    initiatorType: initiatorType(row.initiator, data),
    targetId: row.target,
    targetType: targetType(row, data),
    action: kebab(row.action),
    ...(row.actor_id ? { impersonatorId: row.actor_id } : {}),
    data,
    outcome: row.outcome,
  }
  // JSON allows these in a text, terminals and readers of lines may not
  return JSON.stringify(line).replace(
    /[\p{Cc}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
