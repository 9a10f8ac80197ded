/** Access tokens to be exchanged, made as a grant makes them, and the exchange of them over HTTP. */
import { expect } from 'bun:test'
import { commit, readRevision } from '../../lib/database/commit.ts'
import { findClient } from '../../lib/directory/applications.ts'
import { mintClientAccessToken, mintUserAccessToken } from '../../lib/tokens/access-token.ts'
import { mintIdToken } from '../../lib/tokens/id-token.ts'
import { beginLineage } from '../../lib/tokens/lineage.ts'
import { type Confirmation, findToken } from '../../lib/tokens/token.ts'
import type { Booted } from '../boot.ts'
import { basic, createApplication, createRole, tokenExchange, tokenType } from '../scenario.ts'

export const organization = { id: '10084a8d-113f-4211-a0d5-efe36b082211', name: 'Super' }

export interface Client {
  readonly applicationId: string
  readonly clientId: string
  readonly clientSecret: string
}

/** The identifier of an API that its tokens may be made for. */
export const bookings = 'https://bookings.example/v1'
export const bookingScopes = ['booking_read', 'booking_write', 'booking_cancel']

const apis = { '/scim2/Users': ['internal_user_mgt_view'], [bookings]: bookingScopes }

/** The API of the bookings, for `boot`. */
export const bookingsToml = [
  `[[api_resources]]\nname = "Bookings"\nidentifier = "${bookings}"`,
  ...bookingScopes.map((name) => `[[api_resources.scopes]]\nname = "${name}"\ndisplayName = "${name}"`),
].join('\n')

/** An application for these people, with every scope of the bookings. */
export const createService = async (
  server: Booted,
  name: string,
  members: readonly string[],
  oidc: Readonly<Record<string, unknown>> = {},
): Promise<Client> => {
  const client = await createApplication(server, { name, apis, oidc })
  for (const [index, member] of members.entries()) {
    const permissions = [...bookingScopes, 'internal_user_mgt_view']
    await createRole(server, {
      name: `Role${index}`,
      applicationId: client.applicationId,
      permissions,
      member,
    })
  }
  return client
}

const issuerOf = (server: Booted) => ({
  issuer: server.config.issuer,
  sign: server.keys.sign,
  algorithmFor: server.keys.algorithmFor,
})

const applicationOf = async (server: Booted, { clientId }: Pick<Client, 'clientId'>) => {
  const application = await findClient(server.db, await readRevision(server.db), clientId)
  if (!application) throw new Error(`no client ${clientId}`)
  return application
}

export interface UserTokenOptions {
  readonly scopes?: readonly string[]
  readonly audience?: readonly string[]
  readonly confirmation?: Confirmation | null
  readonly seconds?: number
  /** Of the whole grant, where it ends before its token. */
  readonly lineageSeconds?: number
  /** False for a grant that outlives its session. */
  readonly inSession?: boolean
  readonly now?: Date
}

const later = (now: Date, seconds: number) => new Date(now.getTime() + seconds * 1000)

/** A session and a grant in it with one access token and one ID token. */
export const userTokens = async (
  server: Booted,
  client: Client,
  accountId: string,
  options: UserTokenOptions = {},
) => {
  const { db } = server
  const { now = new Date(), seconds = 3600, lineageSeconds = 3600, inSession = true } = options
  const application = await applicationOf(server, client)
  const session = Bun.randomUUIDv7()
  const lineageId = Bun.randomUUIDv7()
  const sessionId = inSession ? session : null
  const authTime = Math.floor(now.getTime() / 1000)
  const grant = {
    application,
    organization,
    accountId,
    sub: accountId,
    lineageId,
    sessionId,
    scopes: options.scopes ?? ['openid', 'profile', ...bookingScopes],
    audience: options.audience ?? [],
    confirmation: options.confirmation ?? null,
    context: { authTime, sub: accountId },
  }
  const access = await mintUserAccessToken(db, issuerOf(server), grant, {}, later(now, seconds), now)
  const signIn = { accountId, sessionId: session, authenticatedAt: now }
  const id = await mintIdToken(db, issuerOf(server), application, organization, signIn, {}, 3600, now)
  const writes = [
    beginLineage(db, {
      id: session,
      kind: 'session',
      sessionId: null,
      accountId,
      endsAt: later(now, 28_800),
    }),
    beginLineage(db, {
      id: lineageId,
      kind: 'grant',
      sessionId,
      accountId,
      applicationId: application.id,
      endsAt: later(now, lineageSeconds),
    }),
    ...access.writes,
    ...id.writes,
  ]
  expect(await commit(db, writes)).toBe('committed')
  return { accessToken: access.value, idToken: id.value, tokenId: access.id, lineageId, sessionId: session }
}

/** An access token that the client has for itself. */
export const clientToken = async (
  server: Booted,
  client: Client,
  granted: { readonly scopes?: readonly string[]; readonly audience?: readonly string[] } = {},
) => {
  const { scopes = ['booking_read'], audience = [] } = granted
  const application = await applicationOf(server, client)
  const token = await mintClientAccessToken(
    server.db,
    issuerOf(server),
    application,
    organization,
    { scopes, claims: {}, seconds: 3600, audience },
    new Date(),
  )
  expect(await commit(server.db, token.writes)).toBe('committed')
  return token.value
}

export type Parameters = Readonly<Record<string, string | undefined>>

/** POST /oauth2/token as this client, for a token exchange with these parameters. */
export const ask = (
  server: Pick<Booted, 'request'>,
  client: Pick<Client, 'clientId' | 'clientSecret'>,
  parameters: Parameters,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> => {
  const all: Parameters = { grant_type: tokenExchange, ...parameters }
  const kept = Object.entries(all).filter((pair): pair is [string, string] => pair[1] !== undefined)
  return server.request('/oauth2/token', {
    method: 'POST',
    body: new URLSearchParams(kept),
    headers: { Authorization: basic(client.clientId, client.clientSecret), ...headers },
  })
}

/** The parameters of an exchange of an access token, perhaps with somebody who acts. */
export const delegation = (subject: string, actor?: string, changes: Parameters = {}): Parameters => ({
  subject_token: subject,
  subject_token_type: tokenType('access_token'),
  ...(actor === undefined ? {} : { actor_token: actor, actor_token_type: tokenType('access_token') }),
  ...changes,
})

export interface Exchanged {
  readonly access_token: string
  readonly issued_token_type: string
  readonly token_type: string
  readonly expires_in: number
  readonly scope: string
  readonly refresh_token?: string
}

/** An exchange that has to succeed. */
export const exchanged = async (
  server: Booted,
  client: Client,
  parameters: Parameters,
): Promise<Exchanged> => {
  const response = await ask(server, client, parameters)
  const body = (await response.json()) as Exchanged
  expect([response.status, body]).toEqual([200, body])
  return body
}

/** The row of an issued value. */
export const rowOf = async (server: Booted, value: string) => {
  const found = await findToken(server.db, value, new Date())
  if (!found) throw new Error('this value was not issued here')
  return found
}
