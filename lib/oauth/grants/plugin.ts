/** A grant that a plugin decides; what it gives is an access token of the client itself, never of a user. */
import { record } from '../../audit.ts'
import type { Db } from '../../database/connect.ts'
import { mintClientAccessToken } from '../../tokens/access-token.ts'
import type { Issuer } from '../../tokens/issuer.ts'
import { tokenTypeOf } from '../dpop.ts'
import { OAuthError, type OAuthErrorCode } from '../error.ts'
import type { Grant, GrantAnswer } from './grant.ts'

interface Named {
  readonly id: string
  readonly name: string
}

export interface PluginGrantType {
  readonly name: string
  readonly type: string
  decide(asked: {
    readonly parameters: ReadonlyMap<string, string>
    readonly application: Named & { readonly clientId: string }
    readonly organization: Named
    readonly now: Date
  }): Promise<
    | { readonly error: OAuthErrorCode; readonly description: string }
    | {
        readonly seconds: number
        readonly scopes: readonly string[]
        readonly claims: Readonly<Record<string, unknown>>
      }
  >
}

export interface PluginGrantNeeds {
  readonly db: Db
  readonly issuer: Issuer
  readonly organization: Named
}

export const pluginGrant = (
  plugin: PluginGrantType,
  { db, issuer, organization }: PluginGrantNeeds,
): Grant => ({
  type: plugin.type,
  async decide({ parameters, client, confirmation, trace, now }): Promise<GrantAnswer> {
    // RFC 6749 §4.4: what a client does for itself needs a client that has proven who it is
    if (client.oidc.publicClient) {
      throw new OAuthError('unauthorized_client', 'This grant needs a client that authenticates.')
    }
    const answer = await plugin.decide({ parameters, application: client, organization, now })
    const entry = {
      event: 'plugin-answered',
      initiator: client.clientId,
      target: client.clientId,
      applicationId: client.id,
      organizationId: organization.id,
    } as const
    const data = { plugin: plugin.name, clientId: client.clientId, grantType: plugin.type }
    if ('error' in answer) {
      const row = record(db, now, trace, {
        ...entry,
        data: { ...data, reason: answer.error },
        outcome: 'Refused',
      })
      return { refused: new OAuthError(answer.error, answer.description), writes: [row] }
    }
    const { scopes, claims, seconds } = answer
    if (!scopes.every((scope) => client.scopes.has(scope))) {
      throw new Error(`${plugin.name} granted a scope that the application is not authorized for`)
    }
    const token = await mintClientAccessToken(
      db,
      issuer,
      client,
      organization,
      { scopes, claims, seconds, confirmation },
      now,
    )
    return {
      response: {
        access_token: token.value,
        token_type: tokenTypeOf(confirmation),
        expires_in: seconds,
        scope: scopes.join(' '),
      },
      writes: [
        ...token.writes,
        record(db, now, trace, { ...entry, data: { ...data, tokenId: token.id }, outcome: 'Success' }),
      ],
    }
  },
})
