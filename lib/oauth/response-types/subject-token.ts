/**
 * `subject_token` and `id_token subject_token` (facts/impersonation.md §1): the person who signed in asks to act for
 * `requested_subject`. The ID token names him; the subject token says for whom he may act.
 */
import { type Asked, type DecideNeeds, decide, type Refused } from '../../impersonation/decide.ts'
import { beginImpersonation, type ImpersonationNeeds } from '../../impersonation/impersonations.ts'
import { type ReasonRules, readStated, type Stated } from '../../impersonation/reason.ts'
import { recordRefusal } from '../../impersonation/refusal.ts'
import { mintIdToken, type SignIn } from '../../tokens/id-token.ts'
import { OAuthError } from '../error.ts'
import { type AuthorizationRequest, answersWithIdToken, type ResponseType } from './response-type.ts'

export interface SubjectTokenNeeds extends DecideNeeds, ImpersonationNeeds {
  /** Seconds of an ID token where the application sets none. */
  readonly idTokenSeconds: number
  /** What has to be said of an impersonation. */
  readonly reasons: ReasonRules
}

/** What `class` and `validator` of `[[oauth.custom_response_type]]` call it. */
export const subjectTokenClass =
  'org.wso2.carbon.identity.oauth2.authz.handlers.SubjectTokenResponseTypeHandler'
export const subjectTokenValidator = 'org.wso2.carbon.identity.oauth.common.SubjectTokenResponseValidator'

const unauthorized = 'The authenticated client is not authorized to use this authorization grant type'

/** Why what a request says is not enough, for its client and for the audit. */
const statedRefusal = ({ problem, missing: [missing] }: Stated) => {
  const {
    of: said,
    code,
    message,
  } = problem ?? {
    of: missing,
    code: `${missing}_missing`,
    message: `impersonation_${missing} is missing.`,
  }
  if (said === undefined) return undefined
  return {
    error: new OAuthError('invalid_request', message),
    refused: { validator: 'reason', code, message },
  }
}

const errorOf = ({ error }: Refused): OAuthError =>
  error === 'unauthorized_client'
    ? new OAuthError('unauthorized_client', unauthorized)
    : new OAuthError('access_denied', 'The impersonation was refused.')

export const subjectToken = (name: string, needs: SubjectTokenNeeds): ResponseType => {
  const { db, organization } = needs
  const stated = ({ parameters, client }: Pick<AuthorizationRequest, 'parameters' | 'client'>) =>
    readStated(parameters, client, needs.reasons)
  const askedOf = (
    { parameters, client, revision, scopes }: AuthorizationRequest,
    signIn: SignIn,
    { reason, ticket, problem }: Stated,
  ): Asked => ({
    phase: 'authorize',
    revision,
    impersonatorId: signIn.accountId,
    subjectId: parameters.get('requested_subject') ?? '',
    clientId: client.clientId,
    requestedScopes: scopes,
    sessionId: signIn.sessionId,
    // what is malformed is kept nowhere
    ...(problem ? {} : { reason, ticket }),
  })
  return {
    name,
    consentIsKept: false,
    mayBeUsedBy: () => true,
    check(parameters) {
      if ((parameters.get('requested_subject') ?? '').trim() === '') {
        const description = 'response_type is subject_token. but requested_subject parameter not found.'
        throw new OAuthError('invalid_request', description)
      }
    },
    stated,
    async answer(request, signIn, trace, now) {
      const said = stated(request)
      const asked = askedOf(request, signIn, said)
      const place = { applicationId: request.client.id, organizationId: organization.id }
      const bad = statedRefusal(said)
      if (bad) {
        const rows = await recordRefusal(db, asked, bad.refused, place, trace, now)
        return { refused: bad.error, writes: rows }
      }
      const decision = await decide(needs, asked, now)
      if (!decision.approved) {
        const rows = await recordRefusal(db, asked, decision.refused, place, trace, now)
        return { refused: errorOf(decision.refused), writes: rows }
      }
      const { parameters, client, codeChallenge, confirmation } = request
      const bound = { codeChallenge, confirmation }
      const begun = beginImpersonation(needs, decision.approved, bound, trace, now)
      if (!answersWithIdToken(name)) {
        const { subjectToken, writes } = await begun
        return { parameters: [['subject_token', subjectToken.value]], writes }
      }
      const [{ subjectToken, writes }, idToken] = await Promise.all([
        begun,
        mintIdToken(
          db,
          needs.issuer,
          client,
          organization,
          signIn,
          { nonce: parameters.get('nonce'), state: parameters.get('state') },
          needs.idTokenSeconds,
          now,
        ),
      ])
      return {
        parameters: [
          ['id_token', idToken.value],
          ['subject_token', subjectToken.value],
        ],
        writes: [...writes, ...idToken.writes],
      }
    },
    async deny(request, signIn, trace, now) {
      const refused = {
        validator: 'consent',
        code: 'consent_denied',
        message: 'the impersonator denied consent',
      }
      const place = { applicationId: request.client.id, organizationId: organization.id }
      const rows = await recordRefusal(
        db,
        askedOf(request, signIn, stated(request)),
        refused,
        place,
        trace,
        now,
      )
      return { refused: new OAuthError('access_denied', 'User denied the consent'), writes: rows }
    },
  }
}
