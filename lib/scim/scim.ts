import { Hono } from 'hono'
import type { GuardNeeds } from '../access/guard.ts'
import type { Db } from '../database/connect.ts'

export interface ScimNeeds {
  readonly db: Db
  readonly guard: GuardNeeds
  readonly organization: { readonly id: string; readonly name: string }
  /** Absolute, without a trailing slash; `meta.location` starts with it. */
  readonly baseUrl: string
}

/** SCIM 2.0, mounted at /scim2. */
export const scim = (_needs: ScimNeeds) => new Hono()
