/** To whom rows belong. */
import { sql } from 'kysely'
import type { SqlCondition } from './search.ts'

/**
 * That a row is of the organization. Where something else leads to few rows, their ids among them, the condition is hidden
 * from indexes: SQLite takes an organization for ten rows, and would walk through the whole of it to look for them.
 */
export const belongs = (column: string, organizationId: string, leads: boolean): SqlCondition =>
  leads ? sql`(${sql.ref(column)} || '') = ${organizationId}` : sql`${sql.ref(column)} = ${organizationId}`
