/** An application as a body describes it, checked whole: for those that are made and for those that are imported. */
import * as z from 'zod'
import { createApplication } from '../../directory/application-registry.ts'
import type { Caller } from '../../directory/caller.ts'
import { seenPattern } from '../../directory/readable-name.ts'
import type { ApiNeeds } from '../api.ts'
import { parse } from '../body.ts'
import { checkName, checkProtocols, newModelOf, withoutNulls } from './model.ts'
import { newApplicationSchema } from './model-schema.ts'
import { oauthSchema } from './oauth-schema.ts'
import { newCredential, settingsOf } from './oauth-settings.ts'

/** A name that `checkName` lets pass, but for those that are reserved. */
export const applicationName = () =>
  z
    .string()
    .min(1)
    .max(255)
    .regex(/^\S(?:.*\S)?$/s)
    .meta({ allOf: [{ pattern: seenPattern }] })

/** The body of POST /applications, whose OAuth settings are another schema's. */
export const applicationBody = () =>
  newApplicationSchema.extend({
    name: applicationName(),
    inboundProtocolConfiguration: z.strictObject({ oidc: oauthSchema.optional() }).optional(),
  })

/** What the body says. Throws `Problem`. */
export const readApplication = (body: unknown, rules: ApiNeeds['oauthRules']) => {
  const written = parse(newApplicationSchema, withoutNulls(body))
  checkName(written.name)
  checkProtocols(written.inboundProtocolConfiguration)
  const oidc = written.inboundProtocolConfiguration?.oidc
  return {
    name: written.name,
    enabled: written.applicationEnabled ?? true,
    model: newModelOf(written),
    oauth: oidc === undefined ? undefined : settingsOf(parse(oauthSchema, oidc), rules),
  }
}

export type WrittenApplication = ReturnType<typeof readApplication>

/** Registers it; answers its id and client id, and why not. */
export const register = async (
  { db, vault, mostApplications }: Pick<ApiNeeds, 'db' | 'vault' | 'mostApplications'>,
  caller: Caller,
  { name, enabled, model, oauth }: WrittenApplication,
) => {
  const id = Bun.randomUUIDv7()
  const clientId = oauth?.clientId ?? newCredential()
  const refused = await createApplication(db, caller, new Date(), {
    id,
    name,
    enabled,
    most: mostApplications,
    model,
    oauth: {
      clientId,
      sealedSecret: vault.seal(oauth?.clientSecret ?? newCredential(), id),
      settings: oauth?.settings,
    },
  })
  return { id, clientId, refused }
}
