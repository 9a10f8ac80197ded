/** `mayact plugins list`, `types` and `new`: what is loaded, what an editor needs, and a first file. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { declarations } from '../plugins/declarations.ts'
import { starter } from '../plugins/starter.ts'
import { configure, type Invocation, Misuse } from './invocation.ts'
import { pluginsOf } from './plugins-of.ts'

/** sysexits.h: the output cannot be created. */
const cannotCreate = 73

const say = (text: string) => process.stdout.write(`${text}\n`)

const noOperands = ({ operands }: Invocation, command: string) => {
  if (operands.length > 0) throw new Misuse(`plugins ${command} takes no operands`)
}

/** Loads what a start would load; what would stop a start stops this, too. */
export const listPlugins = async (invocation: Invocation): Promise<number> => {
  noOperands(invocation, 'list')
  const { config, log } = await configure(invocation)
  const plugins = await pluginsOf(config, log)
  await plugins.remove()
  if (plugins.files.length === 0) say(`No plugins in ${config.plugins.directory}.`)
  const priorities = new Map(plugins.validators.map(({ name, priority }) => [name, ` ${priority}`]))
  for (const { name, kind, file, sha256 } of plugins.files) {
    say(`${name}  ${kind}${priorities.get(name) ?? ''}  ${file}  sha256:${sha256}`)
  }
  return 0
}

/** Writes mayact.d.ts beside the plugins. */
export const writeTypes = async (invocation: Invocation): Promise<number> => {
  noOperands(invocation, 'types')
  const { config } = await configure(invocation)
  const file = join(config.plugins.directory, 'mayact.d.ts')
  await mkdir(config.plugins.directory, { recursive: true })
  await writeFile(file, declarations)
  say(`${file} was written.`)
  return 0
}

/** Writes a commented starter, and never over a file that is there. */
export const newPlugin = async (invocation: Invocation): Promise<number> => {
  const [name, ...rest] = invocation.operands
  if (name === undefined || rest.length > 0) throw new Misuse('plugins new needs one name')
  if (!/^[a-z\d][a-z\d-]{0,63}$/.test(name)) {
    throw new Misuse(`plugins new: ${name} is no name of lower-case letters, digits and hyphens`)
  }
  const { config } = await configure(invocation)
  const { directory } = config.plugins
  const file = join(directory, `${name}.ts`)
  await mkdir(directory, { recursive: true })
  try {
    await writeFile(file, starter(name), { flag: 'wx' })
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
    process.stderr.write(`mayact: ${file} is there already\n`)
    return cannotCreate
  }
  say(`${file} was written. Change it, try it with: mayact plugins test ${file}`)
  return 0
}
