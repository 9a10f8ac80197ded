/** Signatures of messages as Standard Webhooks has them: `v1,` and the HMAC-SHA256 of `id.timestamp.body` in base64. */
import { createHmac, randomBytes } from 'node:crypto'
import type { Vault } from '../keys/secrets.ts'
import type { Webhook } from './webhook.ts'

const prefix = 'whsec_'

/** A fresh secret: 32 bytes as `whsec_<base64>`. */
export const newSecret = (): string => prefix + randomBytes(32).toString('base64')

const sealedFor = (id: string) => `webhook ${id}`

export const sealSecret = (vault: Vault, id: string, secret: string): string =>
  vault.seal(secret, sealedFor(id))

export const sealBearer = (vault: Vault, id: string, token: string): string =>
  vault.seal(token, `${sealedFor(id)} bearer`)

export const openBearer = (vault: Vault, id: string, sealed: string): string =>
  vault.openText(sealed, `${sealedFor(id)} bearer`)

const sign = (secret: string, content: string): string => {
  const key = Buffer.from(secret.slice(prefix.length), 'base64')
  return `v1,${createHmac('sha256', key).update(content).digest('base64')}`
}

/** The headers of an attempt now: one signature for each secret that is in force. */
export const signedHeaders = (
  vault: Vault,
  webhook: Webhook,
  id: string,
  body: string,
  now: Date,
): Record<string, string> => {
  const { secret, formerSecret, formerUntil } = webhook
  const former = formerUntil !== null && formerUntil > now.toISOString() ? formerSecret : null
  const timestamp = Math.floor(now.getTime() / 1000)
  const signatures = [secret, former].flatMap((sealed) =>
    sealed === null
      ? []
      : [sign(vault.openText(sealed, sealedFor(webhook.id)), `${id}.${timestamp}.${body}`)],
  )
  return {
    'webhook-id': id,
    'webhook-timestamp': String(timestamp),
    'webhook-signature': signatures.join(' '),
  }
}
