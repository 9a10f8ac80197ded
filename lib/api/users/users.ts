/** What belongs to a user beside his account: sessions, authorized applications and impersonations, mounted at /api/users. */
import { Hono } from 'hono'
import type { ApiNeeds } from '../api.ts'
import { authorizedApps } from './authorized-apps.ts'
import { impersonationsOfCaller } from './impersonations.ts'
import { sessions } from './sessions.ts'

export const users = (needs: ApiNeeds) =>
  new Hono()
    .route('/v1/me', impersonationsOfCaller(needs))
    .route('/v1', sessions(needs))
    .route('/', authorizedApps(needs))
