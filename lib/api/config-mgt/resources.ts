/** Operations 5–8: the resources of a type of the configuration store. */
import { Hono } from 'hono'
import { Lost } from '../../directory/change.ts'
import {
  createConfigurationResource,
  deleteConfigurationResource,
  findConfigurationResource,
  replaceConfigurationResource,
} from '../../directory/config-store-resources.ts'
import type { ApiNeeds } from '../api.ts'
import { readBody } from '../body.ts'
import { answerTagged, contentTag, requireCurrent } from '../conditional.ts'
import { gate } from '../gate.ts'
import { parameter } from '../parameter.ts'
import * as operations from './operations.ts'
import { locationOf, requireResource, requireType } from './place.ts'
import { configurationProblem } from './problem.ts'
import { renderResource } from './representation.ts'
import { isName, requireAttributes, resourceBody } from './requests.ts'

export const configurationResources = (needs: ApiNeeds) => {
  const { db, baseUrl } = needs
  const guarded = gate(needs)
  return new Hono()
    .post(
      '/:type',
      guarded(
        'internal_config_mgt_add',
        async (caller, c) => {
          const type = await requireType(db, parameter(c, 'type'))
          const { name, ...asked } = await readBody(c, resourceBody)
          if (!isName(name)) throw configurationProblem('CONFIGM_00010')
          const attributes = requireAttributes(asked.attributes)
          const created = await createConfigurationResource(db, caller, new Date(), type, {
            name,
            attributes,
          })
          if ('refused' in created) throw configurationProblem('CONFIGM_00013', name)
          const representation = renderResource(type.name, created)
          c.header('Location', locationOf(baseUrl, 'resource', type.name, name))
          c.header('ETag', contentTag(representation))
          return c.json(representation, 201)
        },
        operations.createResource,
      ),
    )
    .put(
      '/:type',
      guarded(
        'internal_config_mgt_update',
        async (caller, c) => {
          const type = await requireType(db, parameter(c, 'type'))
          const { name, ...asked } = await readBody(c, resourceBody)
          if (!isName(name)) throw configurationProblem('CONFIGM_00033')
          const attributes = requireAttributes(asked.attributes)
          const known = await findConfigurationResource(db, type.id, name)
          requireCurrent(c, ...(known ? [contentTag(renderResource(type.name, known))] : []))
          const now = new Date()
          const stored = known
            ? await replaceConfigurationResource(db, caller, now, type, known, attributes)
            : await createConfigurationResource(db, caller, now, type, { name, attributes })
          if ('refused' in stored) throw new Lost(`the configuration resource ${name} appeared meanwhile`)
          const representation = renderResource(type.name, stored)
          c.header('ETag', contentTag(representation))
          return c.json(representation)
        },
        operations.replaceResource,
      ),
    )
    .get(
      '/:type/:name',
      guarded(
        'internal_config_mgt_view',
        async (_, c) => {
          const { type, resource } = await requireResource(db, c)
          const representation = renderResource(type.name, resource)
          return answerTagged(c, contentTag(representation), representation)
        },
        operations.readResource,
      ),
    )
    .delete(
      '/:type/:name',
      guarded(
        'internal_config_mgt_delete',
        async (caller, c) => {
          const { type, resource } = await requireResource(db, c)
          requireCurrent(c, contentTag(renderResource(type.name, resource)))
          await deleteConfigurationResource(db, caller, new Date(), type, resource)
          return c.body(null, 200)
        },
        operations.deleteResource,
      ),
    )
}
