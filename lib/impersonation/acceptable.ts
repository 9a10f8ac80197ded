/**
 * Whether an impersonation that lives may go on: its application may impersonate, the people are at work, and the
 * impersonator holds the permission. The same facts by which tokens are accepted and impersonations are decided.
 */
import { revisionIs, type Write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { type Account, accountIs, findAccount } from '../directory/accounts.ts'
import { findClient, mayImpersonate } from '../directory/applications.ts'
import type { EndReason } from '../directory/ending.ts'
import { grantedScopes, impersonationScopes } from '../directory/permissions.ts'
import { peopleAtWork } from '../tokens/acceptance.ts'
import { isIssuedTo } from '../tokens/token.ts'
import type { Unsettled } from './settle.ts'
import { isProtected } from './validators/protected-subject.ts'

/** Judges many at one revision; what they have in common is looked up once. */
export interface Judge {
  /** Why it may not go on, and the guards that this is still so; undefined when it may. */
  judge(
    row: Unsettled,
  ): Promise<{ readonly reason: EndReason; readonly guards: readonly Write[] } | undefined>
  /** The versions of impersonators that were looked at; none for who is gone. */
  readonly versions: ReadonlyMap<string, number | undefined>
}

const remembered = <Value>(find: (key: string) => Promise<Value>) => {
  const known = new Map<string, Promise<Value>>()
  return (key: string): Promise<Value> => {
    const value = known.get(key) ?? find(key)
    known.set(key, value)
    return value
  }
}

/** `enabled`: a response type for subject tokens is configured. */
export const judgeAt = (db: Db, revision: number, enabled: boolean): Judge => {
  const accountOf = remembered((id) => findAccount(db, id))
  const versions = new Map<string, number | undefined>()
  const holdsPermission = remembered(async (key) => {
    const [impersonatorId = '', clientId = ''] = key.split(' ')
    const [account, application] = await Promise.all([
      accountOf(impersonatorId),
      findClient(db, revision, clientId),
    ])
    if (!account || !application) return false
    return (await grantedScopes(db, revision, account, application, impersonationScopes)).size > 0
  })
  const why = async (row: Unsettled): Promise<EndReason | undefined> => {
    if (!enabled) return 'switched-off'
    const application = await findClient(db, revision, row.clientId)
    if (!application || !isIssuedTo(row, application)) return 'application-deleted'
    if (!application.active) return 'application-disabled'
    if (!mayImpersonate(application)) return 'application-impersonation-disabled'
    const [impersonator, subject] = [await accountOf(row.impersonatorId), await accountOf(row.subjectId)]
    if (!impersonator || !subject) return 'account-deleted'
    const known = new Map<string, Account>([impersonator, subject].map((account) => [account.id, account]))
    if (!(await peopleAtWork(db, revision, known.keys(), {}, known))) return 'account-changed'
    if (!(await holdsPermission(`${row.impersonatorId} ${row.clientId}`))) return 'permission-removed'
    return isProtected(subject, impersonator) ? 'subject-protected' : undefined
  }
  return {
    versions,
    async judge(row) {
      const impersonator = await accountOf(row.impersonatorId)
      versions.set(row.impersonatorId, impersonator?.version)
      const reason = await why(row)
      if (reason === undefined) return undefined
      const subject = await accountOf(row.subjectId)
      const people = [impersonator, subject].flatMap((account) => account ?? [])
      return { reason, guards: [revisionIs(revision), ...people.map((account) => accountIs(db, account))] }
    },
  }
}
