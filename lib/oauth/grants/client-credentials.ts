/**
 * `client_credentials` (RFC 6749 §4.4): a client for itself. It has the scopes that the application is authorized for,
 * whatever their policy: roles are people's. The permission to impersonate is never among them, nor is a user's scope.
 */
import { record } from '../../audit.ts'
import type { Db } from '../../database/connect.ts'
import { impersonationScopes } from '../../directory/permissions.ts'
import { mintClientAccessToken } from '../../tokens/access-token.ts'
import type { Issuer } from '../../tokens/issuer.ts'
import { tokenTypeOf } from '../dpop.ts'
import { OAuthError } from '../error.ts'
import { readResources } from '../resource.ts'
import { parseScope } from '../scope.ts'
import type { Grant, GrantAnswer } from './grant.ts'

export interface ClientCredentialsNeeds {
  readonly db: Db
  readonly issuer: Issuer
  readonly organization: { readonly id: string; readonly name: string }
  /** Seconds where the application sets none. */
  readonly applicationAccessTokenSeconds: number
}

const type = 'client_credentials'

export const clientCredentials = (needs: ClientCredentialsNeeds): Grant => ({
  type,
  async decide({ parameters, client, confirmation, trace, now }): Promise<GrantAnswer> {
    const { db, issuer, organization } = needs
    if (client.oidc.publicClient) {
      throw new OAuthError('unauthorized_client', 'This grant needs a client that authenticates.')
    }
    const asked = parseScope(parameters.get('scope'))
    if (!asked) throw new OAuthError('invalid_scope', 'Invalid Scope!')
    const audience = readResources(parameters.get('resource'), client)
    const scopes = asked.filter((scope) => client.scopes.has(scope) && !impersonationScopes.has(scope))
    const seconds =
      client.oidc.accessToken.applicationAccessTokenExpiryInSeconds || needs.applicationAccessTokenSeconds
    const token = await mintClientAccessToken(
      db,
      issuer,
      client,
      organization,
      { scopes, claims: {}, seconds, audience, confirmation },
      now,
    )
    return {
      response: {
        access_token: token.value,
        token_type: tokenTypeOf(confirmation),
        expires_in: seconds,
        ...(scopes.length > 0 ? { scope: scopes.join(' ') } : {}),
      },
      writes: [
        ...token.writes,
        record(db, now, trace, {
          event: 'token-issued',
          initiator: client.clientId,
          target: client.clientId,
          data: { clientId: client.clientId, grantType: type, scope: scopes.join(' '), tokenId: token.id },
          outcome: 'Success',
          applicationId: client.id,
          organizationId: organization.id,
        }),
      ],
    }
  },
})
