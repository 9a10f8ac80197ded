/** What a token may be made for: the API resources that its application is authorized for, by their identifiers. */
import type { Db } from '../database/connect.ts'
import type { Application } from './applications.ts'
import { fact } from './facts.ts'

const load = async (db: Db, applicationId: string): Promise<ReadonlySet<string>> => {
  const rows = await db
    .selectFrom('application_api')
    .innerJoin('api_resource', 'api_resource.id', 'application_api.api_resource_id')
    .select('api_resource.identifier')
    .where('application_api.application_id', '=', applicationId)
    .execute()
  return new Set(rows.map(({ identifier }) => identifier))
}

/** The identifiers of the API resources that the application is authorized for, as of revision `n`. */
export const authorizedAudiences = (
  db: Db,
  n: number,
  application: Pick<Application, 'id'>,
): Promise<ReadonlySet<string>> =>
  fact(db, n, `audiences of ${application.id}`, () => load(db, application.id))
