/** Web addresses that a client names: https, or http on this machine, where it is developed. */
import { isLoopback } from './callback-url.ts'

const longest = 2_048

/** Why the text is no such address; undefined when it is one. */
export const webUrlProblem = (text: string): string | undefined => {
  if (text.length > longest) return `is longer than ${longest} characters`
  if (/[^\x21-\x7e]|[\\"<>^`{|}]/.test(text) || !/^https?:\/\/[^/?#]/i.test(text) || !URL.canParse(text))
    return 'is not an absolute https URL'
  const { protocol, hostname, username, password } = new URL(text)
  if (!/^([a-z\d_.-]+|\[[\da-f:.]+\])$/i.test(hostname)) return 'has a host that is no name'
  if (username !== '' || password !== '') return 'has a user name or password'
  if (protocol === 'http:' && !isLoopback(hostname))
    return 'is http: only localhost, 127.0.0.1 and [::1] may be, all others need https'
  return undefined
}

/** Why the text is no origin as browsers send it (`https://host[:port]`); undefined when it is one. */
export const originProblem = (text: string): string | undefined => {
  const problem = webUrlProblem(text)
  if (problem !== undefined) return problem
  return new URL(text).origin === text ? undefined : 'is not an origin such as https://app.example'
}
