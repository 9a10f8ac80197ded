/** The type and the template that a path names, as they are shown and tagged. */
import type { Context } from 'hono'
import { findApplication } from '../../directory/application-records.ts'
import type { Caller } from '../../directory/caller.ts'
import type { Full } from '../../directory/email-template-changes.ts'
import {
  findTemplate,
  findTemplates,
  findTemplateType,
  findTemplateTypes,
  type StoredTemplate,
  type TemplateContent,
  type TemplateOwner,
  type TemplateType,
  typeKeyOf,
} from '../../directory/email-templates.ts'
import { defaultLocale, localeOf } from '../../email/locale.ts'
import { type BuiltIn, builtInTemplates, type Letterhead } from '../../email/template.ts'
import { entityTag } from '../../entity-tag.ts'
import type { ApiNeeds } from '../api.ts'
import { notFound } from '../applications/problem.ts'
import { contentTag } from '../conditional.ts'
import { parameter } from '../parameter.ts'
import { invalidRequest } from '../problem.ts'
import { type Dialect, fault, idOf, linkTo, nameOf } from './dialect.ts'

/** A type, built in or the organization's. */
export interface Type {
  readonly id: string
  readonly displayName: string
  readonly key: string
  readonly builtIn: BuiltIn | undefined
  /** Its row, where the organization made it. */
  readonly own: TemplateType | undefined
}

/** A template as it is shown: stored, or built in. */
export type Template = TemplateContent & {
  readonly locale: string
  readonly stored: StoredTemplate | undefined
}

const builtIns: ReadonlyMap<string, BuiltIn> = new Map(
  Object.values(builtInTemplates).map((builtIn) => [typeKeyOf(builtIn.displayName), builtIn]),
)

const typeOf = (displayName: string, builtIn: BuiltIn | undefined, own: TemplateType | undefined): Type => ({
  id: idOf(displayName),
  displayName,
  key: typeKeyOf(displayName),
  builtIn,
  own,
})

export const isBuiltIn = (displayName: string): boolean => builtIns.has(typeKeyOf(displayName))

/** All types that the caller's organization has, the built-in ones first. */
export const allTypes = async ({ db }: ApiNeeds, { organizationId }: Caller): Promise<readonly Type[]> => [
  ...[...builtIns.values()].map((builtIn) => typeOf(builtIn.displayName, builtIn, undefined)),
  ...(await findTemplateTypes(db, organizationId)).map((own) => typeOf(own.displayName, undefined, own)),
]

/** The type of an id. Throws `Problem`. */
export const requireType = async (
  { db }: ApiNeeds,
  dialect: Dialect,
  { organizationId }: Caller,
  id: string,
): Promise<Type> => {
  const name = nameOf(id)?.replaceAll('\0', '\ufffd')
  const key = name === undefined ? '' : typeKeyOf(name)
  const builtIn = builtIns.get(key)
  if (builtIn) return typeOf(builtIn.displayName, builtIn, undefined)
  const own = key === '' ? undefined : await findTemplateType(db, organizationId, key)
  if (!own) throw fault(dialect, 'type-missing', id)
  return typeOf(own.displayName, undefined, own)
}

/** The owner that a path names: the organization, or the application of `:application`. Throws `Problem`. */
export const requireOwner = async (
  { db }: ApiNeeds,
  { organizationId }: Caller,
  c: Context,
): Promise<TemplateOwner> => {
  if (c.req.param('application') === undefined) return { organizationId, applicationId: null }
  const applicationId = parameter(c, 'application')
  if (!(await findApplication(db, organizationId, applicationId))) throw notFound(applicationId)
  return { organizationId, applicationId }
}

/** What is built in of a type, as a template. */
export const builtInOf = ({ builtIn }: Type, letterhead: Letterhead): Template | undefined => {
  if (!builtIn) return undefined
  const { subject, html } = builtIn.source(letterhead)
  const content = { contentType: 'text/html', subject, body: html, footer: null }
  return { ...content, locale: defaultLocale, stored: undefined }
}

const fromStore = (stored: StoredTemplate): Template => ({ ...stored, stored })

/** Owners from the nearest on: what the first has in a locale hides what the others have. */
export type Owners = readonly (TemplateOwner | 'built-in')[]

const byLocale = (nearestFirst: readonly Template[]): readonly Template[] => {
  const found = new Map<string, Template>()
  for (const template of nearestFirst) {
    if (!found.has(template.locale)) found.set(template.locale, template)
  }
  return [...found.values()].sort((a, b) => (a.locale < b.locale ? -1 : 1))
}

const builtInsOf = (needs: ApiNeeds, type: Type): readonly Template[] => {
  const builtIn = builtInOf(type, needs.mail.letterhead)
  return builtIn ? [builtIn] : []
}

/** The organization's templates of a type, and the built-in one where it has none in that locale. */
export const merged = (needs: ApiNeeds, type: Type, stored: readonly StoredTemplate[]): readonly Template[] =>
  byLocale([...stored.map(fromStore), ...builtInsOf(needs, type)])

/** The templates of a type by locale, each of the nearest owner that has it. */
export const templatesOf = async (
  needs: ApiNeeds,
  type: Type,
  owners: Owners,
): Promise<readonly Template[]> => {
  const levels = await Promise.all(
    owners.map(async (owner) =>
      owner === 'built-in'
        ? builtInsOf(needs, type)
        : (await findTemplates(needs.db, owner, type.key)).map(fromStore),
    ),
  )
  return byLocale(levels.flat())
}

/** The locale that a path names; undefined when it is none, so that there is no template in it. */
export const localeAt = (c: Context): string | undefined => localeOf(parameter(c, 'locale'))

/** The template of a type in the path's locale, of the nearest owner that has it. Throws `Problem`. */
export const requireTemplate = async (
  needs: ApiNeeds,
  dialect: Dialect,
  type: Type,
  owners: Owners,
  c: Context,
): Promise<Template> => {
  const locale = localeAt(c)
  for (const owner of locale === undefined ? [] : owners) {
    if (owner === 'built-in') {
      const builtIn = builtInOf(type, needs.mail.letterhead)
      if (builtIn && builtIn.locale === locale) return builtIn
      continue
    }
    const stored = await findTemplate(needs.db, owner, type.key, locale ?? '')
    if (stored) return fromStore(stored)
  }
  throw fault(dialect, 'template-missing', parameter(c, 'locale'))
}

/** Of a template; one that was made anew in its place is another. */
export const tagOf = (template: Template): string =>
  template.stored
    ? entityTag(`${template.stored.id}.${template.stored.edition}`)
    : contentTag([template.contentType, template.subject, template.body])

export const shownContent = ({ contentType, subject, body, footer }: TemplateContent) => ({
  contentType,
  subject,
  body,
  footer: footer ?? '',
})

export const shownType = (dialect: Dialect, { id, displayName }: Pick<Type, 'id' | 'displayName'>) => ({
  id,
  displayName,
  self: linkTo(dialect, id),
})

/** Throws the `Problem` that says what there may be at most. */
export const requireRoom = <Made extends object>(made: Made | Full | undefined): Made | undefined => {
  if (made && 'refused' in made) throw invalidRequest(`There may be ${made.most} at most.`)
  return made as Made | undefined // the refusal is gone
}
