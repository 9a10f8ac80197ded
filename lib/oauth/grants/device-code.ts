/**
 * `urn:ietf:params:oauth:grant-type:device_code` (RFC 8628 §3.4, §3.5): the device asks until its user has decided, not
 * too often, and gets its tokens once.
 */
import { numericDate } from '../../tokens/claims.ts'
import {
  type DeviceAuthorization,
  findByDeviceCode,
  notePoll,
  slowDown,
  spendDevice,
  deviceCodeGrant as type,
} from '../../tokens/device-authorization.ts'
import { passwordContext } from '../authentication-context.ts'
import { OAuthError } from '../error.ts'
import { readResources } from '../resource.ts'
import { firstTokens } from './first-tokens.ts'
import type { Grant, GrantAnswer } from './grant.ts'
import { invalidGrant, refusal } from './refusal.ts'
import type { UserTokenNeeds } from './user-tokens.ts'

const what = 'device code'

const invalid = () => invalidGrant(what)

/** Not a refusal: nothing is decided yet, and a device asks every few seconds. */
const notYet = (db: UserTokenNeeds['db'], device: DeviceAuthorization, now: Date): GrantAnswer => {
  const due = device.polledAt === null ? 0 : Date.parse(device.polledAt) + device.intervalSeconds * 1000
  if (now.getTime() < due) {
    return {
      refused: new OAuthError('slow_down', 'Ask less often: the interval has grown by five seconds.'),
      writes: [slowDown(db, device, now)],
    }
  }
  return {
    refused: new OAuthError('authorization_pending', 'The user has not decided yet.'),
    writes: [notePoll(db, device, now)],
  }
}

export const deviceCode = (needs: UserTokenNeeds): Grant => ({
  type,
  async decide(request): Promise<GrantAnswer> {
    const { db } = needs
    const { parameters, client, now } = request
    const value = parameters.get('device_code')
    if (value === undefined) throw new OAuthError('invalid_request', 'Missing parameters: device_code')
    const device = await findByDeviceCode(db, value)
    if (!device) throw invalidGrant(what, 'unknown')
    const { approval } = device
    // nobody is known by name before somebody decided, and of a public client not even that it is the client
    const refuse = (error: OAuthError, reason: string): GrantAnswer =>
      device.decision === null && client.oidc.publicClient
        ? { refused: error, writes: [] }
        : refusal(db, request, type, approval?.accountId ?? client.clientId, error, reason)
    if (device.applicationId !== client.id) return refuse(invalid(), 'another_client')
    if (device.spentAt !== null) return refuse(invalid(), 'spent')
    if (device.decision === 'denied') {
      return refuse(new OAuthError('access_denied', 'The user denied the request.'), 'denied')
    }
    if (device.expiresAt <= now) {
      return refuse(new OAuthError('expired_token', 'The device code has expired.'), 'expired')
    }
    if (!approval) return notYet(db, device, now)
    if (!approval.alive) return refuse(invalid(), 'ended')
    const audience = readResources(parameters.get('resource'), client)
    return firstTokens(needs, request, {
      ...approval,
      what,
      type,
      scopes: device.scopes,
      audience,
      kept: { audience },
      context: { authTime: numericDate(approval.authenticatedAt), acr: passwordContext },
      issuedAt: approval.authenticatedAt,
      spending: spendDevice(db, device, now),
      told: { deviceAuthorization: device.id },
    })
  },
})
