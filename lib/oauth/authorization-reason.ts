/**
 * What an impersonation is for, asked of the person who wants to begin it, where it is required and his application did
 * not say it. What he types waits in the interaction until it is good; only then it is part of the request.
 */
import type { Application } from '../directory/applications.ts'
import { parameterOf, type Said, type Stated } from '../impersonation/reason.ts'
import type { ArrivedRequest } from './authorization-parameters.ts'
import type { CheckedRequest } from './authorization-request.ts'
import { OAuthError } from './error.ts'
import { findResponseType } from './response-types/registry.ts'
import type { ResponseType } from './response-types/response-type.ts'

/** The field by which the page's form names its interaction. */
export const reasonKey = 'sessionDataKeyReason'

/** A text field may have several lines; what is kept has one. */
const oneLine = (text: string) => text.replace(/\s+/g, ' ').trim()

/**
 * The paused request with what the form says, where that is `good`; else the request to show the page for again. What
 * the application said is not overwritten.
 */
export const explained = (
  responseTypes: ReadonlyMap<string, ResponseType>,
  client: Application,
  { parameters: asked, source }: ArrivedRequest,
  form: ReadonlyMap<string, string>,
): { readonly good: ArrivedRequest | undefined; readonly kept: ArrivedRequest } => {
  const type = findResponseType(responseTypes, asked.get('response_type') ?? '')
  const stated = (parameters: ReadonlyMap<string, string>) => type?.stated?.({ parameters, client })
  const before = stated(asked)
  const { typed: _, ...rest } = source
  const typed: { [name in Said]?: string } = {}
  const parameters = new Map(asked)
  for (const said of ['reason', 'ticket'] as const) {
    const text = oneLine(form.get(parameterOf[said]) ?? '')
    if (text === '' || before?.[said] !== undefined) continue
    typed[said] = text
    parameters.set(parameterOf[said], text)
  }
  const after = stated(parameters)
  const isGood = after === undefined || (!after.problem && after.missing.length === 0)
  return {
    good: isGood ? { parameters, source: rest } : undefined,
    kept: { parameters: asked, source: { ...rest, typed } },
  }
}

/**
 * Whether the person has to be asked now. What is wrong is not asked anew: it is the application's, and is refused where
 * that is audited. Throws where nobody may be shown a page.
 */
export const needsReason = (request: CheckedRequest, stated: Stated | undefined): boolean => {
  if (stated === undefined || stated.problem || stated.missing.length === 0) return false
  if (!request.prompt.has('none')) return true
  const names = stated.missing.map((said) => parameterOf[said]).join(' and ')
  throw new OAuthError('interaction_required', `${names} must be said for an impersonation here.`)
}
