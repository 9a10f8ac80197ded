/**
 * `subject_token` and `id_token subject_token` (facts/impersonation.md §1): the person who signed in asks to act for
 * `requested_subject`. The ID token names him; the subject token says for whom he may act.
 */
import { type Asked, type DecideNeeds, decide, type Refused } from '../../impersonation/decide.ts'
import {
  beginImpersonation,
  type ImpersonationNeeds,
  recordRefusal,
} from '../../impersonation/impersonations.ts'
import { mintIdToken, type SignIn } from '../../tokens/id-token.ts'
import { OAuthError } from '../error.ts'
import { type AuthorizationRequest, answersWithIdToken, type ResponseType } from './response-type.ts'

export interface SubjectTokenNeeds extends DecideNeeds, ImpersonationNeeds {
  /** Seconds of an ID token where the application sets none. */
  readonly idTokenSeconds: number
}

/** What `class` and `validator` of `[[oauth.custom_response_type]]` call it. */
export const subjectTokenClass =
  'org.wso2.carbon.identity.oauth2.authz.handlers.SubjectTokenResponseTypeHandler'
export const subjectTokenValidator = 'org.wso2.carbon.identity.oauth.common.SubjectTokenResponseValidator'

const unauthorized = 'The authenticated client is not authorized to use this authorization grant type'

const errorOf = ({ error }: Refused): OAuthError =>
  error === 'unauthorized_client'
    ? new OAuthError('unauthorized_client', unauthorized)
    : new OAuthError('access_denied', 'The impersonation was refused.')

export const subjectToken = (name: string, needs: SubjectTokenNeeds): ResponseType => {
  const { db, organization } = needs
  const askedOf = (
    { parameters, client, revision, scopes }: AuthorizationRequest,
    signIn: SignIn,
  ): Asked => ({
    phase: 'authorize',
    revision,
    impersonatorId: signIn.accountId,
    subjectId: parameters.get('requested_subject') ?? '',
    clientId: client.clientId,
    requestedScopes: scopes,
    sessionId: signIn.sessionId,
    reason: parameters.get('reason'),
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
    async answer(request, signIn, trace, now) {
      const asked = askedOf(request, signIn)
      const decision = await decide(needs, asked, now)
      if (!decision.approved) {
        const { client } = request
        const place = { applicationId: client.id, organizationId: organization.id }
        const row = recordRefusal(db, asked, decision.refused, place, trace, now)
        return { refused: errorOf(decision.refused), writes: [row] }
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
    deny(request, signIn, trace, now) {
      const refused = {
        validator: 'consent',
        code: 'consent_denied',
        message: 'the impersonator denied consent',
      }
      const place = { applicationId: request.client.id, organizationId: organization.id }
      const row = recordRefusal(db, askedOf(request, signIn), refused, place, trace, now)
      return { refused: new OAuthError('access_denied', 'User denied the consent'), writes: [row] }
    },
  }
}
