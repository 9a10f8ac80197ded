/** The application that a path names, and its tag. */
import { type ApplicationRecord, findApplication } from '../../directory/application-records.ts'
import type { Caller } from '../../directory/caller.ts'
import { entityTag } from '../../entity-tag.ts'
import type { ApiNeeds } from '../api.ts'
import { isReserved, type NamedRole } from './model.ts'
import { notConfigured, notFound, protectedApplication } from './problem.ts'

/** A part of every path that stands for the server itself as an application. */
export const residentId = 'resident'

/** How applications are found. Each throws `Problem`. */
export const finder = ({ db }: Pick<ApiNeeds, 'db'>) => {
  const application = async (caller: Caller, id: string): Promise<ApplicationRecord> => {
    const found = await findApplication(db, caller.organizationId, id)
    if (!found) throw notFound(id)
    return found
  }
  return {
    application,
    /** One that speaks OAuth. */
    async client(caller: Caller, id: string) {
      const found = await application(caller, id)
      const { oidc } = found
      if (!oidc) throw notConfigured(id)
      return { ...found, oidc }
    },
  }
}

/** Of its edition, and of its roles where they are shown with it. */
export const tagOf = (
  { edition }: Pick<ApplicationRecord, 'edition'>,
  roles: readonly NamedRole[] = [],
): string =>
  roles.length === 0
    ? entityTag(edition)
    : entityTag(`${edition}-${Bun.hash(JSON.stringify(roles)).toString(36)}`)

/** What the deployment itself needs can neither be deleted nor revoked. Throws `Problem`. */
export const requireOrdinary = ({ name }: Pick<ApplicationRecord, 'name'>): void => {
  if (isReserved(name)) throw protectedApplication(name)
}
