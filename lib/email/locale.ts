/** Locales of templates and of people, as WSO2 writes them: `en_US`, `pt_BR`, `zh_Hant_TW`, `de`. */

/** What is taken when a person's language is not there. */
export const defaultLocale = 'en_US'

/** Language, script and region, each in any case, behind `_` or `-`. */
export const localeForm = /^([A-Za-z]{2,3})(?:[_-]([A-Za-z]{4}))?(?:[_-]([A-Za-z]{2}|[0-9]{3}))?$/

/** The locale as it is stored, of `en-us` too; undefined when it is none. */
export const localeOf = (text: string): string | undefined => {
  const [, language, script, region] = localeForm.exec(text) ?? []
  if (language === undefined) return undefined
  return [
    language.toLowerCase(),
    ...(script === undefined ? [] : [`${script.charAt(0).toUpperCase()}${script.slice(1).toLowerCase()}`]),
    ...(region === undefined ? [] : [region.toUpperCase()]),
  ].join('_')
}

/** The language of a locale. */
export const languageOf = (locale: string): string => locale.split('_')[0] ?? locale

const mostWanted = 5

/** The locales of a list such as `da, en-GB;q=0.8` (RFC 7643 §4.1.1), as they come; what is none is left out. */
export const localesOf = (text: string): readonly string[] =>
  text
    .slice(0, 200)
    .split(',')
    .flatMap((item) => localeOf((item.split(';')[0] ?? '').trim()) ?? [])
    .slice(0, mostWanted)
