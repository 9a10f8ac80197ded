/** The templates of a type, second form: the organization's, or an application's; `?resolve=true` shows what it inherits. */
import { type Context, Hono } from 'hono'
import type { Caller } from '../../directory/caller.ts'
import {
  createTemplate,
  deleteTemplate,
  type NewTemplate,
  updateTemplate,
} from '../../directory/email-template-changes.ts'
import { findTemplate } from '../../directory/email-templates.ts'
import type { ApiNeeds } from '../api.ts'
import { readBody } from '../body.ts'
import { answerTagged, requireCurrent } from '../conditional.ts'
import { gate } from '../gate.ts'
import { parameter } from '../parameter.ts'
import { invalidRequest } from '../problem.ts'
import { localizedTemplate, relocalizedTemplate, type WrittenContent } from './bodies.ts'
import { type Dialect, fault, linkTo } from './dialect.ts'
import { levelOperations } from './operations.ts'
import {
  type Owners,
  requireOwner,
  requireRoom,
  requireTemplate,
  requireType,
  shownContent,
  type Template,
  type Type,
  tagOf,
  templatesOf,
} from './place.ts'
import { wantsInherited } from './query.ts'

export type Level = 'org-templates' | 'app-templates'

const toNew = (locale: string, { contentType, subject, body, footer }: WrittenContent): NewTemplate => ({
  locale,
  contentType,
  subject,
  body,
  footer,
})

export const shownTemplate = (template: Template) => ({ locale: template.locale, ...shownContent(template) })

export const levelTemplates = (needs: ApiNeeds, dialect: Dialect, level: Level) => {
  const { db, baseUrl } = needs
  const guarded = gate(needs)
  const operations = levelOperations(dialect, level)
  const base = level === 'org-templates' ? `/:type/${level}` : `/:type/${level}/:application`
  const place = async (caller: Caller, c: Context) => {
    const type = await requireType(needs, dialect, caller, parameter(c, 'type'))
    return { type, owner: await requireOwner(needs, caller, c) }
  }
  /** Whose templates are shown: those of `resolve` are read, never written. */
  const ownersAt = (c: Context, owner: Awaited<ReturnType<typeof place>>['owner']): Owners => {
    const { organizationId, applicationId } = owner
    if (dialect.id !== 'Notification' || !wantsInherited(new URL(c.req.url).searchParams)) return [owner]
    return [...(applicationId === null ? [] : [owner]), { organizationId, applicationId: null }, 'built-in']
  }
  const link = (type: Type, applicationId: string | null, locale: string) =>
    linkTo(dialect, type.id, level, ...(applicationId === null ? [] : [applicationId]), locale)
  return new Hono()
    .get(
      base,
      guarded(
        dialect.permission('view'),
        async (caller, c) => {
          const { type, owner } = await place(caller, c)
          const all = await templatesOf(needs, type, ownersAt(c, owner))
          return c.json(all.map(({ locale }) => ({ locale, self: link(type, owner.applicationId, locale) })))
        },
        operations.listTemplates,
      ),
    )
    .post(
      base,
      guarded(
        dialect.permission('create'),
        async (caller, c) => {
          const written = await readBody(c, localizedTemplate)
          const { type, owner } = await place(caller, c)
          const template = toNew(written.locale, written)
          if (await findTemplate(db, owner, type.key, template.locale))
            throw fault(dialect, 'template-exists', template.locale)
          const made = requireRoom(
            await createTemplate(db, caller, new Date(), owner, type.displayName, template),
          )
          if (made) c.header('ETag', tagOf({ ...made, stored: made }))
          const self = link(type, owner.applicationId, template.locale)
          return c.json({ locale: template.locale, self }, 201, { Location: `${baseUrl}${self}` })
        },
        operations.createTemplate,
      ),
    )
    .get(
      `${base}/:locale`,
      guarded(
        dialect.permission('view'),
        async (caller, c) => {
          const { type, owner } = await place(caller, c)
          const template = await requireTemplate(needs, dialect, type, ownersAt(c, owner), c)
          return answerTagged(c, tagOf(template), shownTemplate(template))
        },
        operations.readTemplate,
      ),
    )
    .put(
      `${base}/:locale`,
      guarded(
        dialect.permission('update'),
        async (caller, c) => {
          const written = await readBody(c, relocalizedTemplate)
          const { type, owner } = await place(caller, c)
          const template = await requireTemplate(needs, dialect, type, [owner], c)
          const { stored, locale } = template
          if (!stored) throw fault(dialect, 'template-missing', locale)
          if (written.locale !== undefined && written.locale !== locale)
            throw invalidRequest('A template keeps its locale.')
          requireCurrent(c, tagOf(template))
          const content = toNew(locale, written)
          const changed = requireRoom(
            await updateTemplate(db, caller, new Date(), owner, type.displayName, stored, content),
          )
          if (changed) c.header('ETag', tagOf({ ...changed, stored: changed }))
          return c.json({ locale, ...shownContent(content) })
        },
        operations.replaceTemplate,
      ),
    )
    .delete(
      `${base}/:locale`,
      guarded(
        dialect.permission('delete'),
        async (caller, c) => {
          const { type, owner } = await place(caller, c)
          const template = await requireTemplate(needs, dialect, type, [owner], c)
          if (!template.stored) throw fault(dialect, 'template-missing', template.locale)
          requireCurrent(c, tagOf(template))
          await deleteTemplate(db, caller, new Date(), owner, type.displayName, template.stored)
          return c.body(null, 204)
        },
        operations.deleteTemplate,
      ),
    )
}
