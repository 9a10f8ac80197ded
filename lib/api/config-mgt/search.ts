/** Operation 18: searching the resources of the tenant. */
import { Hono } from 'hono'
import { mostFound, searchResources } from '../../directory/config-store-search.ts'
import type { ApiNeeds } from '../api.ts'
import { gate } from '../gate.ts'
import { Problem } from '../problem.ts'
import { parseSearch } from './filter.ts'
import * as operations from './operations.ts'
import { configurationProblem } from './problem.ts'
import { renderResource } from './representation.ts'

/** A part of them would look like all of them. */
const tooMany = () =>
  new Problem({
    status: 400,
    code: 'CONFIGM_00018',
    message: 'Bad Request',
    description: `Search request validation failed. The filter finds more than ${mostFound} resources; narrow it, as by resourceName gt '…'.`,
  })

export const configurationSearch = (needs: ApiNeeds) => {
  const { db } = needs
  return new Hono().get(
    '/',
    gate(needs)(
      'internal_config_mgt_list',
      async (_, c) => {
        const filters = c.req.queries('$filter') ?? []
        if (filters.length > 1) throw configurationProblem('CONFIGM_00018')
        const found = await searchResources(db, parseSearch(filters[0] ?? ''))
        if (!found) throw tooMany()
        if (found.length === 0) throw configurationProblem('CONFIGM_00020')
        return c.json({ resources: found.map((resource) => renderResource(resource.type, resource)) })
      },
      operations.search,
    ),
  )
}
