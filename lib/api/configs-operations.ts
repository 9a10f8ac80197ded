/** What the OpenAPI document says of the server's own settings. */
import * as z from 'zod'
import type { Describe } from '../access/operation.ts'
import { refusal } from './config-mgt/answers.ts'

const tag = 'Server configuration'

/** The body of PATCH /configs/impersonation; what is not supported in it has a code of its own. */
export const patchBody = z.array(z.looseObject({}))

/** One operation that is supported. */
export const patchOperation = z.object({
  operation: z.enum(['ADD', 'REPLACE']),
  path: z.literal('/enableEmailNotification'),
  value: z.boolean(),
})

const setting = () => z.strictObject({ enableEmailNotification: z.boolean() })

export const readConfigs: Describe = () => ({
  id: 'readServerConfiguration',
  summary: 'What the deployment says, as far as clients need it',
  tag,
  conditional: true,
  answers: {
    200: {
      description: 'The settings; they are those of deployment.toml.',
      schema: z.strictObject({
        idleSessionTimeoutPeriod: z.string(),
        homeRealmIdentifiers: z.array(z.string()),
        provisioning: z.strictObject({
          inbound: z.strictObject({
            scim: z.strictObject({ provisioningUserstore: z.string(), enableProxyMode: z.boolean() }),
          }),
        }),
        authenticators: z.array(
          z.strictObject({
            id: z.string(),
            name: z.string(),
            displayName: z.string(),
            isEnabled: z.boolean(),
            type: z.string(),
          }),
        ),
      }),
      headers: ['ETag'],
    },
  },
})

export const readImpersonation: Describe = () => ({
  id: 'readImpersonationConfiguration',
  summary: 'Whether an impersonated user is told by e-mail',
  tag,
  conditional: true,
  answers: {
    200: { description: 'The setting.', schema: setting(), headers: ['ETag'] },
  },
})

export const patchImpersonation: Describe = () => ({
  id: 'updateImpersonationConfiguration',
  summary: 'Change whether an impersonated user is told by e-mail; the last operation counts',
  tag,
  body: z.array(patchOperation),
  conditional: true,
  answers: {
    200: { description: 'Stored.' },
    400: refusal('UE-10000, CNF-60003', ['UE-10000', 'CNF-60003']),
    409: refusal('The configuration type does not exist.', ['CNF-65019']),
    413: refusal('UE-10000', ['UE-10000']),
    415: refusal('UE-10000', ['UE-10000']),
  },
})

export const resetImpersonation: Describe = () => ({
  id: 'resetImpersonationConfiguration',
  summary: 'Go back to the default: the e-mail is on',
  tag,
  conditional: true,
  answers: { 204: { description: 'The default counts.' } },
})
