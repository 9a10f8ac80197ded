/** The contract of a grant: it decides and returns a plain value; the token endpoint commits and answers. */
import type { Trace } from '../../audit.ts'
import type { Write } from '../../database/commit.ts'
import type { Application } from '../../directory/applications.ts'
import type { Confirmation } from '../../tokens/token.ts'
import type { OAuthError } from '../error.ts'

export type GrantAnswer =
  /** Signed but unreleased: `response` goes out only after `writes` were committed. */
  | { readonly response: Readonly<Record<string, unknown>>; readonly writes: readonly Write[] }
  /** A refusal, with the audit row it leaves when client and user are known. */
  | { readonly refused: OAuthError; readonly writes: readonly Write[] }

export interface GrantRequest {
  readonly parameters: ReadonlyMap<string, string>
  readonly client: Application
  /** The revision that the client was authenticated at. */
  readonly revision: number
  /** The key that the request proved, by DPoP or by its TLS certificate: what is given is bound to it. */
  readonly confirmation: Confirmation | null
  readonly trace: Trace
  readonly now: Date
}

export interface Grant {
  /** The `grant_type`. */
  readonly type: string
  /** Throws OAuthError for a request it cannot even look at. */
  decide(request: GrantRequest): Promise<GrantAnswer>
}

/** Two grants may not answer to one name: the loser would be unreachable and no one would know. */
export const grantRegistry = (grants: readonly Grant[]): ReadonlyMap<string, Grant> => {
  const byType = new Map<string, Grant>()
  for (const grant of grants) {
    if (byType.has(grant.type)) throw new Error(`grant type registered twice: ${grant.type}`)
    byType.set(grant.type, grant)
  }
  return byType
}
