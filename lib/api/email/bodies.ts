/** What clients may write of template types and templates; what could not be sent is refused here. */
import * as z from 'zod'
import { localeForm, localeOf } from '../../email/locale.ts'

/** Of a body with its footer, in bytes. */
export const largestTemplate = 65_536
const longestName = 255

// named by their numbers, as every engine reads them: the OpenAPI document has the pattern
const breaking = String.raw`\u0000-\u001f\u007f-\u009f\u2028\u2029`
/** A header is one line; another line would be another header. */
const oneLine = new RegExp(`^[^${breaking}]*$`)
const said = /\S/

const displayName = z
  .string()
  .max(longestName)
  .regex(oneLine, 'must be one line')
  .regex(said, 'must not be blank')
  .transform((name) => name.trim())

export const locale = z
  .string()
  .max(20)
  .regex(localeForm, 'must be a locale such as en_US')
  .transform((text) => localeOf(text) ?? text)

const content = {
  contentType: z
    .string()
    .max(64)
    .regex(
      /^text\/(?:html|plain)(?:[ \t]*;[ \t]*charset="?utf-8"?)?$/i,
      'must be text/html or text/plain, in UTF-8',
    ),
  subject: z
    .string()
    .max(longestName)
    .regex(oneLine, 'must be one line: it becomes a header')
    .regex(said, 'must not be blank'),
  body: z.string().regex(said, 'must not be blank'),
  footer: z
    .string()
    .nullish()
    .transform((text) => text || null),
}

const fits = ({ body, footer }: { readonly body: string; readonly footer: string | null }) =>
  Buffer.byteLength(body) + Buffer.byteLength(footer ?? '') <= largestTemplate

const tooLarge = { path: ['body'], error: `is larger than ${largestTemplate} bytes with its footer` }

/** Clients send back what they read. */
const self = z.string().optional()

/** v1: `id` is the locale. */
export const identifiedTemplate = z.strictObject({ id: locale, self, ...content }).refine(fits, tooLarge)
/** v1, where the path names the locale. */
export const replacedTemplate = z
  .strictObject({ id: locale.optional(), self, ...content })
  .refine(fits, tooLarge)
/** v2 and notification. */
export const localizedTemplate = z.strictObject({ locale, self, ...content }).refine(fits, tooLarge)
export const relocalizedTemplate = z
  .strictObject({ locale: locale.optional(), self, ...content })
  .refine(fits, tooLarge)

const mostAtOnce = 100

export const templates = z
  .array(identifiedTemplate)
  .max(mostAtOnce)
  .refine((all) => new Set(all.map(({ id }) => id)).size === all.length, {
    path: ['id'],
    error: 'has a locale twice',
  })

export const typeWithTemplates = z.strictObject({ displayName, templates })
export const typeAlone = z.strictObject({ displayName })

export const reset = z.strictObject({
  templateTypeId: z.string().min(1),
  channel: z.string().meta({ enum: ['EMAIL', 'SMS'] }),
})

const value = z.union([z.string().max(4_000), z.array(z.string().max(4_000)).max(200)])

/** What placeholders stand for in a preview, by their names. */
const values = z
  .record(z.string().regex(/^[\w.:-]{1,100}$/, 'is no name of a placeholder'), value)
  .refine((all) => Object.keys(all).length <= 200, 'has too many values')

const chosen = {
  locale: locale.optional(),
  applicationId: z.string().min(1).max(255).optional(),
  values: values.optional(),
}

export const preview = z.strictObject({
  ...chosen,
  template: z.strictObject(content).refine(fits, tooLarge).optional(),
})
export const testSend = z.strictObject({ ...chosen, to: z.string().min(1).max(320).optional() })

export type WrittenContent = Pick<
  z.output<typeof identifiedTemplate>,
  'contentType' | 'subject' | 'body' | 'footer'
>
