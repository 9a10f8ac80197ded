/** Types and resources of the configuration store as its API answers them. */
import type { ConfigurationType } from '../../directory/config-store.ts'
import type { ConfigurationResource } from '../../directory/config-store-resources.ts'
import { tenantDomain } from '../tenant.ts'
import { pathTo } from './place.ts'

/** A type with a link to each of its resources. */
export const renderType = ({ id, name, description }: ConfigurationType, resources: readonly string[]) => ({
  name,
  id,
  ...(description === null ? {} : { description }),
  links: resources.map((resource) => ({ href: pathTo(name, resource), rel: 'resource' })),
})

const time = (instant: Date) => instant.toISOString().replace('Z', '+0000')

/** A resource of the type of that name. */
export const renderResource = (type: string, resource: ConfigurationResource) => ({
  resourceId: resource.id,
  tenantDomain,
  resourceName: resource.name,
  resourceType: type,
  lastModified: time(resource.modifiedAt),
  created: time(resource.createdAt),
  attributes: resource.attributes,
  files: resource.hasFile ? [{ rel: 'file', href: pathTo(type, resource.name, 'file') }] : [],
})
