/** Resource indicators (RFC 8707): which APIs a token is asked for, named by absolute URIs. */
import type { Application } from '../directory/applications.ts'
import { OAuthError } from './error.ts'
import type { Repeatable } from './form.ts'

/** For `parseForm` and `readForm` of the endpoints that take `resource`. */
export const repeatableResource: Repeatable = new Set(['resource'])

/** What no URI has (RFC 3986 §2). */
const foreign = /[^\x21-\x7e]|["<>\\^`{|}]/

const isResource = (text: string) => !foreign.test(text) && !text.includes('#') && URL.canParse(text)

/**
 * The resources of a request, each once, in the order asked for; every one is an API that the application is authorized
 * for. Throws OAuthError `invalid_target`, the same for a URI of no API and for another application's.
 */
export const readResources = (value: string | undefined, application: Application): readonly string[] => {
  const resources = [...new Set((value ?? '').split(' ').filter((text) => text !== ''))]
  if (resources.every((text) => isResource(text) && application.resources.has(text))) return resources
  throw new OAuthError(
    'invalid_target',
    'The resource is not an absolute URI of an API that the application is authorized for.',
  )
}

/**
 * RFC 8707 §2.2: those named at the token endpoint, each of which was asked for at the authorization; all of these when
 * none is named. Throws OAuthError `invalid_target`.
 */
export const narrowedResources = (
  granted: readonly string[],
  value: string | undefined,
  application: Application,
): readonly string[] => {
  const asked = readResources(value, application)
  if (asked.length === 0) return granted
  if (asked.every((resource) => granted.includes(resource))) return asked
  throw new OAuthError('invalid_target', 'A resource was not asked for at the authorization.')
}
