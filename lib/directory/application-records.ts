/** Applications as they are managed: the stored row with its settings, read fresh. */
import { type Selectable, sql } from 'kysely'
import type { Db } from '../database/connect.ts'
import type { ApplicationTable } from '../database/schema.ts'
import { type Filter, matching } from './condition.ts'

/** Settings as a client wrote them, defaults filled in; what nothing reads is kept all the same. */
export type Settings = Readonly<Record<string, unknown>>

export interface ApplicationRecord {
  readonly id: string
  readonly organizationId: string
  readonly name: string
  readonly clientId: string
  /** Sealed; open it with the application's id as context. */
  readonly sealedSecret: string
  readonly disabledAt: string | null
  readonly revokedAt: string | null
  /** Grows with every change; a change is guarded by the one it was decided on. */
  readonly edition: number
  /** The ApplicationModel without the name, which is `name`, and without what has a column of its own. */
  readonly model: Settings
  /** The OpenIDConnectConfiguration without id and secret; undefined when the application does not speak OAuth. */
  readonly oidc: Settings | undefined
}

// both columns hold JSON objects that this room has written
const parseSettings = (json: string) => JSON.parse(json) as Settings

const toRecord = (row: Selectable<ApplicationTable>): ApplicationRecord => {
  const oidc = parseSettings(row.oidc)
  return {
    id: row.id,
    organizationId: row.organization_id,
    name: row.name,
    clientId: row.client_id,
    sealedSecret: row.client_secret,
    disabledAt: row.disabled_at,
    revokedAt: row.revoked_at,
    edition: row.edition,
    model: parseSettings(row.model),
    oidc: Object.keys(oidc).length === 0 ? undefined : oidc,
  }
}

/** The application of that id in the organization. */
export const findApplication = async (
  db: Db,
  organizationId: string,
  id: string,
): Promise<ApplicationRecord | undefined> => {
  const row = await db
    .selectFrom('application')
    .selectAll()
    .where('id', '=', id)
    .where('organization_id', '=', organizationId)
    .executeTakeFirst()
  return row && toRecord(row)
}

/** The application of that name in the organization. */
export const findApplicationByName = async (
  db: Db,
  organizationId: string,
  name: string,
): Promise<ApplicationRecord | undefined> => {
  const row = await db
    .selectFrom('application')
    .selectAll()
    .where('name', '=', name)
    .where('organization_id', '=', organizationId)
    .executeTakeFirst()
  return row && toRecord(row)
}

/** The roles whose audience is the application, by name. */
export const rolesOfApplication = (
  db: Db,
  applicationId: string,
): Promise<readonly { readonly id: string; readonly name: string }[]> =>
  db
    .selectFrom('role')
    .select(['id', 'name'])
    .where('audience_type', '=', 'application')
    .where('audience_id', '=', applicationId)
    .orderBy('name')
    .execute()

export const applicationAttributes = ['name', 'clientId', 'issuer'] as const
export type ApplicationFilter = Filter<(typeof applicationAttributes)[number]>

const columns = {
  name: sql.ref('name'),
  // '{}' where it speaks no OAuth; its length is known without reading what may be long
  clientId: sql`case when octet_length(oidc) = 2 then '' else client_id end`,
  // of SAML, which no application speaks here
  issuer: sql`''`,
}

const isOneClient = ({ attribute, operator }: ApplicationFilter[number][number]) =>
  attribute === 'clientId' && operator === 'eq'

/** One page of the organization's applications, the oldest first, and how many match in all. */
export const listApplications = async (
  db: Db,
  organizationId: string,
  filter: ApplicationFilter,
  {
    limit,
    offset,
    without = [],
  }: {
    readonly limit: number
    readonly offset: number
    /** Names of applications that are left out. */
    readonly without?: readonly string[]
  },
): Promise<{ readonly total: number; readonly items: readonly ApplicationRecord[] }> => {
  const [only, ...alternatives] = filter
  const named = alternatives.length === 0 ? only?.find(isOneClient) : undefined
  const all = db
    .selectFrom('application')
    .where('organization_id', '=', organizationId)
    .where(matching(filter, columns))
    // what the filter says already, for the index
    .$if(named !== undefined, (query) => query.where('client_id', '=', named?.value ?? ''))
  const matched = without.length > 0 ? all.where('name', 'not in', without) : all
  // the settings are long: only those of the page are read
  const page = matched.select('id').orderBy('id').limit(limit).offset(offset)
  const [rows, { total }] = await Promise.all([
    db.selectFrom('application').selectAll().where('id', 'in', page).orderBy('id').execute(),
    matched.select((eb) => eb.fn.countAll().as('total')).executeTakeFirstOrThrow(),
  ])
  return { total: Number(total), items: rows.map(toRecord) }
}
