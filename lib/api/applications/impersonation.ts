/** Impersonation for one application, by one call: switched on, explained, switched off. This API is our own. */
import { type Context, Hono } from 'hono'
import * as z from 'zod'
import {
  impersonationScope,
  type RefusedImpersonation,
  switchImpersonationOff,
  switchImpersonationOn,
} from '../../directory/application-impersonation.ts'
import type { ApplicationRecord, Settings } from '../../directory/application-records.ts'
import { tokenExchangeGrant } from '../../directory/applications.ts'
import type { Caller } from '../../directory/caller.ts'
import { hasSubjectToken } from '../../directory/impersonation-power.ts'
import { type Readiness, readReadiness } from '../../directory/readiness.ts'
import { checkApplication } from '../../impersonation/readiness/application.ts'
import type { ApiNeeds } from '../api.ts'
import { parse, readJson } from '../body.ts'
import { requireCurrent } from '../conditional.ts'
import { gate } from '../gate.ts'
import { parameter } from '../parameter.ts'
import { Problem } from '../problem.ts'
import { finder, tagOf } from './find.ts'
import * as describe from './impersonation-operations.ts'
import { withoutNulls } from './model.ts'
import { oauthSchema } from './oauth-schema.ts'
import { settingsOf } from './oauth-settings.ts'
import { invalidApplication, lacking } from './problem.ts'

const path = '/:id/impersonation'

const name = z.string().min(1).max(255)

/** The body of POST. */
export const switchBody = z.strictObject({
  role: name.default('Impersonator'),
  impersonators: z.array(name).max(1_000).default([]),
  scopes: z.array(name).max(1_000).default([]),
})

/** A POST without a body asks for the defaults. */
const readSwitch = async (c: Context) => {
  const bare =
    c.req.header('content-type') === undefined &&
    c.req.header('transfer-encoding') === undefined &&
    Number(c.req.header('content-length') ?? 0) === 0
  return parse(switchBody, bare ? {} : withoutNulls(await readJson(c)))
}

const objectOf = (value: unknown): Settings =>
  typeof value === 'object' && value !== null ? (value as Settings) : {}
const grantsOf = (oidc: Settings): readonly unknown[] =>
  Array.isArray(oidc.grantTypes) ? oidc.grantTypes : []

const switchedOn = (oidc: Settings): Settings => ({
  ...oidc,
  grantTypes: [...new Set([...grantsOf(oidc), tokenExchangeGrant])],
  subjectToken: { ...objectOf(oidc.subjectToken), enable: true },
  accessToken: { ...objectOf(oidc.accessToken), type: 'JWT' },
})

const switchedOff = (oidc: Settings): Settings => {
  if (!hasSubjectToken(oidc)) return oidc
  const others = grantsOf(oidc).filter((grant) => grant !== tokenExchangeGrant)
  return {
    ...oidc,
    // a client has one grant at least
    grantTypes: others.length > 0 ? others : grantsOf(oidc),
    subjectToken: { ...objectOf(oidc.subjectToken), enable: false },
  }
}

const isOn = ({ oidc, disabledAt, revokedAt }: ApplicationRecord): boolean =>
  disabledAt === null &&
  revokedAt === null &&
  hasSubjectToken(oidc) &&
  grantsOf(oidc ?? {}).includes(tokenExchangeGrant)

/** What he may not list, a caller is not told the names of. */
const nameless = (readiness: Readiness): Readiness => {
  const person = (number: number) => ({ id: `{{user${number}}}`, userName: `user ${number} of your choice` })
  return {
    ...readiness,
    administrator: readiness.administrator && person(0),
    people: readiness.people.map((_, index) => person(index + 1)),
  }
}

const refusal = (refused: RefusedImpersonation, role: string): Problem => {
  switch (refused.refused) {
    case 'forbidden':
      return lacking(refused.lacking)
    case 'unknown-scopes':
      return new Problem({
        status: 400,
        code: 'APP-60508',
        message: 'Scopes not found.',
        description: refused.scopes.includes(impersonationScope)
          ? `No API resource has the scope ${impersonationScope}: put the [[api_resources]] of system:impersonation into deployment.toml.`
          : `No API resource has the scopes: ${refused.scopes.join(', ')}.`,
      })
    case 'unknown-users':
      return invalidApplication(`There are no users with the ids: ${refused.users.join(', ')}.`)
    case 'role-name':
      return invalidApplication(`No role can have the name ${role}.`)
    case 'built-in-role':
      return invalidApplication(`The role ${role} is the server's own and does not impersonate.`)
  }
}

export const impersonationRoutes = (needs: ApiNeeds) => {
  const { db, oauthRules, guard } = needs
  const guarded = gate(needs)
  const find = finder(needs)
  const rules = { allowRegexp: oauthRules.allowRegexpCallbacks }

  /** Where the feature is off nothing of it is reachable (invariant 13). */
  const requireFeature = () => {
    if (!guard.impersonationEnabled)
      throw new Problem({
        status: 404,
        code: '404',
        message: 'Not Found',
        description: 'Impersonation is switched off on this server.',
      })
  }

  const reportOn = async (caller: Caller, application: ApplicationRecord) => {
    const read = await readReadiness(db, caller.organizationId, application)
    const readiness = caller.may('internal_user_mgt_list') ? read : nameless(read)
    const [state] = readiness.applications
    if (!state) throw new Error('the readiness of an application is about it')
    const { ready, findings, calls } = checkApplication(state, readiness, rules)
    return { enabled: isOn(application), ready, findings, calls }
  }

  return new Hono()
    .get(
      path,
      guarded(
        'internal_application_mgt_view',
        async (caller, c) => {
          requireFeature()
          return c.json(await reportOn(caller, await find.application(caller, parameter(c, 'id'))))
        },
        describe.read,
      ),
    )
    .post(
      path,
      guarded(
        'internal_application_mgt_update',
        async (caller, c) => {
          requireFeature()
          const { role, impersonators, scopes } = await readSwitch(c)
          const application = await find.client(caller, parameter(c, 'id'))
          requireCurrent(c, tagOf(application))
          const wanted = parse(oauthSchema, switchedOn(application.oidc))
          const { settings } = settingsOf(wanted, oauthRules)
          const asked = { settings, scopes, role, impersonators }
          const made = await switchImpersonationOn(db, caller, new Date(), application, asked)
          if ('refused' in made) throw refusal(made, role)
          const report = await reportOn(caller, await find.application(caller, application.id))
          return c.json({ role: { id: made.role.id, name: made.role.name }, ...report })
        },
        describe.switchOn,
      ),
    )
    .delete(
      path,
      guarded(
        'internal_application_mgt_update',
        async (caller, c) => {
          requireFeature()
          const application = await find.client(caller, parameter(c, 'id'))
          requireCurrent(c, tagOf(application))
          const settings = switchedOff(application.oidc)
          const refused = await switchImpersonationOff(db, caller, new Date(), application, settings)
          if (refused) throw lacking(refused.lacking)
          return c.body(null, 204)
        },
        describe.switchOff,
      ),
    )
}
