/** A plugin's settings: its `[plugins.NAME]` table, read by its own schema, once. */
import * as z from 'zod'
import { frozen } from './views.ts'

export type Settings =
  | { readonly config: unknown; readonly problems?: undefined }
  | { readonly problems: readonly string[] }

const dotted = (path: readonly PropertyKey[]) => path.map((step) => `.${String(step)}`).join('')

/** A misspelt setting is a rule that does not hold: a plain object takes no names it does not know. */
const strict = (schema: z.ZodType): z.ZodType =>
  schema instanceof z.ZodObject && schema.def.catchall === undefined ? schema.strict() : schema

/** Messages begin with the key. They show no values. */
export const readSettings = async (
  name: string,
  schema: unknown,
  table: unknown,
  file: string,
): Promise<Settings> => {
  const key = `${file}: plugins.${name}`
  if (!(schema instanceof z.ZodType)) {
    return table === undefined
      ? { config: undefined }
      : { problems: [`${key}: this plugin takes no settings`] }
  }
  try {
    const read = await strict(schema).safeParseAsync(table ?? {})
    if (read.success) return { config: frozen(read.data) }
    return { problems: read.error.issues.map(({ path, message }) => `${key}${dotted(path)}: ${message}`) }
  } catch (error) {
    return {
      problems: [`${key}: its schema failed: ${error instanceof Error ? error.message : String(error)}`],
    }
  }
}
