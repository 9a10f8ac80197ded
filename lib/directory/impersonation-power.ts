/** Who may change an application that may impersonate: those who hold the permission that it uses (invariant 14). */
import type { Db } from '../database/connect.ts'
import type { Caller } from './caller.ts'
import { impersonationScopes } from './permissions.ts'

/**
 * The permissions that `caller` lacks to change the application: every impersonation scope that it is authorized for.
 * One that may ask for subject tokens and is authorized for none needs one of those that exist at all.
 */
export const lacksToChange = async (
  db: Db,
  caller: Caller,
  application: { readonly id?: string; readonly subjectToken: boolean },
): Promise<readonly string[]> => {
  const authorized = application.id
    ? await db
        .selectFrom('application_scope')
        .select('scope_name as name')
        .where('application_id', '=', application.id)
        .where('scope_name', 'in', [...impersonationScopes])
        .orderBy('scope_name')
        .execute()
    : []
  const lacking = authorized.filter(({ name }) => !caller.may(name))
  if (authorized.length > 0 || !application.subjectToken) return lacking.map(({ name }) => name)
  const existing = await db
    .selectFrom('scope')
    .select('name')
    .where('name', 'in', [...impersonationScopes])
    .execute()
  const holdsOne = existing.length === 0 || existing.some(({ name }) => caller.may(name))
  return holdsOne ? [] : existing.map(({ name }) => name)
}

/** Whether the settings switch subject tokens on. */
export const hasSubjectToken = (oidc: Readonly<Record<string, unknown>> | undefined): boolean => {
  const setting = oidc?.subjectToken
  return typeof setting === 'object' && setting !== null && 'enable' in setting && setting.enable === true
}
