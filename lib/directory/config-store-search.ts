/** Searching the configuration store: an expression of comparisons, turned into SQL with bound parameters. */
import type { Expression, ExpressionBuilder, SqlBool } from 'kysely'
import type { Db } from '../database/connect.ts'
import type { Database } from '../database/schema.ts'
import { tenantDomain, tenantId } from './config-store.ts'
import { type ConfigurationResource, readResources } from './config-store-resources.ts'

const columns = {
  resourceTypeId: 'idn_config_type.id',
  resourceTypeName: 'idn_config_type.name',
  resourceId: 'idn_config_resource.id',
  resourceName: 'idn_config_resource.name',
  attributeKey: 'idn_config_attribute.attr_key',
  attributeValue: 'idn_config_attribute.attr_value',
} as const

/** What can be searched by; `tenantId` is a number, the others are text, compared by its bytes. */
export const searchProperties = [
  'tenantId',
  'tenantDomain',
  ...(Object.keys(columns) as (keyof typeof columns)[]), // the keys of a literal are those of its type
] as const
export type SearchProperty = (typeof searchProperties)[number]

const operators = { eq: '=', ne: '!=', gt: '>', ge: '>=', lt: '<', le: '<=' } as const
export type SearchOperator = keyof typeof operators
export const searchOperators: readonly string[] = Object.keys(operators)

export interface SearchComparison {
  readonly property: SearchProperty
  readonly operator: SearchOperator
  readonly value: string | number
}

/** All of `and`, any of `or`, or a comparison. */
export type SearchExpression =
  | { readonly and: readonly SearchExpression[] }
  | { readonly or: readonly SearchExpression[] }
  | SearchComparison

type Tables = 'idn_config_resource' | 'idn_config_type' | 'idn_config_attribute'
type Builder = ExpressionBuilder<Database, Tables>

const holds = { eq: [0], ne: [-1, 1], gt: [1], ge: [0, 1], lt: [-1], le: [-1, 0] } as const

/** There is one tenant: what is said of it is true of every resource or of none. */
const ofTenant = ({ property, operator, value }: SearchComparison): boolean => {
  const order =
    property === 'tenantId'
      ? Math.sign(tenantId - Number(value))
      : Buffer.compare(Buffer.from(tenantDomain), Buffer.from(String(value)))
  return holds[operator].some((one) => one === order)
}

const condition = (eb: Builder, expression: SearchExpression): Expression<SqlBool> => {
  if ('and' in expression) return eb.and(expression.and.map((one) => condition(eb, one)))
  if ('or' in expression) return eb.or(expression.or.map((one) => condition(eb, one)))
  const { property, operator, value } = expression
  if (property === 'tenantId' || property === 'tenantDomain') return eb.lit(ofTenant(expression))
  return eb(columns[property], operators[operator], String(value))
}

/** How many resources a search answers: there are no pages. */
export const mostFound = 1_000

/**
 * The resources that have a row of the join of resource, type and attribute for which the expression is true: a key and
 * a value that are asked for together are those of one attribute. They come whole, with all their attributes; undefined
 * when there are more than `mostFound`.
 */
export const searchResources = async (
  db: Db,
  expression: SearchExpression,
): Promise<readonly (ConfigurationResource & { readonly type: string })[] | undefined> => {
  const found = await db
    .selectFrom('idn_config_resource')
    .innerJoin('idn_config_type', 'idn_config_type.id', 'idn_config_resource.type_id')
    .leftJoin('idn_config_attribute', 'idn_config_attribute.resource_id', 'idn_config_resource.id')
    .select('idn_config_resource.id')
    .distinct()
    .where('idn_config_resource.tenant_id', '=', tenantId)
    // the columns are those of the tables that are joined
    .where((joined) => condition(joined as unknown as Builder, expression))
    .limit(mostFound + 1)
    .execute()
  if (found.length === 0 || found.length > mostFound) return found.length === 0 ? [] : undefined
  const ids = found.map(({ id }) => id)
  return readResources(db, (eb) => eb.and([eb('idn_config_resource.id', 'in', ids)]))
}
