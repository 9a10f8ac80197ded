/** Where webhooks may be: https, or http on this machine; nothing that is known from the text alone not to be public. */
import { isIP } from 'node:net'
import { webUrlProblem } from '../directory/web-url.ts'
import { type OutboundRules, problemOf } from '../outbound.ts'

/** Why messages cannot go there; undefined when they can. A name is looked up when something is sent, each time. */
export const webhookUrlProblem = async (
  text: string,
  outbound: OutboundRules,
): Promise<string | undefined> => {
  const problem = webUrlProblem(text)
  if (problem !== undefined) return problem
  const url = new URL(text)
  const hostname = url.hostname.replace(/^\[|\]$/g, '')
  const isLiteral = isIP(hostname) > 0 || url.protocol === 'http:'
  return isLiteral ? problemOf(url, outbound) : undefined
}
