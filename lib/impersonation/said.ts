/** What the impersonator said that it is for, as audit rows have it. */
import type { Said } from '../tokens/token.ts'

/** Its part of an audit row's data; nothing where nothing was said. */
export const saidData = ({ reason, ticket }: Said) => ({
  ...(reason === undefined ? {} : { impersonationReason: reason }),
  ...(ticket === undefined ? {} : { impersonationTicket: ticket }),
})
