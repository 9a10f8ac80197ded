/** What the OpenAPI document says of notification senders. */
import * as z from 'zod'
import type { Answer, Describe } from '../../access/operation.ts'
import { type Channel, creation, edition, shownSchema } from './model.ts'

const tag = 'Notification senders'

const missing: Answer = { description: 'There is no such sender of this channel (NSM-60006).' }
const words = { sms: 'text messages', push: 'push messages' } as const

export const operationsOf = (version: 'v1' | 'v2', channel: Channel) => {
  const id = (verb: string, noun = 'Sender') =>
    `${verb}${channel === 'sms' ? 'Sms' : 'Push'}${noun}${version === 'v1' ? '' : 'V2'}`
  const what = words[channel]
  const incomplete: Answer = {
    description:
      channel === 'sms'
        ? 'Provider, content type or URL are missing (NSM-60003, NSM-60004, NSM-60005), or cannot be stored.'
        : 'It cannot be stored.',
  }
  const one = (description: string): Answer => ({
    description,
    schema: shownSchema(channel),
    headers: ['ETag'],
  })
  return {
    list: () => ({
      id: id('list', 'Senders'),
      summary: `Senders of ${what}; nothing sends by them`,
      tag,
      answers: { 200: { description: 'All of them.', schema: z.array(shownSchema(channel)) } },
    }),
    create: () => ({
      id: id('create'),
      summary: `A new sender of ${what}`,
      tag,
      body: creation[channel],
      answers: {
        201: { ...one('The sender, without its secrets.'), headers: ['ETag', 'Location'] },
        400: incomplete,
        404: { description: 'The type Publisher has been removed (NSM-65001).' },
        409: { description: 'There is a sender of that name (NSM-60002).' },
      },
    }),
    read: () => ({
      id: id('get'),
      summary: `A sender of ${what}`,
      tag,
      conditional: true,
      answers: { 200: one('The sender, without its secrets.'), 404: missing },
    }),
    update: () => ({
      id: id('replace'),
      summary: `Replaces a sender of ${what}; secrets that are left out stay`,
      tag,
      body: edition[channel],
      conditional: true,
      answers: {
        200: one('The sender, without its secrets.'),
        400: { description: `${incomplete.description} The channel type cannot be changed (NSM-60007).` },
        404: missing,
      },
    }),
    remove: () => ({
      id: id('delete'),
      summary: `Removes a sender of ${what}`,
      tag,
      conditional: true,
      answers: { 204: { description: 'It is gone.' }, 404: missing },
    }),
  } as const satisfies Record<string, Describe>
}
