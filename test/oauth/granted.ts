/** Codes and what comes of them, without the pages: an application, a person, a session, and codes as authorize makes them. */
import { expect } from 'bun:test'
import { createHash } from 'node:crypto'
import { commit } from '../../lib/database/commit.ts'
import { findAccount } from '../../lib/directory/accounts.ts'
import { beginSession } from '../../lib/sign-in/session.ts'
import { type CodeGrant, issueCode } from '../../lib/tokens/authorization-code.ts'
import { beginGrant, grantEndsAt } from '../../lib/tokens/grant.ts'
import type { Booted } from '../boot.ts'
import { basic, createApplication, createPerson, createRole, type Person } from '../scenario.ts'

export const redirectUri = 'https://client.example/cb'
export const verifier = 'v'.repeat(43)
export const challenge = `S256 ${createHash('sha256').update(verifier).digest('base64url')}`

export interface Client {
  readonly applicationId: string
  readonly clientId: string
  readonly clientSecret: string
}

export type Fields = Readonly<Record<string, string | undefined>>

let names = 0

/** A confidential client with all three grants unless `oidc` says otherwise. */
export const newClient = (server: Booted, oidc: Readonly<Record<string, unknown>> = {}): Promise<Client> => {
  names += 1
  return createApplication(server, {
    name: `CLIENT_${names}`,
    oidc: { grantTypes: ['authorization_code', 'refresh_token', 'client_credentials'], ...oidc },
    apis: { '/scim2/Users': ['internal_user_mgt_view', 'internal_user_mgt_list'] },
  })
}

/** Somebody who may have the application's scopes. */
export const newPerson = async (server: Booted, client: Client): Promise<Person & { role: string }> => {
  names += 1
  const person = await createPerson(server, `Person${names}`)
  const role = await createRole(server, {
    name: `Role${names}`,
    applicationId: client.applicationId,
    permissions: ['internal_user_mgt_view', 'internal_user_mgt_list'],
    member: person.id,
  })
  return { ...person, role }
}

export const signIn = async ({ db }: Booted, person: Pick<Person, 'id'>, now = new Date()) => {
  const account = await findAccount(db, person.id)
  if (!account) throw new Error('nobody')
  const rules = { idleSeconds: 900, lifetimeSeconds: 28_800 }
  const { session, writes } = beginSession(db, account, crypto.randomUUID(), rules, now)
  expect(await commit(db, writes)).toBe('committed')
  return session
}

export const scope = 'openid profile internal_user_mgt_view internal_user_mgt_list'

/** A code, as the authorization endpoint gives one. */
export const newCode = async (
  server: Booted,
  client: Client,
  person: Pick<Person, 'id'>,
  changes: Partial<CodeGrant> & { readonly offline?: boolean; readonly seconds?: number } = {},
) => {
  const { db, config, organization } = server
  const now = new Date()
  const { offline, seconds, ...rest } = changes
  const sessionId = changes.sessionId ?? (await signIn(server, person, now)).id
  const model = { id: client.applicationId, clientId: client.clientId }
  const lifetimes = config.oauth.tokenValidation
  const plain = { oidc: { accessToken: {}, refreshToken: {} } } as unknown as Parameters<
    typeof grantEndsAt
  >[0]
  const grant = beginGrant(db, {
    accountId: person.id,
    applicationId: client.applicationId,
    sessionId: offline ? null : sessionId,
    endsAt: grantEndsAt(plain, lifetimes, now),
  })
  const code = issueCode(
    db,
    {
      lineageId: grant.lineageId,
      application: model,
      organization,
      accountId: person.id,
      sessionId,
      redirectUri,
      scopes: (offline ? `${scope} offline_access` : scope).split(' '),
      codeChallenge: challenge,
      confirmation: null,
      audience: [],
      context: { authTime: Math.floor(now.getTime() / 1000) - 60, nonce: 'n-0S6_WzA2Mj' },
      ...rest,
    },
    seconds ?? 300,
    now,
  )
  expect(await commit(db, [grant.write, ...code.writes])).toBe('committed')
  return { value: code.value, lineageId: grant.lineageId, sessionId }
}

/** POST /oauth2/token; `undefined` leaves a parameter out. */
export const askToken = (
  server: Booted,
  client: Client | undefined,
  fields: Fields,
  init: { headers?: Record<string, string>; address?: string } = {},
): Promise<Response> => {
  const kept = Object.entries(fields).filter((pair): pair is [string, string] => pair[1] !== undefined)
  return server.request('/oauth2/token', {
    method: 'POST',
    body: new URLSearchParams(kept),
    headers: {
      ...(client ? { Authorization: basic(client.clientId, client.clientSecret) } : {}),
      ...init.headers,
    },
    ...(init.address ? { address: init.address } : {}),
  })
}

export const redeem = (server: Booted, client: Client, code: string, changes: Fields = {}) =>
  askToken(server, client, {
    grant_type: 'authorization_code',
    code,
    redirect_uri: redirectUri,
    code_verifier: verifier,
    ...changes,
  })

export const refresh = (server: Booted, client: Client, token: string, changes: Fields = {}) =>
  askToken(server, client, { grant_type: 'refresh_token', refresh_token: token, ...changes })

export interface Tokens {
  readonly access_token: string
  readonly token_type: string
  readonly expires_in: number
  readonly scope: string
  readonly id_token?: string
  readonly refresh_token?: string
}

export const tokensOf = async (response: Response): Promise<Tokens> => {
  const body = (await response.json()) as Tokens
  expect([response.status, body]).toEqual([200, expect.anything()])
  return body
}

/** What a refusal says, and that it is never cached. */
export const refusalOf = async (response: Response) => {
  const { error } = (await response.json()) as { error: string }
  expect(response.headers.get('cache-control')).toBe('no-store')
  return [response.status, error] as const
}

/** The audit rows since a moment, by event and reason. */
export const rowsSince = async (server: Booted, known: number) =>
  (await server.audit()).slice(known).map(({ event, data }) => [event, data.reason ?? null])
