/** What an application's own settings lack for impersonation. */
import { tokenExchangeGrant } from '../../directory/applications.ts'
import type { ApplicationState } from '../../directory/readiness.ts'
import { type Finding, ok, wrong } from './finding.ts'
import { type Plan, patchApplication, putOAuth, regenerateSecret } from './plan.ts'

type Settings = Readonly<Record<string, unknown>>

const objectOf = (value: unknown): Settings =>
  typeof value === 'object' && value !== null ? (value as Settings) : {}
const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])

/** Stands for the operator's own: a callback cannot be guessed. */
const exampleCallback = 'https://client.example/cb'

interface Setting {
  readonly about: string
  readonly holds: boolean
  readonly well: string
  readonly lacks: string
  /** What the stored settings become. */
  readonly changes: Settings
}

const settingsOf = ({ application }: ApplicationState, allowRegexp: boolean): readonly Setting[] => {
  const oidc = application.oidc ?? {}
  const grants = listOf(oidc.grantTypes)
  const subjectToken = objectOf(oidc.subjectToken)
  const accessToken = objectOf(oidc.accessToken)
  const [callback] = listOf(oidc.callbackURLs)
  const isPattern = typeof callback === 'string' && callback.startsWith('regexp=')
  const callbackLacks = isPattern
    ? 'is a regexp= form, which [impersonation] allow_regexp_callbacks would have to allow; put the right one into the call'
    : 'has none; put the right one into the call'
  return [
    {
      about: 'grant',
      holds: grants.includes(tokenExchangeGrant),
      well: 'has the token-exchange grant',
      lacks: 'lacks the token-exchange grant',
      changes: { grantTypes: [...grants, tokenExchangeGrant] },
    },
    {
      about: 'subject token',
      holds: subjectToken.enable === true,
      well: 'may ask for subject tokens',
      lacks: 'may not ask for subject tokens',
      changes: { subjectToken: { ...subjectToken, enable: true } },
    },
    {
      about: 'access token',
      holds: accessToken.type === 'JWT',
      well: 'gets JWT access tokens',
      lacks: 'gets opaque access tokens, in which nobody sees who acts',
      changes: { accessToken: { ...accessToken, type: 'JWT' } },
    },
    {
      about: 'callback',
      holds: typeof callback === 'string' && (!isPattern || allowRegexp),
      well: `returns to ${callback}`,
      lacks: callbackLacks,
      changes: { callbackURLs: [exampleCallback] },
    },
  ]
}

/** Active, with the grant, subject tokens, JWTs and a callback; one call mends all of the OAuth settings. */
export const checkSettings = (
  state: ApplicationState,
  plan: Plan,
  allowRegexp: boolean,
): readonly Finding[] => {
  const { application } = state
  const findings: Finding[] = []
  if (application.revokedAt !== null) {
    const calls = [plan.add(regenerateSecret(state))]
    findings.push({ ...wrong('active', 'was revoked'), calls })
  }
  if (application.disabledAt !== null) {
    const calls = [plan.add(patchApplication(state, { applicationEnabled: true }))]
    findings.push({ ...wrong('active', 'is disabled'), calls })
  }
  const settings = settingsOf(state, allowRegexp)
  const lacking = settings.filter(({ holds }) => !holds)
  const changes = Object.assign({}, ...lacking.map((setting) => setting.changes)) as Settings
  const calls = lacking.length > 0 ? putOAuth(plan, state, changes) : []
  return [
    ...findings,
    ...settings.map(({ about, holds, well, lacks }) =>
      holds ? ok(about, well) : { ...wrong(about, lacks), calls },
    ),
  ]
}

/** Whether the impersonator is asked for consent each time: a matter of taste. */
export const checkConsent = (state: ApplicationState, plan: Plan): Finding => {
  const advanced = objectOf(state.application.model.advancedConfigurations)
  if (advanced.skipLoginConsent === true) return ok('consent', 'asks nobody for consent')
  const body = {
    advancedConfigurations: { ...advanced, skipLoginConsent: true, skipLogoutConsent: true },
  }
  const calls = [plan.add(patchApplication(state, body))]
  return { about: 'consent', state: 'note', says: 'asks for consent each time', calls }
}
