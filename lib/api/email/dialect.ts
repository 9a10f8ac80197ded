/** The forms of the e-mail template APIs: the same resources under three paths, with their own codes and permissions. */
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { Problem } from '../problem.ts'
import { tenantPath } from '../tenant.ts'

export type Verb = 'view' | 'create' | 'update' | 'delete'

export type Fault =
  | 'type-missing'
  | 'type-exists'
  | 'template-missing'
  | 'template-exists'
  /** What is built in can be overridden, not removed. */
  | 'built-in'

export interface Dialect {
  /** Distinguishes its operations in the OpenAPI document. */
  readonly id: 'V1' | 'V2' | 'Notification'
  readonly tag: string
  /** Of its template types, without the tenant. */
  readonly path: string
  readonly permission: (verb: Verb) => string
  readonly codes: Readonly<Record<Fault, string>>
}

const etm = {
  'type-missing': 'ETM-50002',
  'template-missing': 'ETM-50003',
  'template-exists': 'ETM-50004',
  'type-exists': 'ETM-50005',
  'built-in': 'ETM-60016',
} as const

const ntm = {
  'type-exists': 'NTM-65001',
  'type-missing': 'NTM-65002',
  'template-exists': 'NTM-65003',
  'template-missing': 'NTM-65004',
  'built-in': 'NTM-60016',
} as const

export const v1: Dialect = {
  id: 'V1',
  tag: 'E-mail templates (v1)',
  path: '/api/server/v1/email/template-types',
  permission: (verb) => `internal_email_mgt_${verb}`,
  codes: etm,
}

export const v2: Dialect = {
  id: 'V2',
  tag: 'E-mail templates (v2)',
  path: '/api/server/v2/email/template-types',
  permission: (verb) => `internal_email_mgt_${verb}`,
  codes: etm,
}

export const notification: Dialect = {
  id: 'Notification',
  tag: 'Notification templates',
  path: '/api/server/v1/notification/email/template-types',
  permission: (verb) => `internal_template_mgt_${verb}`,
  codes: ntm,
}

const words: Readonly<Record<Fault, readonly [ContentfulStatusCode, string, string]>> = {
  'type-missing': [404, 'Template type does not exist.', 'There is no template type of that id'],
  'type-exists': [409, 'Template type already exists.', 'There is a template type of that name already'],
  'template-missing': [404, 'Template does not exist.', 'There is no template in that locale'],
  'template-exists': [409, 'Template already exists.', 'There is a template in that locale already'],
  'built-in': [403, 'Operation not allowed.', 'What is built in can be overridden, not removed'],
}

/** A refusal in the words of the form that was asked. */
export const fault = ({ codes }: Dialect, which: Fault, what: string): Problem => {
  const [status, message, description] = words[which]
  return new Problem({ status, code: codes[which], message, description: `${description}: ${what}.` })
}

/** A refusal of the forms under `/email` that has one code alone. */
export const emailRefusal = (code: 'ETM-50006' | 'ETM-55011' | 'ETM-55012', description: string): Problem =>
  new Problem({
    status: code === 'ETM-50006' ? 400 : 501,
    code,
    message: code === 'ETM-50006' ? 'Invalid required attributes.' : 'Unsupported operation.',
    description,
  })

/** The id of a type: its display name as Base64-URL without padding. */
export const idOf = (displayName: string): string => Buffer.from(displayName).toString('base64url')

/** The display name of an id; undefined when it is none. */
export const nameOf = (id: string): string | undefined => {
  const bytes = Buffer.from(id, 'base64url')
  if (bytes.length === 0 || bytes.toString('base64url') !== id) return undefined
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}

/** The link to something below the template types. */
export const linkTo = ({ path }: Pick<Dialect, 'path'>, ...parts: readonly string[]): string =>
  [`${tenantPath}${path}`, ...parts].join('/')
