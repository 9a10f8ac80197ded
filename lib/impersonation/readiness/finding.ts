/** What a check says, in a form for people and for machines. */

/** `ok` all well, `wrong` it does not work so, `note` it works and somebody should know. */
export type State = 'ok' | 'wrong' | 'note'

export interface Finding {
  readonly about: string
  readonly state: State
  readonly says: string
  /** What to do, where no call does it. */
  readonly mend?: string
  /** Which calls mend it, by their place in the list, from 1. */
  readonly calls?: readonly number[]
}

/** One management call. `{{name}}` in a body is what an earlier call `gives`: secrets are never printed. */
export interface Call {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH'
  readonly path: string
  readonly body?: unknown
  /** A member of its answer that a later call needs. */
  readonly gives?: string
}

export const ok = (about: string, says: string): Finding => ({ about, state: 'ok', says })

export const wrong = (about: string, says: string, mend?: string): Finding => ({
  about,
  state: 'wrong',
  says,
  ...(mend === undefined ? {} : { mend }),
})

export const note = (about: string, says: string, mend?: string): Finding => ({
  about,
  state: 'note',
  says,
  ...(mend === undefined ? {} : { mend }),
})

const day = 86_400_000
const soon = 30 * day

/** A finding about an end: passed, near, or far. */
export const lasting = (about: string, what: string, end: Date, now: Date, mend: string): Finding => {
  const date = end.toISOString().slice(0, 10)
  if (end <= now) return wrong(about, `${what} expired on ${date}`, mend)
  if (end.getTime() - now.getTime() < soon) return note(about, `${what} expires on ${date}`, mend)
  return ok(about, `${what} is valid until ${date}`)
}

/** An error's own words. */
export const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
