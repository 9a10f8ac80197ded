/** The scopes of all API resources, mounted at /api/server/v1/scopes. */
import { Hono } from 'hono'
import { listScopes } from '../../directory/api-resources.ts'
import type { ApiNeeds } from '../api.ts'
import { gate } from '../gate.ts'
import { readFilter } from './list.ts'
import { shownScope } from './model.ts'
import { operations } from './operations.ts'

export const allScopes = (needs: ApiNeeds) =>
  new Hono().get(
    '/',
    gate(needs)(
      'internal_api_resource_view',
      async (_, c) => {
        const filter = readFilter(new URL(c.req.url).searchParams.get('filter'), ['name'])
        return c.json((await listScopes(needs.db, filter)).map(shownScope))
      },
      operations.listScopes,
    ),
  )
