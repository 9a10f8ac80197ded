/** A test message: a template as it would be sent, to whoever asked for it. */
import type { Write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import type { Caller } from '../directory/caller.ts'
import { change, Lost } from '../directory/change.ts'
import { enqueue } from './outbox.ts'
import { asWritten, type Content } from './template.ts'

export interface TestMessage {
  readonly recipient: string
  readonly content: Content
  /** What comes after the @ of its Message-ID. */
  readonly domain: string
  /** The type, locale and owner of the template, for the audit. */
  readonly type: string
  readonly about: Readonly<Record<string, string>>
  /** Takes one of the caller's few places; two that take the same one conflict. */
  readonly place: Write
}

/** Nobody shall take it for the real one. */
const mark = '[Test] '

/** Queues the message; answers its subject. Throws `Lost` when another took its place. */
export const sendTest = async (
  db: Db,
  caller: Caller,
  now: Date,
  { recipient, content, domain, type, about, place }: TestMessage,
): Promise<string> => {
  const { text, html } = content
  const subject = `${mark}${content.subject}`
  const data = { subject, text, ...(html === undefined ? {} : { html }) }
  const mail = enqueue(db, { recipient, template: asWritten, data, domain }, now)
  const entry = {
    event: 'email-template-tested',
    target: type,
    data: { type, ...about },
    outcome: 'Success',
  } as const
  const outcome = await change(db, caller, now, {
    writes: [place, mail],
    events: [entry],
    administrative: false,
  })
  if (outcome === 'conflict') throw new Lost('another test message took the place')
  return subject
}
