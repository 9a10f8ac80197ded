/** The contract of a response type: it contributes parameters to one redirect, and the writes that precede it. */
import type { Trace } from '../../audit.ts'
import type { Write } from '../../database/commit.ts'
import type { Application } from '../../directory/applications.ts'
import type { Stated } from '../../impersonation/reason.ts'
import type { SignIn } from '../../tokens/id-token.ts'
import type { Confirmation } from '../../tokens/token.ts'
import type { ClaimsRequest } from '../claims-parameter.ts'
import type { OAuthError } from '../error.ts'

export interface AuthorizationRequest {
  readonly parameters: ReadonlyMap<string, string>
  readonly client: Application
  /** The revision that the client, its redirect URI and its settings were read at. */
  readonly revision: number
  readonly scopes: readonly string[]
  /** Kept PKCE challenge (`oauth/pkce.ts`), or null. */
  readonly codeChallenge: string | null
  /** The key named by `dpop_jkt` (RFC 9449 §10), which what is given is bound to. */
  readonly confirmation: Confirmation | null
  readonly redirectUri: string
  /** False where the request left it to the only registered one (RFC 6749 §4.1.3: the token request does, too). */
  readonly namesRedirectUri: boolean
  /** `resource` (RFC 8707): the APIs that access tokens are for. */
  readonly resources: readonly string[]
  /** The `claims` parameter. */
  readonly claims: ClaimsRequest | undefined
}

export type ResponseAnswer =
  /** Signed but unreleased; goes out, in this order, only after `writes` were committed. */
  | { readonly parameters: readonly (readonly [string, string])[]; readonly writes: readonly Write[] }
  | { readonly refused: OAuthError; readonly writes: readonly Write[] }

export interface ResponseType {
  /** The exact `response_type`. */
  readonly name: string
  /** Whether consent may be given for good; consent to act for somebody else never is. */
  readonly consentIsKept: boolean
  /** Whether the application's settings have it; what decides for itself, later, says yes. */
  mayBeUsedBy(client: Application): boolean
  /** What is wrong with the request before anybody signs in. Throws OAuthError. */
  check(parameters: ReadonlyMap<string, string>): void
  /** What the request says that it is for, where that may be required; the answer refuses what is wrong or missing. */
  stated?(request: Pick<AuthorizationRequest, 'parameters' | 'client'>): Stated
  /** Decides and signs, for the person who signed in and, where it was asked, consented. */
  answer(request: AuthorizationRequest, signIn: SignIn, trace: Trace, now: Date): Promise<ResponseAnswer>
  /** The refusal that the person's own denial leaves. */
  deny(
    request: AuthorizationRequest,
    signIn: SignIn,
    trace: Trace,
    now: Date,
  ): ResponseAnswer | Promise<ResponseAnswer>
}

export const answersWithIdToken = (name: string): boolean => name.split(' ').includes('id_token')
