/** The server's own settings, mounted at /api/server/v1/configs. */
import { Hono } from 'hono'
import * as z from 'zod'
import {
  impersonationType,
  isEmailNotificationEnabled,
  resetEmailNotification,
  setEmailNotification,
} from '../directory/impersonation-setting.ts'
import type { ApiNeeds } from './api.ts'
import { readBody } from './body.ts'
import { answerTagged, contentTag, requireCurrent } from './conditional.ts'
import * as operations from './configs-operations.ts'
import { gate } from './gate.ts'
import { Problem } from './problem.ts'

const unsupported = () =>
  new Problem({
    status: 400,
    code: 'CNF-60003',
    message: 'Invalid input.',
    description: 'One of the given inputs is invalid. Unsupported patch operation.',
  })

const withoutType = () =>
  new Problem({
    status: 409,
    code: 'CNF-65019',
    message: 'Unable to update Impersonation configuration.',
    description: `The configuration type ${impersonationType} does not exist. Create it first: POST /api/identity/config-mgt/v1.0/resource-type with {"name": "${impersonationType}"}.`,
  })

export const configs = (needs: ApiNeeds) => {
  const { db } = needs
  const guarded = gate(needs)
  const server = {
    // minutes, in words of the API
    idleSessionTimeoutPeriod: String(Math.ceil(needs.sessionIdleSeconds / 60)),
    homeRealmIdentifiers: [new URL(needs.baseUrl).hostname],
    provisioning: { inbound: { scim: { provisioningUserstore: 'PRIMARY', enableProxyMode: false } } },
    authenticators: [
      {
        id: 'QmFzaWNBdXRoZW50aWNhdG9y', // the name in Base64
        name: 'BasicAuthenticator',
        displayName: 'Username & Password',
        isEnabled: true,
        type: 'LOCAL',
      },
    ],
  }
  const setting = async () => ({ enableEmailNotification: await isEmailNotificationEnabled(db) })
  return new Hono()
    .get(
      '/',
      guarded(
        'internal_login',
        async (_, c) => answerTagged(c, contentTag(server), server),
        operations.readConfigs,
      ),
    )
    .get(
      '/impersonation',
      guarded(
        'internal_login',
        async (_, c) => {
          const stored = await setting()
          return answerTagged(c, contentTag(stored), stored)
        },
        operations.readImpersonation,
      ),
    )
    .patch(
      '/impersonation',
      guarded(
        'internal_config_update',
        async (caller, c) => {
          const body = await readBody(c, operations.patchBody)
          const asked = z.array(operations.patchOperation).safeParse(body)
          if (!asked.success) throw unsupported()
          requireCurrent(c, contentTag(await setting()))
          const last = asked.data.at(-1)
          if (last && (await setEmailNotification(db, caller, new Date(), last.value)) === 'no-type')
            throw withoutType()
          return c.body(null, 200)
        },
        operations.patchImpersonation,
      ),
    )
    .delete(
      '/impersonation',
      guarded(
        'internal_config_delete',
        async (caller, c) => {
          requireCurrent(c, contentTag(await setting()))
          await resetEmailNotification(db, caller, new Date())
          return c.body(null, 204)
        },
        operations.resetImpersonation,
      ),
    )
}
