/** Of our own: what a template looks like, as text in JSON and never as a page, and as a message to oneself. */
import { type Context, Hono } from 'hono'
import { findAccount } from '../../directory/accounts.ts'
import { findApplication } from '../../directory/application-records.ts'
import type { Caller } from '../../directory/caller.ts'
import { type TemplateContent, templateAt, templateHeadsAt } from '../../directory/email-templates.ts'
import { isAddress } from '../../email/address.ts'
import { choose } from '../../email/choice.ts'
import { defaultLocale } from '../../email/locale.ts'
import { brandingValues, writeBuiltIn, writeOut } from '../../email/template.ts'
import { sendTest } from '../../email/test-message.ts'
import type { ApiNeeds } from '../api.ts'
import { notFound } from '../applications/problem.ts'
import { readBody } from '../body.ts'
import { gate } from '../gate.ts'
import { parameter } from '../parameter.ts'
import { Problem } from '../problem.ts'
import * as bodies from './bodies.ts'
import { notification as dialect, fault } from './dialect.ts'
import { mostTests, placeOfTest } from './limit.ts'
import { requireType, type Type } from './place.ts'
import { previewOperations as operations } from './preview-operations.ts'

interface Asked {
  readonly locale?: string | undefined
  readonly applicationId?: string | undefined
  readonly values?: Readonly<Record<string, string | readonly string[]>> | undefined
  readonly template?: TemplateContent | undefined
}

const refused = (status: 400 | 403 | 429, code: string, message: string, description: string) =>
  new Problem({ status, code, message, description })

export const templatePreview = (needs: ApiNeeds) => {
  const { db } = needs
  const { letterhead, domain } = needs.mail
  const guarded = gate(needs)

  /** The template that somebody of the locale would get, filled. Throws `Problem`. */
  const written = async (caller: Caller, type: Type, asked: Asked) => {
    const { organizationId, revision } = caller
    const { applicationId, locale = defaultLocale } = asked
    if (applicationId !== undefined && !(await findApplication(db, organizationId, applicationId)))
      throw notFound(applicationId)
    const values = {
      ...brandingValues(letterhead),
      ...type.builtIn?.values(type.builtIn.example),
      'user.claim.givenname': 'Alice',
      'user.claim.lastname': 'Example',
      ...asked.values,
    }
    if (asked.template) {
      const { contentType } = asked.template
      return { source: 'draft' as const, locale, contentType, ...writeOut(asked.template, values) }
    }
    const heads = await templateHeadsAt(db, revision, organizationId, type.key)
    const chosen = choose({ heads, applicationId, builtIn: type.builtIn !== undefined }, [locale])
    const stored = chosen?.id === undefined ? undefined : await templateAt(db, revision, chosen.id)
    if (chosen && stored) {
      const { contentType } = stored
      return { source: chosen.level, locale: chosen.locale, contentType, ...writeOut(stored, values) }
    }
    if (!type.builtIn) throw fault(dialect, 'template-missing', locale)
    const source = type.builtIn.source(letterhead)
    const filled = writeBuiltIn(source, values)
    return { source: 'built-in' as const, locale: defaultLocale, contentType: 'text/html', ...filled }
  }

  const typeAt = (caller: Caller, c: Context) => requireType(needs, dialect, caller, parameter(c, 'type'))

  /** The caller's own address: nobody sends to others what he wrote himself. Throws `Problem`. */
  const addressOf = async (caller: Caller, to: string | undefined): Promise<string> => {
    const account = caller.kind === 'user' ? await findAccount(db, caller.accountId) : undefined
    if (account && to === undefined && account.email === null)
      throw refused(400, 'NTM-60018', 'No address.', 'Your account has no e-mail address.')
    const own = account?.email ?? ''
    if (!isAddress(own) || (to !== undefined && to.toLowerCase() !== own.toLowerCase()))
      throw refused(
        403,
        'NTM-60017',
        'Address not allowed.',
        'Test messages go to the e-mail address of your own account alone.',
      )
    return own
  }

  return new Hono()
    .post(
      '/:type/preview',
      guarded(
        dialect.permission('view'),
        async (caller, c) => {
          const asked = await readBody(c, bodies.preview)
          const { unknown, ...shown } = await written(caller, await typeAt(caller, c), asked)
          return c.json({ ...shown, unknownPlaceholders: unknown })
        },
        operations.preview,
      ),
    )
    .post(
      '/:type/test-send',
      guarded(
        dialect.permission('update'),
        async (caller, c) => {
          const { to, ...asked } = await readBody(c, bodies.testSend)
          const type = await typeAt(caller, c)
          const recipient = await addressOf(caller, to)
          const content = await written(caller, type, asked)
          const now = new Date()
          const place = await placeOfTest(db, caller.accountId, now)
          if (!place) {
            c.header('Retry-After', String(3600 - Math.floor((now.getTime() / 1000) % 3600)))
            throw refused(
              429,
              'NTM-60019',
              'Too many test messages.',
              `There may be ${mostTests} test messages of one user in an hour.`,
            )
          }
          const subject = await sendTest(db, caller, now, {
            recipient,
            content,
            domain,
            type: type.displayName,
            about: {
              locale: content.locale,
              source: content.source,
              ...(asked.applicationId === undefined ? {} : { application: asked.applicationId }),
            },
            place,
          })
          return c.json({ to: recipient, subject }, 202)
        },
        operations.testSend,
      ),
    )
}
