/** API resources and their scopes: found and listed. */
import { sql } from 'kysely'
import type { Db } from '../database/connect.ts'
import { type Filter, matching } from './condition.ts'

/** An API resource as deployment.toml or the built-in list defines it. */
export interface ApiResourceDefinition {
  readonly identifier: string
  readonly name: string
  readonly type: string
  readonly description: string
  readonly requiresAuthorization: boolean
  readonly scopes: readonly {
    readonly name: string
    readonly displayName: string
    readonly description: string
  }[]
}

export interface ApiResource {
  readonly id: string
  readonly identifier: string
  readonly name: string
  readonly description: string | null
  readonly type: string
  readonly requiresAuthorization: boolean
  /** Grows with every change of it or of its scopes. */
  readonly edition: number
}

export interface Scope {
  readonly id: string
  readonly name: string
  readonly displayName: string
  readonly description: string | null
}

const select = (db: Db) =>
  db
    .selectFrom('api_resource')
    .select([
      'id',
      'identifier',
      'name',
      'description',
      'type',
      'authorization_required_at as required',
      'edition',
    ])

type Row = Awaited<ReturnType<ReturnType<typeof select>['execute']>>[number]

const toApiResource = ({ required, ...row }: Row): ApiResource => ({
  ...row,
  requiresAuthorization: required !== null,
})

export const findApiResource = async (db: Db, id: string): Promise<ApiResource | undefined> => {
  const row = await select(db).where('id', '=', id).executeTakeFirst()
  return row && toApiResource(row)
}

const selectScopes = (db: Db) =>
  db.selectFrom('scope').select(['id', 'name', 'display_name as displayName', 'description'])

/** The scopes of an API resource by name. */
export const scopesOf = (db: Db, apiResourceId: string): Promise<readonly Scope[]> =>
  selectScopes(db).where('api_resource_id', '=', apiResourceId).orderBy('name').execute()

/** The scope of an API resource with that name or that id. */
export const findScope = (
  db: Db,
  apiResourceId: string,
  by: { readonly column: 'name' | 'id'; readonly value: string },
): Promise<Scope | undefined> =>
  selectScopes(db)
    .where('api_resource_id', '=', apiResourceId)
    .where(by.column, '=', by.value)
    .executeTakeFirst()

/** All scopes to which the filter applies, by name. */
export const listScopes = (db: Db, filter: Filter<'name'>): Promise<readonly Scope[]> =>
  selectScopes(db)
    .where(matching(filter, { name: sql.ref('name') }))
    .orderBy('name')
    .execute()

/** The names of the applications that are authorized for it. */
export const subscribersOf = async (db: Db, apiResourceId: string): Promise<readonly string[]> => {
  const rows = await db
    .selectFrom('application_api')
    .innerJoin('application', 'application.id', 'application_api.application_id')
    .select('application.name')
    .where('application_api.api_resource_id', '=', apiResourceId)
    .orderBy('application.name')
    .execute()
  return rows.map(({ name }) => name)
}

export const apiResourceAttributes = ['name', 'identifier', 'type'] as const
export type ApiResourceFilter = Filter<(typeof apiResourceAttributes)[number]>

/** A page is asked for by the id that it comes after or before. */
export interface Page {
  readonly limit: number
  readonly after?: string | undefined
  readonly before?: string | undefined
}

export interface ApiResourceList {
  readonly total: number
  readonly items: readonly ApiResource[]
  readonly hasPrevious: boolean
  readonly hasNext: boolean
}

const columns = {
  name: sql.ref('name'),
  identifier: sql.ref('identifier'),
  type: sql.ref('type'),
}

/** One page in the order of the ids, and whether there is more on either side. */
export const listApiResources = async (
  db: Db,
  filter: ApiResourceFilter,
  { limit, after, before }: Page,
): Promise<ApiResourceList> => {
  const condition = matching(filter, columns)
  const backwards = before !== undefined
  let query = select(db)
    .where(condition)
    .orderBy('id', backwards ? 'desc' : 'asc')
    .limit(limit + 1)
  if (after !== undefined) query = query.where('id', '>', after)
  if (before !== undefined) query = query.where('id', '<', before)
  const [rows, { total }] = await Promise.all([
    query.execute(),
    db
      .selectFrom('api_resource')
      .select((eb) => eb.fn.countAll().as('total'))
      .where(condition)
      .executeTakeFirstOrThrow(),
  ])
  const items = rows.slice(0, limit).map(toApiResource)
  const more = rows.length > limit
  return {
    total: Number(total),
    items: backwards ? items.reverse() : items,
    hasPrevious: backwards ? more : after !== undefined,
    hasNext: backwards || more,
  }
}
