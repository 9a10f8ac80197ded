/** The configuration management API, mounted at /api/identity/config-mgt/v1.0. */
import { Hono } from 'hono'
import * as z from 'zod'
import {
  type ConfigurationResource,
  type ConfigurationType,
  configurationResourceNames,
  createConfigurationType,
  findConfigurationResource,
  findConfigurationType,
} from '../../directory/config-store.ts'
import type { ApiNeeds } from '../api.ts'
import { readBody } from '../body.ts'
import { gate } from '../gate.ts'
import { parameter } from '../parameter.ts'
import { tenantDomain, tenantPath } from '../tenant.ts'
import { configurationProblem } from './problem.ts'

const base = '/api/identity/config-mgt/v1.0'

const newType = z.object({ name: z.string().default(''), description: z.string().max(1023).nullish() })

const resourcePath = (type: string, resource: string) =>
  `${tenantPath}${base}/resource/${encodeURIComponent(type)}/${encodeURIComponent(resource)}`

const renderType = ({ id, name, description }: ConfigurationType, resources: readonly string[]) => ({
  name,
  id,
  ...(description === null ? {} : { description }),
  links: resources.map((resource) => ({ href: resourcePath(name, resource), rel: 'resource' })),
})

const time = (instant: Date) => instant.toISOString().replace('Z', '+0000')

const renderResource = (type: ConfigurationType, resource: ConfigurationResource) => ({
  resourceId: resource.id,
  tenantDomain,
  resourceName: resource.name,
  resourceType: type.name,
  lastModified: time(resource.modifiedAt),
  created: time(resource.createdAt),
  attributes: resource.attributes,
  files: resource.hasFile ? [{ rel: 'file', href: `${resourcePath(type.name, resource.name)}/file` }] : [],
})

export const configMgt = (needs: ApiNeeds) => {
  const { db, baseUrl } = needs
  const guarded = gate(needs)
  const requireType = async (name: string) => {
    const type = await findConfigurationType(db, name)
    if (!type) throw configurationProblem('CONFIGM_00008', name)
    return type
  }
  return new Hono()
    .post(
      '/resource-type',
      guarded('internal_config_mgt_add', async (caller, c) => {
        const { name, description = null } = await readBody(c, newType)
        if (name.trim() === '' || name.length > 255) throw configurationProblem('CONFIGM_00004', name)
        const created = await createConfigurationType(db, caller, new Date(), { name, description })
        if ('refused' in created) throw configurationProblem('CONFIGM_00006', name)
        c.header('Location', `${baseUrl}${base}/resource-type/${created.id}`)
        return c.json(renderType(created, []), 201)
      }),
    )
    .get(
      '/resource-type/:name',
      guarded('internal_config_mgt_view', async (_, c) => {
        const type = await requireType(parameter(c, 'name'))
        return c.json(renderType(type, await configurationResourceNames(db, type.id)))
      }),
    )
    .get(
      '/resource/:type/:name',
      guarded('internal_config_mgt_view', async (_, c) => {
        const type = await requireType(parameter(c, 'type'))
        const name = parameter(c, 'name')
        const resource = await findConfigurationResource(db, type.id, name)
        if (!resource) throw configurationProblem('CONFIGM_00017', name)
        return c.json(renderResource(type, resource))
      }),
    )
}
