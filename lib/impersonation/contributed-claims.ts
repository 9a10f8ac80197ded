/** Claims that others add to impersonated access tokens. Who fails to answer stops the exchange. */
import type { Db } from '../database/connect.ts'
import { findPeople, type KnownPerson } from '../directory/people.ts'
import type { Approval } from '../tokens/approval.ts'
import type { Claims } from '../tokens/claims.ts'

export interface ClaimsContributor {
  readonly name: string
  contribute(asked: {
    readonly impersonator: KnownPerson
    readonly subject: KnownPerson
    readonly application: Approval['application']
    readonly organization: Approval['organization']
    readonly scopes: readonly string[]
    readonly now: Date
  }): Promise<Claims>
}

/** Who failed, for the audit. */
export class ContributionFailed extends Error {
  override readonly name = 'ContributionFailed'
  readonly contributor: string
  constructor(contributor: string, cause: unknown) {
    super(`${contributor}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
    this.contributor = contributor
  }
}

/** All of them together; one claim said by two is a mistake of theirs. Throws ContributionFailed. */
export const contributedClaims = async (
  db: Db,
  contributors: readonly ClaimsContributor[],
  approval: Omit<Approval, 'guards'>,
  now: Date,
): Promise<Claims> => {
  if (contributors.length === 0) return {}
  const people = await findPeople(db, [approval.actor.id, approval.subject.id])
  const [impersonator, subject] = [people.get(approval.actor.id), people.get(approval.subject.id)]
  if (!impersonator || !subject) throw new ContributionFailed('claims', 'impersonator or subject is gone')
  const { application, organization, scopes } = approval
  const asked = { impersonator, subject, application, organization, scopes, now }
  const claims = new Map<string, unknown>()
  for (const contributor of contributors) {
    try {
      for (const [name, value] of Object.entries(await contributor.contribute(asked))) {
        if (claims.has(name)) throw new Error(`the claim ${name} was said by another plugin already`)
        claims.set(name, value)
      }
    } catch (cause) {
      throw new ContributionFailed(contributor.name, cause)
    }
  }
  return Object.fromEntries(claims)
}
