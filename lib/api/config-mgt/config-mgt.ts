/** The configuration management API, mounted at /api/identity/config-mgt/v1.0. */
import { Hono } from 'hono'
import type { ApiNeeds } from '../api.ts'
import { configurationAttributes } from './attributes.ts'
import { configurationResourceFiles } from './files.ts'
import { configurationResources } from './resources.ts'
import { configurationSearch } from './search.ts'
import { configurationTypes } from './types.ts'

export const configMgt = (needs: ApiNeeds) =>
  new Hono()
    .route('/search', configurationSearch(needs))
    .route('/resource-type', configurationTypes(needs))
    .route('/resource', configurationResources(needs))
    // before the attributes, where `file` would be a key
    .route('/resource', configurationResourceFiles(needs))
    .route('/resource', configurationAttributes(needs))
