/** What the authorization endpoint reads of a request, before anybody knows whose it is. */
import { PageProblem } from './authorization-request.ts'
import { parseForm, readForm } from './form.ts'
import { repeatableResource } from './resource.ts'

type Parameters = ReadonlyMap<string, string>

/** A paused request is kept; nobody's honest one is longer. */
export const longestRequest = 8_192

export const sizeOf = (parameters: Parameters) =>
  [...parameters].reduce((size, [name, value]) => size + name.length + value.length, 0)

/** The parameters of the query or the form. Throws PageProblem. */
export const readParameters = async (request: Request): Promise<Parameters> => {
  const form =
    request.method === 'POST'
      ? await readForm(request, repeatableResource)
      : parseForm(new URL(request.url).search.slice(1), repeatableResource)
  if (form.parameters && sizeOf(form.parameters) > longestRequest) {
    throw new PageProblem('invalid_request', 'Invalid request: the request is too long.')
  }
  if (form.parameters) return form.parameters
  const message =
    form.repeated === undefined
      ? `Invalid request: ${form.problem}.`
      : 'Invalid authorization request with repeated parameters'
  throw new PageProblem('invalid_request', message)
}
