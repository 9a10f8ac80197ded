/** The response types there are: the standard ones, and those that `[[oauth.custom_response_type]]` registers. */
import { ConfigurationError, type ResponseType as Configured } from '../../config.ts'
import { responseTypeName } from '../../directory/client-abilities.ts'
import { checkedBy, type PluginResponseType, pluginResponseType } from './plugin.ts'
import type { ResponseType } from './response-type.ts'
import { type StandardNeeds, standardResponseType } from './standard.ts'
import { standardResponseTypes } from './standard-names.ts'
import {
  type SubjectTokenNeeds,
  subjectToken,
  subjectTokenClass,
  subjectTokenValidator,
} from './subject-token.ts'

const names = new Set(['subject_token', 'id_token subject_token'])

/** Words that only what is built in may answer. */
const ours = ['code', 'token', 'id_token', 'subject_token', 'none']

/** `validator` beside a plugin's `class`, where the class looks at the request itself. */
const isOwnValidator = (entry: Configured) => entry.validator === entry.class

/** Throws ConfigurationError for a class, validator or name that neither we nor a plugin implement. */
export const responseTypeRegistry = (
  configured: readonly Configured[],
  file: string,
  needs: SubjectTokenNeeds & StandardNeeds,
  plugins: readonly PluginResponseType[],
): ReadonlyMap<string, ResponseType> => {
  const problems: string[] = []
  const types = new Map<string, ResponseType>(
    standardResponseTypes.map((name) => [name, standardResponseType(name, needs)]),
  )
  configured.forEach((entry, index) => {
    const key = `${file}: oauth.custom_response_type[${index}]`
    const handler = plugins.find(({ name, answer }) => answer && name === entry.class)
    const validator = plugins.find(({ name, check }) => check && name === entry.validator)
    if (handler) {
      if (entry.name.split(' ').some((word) => ours.includes(word))) {
        problems.push(`${key}.name: a plugin cannot answer with ${ours.join(', ')}`)
      } else if (!validator && !isOwnValidator(entry)) {
        problems.push(
          `${key}.validator: no plugin with a check is named ${entry.validator}; use ${entry.class} or one that has`,
        )
      } else {
        const type = pluginResponseType(entry.name, handler, needs)
        types.set(entry.name, validator ? checkedBy(validator, type) : type)
      }
    } else if (entry.class !== subjectTokenClass)
      problems.push(`${key}.class: nothing here is named ${entry.class}; use ${subjectTokenClass}`)
    else if (!validator && entry.validator !== subjectTokenValidator) {
      problems.push(
        `${key}.validator: nothing here is named ${entry.validator}; use ${subjectTokenValidator}`,
      )
    } else if (!names.has(entry.name)) {
      problems.push(
        `${key}.name: this class answers to ${[...names].map((name) => `"${name}"`).join(' and ')} only`,
      )
    } else {
      const type = subjectToken(entry.name, needs)
      types.set(entry.name, validator ? checkedBy(validator, type) : type)
    }
  })
  if (problems.length > 0) throw new ConfigurationError(problems)
  return types
}

/**
 * The type of a `response_type`. The words of a standard one may come in any order (RFC 6749 §3.1.1); a configured name
 * is matched to the letter.
 */
export const findResponseType = (
  types: ReadonlyMap<string, ResponseType>,
  name: string,
): ResponseType | undefined => types.get(name) ?? types.get(responseTypeName(name))
