/**
 * What is there for impersonation to work, of all applications at once or of one: a handful of queries however many
 * there are. Read for `mayact check` and for the application's own page of it; it decides nothing and writes nothing.
 */
import type { Db } from '../database/connect.ts'
import { type ApplicationRecord, listApplications } from './application-records.ts'
import { administratorRole, impersonationScopes } from './permissions.ts'
import type { Audience } from './roles.ts'

export interface Person {
  readonly id: string
  readonly userName: string
}

export interface VisibleRole {
  readonly id: string
  readonly name: string
  readonly scopes: readonly string[]
}

export interface ApplicationState {
  readonly application: ApplicationRecord
  /** Whose roles count in it. */
  readonly audience: Audience
  /** By the id of the API resource: the scopes it is authorized for. */
  readonly apis: ReadonlyMap<string, readonly string[]>
  /** Scopes that every user gets in it. */
  readonly openScopes: readonly string[]
  /** Roles that count in it and grant one of its scopes. */
  readonly roles: readonly VisibleRole[]
  /** By scope: one or two active accounts that hold it here; for scopes beside impersonation no administrators. */
  readonly holders: ReadonlyMap<string, readonly string[]>
}

export interface Readiness {
  readonly applications: readonly ApplicationState[]
  /** The API resources that define these scopes, by scope. */
  readonly apiOf: ReadonlyMap<string, string>
  /** An active administrator. */
  readonly administrator: Person | undefined
  /** One or two active users who are no administrators. */
  readonly people: readonly Person[]
  /** `isTaken(audience, name)`: a role of that name is there. */
  readonly isTaken: (audience: Audience, name: string) => boolean
}

const all = { limit: 1_000_000, offset: 0 }

const key = ({ type, id }: Audience) => `${type} ${id}`

/** As `findClient` reads it: an application that says nothing has roles of its own. */
export const audienceOf = ({
  id,
  organizationId,
  model,
}: Pick<ApplicationRecord, 'id' | 'organizationId' | 'model'>): Audience => {
  const roles = model.associatedRoles
  if (typeof roles !== 'object' || roles === null) return { type: 'application', id }
  return 'allowedAudience' in roles && roles.allowedAudience === 'APPLICATION'
    ? { type: 'application', id }
    : { type: 'organization', id: organizationId }
}

const authorizations = (db: Db, only: string | undefined) =>
  db
    .selectFrom('application_api')
    .leftJoin('scope', 'scope.api_resource_id', 'application_api.api_resource_id')
    .leftJoin('application_scope', (join) =>
      join
        .onRef('application_scope.scope_name', '=', 'scope.name')
        .onRef('application_scope.application_id', '=', 'application_api.application_id'),
    )
    .select([
      'application_api.application_id as applicationId',
      'application_api.api_resource_id as apiId',
      'application_api.policy',
      'application_scope.scope_name as scope',
    ])
    .$if(only !== undefined, (query) => query.where('application_api.application_id', '=', only ?? ''))
    .execute()

const administrators = (db: Db) =>
  db
    .selectFrom('account_role')
    .select('account_id')
    .where('role_id', '=', administratorRole.id)
    .union((eb) =>
      eb
        .selectFrom('group_member')
        .innerJoin('group_role', 'group_role.group_id', 'group_member.group_id')
        .select('group_member.account_id')
        .where('group_role.role_id', '=', administratorRole.id),
    )

/** Grants of scopes that any application is authorized for; Administrator carries none into an application. */
const grants = (db: Db, only: Audience | undefined) =>
  db
    .selectFrom('role_permission')
    .innerJoin('role', 'role.id', 'role_permission.role_id')
    .$if(only !== undefined, (query) =>
      query.where('role.audience_type', '=', only?.type ?? '').where('role.audience_id', '=', only?.id ?? ''),
    )
    .where('role.id', '!=', administratorRole.id)
    .where(({ eb, or }) =>
      or([
        eb('role_permission.scope_name', 'in', db.selectFrom('application_scope').select('scope_name')),
        eb('role_permission.scope_name', 'in', [...impersonationScopes]),
      ]),
    )

/** Who has which role, himself or by a group. */
const memberships = (db: Db) =>
  db
    .selectFrom('account_role')
    .select(['account_id', 'role_id'])
    .unionAll(
      db
        .selectFrom('group_role')
        .innerJoin('group_member', 'group_member.group_id', 'group_role.group_id')
        .select(['account_id', 'role_id']),
    )
    .as('membership')

const holdersOf = (db: Db, only: Audience | undefined) =>
  grants(db, only)
    .innerJoin(memberships(db), 'membership.role_id', 'role.id')
    .innerJoin('account', 'account.id', 'membership.account_id')
    .select(['role.audience_type as type', 'role.audience_id as id', 'role_permission.scope_name as scope'])
    .select((eb) => [eb.fn.min('account.id').as('first'), eb.fn.max('account.id').as('last')])
    .where('account.locked_at', 'is', null)
    .where('account.disabled_at', 'is', null)
    .where(({ eb, or }) =>
      or([
        eb('role_permission.scope_name', 'in', [...impersonationScopes]),
        eb('account.id', 'not in', administrators(db)),
      ]),
    )
    .groupBy(['role.audience_type', 'role.audience_id', 'role_permission.scope_name'])
    .execute()

const activePeople = (db: Db, organizationId: string) =>
  db
    .selectFrom('account')
    .select(['id', 'user_name as userName'])
    .where('organization_id', '=', organizationId)
    .where('locked_at', 'is', null)
    .where('disabled_at', 'is', null)
    .orderBy('id')

/** Reads all of it for the organization, or what concerns the one application. */
export const readReadiness = async (
  db: Db,
  organizationId: string,
  only?: ApplicationRecord,
): Promise<Readiness> => {
  const people = activePeople(db, organizationId)
  const audience = only && audienceOf(only)
  const [applications, authorized, roleRows, holderRows, names, scopes, administrator, others] =
    await Promise.all([
      only ? { items: [only] } : listApplications(db, organizationId, [], all),
      authorizations(db, only?.id),
      grants(db, audience)
        .select([
          'role.id as roleId',
          'role.name',
          'role.audience_type as type',
          'role.audience_id as id',
          'role_permission.scope_name as scope',
        ])
        .orderBy('role.id')
        .execute(),
      holdersOf(db, audience),
      db
        .selectFrom('role')
        .select(['audience_type as type', 'audience_id as id', 'name'])
        .where('organization_id', '=', organizationId)
        .$if(audience !== undefined, (query) =>
          query
            .where('audience_type', '=', audience?.type ?? '')
            .where('audience_id', '=', audience?.id ?? ''),
        )
        .execute(),
      db.selectFrom('scope').select(['name', 'api_resource_id as api']).execute(),
      people.where('id', 'in', administrators(db)).executeTakeFirst(),
      people.where('id', 'not in', administrators(db)).limit(2).execute(),
    ])
  const taken = new Set(names.map(({ type, id, name }) => `${type} ${id} ${name.toLowerCase()}`))
  const authorizedOf = Map.groupBy(authorized, ({ applicationId }) => applicationId)
  const rolesOf = Map.groupBy(roleRows, ({ type, id }) => `${type} ${id}`)
  const holdersIn = Map.groupBy(holderRows, ({ type, id }) => `${type} ${id}`)
  return {
    applications: applications.items.map((application) => {
      const audience = audienceOf(application)
      const own = authorizedOf.get(application.id) ?? []
      const roles = Map.groupBy(rolesOf.get(key(audience)) ?? [], ({ roleId }) => roleId)
      const apis = Map.groupBy(own, ({ apiId }) => apiId)
      return {
        application,
        audience,
        apis: new Map([...apis].map(([id, rows]) => [id, rows.flatMap(({ scope }) => scope ?? [])])),
        openScopes: own.flatMap(({ policy, scope }) => (policy === 'NO POLICY' && scope ? scope : [])),
        roles: [...roles].map(([id, rows]) => ({
          id,
          name: rows[0]?.name ?? '',
          scopes: rows.map(({ scope }) => scope),
        })),
        holders: new Map(
          (holdersIn.get(key(audience)) ?? []).map(({ scope, first, last }) => [
            scope,
            [...new Set([first, last])],
          ]),
        ),
      }
    }),
    apiOf: new Map(scopes.map(({ name, api }) => [name, api])),
    administrator,
    people: others,
    isTaken: (audience, name) => taken.has(`${key(audience)} ${name.toLowerCase()}`),
  }
}
