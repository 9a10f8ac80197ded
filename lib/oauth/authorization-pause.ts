/** An authorization request that waits for its user at a page of ours, and where it is taken up again. */
import type { Context } from 'hono'
import { commit, type Write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { findInteraction, type Interaction, pause, type Stage } from '../sign-in/interaction.ts'
import type { ArrivedRequest } from './authorization-parameters.ts'
import { PageProblem } from './authorization-request.ts'
import { ensureBrowser, readBrowser, type SameSite } from './cookies.ts'

export interface PauseNeeds {
  readonly db: Db
  readonly session: { readonly sameSite: SameSite; readonly interactionSeconds: number }
}

/** What a page of ours says of one that cannot be taken up. */
export const lostInteraction = {
  unknown: 'This sign-in is not known here. Go back to the application and start again.',
  'another-browser':
    'This sign-in was started in another browser. Go back to the application and start again.',
  expired: 'This sign-in took too long. Go back to the application and start again.',
  spent: 'This sign-in was completed already. Go back to the application and start again.',
} as const

const pages = {
  login: 'login.do?sessionDataKey',
  reason: 'impersonation_reason.do?sessionDataKeyReason',
  consent: 'oauth2_authz.do?sessionDataKeyConsent',
} as const satisfies Record<Stage, string>

/** Pauses it and shows the page; throws PageProblem where what is written also was overtaken. */
export const toPage = async (
  { db, session }: PauseNeeds,
  c: Context,
  stage: Stage,
  { parameters, source }: ArrivedRequest,
  sessionId: string | null,
  also: readonly Write[],
) => {
  const browser = ensureBrowser(c, session.sameSite)
  const request = { stage, parameters: Object.fromEntries(parameters), source, sessionId }
  const paused = pause(db, request, browser, session.interactionSeconds, new Date())
  const outcome = await commit(db, [paused.write, ...also])
  if (outcome !== 'committed') throw new PageProblem('invalid_request', lostInteraction.spent)
  return c.redirect(`/authenticationendpoint/${pages[stage]}=${paused.key}`, 302)
}

/** What waits under a key of a page of ours. Throws PageProblem where this browser has nothing there. */
export const interactionOf = async (
  { db }: PauseNeeds,
  c: Context,
  key: string,
  stage: Stage,
): Promise<Interaction> => {
  const found = await findInteraction(db, key, stage, readBrowser(c), new Date())
  if (!found.interaction) throw new PageProblem('invalid_request', lostInteraction[found.why])
  return found.interaction
}
