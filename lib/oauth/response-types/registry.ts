/** The response types that `[[oauth.custom_response_type]]` registers, by their exact name. */
import { ConfigurationError, type ResponseType as Configured } from '../../config.ts'
import type { ResponseType } from './response-type.ts'
import {
  type SubjectTokenNeeds,
  subjectToken,
  subjectTokenClass,
  subjectTokenValidator,
} from './subject-token.ts'

const names = new Set(['subject_token', 'id_token subject_token'])

/** Throws ConfigurationError for a class, validator or name that nothing here implements. */
export const responseTypeRegistry = (
  configured: readonly Configured[],
  file: string,
  needs: SubjectTokenNeeds,
): ReadonlyMap<string, ResponseType> => {
  const problems: string[] = []
  const types = new Map<string, ResponseType>()
  configured.forEach((entry, index) => {
    const key = `${file}: oauth.custom_response_type[${index}]`
    if (entry.class !== subjectTokenClass)
      problems.push(`${key}.class: nothing here is named ${entry.class}; use ${subjectTokenClass}`)
    else if (entry.validator !== subjectTokenValidator) {
      problems.push(
        `${key}.validator: nothing here is named ${entry.validator}; use ${subjectTokenValidator}`,
      )
    } else if (!names.has(entry.name)) {
      problems.push(
        `${key}.name: this class answers to ${[...names].map((name) => `"${name}"`).join(' and ')} only`,
      )
    } else types.set(entry.name, subjectToken(entry.name, needs))
  })
  if (problems.length > 0) throw new ConfigurationError(problems)
  return types
}
