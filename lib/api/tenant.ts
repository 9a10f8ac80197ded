import { tenantDomain } from '../directory/config-store.ts'

/** The one tenant, as links and messages of the management APIs name it. */
export { tenantDomain }

/** The prefix of the relative links: the short form's other name, which the server answers too. */
export const tenantPath = `/t/${tenantDomain}`
