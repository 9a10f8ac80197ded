/** Template types, second form: without their templates. At /api/server/v2/email and /api/server/v1/notification. */
import { type Context, Hono } from 'hono'
import type { Caller } from '../../directory/caller.ts'
import { createTemplateType, deleteTemplateType } from '../../directory/email-template-changes.ts'
import { findTemplateType, typeKeyOf } from '../../directory/email-templates.ts'
import type { ApiNeeds } from '../api.ts'
import { readBody } from '../body.ts'
import { answerTagged, contentTag, requireCurrent } from '../conditional.ts'
import { gate } from '../gate.ts'
import { parameter } from '../parameter.ts'
import { typeAlone } from './bodies.ts'
import { type Dialect, fault, idOf } from './dialect.ts'
import { typeOperations } from './operations.ts'
import { allTypes, isBuiltIn, requireRoom, requireType, shownType, type Type } from './place.ts'
import { refusePaging } from './query.ts'

/** One that was made anew under its name is another. */
const tagOf = (dialect: Dialect, type: Type): string =>
  contentTag({ ...shownType(dialect, type), row: type.own?.id })

export const templateTypes = (needs: ApiNeeds, dialect: Dialect) => {
  const { db, baseUrl } = needs
  const guarded = gate(needs)
  const operations = typeOperations(dialect)
  const typeAt = (caller: Caller, c: Context) => requireType(needs, dialect, caller, parameter(c, 'type'))
  return new Hono()
    .get(
      '/',
      guarded(
        dialect.permission('view'),
        async (caller, c) => {
          if (dialect.id === 'V2') refusePaging(new URL(c.req.url).searchParams)
          return c.json((await allTypes(needs, caller)).map((type) => shownType(dialect, type)))
        },
        operations.listTypes,
      ),
    )
    .post(
      '/',
      guarded(
        dialect.permission('create'),
        async (caller, c) => {
          const { displayName } = await readBody(c, typeAlone)
          if (
            isBuiltIn(displayName) ||
            (await findTemplateType(db, caller.organizationId, typeKeyOf(displayName)))
          )
            throw fault(dialect, 'type-exists', displayName)
          requireRoom(await createTemplateType(db, caller, new Date(), displayName))
          const shown = shownType(dialect, { id: idOf(displayName), displayName })
          return c.json(shown, 201, { Location: `${baseUrl}${shown.self}` })
        },
        operations.createType,
      ),
    )
    .get(
      '/:type',
      guarded(
        dialect.permission('view'),
        async (caller, c) => {
          const type = await typeAt(caller, c)
          return answerTagged(c, tagOf(dialect, type), shownType(dialect, type))
        },
        operations.readType,
      ),
    )
    .delete(
      '/:type',
      guarded(
        dialect.permission('delete'),
        async (caller, c) => {
          const type = await typeAt(caller, c)
          if (!type.own) throw fault(dialect, 'built-in', type.displayName)
          requireCurrent(c, tagOf(dialect, type))
          await deleteTemplateType(db, caller, new Date(), type.own)
          return c.body(null, 204)
        },
        operations.deleteType,
      ),
    )
}
