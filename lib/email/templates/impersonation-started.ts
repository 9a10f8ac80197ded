/** Tells a person that somebody has begun to act for them. It asks for no click and loads nothing from anywhere. */
import { html } from '../html.ts'
import type { Template } from '../template.ts'

let formatter: Intl.DateTimeFormat | undefined

/** Made for the first mail: it costs a start five milliseconds. */
const date = (): Intl.DateTimeFormat => {
  formatter ??= new Intl.DateTimeFormat('en-US', {
    timeZone: 'UTC',
    year: 'numeric',
    month: 'long',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h12',
  })
  return formatter
}

/** WSO2's pattern `MMMM dd, yyyy 'at' hh:mm a z`: `June 18, 2024 at 07:30 AM UTC`. */
export const loginTime = (instant: Date): string => {
  const parts = new Map(
    date()
      .formatToParts(instant)
      .map(({ type, value }) => [type, value]),
  )
  const part = (type: Intl.DateTimeFormatPartTypes) => parts.get(type) ?? ''
  return `${part('month')} ${part('day')}, ${part('year')} at ${part('hour')}:${part('minute')} ${part('dayPeriod')} UTC`
}

const subject = 'User Impersonation Session Started'

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

const row = (name: string, value: string) =>
  html`<tr>
<th class="soft row" scope="row" align="left" valign="top" style="padding:10px 16px 10px 0;border-bottom:1px solid #e4e6eb;color:#5a6170;font-weight:normal;white-space:nowrap">${name}</th>
<td class="ink row" align="left" valign="top" style="padding:10px 0;border-bottom:1px solid #e4e6eb;color:#1c1f26;font-weight:600;overflow-wrap:anywhere">${value}</td>
</tr>`

const text = 'margin:0 0 16px;color:#1c1f26'

/** `userName`, `impersonatorUserName`, `application`, `hostname` and the instant `startedAt`. */
export const impersonationStarted: Template = (data, { organization, supportAddress }) => {
  const { userName = '', impersonatorUserName = '', application = '', hostname = '', startedAt = '' } = data
  const time = loginTime(new Date(startedAt))
  const details = [
    ['Account', userName],
    ['Started on', time],
    ['Started by', impersonatorUserName],
    ['Application', application],
  ] as const
  const told = `An impersonation session for your account ${userName} was started on ${time} by ${impersonatorUserName}.`
  const meaning = `While it lasts, ${impersonatorUserName} can act as you in the application ${application}. Everything changed in this way is recorded under both names.`
  const footer = `${organization} sends this message for each such session at ${hostname}.`
  const [before, after] = supportAddress
    ? ['If you did not expect this, write to ', ' at once.']
    : ['If you did not expect this, tell your administrator at once.', '']
  return {
    subject,
    text: [
      `Hi ${userName},`,
      told,
      details.map(([name, value]) => `  ${`${name}:`.padEnd(13)}${value}`).join('\n'),
      meaning,
      `${before}${supportAddress ?? ''}${after}`,
      `-- \n${footer}\n`,
    ].join('\n\n'),
    html: [
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
<div style="display:none;max-height:0;overflow:hidden;mso-hide:all">${impersonatorUserName} can act as you in ${application} since ${time}.</div>
<table class="page" role="presentation" width="100%" cellpadding="0" cellspacing="0" style="padding:32px 16px;background-color:#f3f4f7">
<tr><td align="center">
<table class="card" role="presentation" width="100%" cellpadding="0" cellspacing="0" style="max-width:560px;background-color:#ffffff;border:1px solid #e4e6eb;border-top:4px solid #d9822b;border-radius:8px">
<tr><td style="padding:32px;font-family:system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;font-size:16px;line-height:1.5">
<h1 class="ink" style="margin:0 0 24px;color:#1c1f26;font-size:22px;line-height:1.3">${subject}</h1>
<p class="ink" style="${text}">Hi ${userName},</p>
<p class="ink" style="${text}">${told}</p>
<table width="100%" cellpadding="0" cellspacing="0" style="margin:0 0 24px;border-collapse:collapse;font-size:15px">
`,
      ...details.map(([name, value]) => row(name, value)),
      html`
</table>
<p class="ink" style="${text}">${meaning}</p>
<p class="ink" style="${text}">${before}`,
      supportAddress
        ? html`<a class="link" href="mailto:${supportAddress}" style="color:#1a56c4">${supportAddress}</a>`
        : '',
      html`${after}</p>
</td></tr>
</table>
<p class="soft" style="max-width:560px;margin:16px auto 0;color:#5a6170;font-family:system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;font-size:13px;line-height:1.5">${footer}</p>
</td></tr>
</table>
</body>
</html>
`,
    ].join(''),
  }
}
