/** The three cookies: session and interaction (`__Host-`, HttpOnly) and `opbs`, which check-session frames read. */
import type { Context } from 'hono'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import { interactionCookie } from '../sign-in/interaction.ts'
import { randomValue } from '../tokens/token.ts'

const sessionCookie = '__Host-mayact-session'
const opbsCookie = 'opbs'

const value = /^[\w-]{43}$/

export type SameSite = 'lax' | 'none'

const set = (c: Context, name: string, content: string, sameSite: SameSite) =>
  setCookie(c, name, content, { path: '/', secure: true, httpOnly: true, sameSite })

const read = (c: Context, name: string): string | undefined => {
  const found = getCookie(c, name)
  return found !== undefined && value.test(found) ? found : undefined
}

export const readSession = (c: Context): string | undefined => read(c, sessionCookie)
export const setSession = (c: Context, content: string, sameSite: SameSite) =>
  set(c, sessionCookie, content, sameSite)

/** Tells the browser to forget the session. */
export const clearSession = (c: Context) => deleteCookie(c, sessionCookie, { path: '/', secure: true })

/** The browser's mark, which its interactions are bound to. */
export const readBrowser = (c: Context): string | undefined => read(c, interactionCookie)

/** The mark that is there, so that two tabs live, or a new one. */
export const ensureBrowser = (c: Context, sameSite: SameSite): string => {
  const known = readBrowser(c)
  if (known !== undefined) return known
  const made = randomValue()
  set(c, interactionCookie, made, sameSite)
  return made
}

/** The browser state that `session_state` is made of; it changes at login. */
export const setOpbs = (c: Context): string => {
  const made = crypto.randomUUID()
  setCookie(c, opbsCookie, made, { path: '/', secure: true, sameSite: 'None' })
  return made
}

export const ensureOpbs = (c: Context): string => {
  const found = getCookie(c, opbsCookie)
  return found !== undefined && /^[\w-]{1,64}$/.test(found) ? found : setOpbs(c)
}
