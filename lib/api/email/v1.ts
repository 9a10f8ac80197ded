/**
 * E-mail templates, first form, mounted at /api/server/v1/email/template-types: a type's templates are the organization's,
 * and in `en_US` the built-in one as long as the organization has none.
 */
import { type Context, Hono } from 'hono'
import type { Caller } from '../../directory/caller.ts'
import {
  createTemplate,
  createTemplateType,
  deleteTemplate,
  deleteTemplateType,
  type NewTemplate,
  replaceTemplates,
  updateTemplate,
} from '../../directory/email-template-changes.ts'
import { findAllTemplates, findTemplateType, typeKeyOf } from '../../directory/email-templates.ts'
import type { ApiNeeds } from '../api.ts'
import { readBody } from '../body.ts'
import { answerTagged, contentTag, requireCurrent } from '../conditional.ts'
import { gate } from '../gate.ts'
import { parameter } from '../parameter.ts'
import { invalidRequest } from '../problem.ts'
import {
  identifiedTemplate,
  replacedTemplate,
  templates,
  typeWithTemplates,
  type WrittenContent,
} from './bodies.ts'
import { v1 as dialect, emailRefusal, fault, idOf, linkTo } from './dialect.ts'
import { v1Operations as operations } from './operations.ts'
import {
  allTypes,
  isBuiltIn,
  merged,
  requireRoom,
  requireTemplate,
  requireType,
  shownContent,
  shownType,
  type Template,
  type Type,
  tagOf,
  templatesOf,
} from './place.ts'
import { refusePaging } from './query.ts'

const toNew = (written: WrittenContent & { readonly id: string }): NewTemplate => ({
  locale: written.id,
  contentType: written.contentType,
  subject: written.subject,
  body: written.body,
  footer: written.footer,
})

const shownTemplate = (template: Template) => ({ id: template.locale, ...shownContent(template) })

/** Whether the templates are asked for as well. Throws `Problem`. */
const wantsTemplates = (query: URLSearchParams): boolean => {
  const names = (query.get('requiredAttributes') ?? '').split(',').flatMap((name) => name.trim() || [])
  if (names.some((name) => name !== 'templates'))
    throw emailRefusal('ETM-50006', 'Only templates can be asked for by requiredAttributes.')
  return names.length > 0
}

export const emailV1 = (needs: ApiNeeds) => {
  const { db, baseUrl } = needs
  const guarded = gate(needs)
  const ownersOf = ({ organizationId }: Caller) =>
    [{ organizationId, applicationId: null }, 'built-in'] as const
  const typeAt = (caller: Caller, c: Context) => requireType(needs, dialect, caller, parameter(c, 'type'))
  const whole = async (caller: Caller, type: Type) => ({
    ...shownType(dialect, type),
    templates: (await templatesOf(needs, type, ownersOf(caller))).map(shownTemplate),
  })
  const link = (type: Type, locale: string) => linkTo(dialect, type.id, 'templates', locale)
  return new Hono()
    .get(
      '/',
      guarded(
        dialect.permission('view'),
        async (caller, c) => {
          const query = new URL(c.req.url).searchParams
          refusePaging(query)
          const withTemplates = wantsTemplates(query)
          const types = await allTypes(needs, caller)
          if (!withTemplates) return c.json(types.map((type) => shownType(dialect, type)))
          const stored = Map.groupBy(
            await findAllTemplates(db, caller.organizationId),
            ({ typeKey }) => typeKey,
          )
          return c.json(
            types.map((type) => ({
              ...shownType(dialect, type),
              templates: merged(needs, type, stored.get(type.key) ?? []).map(shownTemplate),
            })),
          )
        },
        operations.listTypes,
      ),
    )
    .post(
      '/',
      guarded(
        dialect.permission('create'),
        async (caller, c) => {
          const written = await readBody(c, typeWithTemplates)
          const { displayName } = written
          if (
            isBuiltIn(displayName) ||
            (await findTemplateType(db, caller.organizationId, typeKeyOf(displayName)))
          )
            throw fault(dialect, 'type-exists', displayName)
          requireRoom(
            await createTemplateType(db, caller, new Date(), displayName, written.templates.map(toNew)),
          )
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
          const shown = await whole(caller, await typeAt(caller, c))
          return answerTagged(c, contentTag(shown), shown)
        },
        operations.readType,
      ),
    )
    .put(
      '/:type',
      guarded(
        dialect.permission('update'),
        async (caller, c) => {
          const written = await readBody(c, templates)
          const type = await typeAt(caller, c)
          requireCurrent(c, contentTag(await whole(caller, type)))
          const [owner] = ownersOf(caller)
          requireRoom(
            await replaceTemplates(db, caller, new Date(), owner, type.displayName, written.map(toNew)),
          )
          c.header('ETag', contentTag(await whole(caller, type)))
          return c.json(shownType(dialect, type))
        },
        operations.replaceType,
      ),
    )
    .delete(
      '/:type',
      guarded(
        dialect.permission('delete'),
        async (caller, c) => {
          const type = await typeAt(caller, c)
          if (!type.own) throw fault(dialect, 'built-in', type.displayName)
          requireCurrent(c, contentTag(await whole(caller, type)))
          await deleteTemplateType(db, caller, new Date(), type.own)
          return c.body(null, 204)
        },
        operations.deleteType,
      ),
    )
    .post(
      '/:type',
      guarded(
        dialect.permission('create'),
        async (caller, c) => {
          const template = toNew(await readBody(c, identifiedTemplate))
          const type = await typeAt(caller, c)
          const known = await templatesOf(needs, type, ownersOf(caller))
          if (known.some(({ locale }) => locale === template.locale))
            throw fault(dialect, 'template-exists', template.locale)
          const [owner] = ownersOf(caller)
          const made = requireRoom(
            await createTemplate(db, caller, new Date(), owner, type.displayName, template),
          )
          if (made) c.header('ETag', tagOf({ ...made, stored: made }))
          const self = link(type, template.locale)
          return c.json({ id: template.locale, self }, 201, { Location: `${baseUrl}${self}` })
        },
        operations.createTemplate,
      ),
    )
    .get(
      '/:type/templates',
      guarded(
        dialect.permission('view'),
        async (caller, c) => {
          const type = await typeAt(caller, c)
          const all = await templatesOf(needs, type, ownersOf(caller))
          const shown = all.map(({ locale }) => ({ id: locale, self: link(type, locale) }))
          return c.json(shown)
        },
        operations.listTemplates,
      ),
    )
    .get(
      '/:type/templates/:locale',
      guarded(
        dialect.permission('view'),
        async (caller, c) => {
          const type = await typeAt(caller, c)
          const template = await requireTemplate(needs, dialect, type, ownersOf(caller), c)
          return answerTagged(c, tagOf(template), shownTemplate(template))
        },
        operations.readTemplate,
      ),
    )
    .put(
      '/:type/templates/:locale',
      guarded(
        dialect.permission('update'),
        async (caller, c) => {
          const written = await readBody(c, replacedTemplate)
          const type = await typeAt(caller, c)
          const template = await requireTemplate(needs, dialect, type, ownersOf(caller), c)
          if (written.id !== undefined && written.id !== template.locale)
            throw invalidRequest('A template keeps its locale.')
          requireCurrent(c, tagOf(template))
          const asked = toNew({ ...written, id: template.locale })
          const [owner] = ownersOf(caller)
          const { stored } = template
          const changed = requireRoom(
            stored
              ? await updateTemplate(db, caller, new Date(), owner, type.displayName, stored, asked)
              : await createTemplate(db, caller, new Date(), owner, type.displayName, asked),
          )
          if (changed) c.header('ETag', tagOf({ ...changed, stored: changed }))
          return c.json({ id: template.locale, self: link(type, template.locale) })
        },
        operations.replaceTemplate,
      ),
    )
    .delete(
      '/:type/templates/:locale',
      guarded(
        dialect.permission('delete'),
        async (caller, c) => {
          const type = await typeAt(caller, c)
          const template = await requireTemplate(needs, dialect, type, ownersOf(caller), c)
          if (!template.stored) throw fault(dialect, 'built-in', template.locale)
          requireCurrent(c, tagOf(template))
          const [owner] = ownersOf(caller)
          await deleteTemplate(db, caller, new Date(), owner, type.displayName, template.stored)
          return c.body(null, 204)
        },
        operations.deleteTemplate,
      ),
    )
}
