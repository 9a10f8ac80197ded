/** What the query of the outbox means, and how its calls refuse. */
import { type MailState, mailStates } from '../../email/outbox-list.ts'
import { Problem } from '../problem.ts'

/** The list cannot be given as it was asked for: 400. */
export const unreadable = (description: string) =>
  new Problem({ status: 400, code: 'OBX-60001', message: 'Unable to list the outbox.', description })

export const noSuchMail = (id: string) =>
  new Problem({
    status: 404,
    code: 'OBX-60002',
    message: 'Unable to find the mail.',
    description: `There is no mail with the id: ${id}.`,
  })

export const alreadySent = () =>
  new Problem({
    status: 409,
    code: 'OBX-60003',
    message: 'The mail was sent.',
    description: 'A mail server has taken it: it is not sent again.',
  })

/** Empty counts as omitted. Throws `Problem`. */
export const readState = (query: URLSearchParams): MailState | undefined => {
  const asked = query.getAll('state').filter((value) => value !== '')
  if (asked.length === 0) return undefined
  const state = mailStates.find((known) => known === asked[0])
  if (!state || asked.length > 1) throw unreadable(`The state is one of ${mailStates.join(', ')}.`)
  return state
}
