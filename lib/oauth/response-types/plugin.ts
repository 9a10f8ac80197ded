/** A response type that a plugin answers: parameters of its own, and statements that we sign about who signed in. */
import { record } from '../../audit.ts'
import { revisionIs } from '../../database/commit.ts'
import type { Db } from '../../database/connect.ts'
import { accountIs, findAccount, isActive } from '../../directory/accounts.ts'
import { findPeople, type KnownPerson } from '../../directory/people.ts'
import { numericDate, stampClaims } from '../../tokens/claims.ts'
import type { Issuer } from '../../tokens/issuer.ts'
import { lineageAlive } from '../../tokens/lineage.ts'
import { OAuthError, type OAuthErrorCode } from '../error.ts'
import type { ResponseType } from './response-type.ts'

interface Problem {
  readonly error: OAuthErrorCode
  readonly description: string
}

interface Named {
  readonly id: string
  readonly name: string
}

/** As `[[oauth.custom_response_type]]` names it: `class` needs `answer`, `validator` needs `check`. */
export interface PluginResponseType {
  readonly name: string
  readonly check: ((parameters: ReadonlyMap<string, string>) => Problem | undefined) | undefined
  readonly answer:
    | ((asked: {
        readonly parameters: ReadonlyMap<string, string>
        readonly person: KnownPerson
        readonly application: Named & { readonly clientId: string }
        readonly organization: Named
        readonly scopes: readonly string[]
        readonly now: Date
      }) => Promise<
        | Problem
        | {
            readonly parameters: Readonly<Record<string, string>>
            readonly statements: Readonly<
              Record<string, { readonly claims: Readonly<Record<string, unknown>>; readonly seconds: number }>
            >
          }
      >)
    | undefined
}

export interface PluginResponseNeeds {
  readonly db: Db
  readonly issuer: Issuer
  readonly organization: Named
}

/** A plugin's own look at the request, before the other one's. Throws OAuthError. */
export const checkedBy = (plugin: PluginResponseType, type: ResponseType): ResponseType => ({
  ...type,
  check(parameters) {
    const found = plugin.check?.(parameters)
    if (found) throw new OAuthError(found.error, found.description)
    type.check(parameters)
  },
})

/** No impersonation comes of it: what is signed is about the person who signed in, and of a `typ` of its own. */
export const pluginResponseType = (
  name: string,
  { name: plugin, answer: ask }: PluginResponseType,
  { db, issuer, organization }: PluginResponseNeeds,
): ResponseType => ({
  name,
  consentIsKept: false,
  mayBeUsedBy: () => true,
  check() {},
  async answer(request, signIn, trace, now) {
    const { client, revision, parameters, scopes } = request
    const [account, people] = await Promise.all([
      findAccount(db, signIn.accountId),
      findPeople(db, [signIn.accountId]),
    ])
    const person = people.get(signIn.accountId)
    const denied = { refused: new OAuthError('access_denied', 'The request was refused.'), writes: [] }
    if (!account || !isActive(account) || !person) return denied
    const answer = await ask?.({ parameters, person, application: client, organization, scopes, now })
    if (!answer) return denied
    const entry = {
      event: 'plugin-answered',
      initiator: account.id,
      target: client.clientId,
      applicationId: client.id,
      organizationId: organization.id,
    } as const
    const data = { plugin, clientId: client.clientId, responseType: name }
    if ('error' in answer) {
      const row = record(db, now, trace, {
        ...entry,
        data: { ...data, reason: answer.error },
        outcome: 'Refused',
      })
      return { refused: new OAuthError(answer.error, answer.description), writes: [row] }
    }
    const signed = await Promise.all(
      Object.entries(answer.statements).map(async ([parameter, { claims, seconds }]) => {
        const stamped = stampClaims(claims, {
          iss: issuer.issuer,
          sub: account.id,
          aud: client.clientId,
          iat: numericDate(now),
          exp: numericDate(now) + seconds,
          jti: crypto.randomUUID(),
        })
        return [parameter, await issuer.sign(stamped, `plugin-${plugin}+jwt`)] as const
      }),
    )
    return {
      parameters: [...Object.entries(answer.parameters), ...signed],
      writes: [
        revisionIs(revision),
        accountIs(db, account),
        ...lineageAlive(db, { id: signIn.sessionId, sessionId: null }, now),
        record(db, now, trace, { ...entry, data, outcome: 'Success' }),
      ],
    }
  },
  deny() {
    return { refused: new OAuthError('access_denied', 'User denied the consent'), writes: [] }
  },
})
