/** What the tests of impersonations share: the seed's scenario with refresh tokens, and every place that takes a token. */
import { expect } from 'bun:test'
import { rootOrganization } from '../lib/database/migrate.ts'
import { endUnacceptable, type Memory, noMemory, recordEnds } from '../lib/impersonation/sweep.ts'
import { writeUses } from '../lib/impersonation/uses.ts'
import { type Booted, basic } from './boot.ts'
import { newBrowser } from './browser.ts'
import {
  exchange,
  obtainSubjectToken,
  oidcSettings,
  type Scenario,
  setUp,
  tokenExchange,
  tokenType,
} from './scenario.ts'

export const refreshToml = '[oauth.grant_type.token_exchange]\nallow_refresh_tokens = true\n'
export const path = '/api/server/v1/impersonations'

export interface Live {
  readonly id: string
  readonly access: string
  readonly refresh: string
  readonly browser: ReturnType<typeof newBrowser>
}

/** The seed's scenario; its application may refresh, and the subject may read users. */
export const scenarioOf = (server: Booted): Promise<Scenario> => setUp(server)

const newest = async ({ db }: Booted) =>
  (await db.selectFrom('impersonation').select('id').orderBy('id', 'desc').executeTakeFirstOrThrow()).id

/** Starts one; with a browser of its own unless it is given. */
export const start = async (
  server: Booted,
  scenario: Scenario,
  browser = newBrowser(server),
  changes: Readonly<Record<string, string | undefined>> = {},
): Promise<Live> => {
  const tokens = await obtainSubjectToken(server, scenario, changes, browser)
  const id = await newest(server)
  const response = await exchange(server, scenario, tokens)
  expect(response.status).toBe(200)
  const { access_token, refresh_token } = (await response.json()) as Record<string, string>
  return { id, access: access_token ?? '', refresh: refresh_token ?? '', browser }
}

const client = ({ clientId, clientSecret }: Scenario) => basic(clientId, clientSecret)

/** Whether the application gets a token so. */
const gets = async (
  server: Pick<Booted, 'request'>,
  scenario: Scenario,
  fields: Readonly<Record<string, string>>,
): Promise<boolean> => {
  const response = await server.request('/oauth2/token', {
    method: 'POST',
    headers: { Authorization: client(scenario) },
    body: new URLSearchParams(fields),
  })
  return response.status === 200
}

/** The places that take tokens: whether each takes these. The exchange makes a delegated token of the access token. */
export const places = {
  introspection: async (server, scenario, live) => {
    const response = await server.request('/oauth2/introspect', {
      method: 'POST',
      headers: { Authorization: client(scenario) },
      body: new URLSearchParams({ token: live.access }),
    })
    return ((await response.json()) as { active?: boolean }).active === true
  },
  userinfo: async (server, _scenario, live) =>
    (await server.request('/oauth2/userinfo', { headers: { Authorization: `Bearer ${live.access}` } }))
      .status === 200,
  gate: async (server, _scenario, live) =>
    (await server.request('/scim2/Users', { headers: { Authorization: `Bearer ${live.access}` } })).status ===
    200,
  exchange: (server, scenario, live) =>
    gets(server, scenario, {
      grant_type: tokenExchange,
      subject_token: live.access,
      subject_token_type: tokenType('access_token'),
      requested_token_type: tokenType('access_token'),
    }),
  'organization switch': (server, scenario, live) =>
    gets(server, scenario, {
      grant_type: 'organization_switch',
      token: live.access,
      switching_organization: rootOrganization.id,
    }),
  refresh: (server, scenario, live) =>
    gets(server, scenario, { grant_type: 'refresh_token', refresh_token: live.refresh }),
} as const satisfies Record<
  string,
  (server: Pick<Booted, 'request'>, scenario: Scenario, live: Live) => Promise<boolean>
>

/** Where these tokens are taken. */
export const takenAt = async (server: Pick<Booted, 'request'>, scenario: Scenario, live: Live) => {
  const taken: string[] = []
  for (const [name, ask] of Object.entries(places)) {
    if (await ask(server, scenario, live)) taken.push(name)
  }
  return taken
}

export const everywhere = Object.keys(places)

/** What the sweeper does in a second. */
export const sweep = async (
  { db }: Booted,
  memory: Memory = noMemory(),
  now = new Date(),
  enabled = true,
) => {
  await writeUses(db)
  await recordEnds(db, now)
  await endUnacceptable(db, enabled, memory, now)
}

export interface ShownImpersonation {
  readonly id: string
  readonly state: string
  readonly [name: string]: unknown
}

export const get = async ({ send }: Booted, id: string) => {
  const response = await send('GET', `${path}/${id}`)
  expect(response.status).toBe(200)
  return (await response.json()) as ShownImpersonation & {
    readonly tokens: readonly Readonly<Record<string, unknown>>[]
    readonly requests: readonly Readonly<Record<string, unknown>>[]
    readonly events: readonly Readonly<Record<string, unknown>>[]
  }
}

export const list = async ({ send }: Booted, query: Readonly<Record<string, string>> = {}) => {
  const response = await send('GET', `${path}?${new URLSearchParams(query)}`)
  expect(response.status).toBe(200)
  return (await response.json()) as {
    readonly impersonations: readonly ShownImpersonation[]
    readonly links: readonly { readonly rel: string; readonly href: string }[]
  }
}

/** The `impersonation-ended` rows of an impersonation. */
export const endedRows = async ({ db }: Booted, id: string) => {
  const rows = await db
    .selectFrom('audit')
    .selectAll()
    .where('event', '=', 'impersonation-ended')
    .where('impersonation_id', '=', id)
    .execute()
  return rows.map((row) => ({ ...row, data: JSON.parse(row.data) as Record<string, unknown> }))
}

export { oidcSettings }
