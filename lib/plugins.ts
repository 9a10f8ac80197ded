/**
 * Drop-in rules and extensions: the files of one folder, loaded with `mayact`, `zod`, `jose` and `hono` on offer. They
 * are loaded whole or not at all; one that cannot be loaded, is configured wrongly or may be written by everybody
 * keeps the server from starting, since a rule that is not there lets everything through.
 */
import type { AuditSink, Notifier } from 'mayact'
import { ConfigurationError } from './config.ts'
import type { Validator } from './impersonation/validator.ts'
import { asClaims, type PluginClaims } from './plugins/claims.ts'
import { asGrantType, type PluginGrantType } from './plugins/grant-type.ts'
import { type LoadedFile, loadFolder, type PluginSource } from './plugins/load.ts'
import { asResponseType, type PluginResponseType } from './plugins/response-type.ts'
import { asValidator, type OnFault } from './plugins/validator.ts'

export interface Follower {
  readonly name: string
  readonly config: unknown
  readonly follows:
    | { readonly kind: 'auditSink'; readonly plugin: AuditSink<unknown> }
    | { readonly kind: 'notifier'; readonly plugin: Notifier<unknown> }
}

export interface Plugins {
  readonly validators: readonly Validator[]
  readonly responseTypes: readonly PluginResponseType[]
  readonly grantTypes: readonly PluginGrantType[]
  readonly claims: readonly PluginClaims[]
  /** Audit sinks and notifiers. */
  readonly followers: readonly Follower[]
  readonly files: readonly LoadedFile[]
  readonly warnings: readonly string[]
  /** Removes the private copy that they were imported from. */
  remove(): Promise<void>
}

export interface PluginNeeds extends PluginSource {
  readonly timeoutMilliseconds: number
  readonly onFault: OnFault
}

/** Loads the folder. Throws ConfigurationError with every problem; then nothing of it is in use. */
export const loadPlugins = async (needs: PluginNeeds): Promise<Plugins> => {
  const { timeoutMilliseconds: limit, onFault } = needs
  const { plugins, problems, warnings, remove } = await loadFolder(needs)
  if (problems.length > 0) {
    await remove()
    throw new ConfigurationError(problems)
  }
  const validators: Validator[] = []
  const responseTypes: PluginResponseType[] = []
  const grantTypes: PluginGrantType[] = []
  const claims: PluginClaims[] = []
  const followers: Follower[] = []
  for (const loaded of plugins) {
    const { config } = loaded
    if (loaded.kind === 'impersonationValidator') validators.push(asValidator(loaded.plugin, config, onFault))
    else if (loaded.kind === 'responseType') responseTypes.push(asResponseType(loaded.plugin, config, limit))
    else if (loaded.kind === 'grantType') grantTypes.push(asGrantType(loaded.plugin, config, limit))
    else if (loaded.kind === 'claims') claims.push(asClaims(loaded.plugin, config, limit))
    else followers.push({ name: loaded.plugin.name, config, follows: loaded })
  }
  const files = plugins.map(({ origin }) => origin)
  return { validators, responseTypes, grantTypes, claims, followers, files, warnings, remove }
}
