/** POST /oauth2/device_authorize: begins a device authorization (RFC 8628 §3.1, §3.2). */
import { Hono } from 'hono'
import { commit, revisionIs } from '../database/commit.ts'
import { impersonationScopes } from '../directory/permissions.ts'
import {
  beginDeviceAuthorization,
  deviceCodeGrant,
  deviceSeconds,
  pollSeconds,
} from '../tokens/device-authorization.ts'
import { authenticateClient, type ClientNeeds } from './client-authentication.ts'
import { OAuthError } from './error.ts'
import { requireForm } from './required-form.ts'
import { parseScope } from './scope.ts'

export interface DeviceAuthorizationNeeds extends ClientNeeds {
  /** Absolute, without a trailing slash. */
  readonly baseUrl: string
}

/** Where users enter their code. */
export const verificationPath = '/authenticationendpoint/device.do'

/** A lost guard or a user code that is in use: once more. */
const tries = 3

/** It is kept until the device fetches its tokens. */
const longestScope = 4_096

/** Nobody impersonates from a device: whom it would be for was never asked. */
const scopesOf = (scope: string | undefined): readonly string[] => {
  const scopes = (scope ?? '').length > longestScope ? undefined : parseScope(scope)
  if (!scopes) throw new OAuthError('invalid_scope', 'The scope is malformed.')
  return scopes.filter((name) => !impersonationScopes.has(name))
}

export const deviceAuthorization = (needs: DeviceAuthorizationNeeds) =>
  new Hono().post('/oauth2/device_authorize', async (c) => {
    const { db, baseUrl } = needs
    const parameters = await requireForm(c.req.raw)
    for (let attempt = 1; attempt <= tries; attempt += 1) {
      const { client, revision, writes } = await authenticateClient(needs, c.req.raw, parameters)
      if (!client.oidc.grantTypes.includes(deviceCodeGrant)) {
        throw new OAuthError(
          'unauthorized_client',
          'The authenticated client is not authorized to use this authorization grant type',
        )
      }
      const scopes = scopesOf(parameters.get('scope'))
      const begun = beginDeviceAuthorization(db, client, scopes, new Date())
      if ((await commit(db, [revisionIs(revision), ...writes, begun.write])) !== 'committed') continue
      const verification = `${baseUrl}${verificationPath}`
      return c.json(
        {
          device_code: begun.deviceCode,
          user_code: begun.userCode,
          verification_uri: verification,
          verification_uri_complete: `${verification}?user_code=${begun.userCode}`,
          expires_in: deviceSeconds,
          interval: pollSeconds,
        },
        200,
        { 'Cache-Control': 'no-store', Pragma: 'no-cache' },
      )
    }
    throw new OAuthError('temporarily_unavailable', 'The request was overtaken by changes; try again.')
  })
