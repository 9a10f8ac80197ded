/** Operations 1–4: the types of the configuration store. They are the server's: its one tenant is the super tenant. */
import { Hono } from 'hono'
import { Lost } from '../../directory/change.ts'
import {
  configurationResourceNames,
  createConfigurationType,
  deleteConfigurationType,
  describeConfigurationType,
  findConfigurationType,
} from '../../directory/config-store.ts'
import type { ApiNeeds } from '../api.ts'
import { readBody } from '../body.ts'
import { answerTagged, contentTag, requireCurrent } from '../conditional.ts'
import { gate } from '../gate.ts'
import { parameter } from '../parameter.ts'
import * as operations from './operations.ts'
import { locationOf, requireType } from './place.ts'
import { configurationProblem } from './problem.ts'
import { renderType } from './representation.ts'
import { isName, typeBody } from './requests.ts'

export const configurationTypes = (needs: ApiNeeds) => {
  const { db, baseUrl } = needs
  const guarded = gate(needs)
  const read = async (name: string) => {
    const type = await requireType(db, name)
    const representation = renderType(type, await configurationResourceNames(db, type.id))
    return { type, representation, tag: contentTag(representation) }
  }
  return new Hono()
    .post(
      '/',
      guarded(
        'internal_config_mgt_add',
        async (caller, c) => {
          const { name, description = null } = await readBody(c, typeBody)
          if (!isName(name)) throw configurationProblem('CONFIGM_00004', name)
          const created = await createConfigurationType(db, caller, new Date(), { name, description })
          if ('refused' in created) throw configurationProblem('CONFIGM_00006', name)
          const representation = renderType(created, [])
          c.header('Location', locationOf(baseUrl, 'resource-type', created.id))
          c.header('ETag', contentTag(representation))
          return c.json(representation, 201)
        },
        operations.createType,
      ),
    )
    .put(
      '/',
      guarded(
        'internal_config_mgt_update',
        async (caller, c) => {
          const { name, description = null } = await readBody(c, typeBody)
          if (!isName(name)) throw configurationProblem('CONFIGM_00004', name)
          const now = new Date()
          const known = (await findConfigurationType(db, name)) && (await read(name))
          requireCurrent(c, ...(known ? [known.tag] : []))
          const stored = known
            ? await describeConfigurationType(db, caller, now, known.type, description)
            : await createConfigurationType(db, caller, now, { name, description })
          if ('refused' in stored) throw new Lost(`the configuration type ${name} appeared meanwhile`)
          const { representation, tag } = await read(name)
          c.header('ETag', tag)
          return c.json(representation)
        },
        operations.replaceType,
      ),
    )
    .get(
      '/:name',
      guarded(
        'internal_config_mgt_view',
        async (_, c) => {
          const { representation, tag } = await read(parameter(c, 'name'))
          return answerTagged(c, tag, representation)
        },
        operations.readType,
      ),
    )
    .delete(
      '/:name',
      guarded(
        'internal_config_mgt_delete',
        async (caller, c) => {
          const { type, tag } = await read(parameter(c, 'name'))
          requireCurrent(c, tag)
          await deleteConfigurationType(db, caller, new Date(), type)
          return c.body(null, 200)
        },
        operations.deleteType,
      ),
    )
}
