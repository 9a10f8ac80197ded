/** The server's own settings, mounted at /api/server/v1/configs. */
import { Hono } from 'hono'
import * as z from 'zod'
import {
  impersonationType,
  isEmailNotificationEnabled,
  setEmailNotification,
} from '../directory/impersonation-setting.ts'
import type { ApiNeeds } from './api.ts'
import { readBody } from './body.ts'
import { gate } from './gate.ts'
import { Problem } from './problem.ts'

const patch = z.array(z.looseObject({}))

const operation = z.object({
  operation: z.enum(['ADD', 'REPLACE']),
  path: z.literal('/enableEmailNotification'),
  value: z.boolean(),
})

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
  return new Hono()
    .get(
      '/impersonation',
      guarded('internal_login', async (_, c) =>
        c.json({ enableEmailNotification: await isEmailNotificationEnabled(db) }),
      ),
    )
    .patch(
      '/impersonation',
      guarded('internal_config_update', async (caller, c) => {
        const asked = z.array(operation).safeParse(await readBody(c, patch))
        if (!asked.success) throw unsupported()
        const last = asked.data.at(-1)
        if (last && (await setEmailNotification(db, caller, new Date(), last.value)) === 'no-type')
          throw withoutType()
        return c.body(null, 200)
      }),
    )
}
