/** What was played beside the samples: the whole list of comparisons. */
import { compareAudit } from './audit-checks.ts'
import { type Check, checksOf } from './checks.ts'
import type { Mail } from './mail.ts'
import { sampleMailSubject } from './seed.ts'
import {
  compareAccessToken,
  compareIdToken,
  compareRedirect,
  compareResponse,
  compareSubjectToken,
  type Jwt,
} from './token-checks.ts'

/** Everything that a played impersonation left to be looked at. */
export interface Played {
  readonly issuer: string
  readonly clientId: string
  readonly application: string
  readonly subject: { readonly id: string; readonly userName: string; readonly email: string }
  readonly impersonator: { readonly id: string; readonly userName: string }
  readonly redirect: string
  readonly response: Readonly<Record<string, unknown>>
  readonly subjectToken: Jwt
  readonly idToken: Jwt
  readonly accessToken: Jwt
  readonly mail: Mail
  /** The line of the use, then that of the change. */
  readonly auditLines: readonly string[]
}

/** WSO2's pattern `MMMM dd, yyyy 'at' hh:mm a z`. */
const time =
  /\b(January|February|March|April|May|June|July|August|September|October|November|December) \d{2}, \d{4} at (0[1-9]|1[0-2]):[0-5]\d [AP]M UTC\b/

const compareMail = ({ mail, subject, impersonator }: Played): readonly Check[] => {
  const { checks, same, like } = checksOf('e-mail')
  same('to the impersonated user', subject.email, mail.headers.get('to'))
  same('subject', sampleMailSubject, mail.headers.get('subject')?.trim())
  same('greeting', `Hi ${subject.userName},`, mail.text.split('\n')[0])
  const names = (name: string) => mail.text.split('\n').slice(1).join('\n').includes(name)
  same(`names the account ${subject.userName}`, true, names(subject.userName))
  same(`names the impersonator ${impersonator.userName}`, true, names(impersonator.userName))
  like('says when', time, 'a time such as June 18, 2024 at 07:30 AM UTC', time.exec(mail.text)?.[0])
  return checks
}

/** Compares all of it; nothing differs when every check is ok. */
export const compare = (played: Played): readonly Check[] => [
  ...compareRedirect(played),
  ...compareSubjectToken(played),
  ...compareIdToken(played),
  ...compareResponse(played),
  ...compareAccessToken(played),
  ...compareMail(played),
  ...compareAudit(played),
]
