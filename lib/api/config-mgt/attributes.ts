/** Operations 9–12: single attributes of a resource of the configuration store. */
import { type Context, Hono } from 'hono'
import {
  attributeOf,
  deleteConfigurationAttribute,
  setConfigurationAttribute,
} from '../../directory/config-store-attributes.ts'
import type { ApiNeeds } from '../api.ts'
import { readBody } from '../body.ts'
import { answerTagged, contentTag, requireCurrent } from '../conditional.ts'
import { gate } from '../gate.ts'
import { parameter } from '../parameter.ts'
import * as operations from './operations.ts'
import { requireResource } from './place.ts'
import { configurationProblem } from './problem.ts'
import { renderResource } from './representation.ts'
import { attributeBody, requireAttribute } from './requests.ts'

export const configurationAttributes = (needs: ApiNeeds) => {
  const { db } = needs
  const guarded = gate(needs)
  const requireKnown = async (c: Context) => {
    const place = await requireResource(db, c)
    const key = parameter(c, 'key')
    const attribute = attributeOf(place.resource, key)
    if (!attribute) throw configurationProblem('CONFIGM_00027', key)
    return { ...place, attribute }
  }
  return new Hono()
    .post(
      '/:type/:name',
      guarded(
        'internal_config_mgt_add',
        async (caller, c) => {
          const { type, resource } = await requireResource(db, c)
          const attribute = requireAttribute(await readBody(c, attributeBody))
          if (attributeOf(resource, attribute.key)) throw configurationProblem('CONFIGM_00031', attribute.key)
          await setConfigurationAttribute(db, caller, new Date(), type, resource, attribute)
          c.header('ETag', contentTag(attribute))
          return c.json(attribute, 201)
        },
        operations.addAttribute,
      ),
    )
    .put(
      '/:type/:name',
      guarded(
        'internal_config_mgt_update',
        async (caller, c) => {
          const { type, resource } = await requireResource(db, c)
          const attribute = requireAttribute(await readBody(c, attributeBody))
          const known = attributeOf(resource, attribute.key)
          // the path is the resource's, the body names an attribute: the client may have read either
          const tags = [renderResource(type.name, resource), ...(known ? [known] : [])].map(contentTag)
          requireCurrent(c, ...tags)
          await setConfigurationAttribute(db, caller, new Date(), type, resource, attribute)
          c.header('ETag', contentTag(attribute))
          return c.json(attribute)
        },
        operations.replaceAttribute,
      ),
    )
    .get(
      '/:type/:name/:key',
      guarded(
        'internal_config_mgt_view',
        async (_, c) => {
          const { attribute } = await requireKnown(c)
          return answerTagged(c, contentTag(attribute), attribute)
        },
        operations.readAttribute,
      ),
    )
    .delete(
      '/:type/:name/:key',
      guarded(
        'internal_config_mgt_delete',
        async (caller, c) => {
          const { type, resource, attribute } = await requireKnown(c)
          requireCurrent(c, contentTag(attribute))
          await deleteConfigurationAttribute(db, caller, new Date(), type, resource, attribute.key)
          return c.body(null, 200)
        },
        operations.deleteAttribute,
      ),
    )
}
