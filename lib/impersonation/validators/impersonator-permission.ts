import { impersonationScopes } from '../../directory/permissions.ts'
import type { Validator } from '../validator.ts'

/**
 * The impersonator must hold the permission to impersonate for this application, and have asked for it. It runs first,
 * so that nobody without it learns anything or triggers another rule.
 */
export const impersonatorPermission: Validator = {
  name: 'ImpersonatorPermissionValidator',
  priority: 400,
  async validate({ phase, impersonator, requestedScopes, scopes, granted }) {
    const asked = [...impersonationScopes].filter((scope) => requestedScopes.includes(scope))
    // the subject token has shed the scope, and the permission must still be held when it is exchanged
    const needed = phase === 'authorize' ? asked : impersonationScopes
    if ((await granted(impersonator, needed)).size > 0) return { allow: true, scopes }
    const message = 'the impersonator lacks the permission to impersonate for this application'
    return { allow: false, code: 'missing_permission', message }
  },
}
