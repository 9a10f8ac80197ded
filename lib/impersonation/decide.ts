/**
 * The one decision whether somebody may act as somebody else now, asked at authorize and again at exchange. Permission
 * comes first, the first refusal wins, and everything the decision read is guarded until its commit.
 */
import { revisionIs } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { type Account, accountIs, findAccounts, isActive } from '../directory/accounts.ts'
import { findClient, mayImpersonate } from '../directory/applications.ts'
import { findPeople, type KnownPerson } from '../directory/people.ts'
import { grantedScopes } from '../directory/permissions.ts'
import { type Approved, approve } from '../tokens/approval.ts'
import type { Phase, Validator, ValidatorAnswer, ValidatorRequest } from './validator.ts'
import { ourValidators } from './validators/built-in.ts'
import { impersonatorPermission } from './validators/impersonator-permission.ts'

export interface DecideNeeds {
  readonly db: Db
  /** The master switch: a subject-token response type is configured. */
  readonly enabled: boolean
  readonly organization: { readonly id: string; readonly name: string }
  readonly validators: readonly Validator[]
  readonly timeoutMilliseconds: number
}

export interface Asked {
  readonly phase: Phase
  /** The revision that the request was read at; what is decided holds for it alone. */
  readonly revision: number
  readonly impersonatorId: string
  /** As it was asked for: it may be nobody. */
  readonly subjectId: string
  readonly clientId: string
  readonly requestedScopes: readonly string[]
  readonly sessionId: string
  /** What the impersonator says that it is for (`impersonation/reason.ts`); at exchange what he said at authorize. */
  readonly reason?: string | undefined
  readonly ticket?: string | undefined
}

export interface Refused {
  /** What the client may be told: that this application is not set up for it, or nothing but `access_denied`. */
  readonly error: 'unauthorized_client' | 'access_denied'
  /** For the audit alone. */
  readonly validator: string
  readonly code: string
  readonly message: string
}

export type Decision =
  | { readonly approved: Approved }
  | { readonly approved: undefined; readonly refused: Refused }

const refuse = (refused: Refused): Decision => ({ approved: undefined, refused })

const deny = (code: string, message: string): ValidatorAnswer => ({ allow: false, code, message })

/** Asks a validator of others: whoever throws, answers late or widens the scopes denies. */
export const ask = async (
  validator: Validator,
  request: Omit<ValidatorRequest, 'signal'>,
  limit: number,
): Promise<ValidatorAnswer> => {
  const abort = new AbortController()
  const began = performance.now()
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<ValidatorAnswer>((resolve) => {
    timer = setTimeout(() => resolve(deny('timeout', `no answer within ${limit} ms`)), limit)
  })
  try {
    const answer = await Promise.race([validator.validate({ ...request, signal: abort.signal }), late])
    // a validator that blocked the thread answers before the timer can: the clock decides
    if (performance.now() - began > limit) return deny('timeout', `no answer within ${limit} ms`)
    if (answer?.allow !== true) return answer?.allow === false ? answer : deny('fault', 'not an answer')
    const offered = new Set(request.scopes)
    if (!Array.isArray(answer.scopes) || !answer.scopes.every((scope) => offered.has(scope))) {
      return deny('fault', 'answered with a scope that was not offered')
    }
    return answer
  } catch (error) {
    return deny('fault', error instanceof Error ? error.message : String(error))
  } finally {
    clearTimeout(timer)
    abort.abort()
  }
}

/** The permission before everything else, whatever the priorities. */
const rank = (validator: Validator): number =>
  validator === impersonatorPermission ? Number.POSITIVE_INFINITY : validator.priority

const ordered = new WeakMap<readonly Validator[], readonly Validator[]>()

/** Highest priority first; among equals by name, so that the order never depends on how they were loaded. */
export const inOrder = (validators: readonly Validator[]): readonly Validator[] => {
  const known = ordered.get(validators)
  if (known) return known
  const sorted = validators.toSorted((a, b) =>
    rank(a) > rank(b) ? -1 : rank(a) < rank(b) ? 1 : a.name.localeCompare(b.name),
  )
  ordered.set(validators, sorted)
  return sorted
}

/** Ours ask nothing but this server's own facts: they need no clock, and nothing kept from them. */
const ours: ReadonlySet<Validator> = new Set(ourValidators)
const neverAborted = new AbortController().signal

/** What validators of others see: whoever tries to change it throws, and so denies. */
const fixed = (account: Account): Account =>
  Object.freeze({ ...account, roleIds: Object.freeze([...account.roleIds]) })

const shielded = (request: Omit<ValidatorRequest, 'signal'>): Omit<ValidatorRequest, 'signal'> =>
  Object.freeze({
    ...request,
    impersonator: fixed(request.impersonator),
    subject: request.subject && fixed(request.subject),
    requestedScopes: Object.freeze([...request.requestedScopes]),
    scopes: Object.freeze([...request.scopes]),
  })

/** Decides. An approval is good for one minting, and only while what it was decided on has not changed. */
export const decide = async (needs: DecideNeeds, asked: Asked, now: Date): Promise<Decision> => {
  const { db, organization } = needs
  const n = asked.revision
  const [application, accounts] = await Promise.all([
    findClient(db, n, asked.clientId),
    findAccounts(db, [asked.impersonatorId, asked.subjectId]),
  ])
  if (!needs.enabled || !application || !mayImpersonate(application)) {
    const message = 'the application may not use subject tokens, or the feature is off'
    return refuse({ error: 'unauthorized_client', validator: 'application', code: 'not_enabled', message })
  }
  const impersonator = accounts.get(asked.impersonatorId)
  const subject = accounts.get(asked.subjectId)
  if (!impersonator || !isActive(impersonator)) {
    const message = 'the impersonator is locked, disabled or gone'
    return refuse({
      error: 'access_denied',
      validator: 'impersonator',
      code: 'impersonator_inactive',
      message,
    })
  }
  let people: Promise<ReadonlyMap<string, KnownPerson>> | undefined
  const same = {
    phase: asked.phase,
    impersonator,
    subject,
    application,
    organization,
    requestedScopes: asked.requestedScopes,
    reason: asked.reason,
    ticket: asked.ticket,
    now,
    people: () => {
      people ??= findPeople(db, [asked.impersonatorId, asked.subjectId])
      return people
    },
    granted: (account: typeof impersonator, wanted: Iterable<string>) =>
      grantedScopes(db, n, account, application, wanted),
  }
  let scopes = asked.requestedScopes
  for (const validator of inOrder(needs.validators)) {
    const request = { ...same, scopes }
    const answer = ours.has(validator)
      ? await validator.validate({ ...request, signal: neverAborted })
      : await ask(validator, shielded(request), needs.timeoutMilliseconds)
    if (!answer.allow) {
      const { code, message } = answer
      return refuse({ error: 'access_denied', validator: validator.name, code, message })
    }
    scopes = [...new Set(answer.scopes)]
  }
  // whatever the list of validators holds, nobody becomes a user who is not there
  if (!subject || !isActive(subject)) {
    return refuse({
      error: 'access_denied',
      validator: 'subject',
      code: 'subject_inactive',
      message: 'no such active user',
    })
  }
  const approved = approve({
    phase: asked.phase,
    revision: n,
    subject,
    actor: impersonator,
    application,
    organization,
    scopes: scopes.toSorted(),
    sessionId: asked.sessionId,
    reason: asked.reason,
    ticket: asked.ticket,
    guards: [revisionIs(n), accountIs(db, impersonator), accountIs(db, subject)],
  })
  return { approved }
}
