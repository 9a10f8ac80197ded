/** The bodies of the configuration management API, and what its columns and paths can hold. */
import * as z from 'zod'
import { largestAttribute, longestValue } from '../../directory/config-store-attributes.ts'
import type { ConfigurationAttribute } from '../../directory/config-store-resources.ts'
import { configurationProblem } from './problem.ts'

const longestName = 255

/** In the words of the document; what is missing has a code of this API's own, so here it is empty. */
const needed = (most: number) => ({
  minLength: 1,
  maxLength: most,
  pattern: '^(?!\\.{1,2}$)(?=[\\s\\S]*\\S)',
})
const name = z.string().default('').meta(needed(longestName))

/** POST and PUT /resource-type; `id` and `links` are those of an answer that is sent back, and not looked at. */
export const typeBody = z
  .strictObject({
    name,
    description: z.string().max(longestValue).nullish(),
    id: z.unknown().optional(),
    links: z.unknown().optional(),
  })
  .meta({ required: ['name'] })

/** An attribute. */
export const attributeBody = z
  .strictObject({
    key: z.string().default('').meta(needed(longestValue)),
    value: z.string().meta({ maxLength: longestValue }).nullish(),
  })
  .meta({ required: ['key'] })

/** POST and PUT /resource/{type}. */
export const resourceBody = z
  .strictObject({ name, attributes: z.array(attributeBody).nullish() })
  .meta({ required: ['name'] })

/** Whether something can go by that name: it stands in paths, where `.` and `..` are none. */
export const isName = (text: string, longest = longestName): boolean =>
  text.trim() !== '' && text.length <= longest && text !== '.' && text !== '..'

/** An attribute that the store can hold. Throws `Problem`. */
export const requireAttribute = ({ key, value }: z.output<typeof attributeBody>): ConfigurationAttribute => {
  const fits =
    isName(key, longestValue) &&
    (value ?? '').length <= longestValue &&
    Buffer.byteLength(key) + Buffer.byteLength(value ?? '') <= largestAttribute
  if (!fits) throw configurationProblem('CONFIGM_00026', key)
  return { key, value: value ?? null }
}

/** The attributes of one body, no key twice. Throws `Problem`. */
export const requireAttributes = (
  asked: readonly z.output<typeof attributeBody>[] | null | undefined,
): readonly ConfigurationAttribute[] => {
  const seen = new Set<string>()
  return (asked ?? []).map((attribute) => {
    if (seen.has(attribute.key)) throw configurationProblem('CONFIGM_00031', attribute.key)
    seen.add(attribute.key)
    return requireAttribute(attribute)
  })
}
