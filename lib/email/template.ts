/** Templates by name, and what every one of them needs: values that can do no harm where they are put. */
import { fill, type Values } from './placeholders.ts'
import { plainText } from './plain-text.ts'
import { impersonationEnded } from './templates/impersonation-ended.ts'
import { impersonationStarted } from './templates/impersonation-started.ts'
import { organizationUserInvitation } from './templates/organization-user-invitation.ts'

/**
 * What a row keeps for its template. `locale` and `applicationId`, where they are given, say which of the stored
 * templates it takes (lib/email/choice.ts).
 */
export type TemplateData = Readonly<Record<string, string | readonly string[]>>

/** What the deployment adds when the mail is written. */
export interface Letterhead {
  /** In whose name mail is sent: the organization's name, or the server's. */
  readonly organization: string
  /** Whom a reader may ask. */
  readonly supportAddress?: string | undefined
}

export interface Content {
  readonly subject: string
  readonly text: string
  /** None when the template is plain text. */
  readonly html?: string | undefined
}

/** A template with its placeholders, in both forms. */
export interface Source {
  readonly subject: string
  readonly text: string
  readonly html: string
}

export interface BuiltIn {
  /** Of its type: what it is called and known by in the APIs. */
  readonly displayName: string
  source(letterhead: Letterhead): Source
  /** What its placeholders stand for, of a mail's data. */
  values(data: TemplateData): Values
  /** Data for a preview. */
  readonly example: TemplateData
}

/** A template as an organization wrote it. */
export interface WrittenTemplate {
  /** `text/html` or `text/plain`, perhaps with its charset. */
  readonly contentType: string
  readonly subject: string
  readonly body: string
  readonly footer: string | null
}

/** By the name that rows of the outbox have. */
export const builtInTemplates = {
  'impersonation-started': impersonationStarted,
  'impersonation-ended': impersonationEnded,
  'organization-user-invitation': organizationUserInvitation,
} as const satisfies Record<string, BuiltIn>

/** A message that was written before it was queued: its data are `subject`, `text` and perhaps `html`. */
export const asWritten = 'as-written'

export type TemplateName = keyof typeof builtInTemplates | typeof asWritten

/** The built-in template that rows call `name`. */
export const builtInNamed = (name: string): BuiltIn | undefined =>
  Object.hasOwn(builtInTemplates, name)
    ? (builtInTemplates as Readonly<Record<string, BuiltIn>>)[name]
    : undefined

/** A picture of one transparent point, where the organization has no logo. */
const noPicture = 'data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7'

/** The placeholders that every template has: in whose name the mail is sent, and its look. */
export const brandingValues = ({ organization, supportAddress = '' }: Letterhead): Values => ({
  'organization-name': organization,
  'organization.logo.img': noPicture,
  'organization.logo.altText': organization,
  'organization.copyright.text': `© ${organization}`,
  'organization.support.mail': supportAddress,
  'organization.font': 'system-ui, -apple-system, Segoe UI, Roboto, Helvetica, Arial, sans-serif',
  'organization.font.color': '#1c1f26',
  'organization.color.primary': '#d9822b',
  'organization.color.background': '#f3f4f7',
  'organization.theme.background.color': '#ffffff',
  'organization.theme.border.color': '#e4e6eb',
  'organization.button.font.color': '#ffffff',
  'tenant-domain': 'carbon.super',
  'userstore-domain': 'PRIMARY',
})

export interface Written extends Content {
  /** Placeholders that had no value. */
  readonly unknown: readonly string[]
}

/** Whether a content type says HTML. */
export const isHtml = (contentType: string): boolean => /^text\/html\b/i.test(contentType)

/** Fills a template that somebody wrote. HTML stays as it was written; readers without HTML get its words. */
export const writeOut = (template: WrittenTemplate, values: Values): Written => {
  const asHtml = isHtml(template.contentType)
  const subject = fill(template.subject, values, 'subject')
  const body = fill(`${template.body}${template.footer ?? ''}`, values, asHtml ? 'html' : 'text')
  return {
    subject: subject.text,
    ...(asHtml ? { text: plainText(body.text), html: body.text } : { text: body.text }),
    unknown: [...new Set([...subject.unknown, ...body.unknown])],
  }
}

/** Fills a built-in template. */
export const writeBuiltIn = (source: Source, values: Values): Written & { readonly html: string } => {
  const subject = fill(source.subject, values, 'subject')
  const [text, html] = [fill(source.text, values, 'text'), fill(source.html, values, 'html')]
  return {
    subject: subject.text,
    text: text.text,
    html: html.text,
    unknown: [...new Set([...subject.unknown, ...text.unknown, ...html.unknown])],
  }
}

/** Fills the built-in template of that name. Throws for a name that a newer server wrote. */
export const render = (name: string, data: TemplateData, letterhead: Letterhead) => {
  const template = builtInNamed(name)
  if (!template) throw new Error(`there is no e-mail template ${name}`)
  const values = { ...brandingValues(letterhead), ...template.values(data) }
  return writeBuiltIn(template.source(letterhead), values)
}
