/**
 * /authenticationendpoint/impersonation_reason.do: asks what an impersonation is for, where that is required and the
 * application did not say it.
 */
import { longestReason, longestTicket, parameterOf, type Said, type Stated } from '../impersonation/reason.ts'
import { formTarget, page, submitOnce } from './layout.tsx'

type Texts = { readonly [name in Said]?: string | undefined }

export interface ReasonView {
  readonly key: string
  readonly application: string
  readonly redirectUri: string
  readonly userName: string
  /** As it was asked for; nothing is looked up, so the page tells nothing about who exists. */
  readonly requestedSubject: string
  /** What the application said. */
  readonly said: Texts
  /** What was typed and is not good, with what is wrong; undefined where nothing was typed yet. */
  readonly typed: Texts | undefined
  readonly judged: Pick<Stated, 'problem' | 'missing'>
  readonly required: readonly Said[]
  /** How the form of a ticket is said to people. */
  readonly ticketHint: string | undefined
}

const style = `
textarea{display:block;width:100%;min-height:5.5rem;padding:.5rem .75rem;font:inherit;line-height:1.5;color:inherit;background:transparent;border:1px solid var(--field);border-radius:.5rem;resize:vertical}
textarea[aria-invalid]{border-color:var(--alarm)}
.hint{margin:-.25rem 0 .375rem;color:var(--soft);font-size:.875rem}
.wrong{margin:.375rem 0 0;color:var(--alarm);font-size:.875rem;font-weight:600}
label .soft{font-weight:400}
`

/** By code; what is not here is said by the browser itself before anything is sent. */
const messageOf = (of: Said, { judged }: ReasonView): string | undefined => {
  const { problem, missing } = judged
  if (missing.includes(of)) return of === 'reason' ? 'Say what it is for.' : 'Say where it is written down.'
  if (problem?.of !== of) return undefined
  if (problem.code === 'ticket_mismatch') return 'This is not written as tickets are here.'
  if (problem.code.endsWith('too_long'))
    return `This is too long: ${of === 'reason' ? longestReason : longestTicket} characters at most.`
  return 'This has characters that cannot be kept.'
}

const words = { reason: 'Reason', ticket: 'Ticket' } as const

interface FieldProps {
  readonly of: Said
  readonly view: ReasonView
  readonly focused: boolean
}

const Field = ({ of, view, focused }: FieldProps) => {
  const name = parameterOf[of]
  const wrong = view.typed === undefined ? undefined : messageOf(of, view)
  const hint = of === 'reason' ? 'In a sentence. The user you act as can read it.' : view.ticketHint
  const described = [
    ...(hint === undefined ? [] : [`${name}-hint`]),
    ...(wrong === undefined ? [] : [`${name}-error`]),
  ]
  const isRequired = view.required.includes(of)
  const attributes = {
    id: name,
    name,
    required: isRequired,
    autofocus: focused,
    ...(described.length > 0 ? { 'aria-describedby': described.join(' ') } : {}),
    ...(wrong === undefined ? {} : { 'aria-invalid': 'true' as const }),
  }
  const text = view.typed?.[of] ?? ''
  return (
    <>
      <label for={name}>
        {words[of]} {isRequired ? null : <span class="soft">(may be left empty)</span>}
      </label>
      {hint === undefined ? null : (
        <p class="hint" id={`${name}-hint`}>
          {hint}
        </p>
      )}
      {of === 'reason' ? (
        <textarea {...attributes} rows={3} maxlength={longestReason}>
          {text}
        </textarea>
      ) : (
        <input
          {...attributes}
          type="text"
          maxlength={longestTicket}
          value={text}
          autocomplete="off"
          autocapitalize="none"
          spellcheck={false}
        />
      )}
      {wrong === undefined ? null : (
        <p class="wrong" id={`${name}-error`}>
          {wrong}
        </p>
      )}
    </>
  )
}

export const reasonPage = (view: ReasonView): Response => {
  const { application, userName, requestedSubject, said, typed, judged } = view
  const asked = (['reason', 'ticket'] as const).filter((name) => said[name] === undefined)
  const isBad = (name: Said) => judged.problem?.of === name || judged.missing.includes(name)
  const first = typed === undefined ? asked[0] : (asked.find(isBad) ?? asked[0])
  return page(
    {
      title: typed === undefined ? 'Why act as another user' : 'Error: Why act as another user',
      formTargets: [formTarget(view.redirectUri)],
      script: submitOnce,
      style,
    },
    <>
      <h1>Why act as another user?</h1>
      <p class="soft">Say what it is for. It is recorded together with what you do.</p>
      <dl>
        <div>
          <dt>You are signed in as</dt>
          <dd id="user-name">{userName}</dd>
        </div>
        <div>
          <dt>You ask to act as the user with the id</dt>
          <dd>
            <span class="id" id="requested-subject">
              {requestedSubject}
            </span>
          </dd>
        </div>
        <div>
          <dt>In the application</dt>
          <dd id="application-name">{application}</dd>
        </div>
        {(['reason', 'ticket'] as const).map((name) =>
          said[name] === undefined ? null : (
            <div>
              <dt>{words[name]}, as the application says</dt>
              <dd id={`said-${name}`}>{said[name]}</dd>
            </div>
          ),
        )}
      </dl>
      <form method="post" action="../oauth2/authorize" id="reasonForm">
        {asked.map((name) => (
          <Field of={name} view={view} focused={name === first} />
        ))}
        <input type="hidden" name="sessionDataKeyReason" value={view.key} />
        <div class="actions">
          <button type="submit" id="continue">
            Continue
          </button>
          <button type="submit" name="cancel" value="true" id="cancel" class="quiet" formnovalidate>
            Cancel
          </button>
        </div>
      </form>
    </>,
  )
}
