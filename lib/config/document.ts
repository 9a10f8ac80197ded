import * as TOML from '@iarna/toml'
import { ConfigurationError } from './problems.ts'

export type Table = Readonly<Record<string, unknown>>

// The parser's message quotes the lines around the error, which may hold a password: only its first words are
// told.
const reasonOf = (error: Error): string =>
  error.message
    .replace(/ at row [\s\S]*$/, '')
    .replace(/^(Unknown (?:escape )?character)\b.*$/s, '$1')
    .replace(/^./, (letter) => letter.toLowerCase())

/** The tables of a TOML text, or a ConfigurationError with file, line and column, both counted from 1. */
export const documentOf = (text: string, file: string): Table => {
  try {
    return TOML.parse(text)
  } catch (error) {
    if (!(error instanceof Error && 'line' in error && 'col' in error)) throw error
    const place = `${file}:${Number(error.line) + 1}:${Number(error.col) + 1}`
    throw new ConfigurationError([
      `${place}: not valid TOML: ${reasonOf(error)}; correct this line or the one before`,
    ])
  }
}

const pluginKeys = ['directory', 'timeout']

/** Takes the tables of plugins out of `[plugins]`: what is in them is for each plugin to judge. */
export const withoutPluginTables = (tree: Table) => {
  const { plugins } = tree
  if (typeof plugins !== 'object' || plugins === null || Array.isArray(plugins))
    return { tree, configuration: {} }
  const members = Object.entries(plugins)
  const isOwn = ([name, value]: [string, unknown]) =>
    !pluginKeys.includes(name) && typeof value === 'object' && value !== null && !Array.isArray(value)
  return {
    tree: { ...tree, plugins: Object.fromEntries(members.filter((member) => !isOwn(member))) },
    configuration: Object.fromEntries(members.filter(isOwn)),
  }
}
