/**
 * /oidc/logout: ends the browser's session and with it every impersonation begun in it. A GET only asks: a link must
 * not sign anybody out. The POST comes from our own page, since the session's cookie does not travel cross-site.
 */
import { Hono } from 'hono'
import { record, type Trace } from '../audit.ts'
import { commit } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { findSession, type SessionRules } from '../sign-in/session.ts'
import { endLineage } from '../tokens/lineage.ts'
import { clearSession, readSession, setOpbs } from './cookies.ts'

export interface LogoutNeeds {
  readonly db: Db
  readonly organization: { readonly id: string }
  readonly session: SessionRules
  traceOf(request: Request): Trace
  logoutPage(): Response
  signedOutPage(): Response
}

export const logout = (needs: LogoutNeeds) =>
  new Hono()
    .get('/oidc/logout', () => needs.logoutPage())
    .post('/oidc/logout', async (c) => {
      const { db } = needs
      const now = new Date()
      const value = readSession(c)
      const found = value === undefined ? undefined : await findSession(db, value, needs.session, now)
      if (found) {
        const { id, accountId } = found.session
        await commit(db, [
          endLineage(db, id, accountId, now),
          record(db, now, needs.traceOf(c.req.raw), {
            event: 'logout',
            initiator: accountId,
            target: accountId,
            data: { session: id },
            outcome: 'Success',
            organizationId: needs.organization.id,
          }),
        ])
        setOpbs(c)
      }
      clearSession(c)
      const page = needs.signedOutPage()
      return c.newResponse(page.body, 200, Object.fromEntries(page.headers))
    })
