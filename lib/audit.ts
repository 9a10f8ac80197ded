/**
 * The audit trail. An event is a row written in the commit of what it records, and afterwards a line of audit.log.
 * This file owns the table of events and the line's format; lib/journal.ts moves rows to lines.
 */
import { sealedColumns } from './audit/chain.ts'
import { type Write, write } from './database/commit.ts'
import type { Db } from './database/connect.ts'
import { insertingMany } from './database/prepared.ts'
import type { AuditTable } from './database/schema.ts'

/** Each event with the `Action=` of its line. Events of `impersonation` carry no impersonator suffix: they name him. */
const events = {
  'subject-token-issued': { action: 'subject-token-issued', impersonation: true },
  'impersonated-token-issued': { action: 'impersonated-token-issued', impersonation: true },
  'impersonation-refused': { action: 'impersonation-refused', impersonation: true },
  'impersonation-ended': { action: 'impersonation-ended', impersonation: true },
  'impersonations-ended': { action: 'impersonations-ended', impersonation: false },
  'resource-modification-via-impersonation': {
    action: 'resource-modification-via-impersonation',
    impersonation: true,
  },
  'resource-creation-via-impersonation': {
    action: 'resource-creation-via-impersonation',
    impersonation: true,
  },
  'resource-deletion-via-impersonation': {
    action: 'resource-deletion-via-impersonation',
    impersonation: true,
  },
  'resource-access-via-impersonation': { action: 'resource-access-via-impersonation', impersonation: true },
  'user-claims-changed': { action: 'Set-User-Claim-Values', impersonation: false },
  'login-succeeded': { action: 'user-login', impersonation: false },
  'login-failed': { action: 'user-login-failed', impersonation: false },
  logout: { action: 'user-logout', impersonation: false },
  'user-created': { action: 'user-created', impersonation: false },
  'user-deleted': { action: 'user-deleted', impersonation: false },
  'user-locked': { action: 'user-locked', impersonation: false },
  'user-unlocked': { action: 'user-unlocked', impersonation: false },
  'user-disabled': { action: 'user-disabled', impersonation: false },
  'user-enabled': { action: 'user-enabled', impersonation: false },
  'password-changed': { action: 'password-changed', impersonation: false },
  'password-rehashed': { action: 'password-rehashed', impersonation: false },
  'role-created': { action: 'role-created', impersonation: false },
  'role-updated': { action: 'role-updated', impersonation: false },
  'role-deleted': { action: 'role-deleted', impersonation: false },
  'group-created': { action: 'group-created', impersonation: false },
  'group-updated': { action: 'group-updated', impersonation: false },
  'group-deleted': { action: 'group-deleted', impersonation: false },
  'application-created': { action: 'application-created', impersonation: false },
  'application-updated': { action: 'application-updated', impersonation: false },
  'application-protocol-updated': { action: 'application-protocol-updated', impersonation: false },
  'application-api-authorized': { action: 'application-api-authorized', impersonation: false },
  'application-deleted': { action: 'application-deleted', impersonation: false },
  'application-protocol-removed': { action: 'application-protocol-removed', impersonation: false },
  'application-secret-regenerated': { action: 'application-secret-regenerated', impersonation: false },
  'application-revoked': { action: 'application-revoked', impersonation: false },
  'application-api-changed': { action: 'application-api-changed', impersonation: false },
  'application-api-removed': { action: 'application-api-removed', impersonation: false },
  'application-impersonation-enabled': { action: 'application-impersonation-enabled', impersonation: false },
  'application-impersonation-disabled': {
    action: 'application-impersonation-disabled',
    impersonation: false,
  },
  'resident-application-updated': { action: 'resident-application-updated', impersonation: false },
  'api-resource-created': { action: 'api-resource-created', impersonation: false },
  'api-resource-updated': { action: 'api-resource-updated', impersonation: false },
  'api-resource-deleted': { action: 'api-resource-deleted', impersonation: false },
  'configuration-type-created': { action: 'configuration-type-created', impersonation: false },
  'configuration-type-updated': { action: 'configuration-type-updated', impersonation: false },
  'configuration-type-deleted': { action: 'configuration-type-deleted', impersonation: false },
  'configuration-resource-created': { action: 'configuration-resource-created', impersonation: false },
  'configuration-resource-updated': { action: 'configuration-resource-updated', impersonation: false },
  'configuration-resource-deleted': { action: 'configuration-resource-deleted', impersonation: false },
  'configuration-attribute-added': { action: 'configuration-attribute-added', impersonation: false },
  'configuration-attribute-updated': { action: 'configuration-attribute-updated', impersonation: false },
  'configuration-attribute-deleted': { action: 'configuration-attribute-deleted', impersonation: false },
  'configuration-file-added': { action: 'configuration-file-added', impersonation: false },
  'configuration-file-deleted': { action: 'configuration-file-deleted', impersonation: false },
  'configuration-changed': { action: 'configuration-changed', impersonation: false },
  'webhook-created': { action: 'webhook-created', impersonation: false },
  'webhook-updated': { action: 'webhook-updated', impersonation: false },
  'webhook-deleted': { action: 'webhook-deleted', impersonation: false },
  'webhook-secret-rotated': { action: 'webhook-secret-rotated', impersonation: false },
  'webhook-tested': { action: 'webhook-tested', impersonation: false },
  'webhook-delivery-retried': { action: 'webhook-delivery-retried', impersonation: false },
  'email-template-type-created': { action: 'email-template-type-created', impersonation: false },
  'email-template-type-deleted': { action: 'email-template-type-deleted', impersonation: false },
  'email-template-created': { action: 'email-template-created', impersonation: false },
  'email-template-updated': { action: 'email-template-updated', impersonation: false },
  'email-template-deleted': { action: 'email-template-deleted', impersonation: false },
  'email-templates-replaced': { action: 'email-templates-replaced', impersonation: false },
  'email-templates-reset': { action: 'email-templates-reset', impersonation: false },
  'email-template-tested': { action: 'email-template-tested', impersonation: false },
  'mail-retried': { action: 'mail-retried', impersonation: false },
  'mails-retried': { action: 'mails-retried', impersonation: false },
  'signing-key-created': { action: 'signing-key-created', impersonation: false },
  'plugin-loaded': { action: 'plugin-loaded', impersonation: false },
  'plugin-answered': { action: 'plugin-answered', impersonation: false },
  'configuration-reloaded': { action: 'configuration-reloaded', impersonation: false },
  'impersonation-preference-changed': { action: 'impersonation-preference-changed', impersonation: false },
  'consent-given': { action: 'consent-given', impersonation: false },
  'consent-denied': { action: 'consent-denied', impersonation: false },
  'consent-withdrawn': { action: 'consent-withdrawn', impersonation: false },
  'sessions-ended': { action: 'sessions-ended', impersonation: false },
  'application-tokens-revoked': { action: 'application-tokens-revoked', impersonation: false },
  'authorization-code-issued': { action: 'authorization-code-issued', impersonation: false },
  'authorization-code-replayed': { action: 'authorization-code-replayed', impersonation: false },
  'token-issued': { action: 'token-issued', impersonation: false },
  'token-refreshed': { action: 'token-refreshed', impersonation: false },
  'refresh-token-reused': { action: 'refresh-token-reused', impersonation: false },
  'delegated-token-issued': { action: 'delegated-token-issued', impersonation: true },
  'client-authentication-failed': { action: 'client-authentication-failed', impersonation: false },
  'token-refused': { action: 'token-refused', impersonation: false },
  'token-revoked': { action: 'token-revoked', impersonation: false },
  'device-approved': { action: 'device-approved', impersonation: false },
  'device-denied': { action: 'device-denied', impersonation: false },
  'client-registered': { action: 'client-registered', impersonation: false },
  'client-updated': { action: 'client-updated', impersonation: false },
  'client-deleted': { action: 'client-deleted', impersonation: false },
  'oidc-scope-changed': { action: 'oidc-scope-changed', impersonation: false },
  'signing-key-retired': { action: 'signing-key-retired', impersonation: false },
  'database-restored': { action: 'database-restored', impersonation: false },
  'audit-rows-removed': { action: 'audit-rows-removed', impersonation: false },
  'request-abandoned': { action: 'request-abandoned', impersonation: false },
} as const satisfies Record<string, { action: string; impersonation: boolean }>

export type AuditEvent = keyof typeof events

/** One request, as every row and log line of it knows it: its correlation id and the caller's address. */
export interface Trace {
  readonly id: string
  readonly address: string
}

export interface AuditEntry {
  readonly event: AuditEvent
  /** Who did it: an account's id, `system`, or a client id. */
  readonly initiator: string
  /** Whom or what it was done to. */
  readonly target: string
  readonly data: Readonly<Record<string, unknown>>
  readonly outcome: string
  /** The impersonator, when the request acted for somebody else or asked to. */
  readonly actorId?: string | undefined
  readonly subjectId?: string | undefined
  readonly applicationId?: string | undefined
  readonly organizationId?: string | undefined
  readonly impersonationId?: string | undefined
}

const writers = new WeakMap<Db, { readonly id: string; due: number }>()

/** A row is recorded a while before its commit is done: so often the journal looks for it afterwards. */
export const looks = 10

/** This process's mark on the rows it commits, and how often to look for some that lack their line. */
export const auditWriter = (db: Db) => {
  const known = writers.get(db)
  if (known) return known
  const made = { id: crypto.randomUUID(), due: 0 }
  writers.set(db, made)
  return made
}

const insertRows = insertingMany('audit', [...sealedColumns, 'writer', 'line_at'])

const rowOf = (entry: AuditEntry, at: string, trace: Trace, writer: string): AuditTable => ({
  id: Bun.randomUUIDv7(),
  at,
  event: entry.event,
  action: events[entry.event].action,
  initiator: entry.initiator,
  target: entry.target,
  data: JSON.stringify(entry.data),
  outcome: entry.outcome,
  actor_id: entry.actorId ?? null,
  subject_id: entry.subjectId ?? null,
  application_id: entry.applicationId ?? null,
  organization_id: entry.organizationId ?? null,
  impersonation_id: entry.impersonationId ?? null,
  trace_id: trace.id,
  writer,
  line_at: null,
  position: null,
  link: null,
})

/** The writes that join the commit of what they record. */
export const recordAll = (
  db: Db,
  now: Date,
  trace: Trace,
  entries: readonly AuditEntry[],
): readonly Write[] => {
  const writer = auditWriter(db)
  writer.due = looks
  const at = now.toISOString()
  return insertRows(
    db,
    entries.map((entry) => rowOf(entry, at, trace, writer.id)),
  ).map(write)
}

/** The same for one. */
export const record = (db: Db, now: Date, trace: Trace, entry: AuditEntry): Write => {
  const [row] = recordAll(db, now, trace, [entry])
  if (!row) throw new Error('a row is one write')
  return row
}

/** The event of a request made with an impersonated token, by its method (facts/impersonation.md §8). */
export const useEvent = (method: string): AuditEvent => {
  if (method === 'PATCH') return 'resource-modification-via-impersonation'
  if (method === 'POST') return 'resource-creation-via-impersonation'
  if (method === 'DELETE') return 'resource-deletion-via-impersonation'
  return 'resource-access-via-impersonation'
}

/** First character, stars, last character, as in the seed's sample: `Sweden` → `S****n`. */
export const mask = (value: string): string => {
  const characters = [...value]
  if (characters.length < 3) return '*'.repeat(characters.length)
  return `${characters[0]}${'*'.repeat(characters.length - 2)}${characters.at(-1)}`
}

const suffix = ' | Impersonator : '

/** No value may start a line of its own, or imitate the suffix or the next field; in JSON the escapes say the same. */
const escapeValue = (value: string): string =>
  value
    .replace(
      /[\p{Cc}\p{Zl}\p{Zp}]/gu,
      (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
    )
    .replace(/\|(?=\s*Impersonator)/gi, '\\u007c')
    .replace(/(?<= (?:Action|Target|Data|Outcome))=/g, '\\u003d')

const stamp = (instant: string) => instant.replace('T', ' ').replace('Z', '').replace('.', ',')

/** The row's line in the seed's format: `TID: [-1234] [date] [trace]  INFO {AUDIT_LOG} - Initiator=…`. */
export const auditLine = (row: AuditTable): string => {
  const [initiator, action, target, data, outcome] = [
    row.initiator,
    row.action,
    row.target,
    row.data,
    row.outcome,
  ].map(escapeValue)
  const line = `TID: [-1234] [${stamp(row.at)}] [${escapeValue(row.trace_id)}]  INFO {AUDIT_LOG} - Initiator=${initiator} Action=${action} Target=${target} Data=${data} Outcome=${outcome}`
  const known = (events as Record<string, { impersonation: boolean } | undefined>)[row.event]
  return row.actor_id && !known?.impersonation ? `${line}${suffix}${escapeValue(row.actor_id)}` : line
}
