/** Everything that is looked at, in the order in which one thing needs the other. */
import type { Config, Loaded } from '../../config.ts'
import type { Db } from '../../database/connect.ts'
import { rootOrganization } from '../../database/migrate.ts'
import { readReadiness } from '../../directory/readiness.ts'
import { type ApplicationReport, checkApplication } from '../../impersonation/readiness/application.ts'
import { type Call, type Finding, note, ok, wrong } from '../../impersonation/readiness/finding.ts'
import { createApplication } from '../../impersonation/readiness/plan.ts'
import { openDatabase } from './database.ts'
import { checkFollowers } from './followers.ts'
import { checkEncryption, checkSigning } from './keys.ts'
import { checkMail } from './mail.ts'
import { checkPlugins } from './plugins.ts'
import { checkTls } from './tls.ts'

export interface Inspection {
  readonly baseUrl: string
  /** The server itself. */
  readonly findings: readonly Finding[]
  readonly applications: readonly ApplicationReport[]
  /** What makes a first application, where there is none. */
  readonly calls: readonly Call[]
  /** Nothing is wrong, and some application is ready. */
  readonly ready: boolean
}

const checkFeature = ({ impersonation, oauth }: Config): readonly Finding[] => {
  const about = 'impersonation'
  if (!impersonation.enabled) {
    const mend = 'add the [[oauth.custom_response_type]] tables of the shipped deployment.toml, restart'
    return [wrong(about, 'is off: no response type asks for a subject token', mend)]
  }
  if (oauth.tokenExchange.enabled) return [ok(about, 'is on')]
  const mend = 'set enable = true there, restart'
  return [wrong(about, '[oauth.grant_type.token_exchange] is off: no token can be exchanged', mend)]
}

/** Accounts that everybody can sign in to. */
const checkPasswords = async (db: Db): Promise<Finding> => {
  const about = 'passwords'
  const rows = await db
    .selectFrom('account')
    .select('user_name as userName')
    .where('password_shipped_at', 'is not', null)
    .orderBy('user_name_key')
    .limit(5)
    .execute()
  if (rows.length === 0) return ok(about, 'nobody has the shipped one')
  const who = rows.map(({ userName }) => userName).join(', ')
  return note(about, `${who} still has the shipped one`, 'change it: PATCH /scim2/Me with a new password')
}

const checkApplications = (
  applications: readonly ApplicationReport[],
): { readonly findings: readonly Finding[]; readonly calls: readonly Call[] } => {
  const about = 'applications'
  const ready = applications.filter((application) => application.ready).length
  if (applications.length === 0) {
    const says = 'there is none: put its name and callback into the call, then check again'
    return { findings: [{ ...wrong(about, says), calls: [1] }], calls: [createApplication()] }
  }
  const says = `${ready} of ${applications.length} ready for impersonation`
  return { findings: [ready > 0 ? ok(about, says) : wrong(about, says)], calls: [] }
}

/** Looks at everything; nothing is written anywhere. */
export const inspect = async (
  { config, warnings, ignored }: Loaded,
  options: { readonly mail: boolean },
  now: Date,
): Promise<Inspection> => {
  const about = 'configuration'
  const { finding: database, db } = await openDatabase(config)
  try {
    const encryption = await checkEncryption(config, db)
    const readiness = db && (await readReadiness(db, rootOrganization.id))
    const applications = (readiness?.applications ?? []).map((state) =>
      checkApplication(state, readiness as NonNullable<typeof readiness>, {
        allowRegexp: config.impersonation.allowRegexpCallbacks,
      }),
    )
    const overall = readiness ? checkApplications(applications) : { findings: [], calls: [] }
    const findings = [
      ok(about, config.file),
      ...warnings.map((warning) => note(about, warning)),
      ...(ignored.length > 0 ? [note(about, `without meaning here: ${ignored.join(', ')}`)] : []),
      ...checkFeature(config),
      ...(await checkPlugins(config)),
      database,
      encryption.finding,
      ...(db ? await checkSigning(config, db, encryption.vault, now) : []),
      ...checkTls(config, now),
      await checkMail(config, options.mail),
      ...(db ? [await checkPasswords(db)] : []),
      ...(db ? await checkFollowers(db, now) : []),
      ...overall.findings,
    ]
    const begunWell = applications.every(({ ready, begun }) => ready || !begun)
    return {
      baseUrl: config.server.baseUrl,
      findings,
      applications,
      calls: overall.calls,
      ready: begunWell && findings.every(({ state }) => state !== 'wrong'),
    }
  } finally {
    await db?.destroy()
  }
}
