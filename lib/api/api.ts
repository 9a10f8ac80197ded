import { Hono } from 'hono'
import type { GuardNeeds } from '../access/guard.ts'
import type { Db } from '../database/connect.ts'
import type { Vault } from '../keys/secrets.ts'

export interface ApiNeeds {
  readonly db: Db
  readonly guard: GuardNeeds
  readonly vault: Vault
  readonly organization: { readonly id: string; readonly name: string }
  /** Absolute, without a trailing slash; `Location` starts with it. */
  readonly baseUrl: string
}

/** The management REST APIs, mounted at /api. */
export const api = (_needs: ApiNeeds) => new Hono()
