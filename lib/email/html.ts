const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** A literal of HTML whose values are escaped, in text and in attributes alike. */
export const html = (parts: TemplateStringsArray, ...values: readonly string[]): string =>
  parts.reduce((page, part, index) => `${page}${escapeHtml(values[index - 1] ?? '')}${part}`)

/** A value as HTML shows it, between tags and in quoted attributes. */
export const escapeHtml = (value: string): string =>
  value.replace(/[&<>"']/g, (character) => entities[character] ?? '')
