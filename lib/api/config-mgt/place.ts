/** Paths of the configuration management API, and what stands at them. */
import type { Context } from 'hono'
import type { Db } from '../../database/connect.ts'
import { type ConfigurationType, findConfigurationType } from '../../directory/config-store.ts'
import {
  type ConfigurationResource,
  findConfigurationResource,
} from '../../directory/config-store-resources.ts'
import { parameter } from '../parameter.ts'
import { tenantPath } from '../tenant.ts'
import { configurationProblem } from './problem.ts'

const base = '/api/identity/config-mgt/v1.0'

/** The relative path of what a type or a resource has, as `links` and `files` name it. */
export const pathTo = (...segments: readonly string[]): string =>
  `${tenantPath}${base}/resource/${segments.map(encodeURIComponent).join('/')}`

/** The absolute path for `Location`; the short form, as in the seed. */
export const locationOf = (baseUrl: string, ...segments: readonly string[]): string =>
  `${baseUrl}${base}/${segments.map(encodeURIComponent).join('/')}`

/** The type of that name. Throws `Problem`. */
export const requireType = async (db: Db, name: string): Promise<ConfigurationType> => {
  const type = await findConfigurationType(db, name)
  if (!type) throw configurationProblem('CONFIGM_00008', name)
  return type
}

/** The type and the resource that the path names. Throws `Problem`. */
export const requireResource = async (
  db: Db,
  c: Context,
): Promise<{ readonly type: ConfigurationType; readonly resource: ConfigurationResource }> => {
  const type = await requireType(db, parameter(c, 'type'))
  const name = parameter(c, 'name')
  const resource = await findConfigurationResource(db, type.id, name)
  if (!resource) throw configurationProblem('CONFIGM_00017', name)
  return { type, resource }
}
