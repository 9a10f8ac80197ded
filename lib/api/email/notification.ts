/** Templates in the form of notifications, mounted at /api/server/v1/notification: e-mail, and text messages that there are none of. */
import { type Context, Hono } from 'hono'
import { resetTemplates } from '../../directory/email-template-changes.ts'
import { findTemplates } from '../../directory/email-templates.ts'
import type { ApiNeeds } from '../api.ts'
import { readBody } from '../body.ts'
import { answerTagged } from '../conditional.ts'
import { gate } from '../gate.ts'
import { parameter } from '../parameter.ts'
import { Problem } from '../problem.ts'
import { reset } from './bodies.ts'
import { notification as dialect, fault, linkTo, type Verb } from './dialect.ts'
import { levelTemplates, shownTemplate } from './levels.ts'
import { notificationOperations as operations } from './operations.ts'
import { requireTemplate, requireType, tagOf, templatesOf } from './place.ts'
import { templatePreview } from './preview.ts'
import { templateTypes } from './types.ts'

const systemTemplates = (needs: ApiNeeds) => {
  const guarded = gate(needs)
  return new Hono()
    .get(
      '/:type/system-templates',
      guarded(
        dialect.permission('view'),
        async (caller, c) => {
          const type = await requireType(needs, dialect, caller, parameter(c, 'type'))
          const all = await templatesOf(needs, type, ['built-in'])
          const self = (locale: string) => linkTo(dialect, type.id, 'system-templates', locale)
          return c.json(all.map(({ locale }) => ({ locale, self: self(locale) })))
        },
        operations.listSystemTemplates,
      ),
    )
    .get(
      '/:type/system-templates/:locale',
      guarded(
        dialect.permission('view'),
        async (caller, c) => {
          const type = await requireType(needs, dialect, caller, parameter(c, 'type'))
          const template = await requireTemplate(needs, dialect, type, ['built-in'], c)
          return answerTagged(c, tagOf(template), shownTemplate(template))
        },
        operations.readSystemTemplate,
      ),
    )
}

/** This server sends no text messages, so there is no type of them: the document leaves out what can only be a 404. */
const textMessages = (needs: ApiNeeds) => {
  const guarded = gate(needs)
  const missing = (verb: Verb) =>
    guarded(dialect.permission(verb), async (_, c: Context) => {
      throw fault(dialect, 'type-missing', parameter(c, 'type'))
    })
  const below = '/:type/:rest{[\\s\\S]+}'
  return new Hono()
    .get(
      '/',
      guarded(dialect.permission('view'), async (_, c) => c.json([]), operations.listSmsTypes),
    )
    .get('/:type', missing('view'))
    .delete('/:type', missing('delete'))
    .get(below, missing('view'))
    .post(below, missing('create'))
    .put(below, missing('update'))
    .delete(below, missing('delete'))
}

export const notificationTemplates = (needs: ApiNeeds) => {
  const { db } = needs
  return new Hono()
    .route('/email/template-types', templateTypes(needs, dialect))
    .route('/email/template-types', levelTemplates(needs, dialect, 'org-templates'))
    .route('/email/template-types', levelTemplates(needs, dialect, 'app-templates'))
    .route('/email/template-types', systemTemplates(needs))
    .route('/email/template-types', templatePreview(needs))
    .route('/sms/template-types', textMessages(needs))
    .post(
      '/reset-template-type',
      gate(needs)(
        dialect.permission('delete'),
        async (caller, c) => {
          const { templateTypeId, channel } = await readBody(c, reset)
          if (channel !== 'EMAIL' && channel !== 'SMS')
            throw new Problem({
              status: 400,
              code: 'NTM-60015',
              message: 'Invalid notification channel.',
              description: 'The channel must be EMAIL or SMS.',
            })
          if (channel === 'SMS') throw fault(dialect, 'type-missing', templateTypeId)
          const type = await requireType(needs, dialect, caller, templateTypeId)
          const owner = { organizationId: caller.organizationId, applicationId: null }
          const own = await findTemplates(db, owner, type.key)
          if (own.length > 0) await resetTemplates(db, caller, new Date(), owner, type.displayName)
          return c.body(null, 204)
        },
        operations.reset,
      ),
    )
}
