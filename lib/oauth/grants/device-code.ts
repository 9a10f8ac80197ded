/**
 * `urn:ietf:params:oauth:grant-type:device_code` (RFC 8628 §3.4, §3.5): the device asks until its user has decided, not
 * too often, and gets its tokens once.
 */
import { record } from '../../audit.ts'
import { numericDate } from '../../tokens/claims.ts'
import {
  type Approval,
  type DeviceAuthorization,
  findByDeviceCode,
  notePoll,
  slowDown,
  spendDevice,
  deviceCodeGrant as type,
} from '../../tokens/device-authorization.ts'
import { accessSeconds, extendGrant, refreshSeconds } from '../../tokens/grant.ts'
import { lineageAlive } from '../../tokens/lineage.ts'
import { issueRefreshToken } from '../../tokens/refresh-token.ts'
import { passwordContext } from '../authentication-context.ts'
import { OAuthError } from '../error.ts'
import { readResources } from '../resource.ts'
import type { Grant, GrantAnswer, GrantRequest } from './grant.ts'
import { invalidGrant, refusal } from './refusal.ts'
import { type UserTokenNeeds, userTokens } from './user-tokens.ts'

const invalid = () => invalidGrant('device code')

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

const tokensOf = async (
  needs: UserTokenNeeds,
  device: DeviceAuthorization,
  approval: Approval,
  request: GrantRequest,
): Promise<GrantAnswer> => {
  const { db, lifetimes } = needs
  const { parameters, client, revision, confirmation, trace, now } = request
  const { accountId, sessionId, boundSessionId, lineageId } = approval
  const audience = readResources(parameters.get('resource'), client)
  const withRefresh = client.oidc.grantTypes.includes('refresh_token')
  const after = (seconds: number) => new Date(now.getTime() + seconds * 1000)
  const refreshEnds = after(refreshSeconds(client, lifetimes))
  const endsAt = new Date(
    Math.max(
      approval.lineageEndsAt.getTime(),
      after(accessSeconds(client, lifetimes)).getTime(),
      withRefresh ? refreshEnds.getTime() : 0,
    ),
  )
  const given = {
    lineageId,
    endsAt,
    sessionId: boundSessionId,
    accountId,
    scopes: device.scopes,
    audience,
    confirmation,
    context: {
      authTime: numericDate(approval.authenticatedAt),
      acr: passwordContext,
      // a grant that outlives its session says in which it began
      ...(boundSessionId === null ? { sid: sessionId } : {}),
    },
    issuedAt: approval.authenticatedAt,
  }
  const tokens = await userTokens(needs, client, revision, given, undefined, now)
  if (!tokens) return refusal(db, request, type, accountId, invalid(), 'account_inactive')
  const refreshToken = withRefresh
    ? issueRefreshToken(
        db,
        {
          lineageId,
          applicationId: client.id,
          clientId: client.clientId,
          organizationId: client.organizationId,
          subjectId: accountId,
          actorId: null,
          impersonationId: null,
          sessionId: boundSessionId,
          // a permission that its user gains later is none of this grant's (RFC 6749 §6)
          scopes: tokens.scopes,
          actor: null,
          audience,
          // a confidential client proves itself each time, a public one by its key alone (RFC 9449 §5)
          confirmation: client.oidc.publicClient ? confirmation : null,
          context: { ...given.context, sub: tokens.sub },
          expiresAt: refreshEnds,
        },
        now,
      )
    : undefined
  return {
    response: { ...tokens.response, ...(refreshToken ? { refresh_token: refreshToken.value } : {}) },
    writes: [
      // the sign-in itself must last, also where the grant will outlive it
      ...lineageAlive(db, { id: lineageId, sessionId }, now),
      spendDevice(db, device, now),
      ...tokens.writes,
      ...(endsAt > approval.lineageEndsAt ? [extendGrant(db, lineageId, endsAt)] : []),
      ...(refreshToken ? [refreshToken.write] : []),
      record(db, now, trace, {
        event: 'token-issued',
        initiator: client.clientId,
        target: accountId,
        data: {
          clientId: client.clientId,
          grantType: type,
          scope: tokens.scopes.join(' '),
          tokenId: tokens.accessToken.id,
          deviceAuthorization: device.id,
          ...(refreshToken ? { refreshTokenId: refreshToken.id } : {}),
        },
        outcome: 'Success',
        subjectId: accountId,
        applicationId: client.id,
        organizationId: client.organizationId,
      }),
    ],
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
    if (!device) throw invalid()
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
    return tokensOf(needs, device, approval, request)
  },
})
