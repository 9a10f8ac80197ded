/** The look of our own mail, as HTML and as text: it asks for no click that it does not need and loads nothing from anywhere. */
import { html } from '../html.ts'
import type { Source } from '../template.ts'

export interface Page {
  readonly subject: string
  /** What a list of messages shows behind the subject. */
  readonly preheader: string
  /** Paragraphs before and behind the table. */
  readonly told: readonly string[]
  readonly details: readonly (readonly [name: string, value: string])[]
  /** A heading and the placeholder of a list. */
  readonly list?: readonly [heading: string, placeholder: string]
  /** A link that the mail is about. */
  readonly link?: readonly [label: string, address: string]
  readonly meaning: readonly string[]
  /** What a reader can do who did not expect it: before the address of the support, and behind it. */
  readonly question: readonly [before: string, after: string, withoutAddress: string]
  readonly footer: string
}

const style = `
:root { color-scheme: light dark; supported-color-schemes: light dark; }
@media (prefers-color-scheme: dark) {
  .page { background-color: #16181d !important; }
  .card { background-color: #22252c !important; border-color: #d9822b #3a3f4a #3a3f4a !important; }
  .ink { color: #f1f2f4 !important; }
  .soft { color: #aab0bc !important; }
  .row { border-color: #3a3f4a !important; }
  .link { color: #8ab4ff !important; }
}
@media (max-width: 600px) { .card { border-radius: 0 !important; } .page { padding: 0 !important; } }
`

const ink = 'margin:0 0 16px;color:#1c1f26'
const font =
  "font-family:system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;line-height:1.5"

const paragraph = (text: string) => html`<p class="ink" style="${ink}">${text}</p>
`

const row = (name: string, value: string) =>
  html`<tr>
<th class="soft row" scope="row" align="left" valign="top" style="padding:10px 16px 10px 0;border-bottom:1px solid #e4e6eb;color:#5a6170;font-weight:normal;white-space:nowrap">${name}</th>
<td class="ink row" align="left" valign="top" style="padding:10px 0;border-bottom:1px solid #e4e6eb;color:#1c1f26;font-weight:600;overflow-wrap:anywhere">${value}</td>
</tr>`

const support = '{{organization.support.mail}}'

const asHtml = (page: Page, withAddress: boolean): string => {
  const { subject, list, link } = page
  const [before, after, without] = page.question
  return [
    html`<!doctype html>
<html lang="en" dir="ltr">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<title>${subject}</title>
<style>`,
    style,
    html`</style>
</head>
<body class="page" style="margin:0;padding:0;background-color:#f3f4f7">
<div style="display:none;max-height:0;overflow:hidden;mso-hide:all">${page.preheader}</div>
<table class="page" role="presentation" width="100%" cellpadding="0" cellspacing="0" style="padding:32px 16px;background-color:#f3f4f7">
<tr><td align="center">
<table class="card" role="presentation" width="100%" cellpadding="0" cellspacing="0" style="max-width:560px;background-color:#ffffff;border:1px solid #e4e6eb;border-top:4px solid #d9822b;border-radius:8px">
<tr><td style="padding:32px;${font};font-size:16px">
<h1 class="ink" style="margin:0 0 24px;color:#1c1f26;font-size:22px;line-height:1.3">${subject}</h1>
`,
    ...page.told.map(paragraph),
    html`<table width="100%" cellpadding="0" cellspacing="0" style="margin:0 0 24px;border-collapse:collapse;font-size:15px">
`,
    ...page.details.map(([name, value]) => row(name, value)),
    html`
</table>
`,
    list
      ? html`<h2 class="ink" style="margin:0 0 8px;color:#1c1f26;font-size:17px;line-height:1.3">${list[0]}</h2>
<div class="ink" style="${ink};font-size:15px;overflow-wrap:anywhere">${list[1]}</div>
`
      : '',
    link
      ? html`<p style="margin:0 0 24px"><a class="link" href="${link[1]}" style="color:#1a56c4;font-weight:600">${link[0]}</a></p>
`
      : '',
    ...page.meaning.map(paragraph),
    html`<p class="ink" style="${ink}">${withAddress ? before : without}`,
    withAddress
      ? html`<a class="link" href="mailto:${support}" style="color:#1a56c4">${support}</a>${after}`
      : '',
    html`</p>
</td></tr>
</table>
<p class="soft" style="max-width:560px;margin:16px auto 0;color:#5a6170;${font};font-size:13px">${page.footer}</p>
</td></tr>
</table>
</body>
</html>
`,
  ].join('')
}

const asText = ({ told, details, list, link, meaning, question, footer }: Page, withAddress: boolean) => {
  const width = Math.max(...details.map(([name]) => name.length)) + 2
  const [before, after, without] = question
  return [
    ...told,
    details.map(([name, value]) => `  ${`${name}:`.padEnd(width)}${value}`).join('\n'),
    ...(list ? [`${list[0]}:\n${list[1]}`] : []),
    ...(link ? [`${link[0]}:\n${link[1]}`] : []),
    ...meaning,
    withAddress ? `${before}${support}${after}` : without,
    `-- \n${footer}\n`,
  ].join('\n\n')
}

/** The page as a template. Without an address of the support nobody is sent to it. */
export const sourceOf = (page: Page, withAddress: boolean): Source => ({
  subject: page.subject,
  text: asText(page, withAddress),
  html: asHtml(page, withAddress),
})
