/** The server itself as an application, mounted at …/applications/resident. */
import { Hono } from 'hono'
import * as z from 'zod'
import { changeResident, readResident } from '../../directory/resident-application.ts'
import type { ApiNeeds } from '../api.ts'
import { parse, readJson } from '../body.ts'
import { answerTagged, contentTag, requireCurrent } from '../conditional.ts'
import { gate } from '../gate.ts'
import { withoutNulls } from './model.ts'
import { provisioningConfigurations } from './model-schema.ts'
import { changeResident as describeChange, readResident as describeRead } from './operations.ts'

/** The body of PATCH: nothing else can be said of it. */
export const residentBody = z.strictObject({
  provisioningConfigurations: provisioningConfigurations.optional(),
})

const complete = (stored: Readonly<Record<string, unknown>>) => ({
  provisioningConfigurations: provisioningConfigurations.parse(stored.provisioningConfigurations ?? {}),
})

export const residentRoutes = (needs: ApiNeeds) => {
  const { db } = needs
  const guarded = gate(needs)
  return new Hono()
    .get(
      '/',
      guarded(
        'internal_application_mgt_view',
        async (_, c) => {
          const shown = complete(await readResident(db))
          return answerTagged(c, contentTag(shown), shown)
        },
        describeRead,
      ),
    )
    .patch(
      '/',
      guarded(
        'internal_application_mgt_update',
        async (caller, c) => {
          const written = parse(residentBody, withoutNulls(await readJson(c)))
          const before = complete(await readResident(db))
          requireCurrent(c, contentTag(before))
          await changeResident(db, caller, new Date(), before, written)
          return c.body(null, 200)
        },
        describeChange,
      ),
    )
}
