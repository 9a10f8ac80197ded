/** What the OpenAPI document says of the routes for authorized applications. */
import * as z from 'zod'
import type { Answer, Describe, Operation } from '../../access/operation.ts'

const tag = 'Authorized applications'

const item = {
  v1: () => z.object({ appId: z.string().describe('Its name'), clientId: z.string() }),
  v2: () =>
    z.object({
      id: z.string(),
      name: z.string(),
      clientId: z.string(),
      approvedScopes: z.array(z.string()),
    }),
} as const

const unknown: Answer = { description: 'The user has let no such application in (OAA-10001).' }
const withdrawn: Answer = {
  description: 'The consent is withdrawn, and all has ended that the user had let the application have.',
}

/** Those of one version; their ids end in it. */
export const of = (version: keyof typeof item) => {
  const suffix = version.toUpperCase()
  const operation =
    (id: string, summary: string, answers: () => Operation['answers']): Describe =>
    () => ({ id: `${id}${suffix}`, summary, tag, answers: answers() })
  const list = () => ({ 200: { description: 'By name.', schema: z.array(item[version]()) } })
  const get = () => ({ 200: { description: 'The application.', schema: item[version]() }, 404: unknown })
  const withdrawAll = () => ({ 204: withdrawn })
  const withdraw = () => ({ 204: withdrawn, 404: unknown })
  return {
    listOwn: operation('listOwnAuthorizedApps', 'Applications that the caller let in', list),
    withdrawAllOwn: operation('withdrawOwnAuthorizedApps', 'Withdraws from all applications', withdrawAll),
    getOwn: operation('getOwnAuthorizedApp', 'One application that the caller let in', get),
    withdrawOwn: operation('withdrawOwnAuthorizedApp', 'Withdraws from an application', withdraw),
    listOfUser: operation('listUserAuthorizedApps', 'Applications that a user let in', list),
    withdrawAllOfUser: operation(
      'withdrawUserAuthorizedApps',
      'Withdraws from all applications for a user',
      withdrawAll,
    ),
    getOfUser: operation('getUserAuthorizedApp', 'One application that a user let in', get),
    withdrawOfUser: operation(
      'withdrawUserAuthorizedApp',
      'Withdraws from an application for a user',
      withdraw,
    ),
  }
}

export const revokeTokens = (): Operation => ({
  id: 'revokeApplicationTokens',
  summary: 'Ends every token of an application',
  tag,
  answers: {
    204: { description: 'They have ended.' },
    404: { description: 'There is no such application (OAA-10002).' },
  },
})
