/** GET /oauth2/jwks: the public keys that tokens of this server are verified with (RFC 7517). */
import { Hono } from 'hono'
import type { SigningKeys } from '../keys/signing.ts'

export const jwks = (keys: SigningKeys) =>
  new Hono().get('/oauth2/jwks', async (c) => {
    await keys.refresh()
    return c.json(keys.jwks(), 200, { 'Cache-Control': 'public, max-age=300' })
  })
