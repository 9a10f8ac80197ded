/** One application: what it lacks for impersonation, and the calls that bring it. */
import { impersonationScopes } from '../../directory/permissions.ts'
import type { ApplicationState, Person, Readiness } from '../../directory/readiness.ts'
import { type Call, type Finding, note, ok, wrong } from './finding.ts'
import { addScopes, authorizeApi, createRole, joinRole, newPlan, type Plan } from './plan.ts'
import { checkConsent, checkSettings } from './settings.ts'

export interface ApplicationReport {
  readonly id: string
  readonly name: string
  readonly clientId: string
  /** Nothing is missing. */
  readonly ready: boolean
  /** Somebody began to set it up for impersonation. */
  readonly begun: boolean
  readonly findings: readonly Finding[]
  /** To be made in this order. */
  readonly calls: readonly Call[]
}

const permission = 'internal_user_impersonate'
const usualScopes = ['internal_user_mgt_view', 'internal_user_mgt_list']

const authorizedScopes = ({ apis }: ApplicationState) => [...apis.values()].flat()

const checkApi = (state: ApplicationState, { apiOf }: Readiness, plan: Plan): Finding => {
  const about = 'API'
  if (authorizedScopes(state).some((scope) => impersonationScopes.has(scope))) {
    return ok(about, 'is authorized for User Impersonation')
  }
  const apiId = apiOf.get(permission)
  const says = 'is not authorized for User Impersonation'
  if (apiId === undefined) {
    return wrong(
      about,
      says,
      'put the [[api_resources]] of system:impersonation into deployment.toml, restart',
    )
  }
  if (state.apis.has(apiId)) {
    const calls = [plan.add(addScopes(state, apiId, [permission]))]
    return { ...wrong(about, `is authorized for it without ${permission}`), calls }
  }
  return { ...wrong(about, says), calls: [plan.add(authorizeApi(state, apiId, [permission]))] }
}

const holdersOf = ({ holders }: ApplicationState, scopes: Iterable<string>) => [
  ...new Set([...scopes].flatMap((scope) => holders.get(scope) ?? [])),
]

/** Who would become an impersonator by the printed call: the administrator who makes it, or else anybody. */
const candidate = ({ administrator, people }: Readiness): Person | undefined => administrator ?? people[0]

const another = 'name somebody else in the call if that is not right'

const checkRole = (state: ApplicationState, readiness: Readiness, plan: Plan): readonly Finding[] => {
  const role = state.roles.find(({ scopes }) => scopes.some((scope) => impersonationScopes.has(scope)))
  const member = candidate(readiness)
  const nobody = 'create a user by POST /scim2/Users, then check again'
  if (!role) {
    const call = createRole(state, readiness, { name: 'Impersonator', permissions: [permission], member })
    const calls = [plan.add(call)]
    const says = member
      ? `nobody may impersonate; the call names ${member.userName}: ${another}`
      : 'nobody may impersonate'
    const whom = member ? { calls } : { mend: nobody }
    return [
      { ...wrong('role', `no role that counts here has ${permission}`), calls },
      { ...wrong('impersonator', says), ...whom },
    ]
  }
  const found = ok('role', `${role.name} has ${permission}`)
  if (holdersOf(state, impersonationScopes).length > 0) {
    return [found, ok('impersonator', 'somebody active may impersonate')]
  }
  const says = `nobody active is in ${role.name}`
  if (!member) return [found, wrong('impersonator', says, nobody)]
  const calls = [plan.add(joinRole(role.id, member))]
  return [
    found,
    { ...wrong('impersonator', `${says}; the call names ${member.userName}: ${another}`), calls },
  ]
}

/** Scopes worth having as somebody else: those that look, before those that change. */
const worthwhile = (scopes: readonly string[]): readonly string[] => {
  const others = scopes.filter((scope) => !impersonationScopes.has(scope))
  const harmless = others.filter((scope) => !scope.startsWith('internal_') || /_(view|list)$/.test(scope))
  return harmless.length > 0 ? harmless : others.slice(0, 1)
}

/** An impersonated token has the scopes of the subject: without any it opens /scim2/Me and userinfo, and no API. */
const checkSubject = (state: ApplicationState, readiness: Readiness, plan: Plan): Finding => {
  const about = 'subject'
  const impersonators = holdersOf(state, impersonationScopes)
  const authorized = worthwhile(authorizedScopes(state))
  const open = state.openScopes.some((scope) => !impersonationScopes.has(scope))
  const subjects = open ? readiness.people.map(({ id }) => id) : holdersOf(state, authorized)
  // whoever is alone in both roles has nobody to act for
  const alone = impersonators.length > 1 ? undefined : (impersonators[0] ?? candidate(readiness)?.id)
  if (subjects.some((id) => id !== alone)) return ok(about, 'a user who holds scopes can be impersonated')
  const member = readiness.people.find(({ id }) => id !== alone)
  if (!member) return note(about, 'there is no user to impersonate', 'create one by POST /scim2/Users')
  const calls: number[] = []
  const usersApi = readiness.apiOf.get(usualScopes[0] ?? '')
  if (authorized.length === 0 && usersApi !== undefined) {
    const call = state.apis.has(usersApi) ? addScopes : authorizeApi
    calls.push(plan.add(call(state, usersApi, usualScopes)))
  }
  const permissions = authorized.length > 0 ? authorized : usualScopes
  const role = state.roles.find(
    ({ scopes }) =>
      scopes.some((scope) => permissions.includes(scope)) &&
      !scopes.some((scope) => impersonationScopes.has(scope)),
  )
  const call = role
    ? joinRole(role.id, member)
    : createRole(state, readiness, { name: 'EndUser', permissions, member })
  calls.push(plan.add(call))
  const says = `no user holds an API scope here: impersonated tokens would carry none; the call names ${member.userName}: ${another}`
  return { ...note(about, says), calls }
}

/** Everything about one application. */
export const checkApplication = (
  state: ApplicationState,
  readiness: Readiness,
  rules: { readonly allowRegexp: boolean },
): ApplicationReport => {
  const plan = newPlan()
  const settings = checkSettings(state, plan, rules.allowRegexp)
  const api = checkApi(state, readiness, plan)
  const findings = [
    ...settings,
    api,
    ...checkRole(state, readiness, plan),
    checkSubject(state, readiness, plan),
    checkConsent(state, plan),
  ]
  const { id, name, clientId } = state.application
  const signs = [...settings.filter(({ about }) => about === 'grant' || about === 'subject token'), api]
  return {
    id,
    name,
    clientId,
    ready: findings.every((finding) => finding.state !== 'wrong'),
    begun: signs.some((finding) => finding.state === 'ok'),
    findings,
    calls: plan.calls,
  }
}
