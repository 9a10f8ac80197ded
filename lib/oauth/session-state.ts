/** `session_state` of OpenID Connect Session Management, salted as WSO2 does (facts/impersonation.md §1.4). */
import { createHash } from 'node:crypto'

export const sessionState = (clientId: string, redirectUri: string, opbs: string): string => {
  const salt = Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString('base64url')
  const { origin } = new URL(redirectUri)
  const hash = createHash('sha256').update(`${clientId} ${origin} ${opbs} ${salt}`).digest('hex')
  return `${hash}.${salt}`
}
