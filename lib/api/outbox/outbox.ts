/** Mail that waits, left or was given up, and trying again; at /api/server/v1/notification/outbox. Ours, not WSO2's. */
import { type Context, Hono } from 'hono'
import { findMail, listMail, shownMail } from '../../email/outbox-list.ts'
import { retryFailedMail, retryMail } from '../../email/retry.ts'
import type { ApiNeeds } from '../api.ts'
import { gate } from '../gate.ts'
import { linksOf, readPage } from '../page.ts'
import { parameter } from '../parameter.ts'
import * as operations from './operations.ts'
import { alreadySent, noSuchMail, readState, unreadable } from './query.ts'

const [view, update] = ['internal_notification_outbox_view', 'internal_notification_outbox_update']

export const outbox = (needs: ApiNeeds) => {
  const { db } = needs
  const guarded = gate(needs)
  const url = `${needs.baseUrl}/api/server/v1/notification/outbox`
  const requireMail = async (c: Context) => {
    const id = parameter(c, 'mailId')
    const mail = await findMail(db, id)
    if (!mail) throw noSuchMail(id)
    return shownMail(mail)
  }
  return new Hono()
    .get(
      '/',
      guarded(
        view,
        async (_, c) => {
          const query = new URL(c.req.url).searchParams
          const page = readPage(query, unreadable)
          const found = await listMail(db, readState(query), page)
          const links = linksOf(url, query, ['state'], page, found)
          return c.json({ links, mails: found.items.map(shownMail) })
        },
        operations.list,
      ),
    )
    .post(
      '/retry',
      guarded(
        update,
        async (caller, c) => c.json({ retried: await retryFailedMail(db, caller, new Date()) }, 202),
        operations.retryAll,
      ),
    )
    .get(
      '/:mailId',
      guarded(view, async (_, c) => c.json(await requireMail(c)), operations.read),
    )
    .post(
      '/:mailId/retry',
      guarded(
        update,
        async (caller, c) => {
          const id = parameter(c, 'mailId')
          const result = await retryMail(db, caller, new Date(), id)
          if (result === 'unknown') throw noSuchMail(id)
          if (result === 'sent') throw alreadySent()
          return c.json(await requireMail(c), 202)
        },
        operations.retry,
      ),
    )
}
