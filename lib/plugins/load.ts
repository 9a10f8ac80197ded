/** Loads a folder of plugins whole or not at all, and says of each problem which file and what. */
import { join } from 'node:path'
import { copyOf } from './copies.ts'
import { type Definition, definitionOf, type Kind } from './extension.ts'
import { isPlugin, isThere, type PluginFile, readFolder } from './files.ts'
import { offerModules } from './offer.ts'
import { readSettings } from './settings.ts'

export interface PluginSource {
  readonly directory: string
  /** The `[plugins.NAME]` tables by name. */
  readonly configuration: Readonly<Record<string, unknown>>
  /** The file that has them, for messages. */
  readonly configurationFile: string
  /** Names that plugins may not have. */
  readonly builtIn: readonly string[]
  /** When given, only this file is loaded, and tables of others are nobody's problem. */
  readonly only?: string
}

export interface LoadedFile {
  readonly file: string
  readonly name: string
  readonly kind: Kind
  readonly sha256: string
}

export type LoadedPlugin = Definition & { readonly config: unknown; readonly origin: LoadedFile }

export interface Folder {
  readonly plugins: readonly LoadedPlugin[]
  readonly problems: readonly string[]
  readonly warnings: readonly string[]
  /** Removes the copy that the plugins were imported from. */
  remove(): Promise<void>
}

/** A module that waits for ever at its top would keep the server from starting without a word. */
const importMilliseconds = 10_000

/** Names that mean something else in `[plugins]`. */
const reserved = ['directory', 'timeout']

/** Without the stack, with the line, and with the operator's path in place of the copy's. */
const reasonOf = (error: unknown, copy: string, directory: string): string => {
  const message = error instanceof Error || error instanceof BuildMessage ? error.message : String(error)
  const position =
    error instanceof BuildMessage && error.position
      ? `${error.position.file.replace(copy, directory)}:${error.position.line}: `
      : ''
  return `${position}${message}`.replaceAll(copy, directory).split('\n')[0] ?? ''
}

const importWithin = async (path: string): Promise<unknown> => {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_, reject) => {
    const seconds = importMilliseconds / 1000
    timer = setTimeout(() => reject(new Error(`was not done loading after ${seconds} s`)), importMilliseconds)
  })
  try {
    return await Promise.race([import(path), late])
  } finally {
    clearTimeout(timer)
  }
}

const importOne = async (
  { name, sha256 }: PluginFile,
  copy: string,
  { directory, configuration, configurationFile }: PluginSource,
): Promise<{ plugin: LoadedPlugin } | { problems: readonly string[] }> => {
  const file = join(directory, name)
  let module: unknown
  try {
    module = await importWithin(join(copy, name))
  } catch (error) {
    return { problems: [`${file}: cannot be loaded: ${reasonOf(error, copy, directory)}`] }
  }
  const exported = typeof module === 'object' && module !== null ? Reflect.get(module, 'default') : undefined
  const definition = definitionOf(exported)
  if (!definition) {
    const wanted = 'impersonationValidator(…) or another of the kinds that mayact offers'
    const found = exported === undefined ? 'it has no default export' : 'its default export is something else'
    return { problems: [`${file}: ${found}; wanted: export default ${wanted}`] }
  }
  const { kind, plugin } = definition
  const table = Object.hasOwn(configuration, plugin.name) ? configuration[plugin.name] : undefined
  const settings = await readSettings(plugin.name, plugin.config, table, configurationFile)
  if (settings.problems) return { problems: settings.problems.map((problem) => `${problem} (${file})`) }
  const origin = { file, name: plugin.name, kind, sha256 }
  return { plugin: { ...definition, config: settings.config, origin } }
}

const sameNames = (plugins: readonly LoadedPlugin[], builtIn: readonly string[]): string[] => {
  const problems: string[] = []
  const owners = new Map<string, string>()
  const claim = (name: string, what: string, file: string) => {
    const key = name.toLowerCase()
    const owner = owners.get(key)
    if (owner === undefined) owners.set(key, file)
    else problems.push(`${file}: ${what} ${name} is taken by ${owner}`)
  }
  for (const name of reserved) owners.set(name, 'a key of [plugins]')
  for (const name of builtIn) owners.set(name.toLowerCase(), 'what is built in')
  for (const loaded of plugins) {
    claim(loaded.plugin.name, 'the name', loaded.origin.file)
    if (loaded.kind === 'grantType') claim(loaded.plugin.type, 'the grant type', loaded.origin.file)
  }
  return problems
}

const nothing = { plugins: [], problems: [], warnings: [], remove: async () => {} }

/** Reads, checks and imports. With a problem nothing of it may be used; call `remove` then, too. */
export const loadFolder = async (source: PluginSource): Promise<Folder> => {
  const { directory, configuration, configurationFile, only } = source
  const folder = (await isThere(directory)) ? await readFolder(directory) : { ...nothing, files: [] }
  const chosen = folder.files.filter(({ name }) => (only === undefined ? isPlugin(name) : name === only))
  const problems = [...folder.problems]
  const plugins: LoadedPlugin[] = []
  let remove = nothing.remove
  // what everybody may write is not run, not even to find out what else is wrong with it
  if (chosen.length > 0 && problems.length === 0) {
    await offerModules()
    const copy = await copyOf(folder.files)
    remove = copy.remove
    for (const file of chosen) {
      const found = await importOne(file, copy.path, source)
      if ('plugin' in found) plugins.push(found.plugin)
      else problems.push(...found.problems)
    }
    problems.push(...sameNames(plugins, source.builtIn))
  }
  if (only === undefined && problems.length === 0) {
    const names = new Set(plugins.map(({ plugin }) => plugin.name))
    for (const name of Object.keys(configuration)) {
      if (names.has(name)) continue
      problems.push(`${configurationFile}: plugins.${name}: there is no plugin of this name in ${directory}`)
    }
  }
  return { plugins, problems, warnings: folder.warnings, remove }
}
