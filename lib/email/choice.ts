/**
 * Which template a mail is written with, chosen when it is sent: the application's, then the organization's, then the
 * built-in one, each in the reader's locale; where none of them has it in his language, another of his language, and at
 * last `en_US`. What is stored is known by the revision, so that mail costs no query while nothing was stored.
 */
import { readRevision } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { rootOrganization } from '../database/migrate.ts'
import { isObject, parseAttributes } from '../directory/attributes.ts'
import {
  findImpersonated,
  hasTemplatesAt,
  type TemplateHead,
  templateAt,
  templateHeadsAt,
  typeKeyOf,
} from '../directory/email-templates.ts'
import { defaultLocale, languageOf, localesOf } from './locale.ts'
import type { Values } from './placeholders.ts'
import {
  asWritten,
  brandingValues,
  builtInNamed,
  type Content,
  type Letterhead,
  type TemplateData,
  writeBuiltIn,
  writeOut,
} from './template.ts'

/** A row's part that decides what it says. */
export interface Asked {
  readonly template: string
  readonly data: TemplateData
  readonly impersonationId: string | null
}

type Level = 'application' | 'organization' | 'built-in'

export interface Choice {
  readonly level: Level
  readonly locale: string
  /** Of the stored template; none of the built-in one. */
  readonly id: string | undefined
}

/** The templates of an application and of its organization, and whether there is a built-in one. */
export interface Offered {
  readonly heads: readonly TemplateHead[]
  readonly applicationId: string | undefined
  readonly builtIn: boolean
}

/** Chooses for a reader of these locales, the dearest first; undefined when there is nothing to choose. */
export const choose = (offered: Offered, wanted: readonly string[]): Choice | undefined => {
  const { heads, applicationId, builtIn } = offered
  const level = (name: Level, of: string | null | undefined) =>
    heads.flatMap(({ id, locale, applicationId: owner }) => (owner === of ? { level: name, locale, id } : []))
  const all: readonly Choice[] = [
    ...level('application', applicationId),
    ...level('organization', null),
    ...(builtIn ? [{ level: 'built-in' as const, locale: defaultLocale, id: undefined }] : []),
  ]
  const tests = [
    ...wanted.flatMap((locale) => {
      const language = languageOf(locale)
      return [
        (other: string) => other === locale,
        (other: string) => other === language,
        (other: string) => languageOf(other) === language,
      ]
    }),
    (other: string) => other === defaultLocale,
  ]
  for (const test of tests) {
    const found = all.find(({ locale }) => test(locale))
    if (found) return found
  }
  return undefined
}

const textIn = (data: TemplateData, name: string): string | undefined => {
  const value = data[name]
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** Whom the mail is for, as far as it decides the template, and what it may call him. */
const readerOf = async (db: Db, { data, impersonationId }: Asked) => {
  const known = impersonationId === null ? undefined : await findImpersonated(db, impersonationId)
  const attributes = known?.attributes ? parseAttributes(known.attributes) : new Map<string, unknown>()
  const said = [textIn(data, 'locale'), attributes.get('locale'), attributes.get('preferredLanguage')]
  const name = attributes.get('name')
  const part = (key: string) => (isObject(name) && typeof name[key] === 'string' ? name[key] : '')
  return {
    organizationId: known?.organizationId ?? textIn(data, 'organizationId') ?? rootOrganization.id,
    applicationId: known?.applicationId ?? textIn(data, 'applicationId'),
    locales: said.flatMap((one) => (typeof one === 'string' ? localesOf(one) : [])),
    values: {
      'user.claim.givenname': part('givenName'),
      'user.claim.lastname': part('familyName'),
    } satisfies Values,
  }
}

/** Writes the message of a row. Throws for a template that only a newer server knows. */
export const contentOf = async (db: Db, asked: Asked, letterhead: Letterhead): Promise<Content> => {
  const { template, data } = asked
  if (template === asWritten) {
    const html = textIn(data, 'html')
    return {
      subject: textIn(data, 'subject') ?? '',
      text: textIn(data, 'text') ?? '',
      ...(html === undefined ? {} : { html }),
    }
  }
  const builtIn = builtInNamed(template)
  if (!builtIn) throw new Error(`there is no e-mail template ${template}`)
  const values = { ...brandingValues(letterhead), ...builtIn.values(data) }
  const n = await readRevision(db)
  const key = typeKeyOf(builtIn.displayName)
  if (await hasTemplatesAt(db, n, key)) {
    const reader = await readerOf(db, asked)
    const heads = await templateHeadsAt(db, n, reader.organizationId, key)
    const chosen = choose({ heads, applicationId: reader.applicationId, builtIn: true }, reader.locales)
    const stored = chosen?.id === undefined ? undefined : await templateAt(db, n, chosen.id)
    if (stored) return writeOut(stored, { ...reader.values, ...values })
  }
  return writeBuiltIn(builtIn.source(letterhead), values)
}
