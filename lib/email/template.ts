/** Templates by name, and what every one of them needs: values that can do no harm where they are put. */
import { impersonationStarted } from './templates/impersonation-started.ts'

/** What a row keeps for its template. */
export type TemplateData = Readonly<Record<string, string>>

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
  readonly html: string
}

export type Template = (data: TemplateData, letterhead: Letterhead) => Content

const templates = {
  'impersonation-started': impersonationStarted,
} as const satisfies Record<string, Template>

export type TemplateName = keyof typeof templates

/** Fills a template. Throws for a name that a newer server wrote. */
export const render = (name: string, data: TemplateData, letterhead: Letterhead): Content => {
  const template = (templates as Readonly<Record<string, Template | undefined>>)[name]
  if (!template) throw new Error(`there is no e-mail template ${name}`)
  const values = Object.fromEntries(Object.entries(data).map(([key, value]) => [key, oneLine(value)]))
  return template(values, {
    ...letterhead,
    organization: oneLine(letterhead.organization),
  })
}

/** A value on one line that reads in one direction: names are chosen by those whom the mail tells of. */
const oneLine = (value: string): string =>
  value
    .replace(/[\s\p{Cc}]+/gu, ' ')
    .replace(/\p{Bidi_Control}/gu, '')
    .trim()
