/** The form that an endpoint cannot do without. */
import { OAuthError } from './error.ts'
import { readForm } from './form.ts'

/** Reads it. Throws OAuthError `invalid_request` for another content type, a repeated name, or what is not UTF-8. */
export const requireForm = async (request: Request): Promise<ReadonlyMap<string, string>> => {
  const form = await readForm(request)
  if (form.parameters) return form.parameters
  const description =
    form.repeated === undefined
      ? `Invalid request: ${form.problem}.`
      : 'Invalid request with repeated parameters.'
  throw new OAuthError('invalid_request', description)
}
