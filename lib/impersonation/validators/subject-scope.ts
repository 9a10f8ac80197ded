import { loginScope } from '../../directory/permissions.ts'
import type { Validator } from '../validator.ts'

/** A management scope that does more than look: it changes other accounts, roles, applications or configuration. */
const changesOthers = (scope: string): boolean =>
  scope.startsWith('internal_') && scope !== loginScope && !/_(view|list)$/.test(scope)

/**
 * Narrows to the scopes that the subject may have in this application. It never refuses. Power over others is not
 * gained by impersonating: such scopes survive only if the impersonator holds them as well.
 */
export const subjectScope: Validator = {
  name: 'SubjectScopeValidator',
  priority: 80,
  async validate({ impersonator, subject, scopes, granted }) {
    if (!subject) return { allow: true, scopes: [] }
    const bySubject = await granted(subject, scopes)
    const byImpersonator = await granted(impersonator, scopes.filter(changesOthers))
    const kept = scopes.filter(
      (scope) => bySubject.has(scope) && (!changesOthers(scope) || byImpersonator.has(scope)),
    )
    return { allow: true, scopes: kept }
  },
}
