/** The refusals of webhooks; there is no API of WSO2's that they would have to be like. */
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { mostWebhooks } from '../../webhooks/webhook.ts'
import { Problem } from '../problem.ts'

const refusal = (status: ContentfulStatusCode, code: string, message: string, description: string) =>
  new Problem({ status, code: `WHK-${code}`, message, description })

/** The list cannot be given as it was asked for: 400. */
export const unreadable = (why: string) => refusal(400, '60001', 'Unable to list.', why)

export const notFound = (id: string) =>
  refusal(404, '60002', 'Unable to find the webhook.', `There is no webhook with the id: ${id}.`)

export const badUrl = (why: string) => refusal(400, '60003', 'Invalid URL.', `The url ${why}.`)

export const badEvents = () =>
  refusal(
    400,
    '60004',
    'Invalid events.',
    'A CAEP receiver is told of session-revoked alone: it has no events to choose.',
  )

export const badAudience = (kind: 'webhook' | 'caep') =>
  refusal(
    400,
    '60005',
    'Invalid audience.',
    kind === 'caep'
      ? 'A CAEP receiver needs an audience: the aud of its security event tokens.'
      : 'A webhook has no audience: what it gets is no token.',
  )

export const noSecret = () =>
  refusal(
    409,
    '60006',
    'There is no secret.',
    'What a CAEP receiver gets is signed with the keys of this server: /oauth2/jwks.',
  )

export const noSuchDelivery = (id: string) =>
  refusal(404, '60007', 'Unable to find the delivery.', `The webhook has no delivery with the id: ${id}.`)

export const alreadyDelivered = () =>
  refusal(409, '60008', 'It was delivered.', 'The delivery has arrived: there is nothing to try again.')

export const tooMany = () =>
  refusal(403, '60009', 'Webhook limit reached.', `There can be no more than ${mostWebhooks} webhooks.`)
