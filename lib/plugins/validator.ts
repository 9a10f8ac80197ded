/** A plugin's rule as the decision asks it. */
import type { ImpersonationValidator } from 'mayact'
import type { Validator, ValidatorAnswer } from '../impersonation/validator.ts'
import { applicationView, frozen, organizationView, personView } from './views.ts'

const longest = 200

/** A copy, since what a plugin returned may change while it is looked at. */
const verdictOf = (answer: unknown): ValidatorAnswer => {
  if (typeof answer !== 'object' || answer === null || !('allow' in answer)) throw new Error('not a verdict')
  const { allow } = answer
  if (allow === true && 'scopes' in answer && Array.isArray(answer.scopes)) {
    return { allow, scopes: [...answer.scopes] }
  }
  if (allow !== false) throw new Error('not a verdict')
  const [code, message] = ['code', 'message'].map((name) => {
    const value: unknown = Reflect.get(answer, name)
    return typeof value === 'string' && value !== '' ? value.slice(0, longest) : undefined
  })
  return { allow, code: code ?? 'refused', message: message ?? 'refused without a message' }
}

/** Told of what a plugin did wrong; what it refused is in the audit. */
export type OnFault = (plugin: string, error: unknown) => void

export const asValidator = (
  plugin: ImpersonationValidator<unknown>,
  config: unknown,
  onFault: OnFault,
): Validator => ({
  name: plugin.name,
  priority: plugin.priority,
  async validate(request) {
    const people = await request.people()
    const impersonator = people.get(request.impersonator.id)
    const subject = request.subject && people.get(request.subject.id)
    // nobody is impersonated who is not there, whatever a plugin would say to that
    if (!impersonator || !subject) {
      return { allow: false, code: 'unknown_subject', message: 'nobody has the requested id' }
    }
    const view = {
      phase: request.phase,
      impersonator: personView(impersonator),
      subject: personView(subject),
      application: applicationView(request.application),
      organization: organizationView(request.organization),
      requestedScopes: frozen([...request.requestedScopes]),
      scopes: frozen([...request.scopes]),
      reason: request.reason,
      ticket: request.ticket,
      now: new Date(request.now),
      config,
      signal: request.signal,
    }
    try {
      return verdictOf(await plugin.validate(Object.freeze(view)))
    } catch (error) {
      onFault(plugin.name, error)
      throw error
    }
  },
})
