/** A plugin's further claims for impersonated access tokens. */
import type { Claims } from 'mayact'
import type { KnownPerson } from '../directory/people.ts'
import { jsonTable } from './json.ts'
import { applicationView, frozen, organizationView, personView } from './views.ts'
import { within } from './within.ts'

export interface ClaimsAsked {
  readonly impersonator: KnownPerson
  readonly subject: KnownPerson
  readonly application: { readonly id: string; readonly name: string; readonly clientId: string }
  readonly organization: { readonly id: string; readonly name: string }
  readonly scopes: readonly string[]
  readonly now: Date
}

export interface PluginClaims {
  readonly name: string
  /** Rejects with PluginFault. */
  contribute(asked: ClaimsAsked): Promise<Readonly<Record<string, unknown>>>
}

export const asClaims = (plugin: Claims<unknown>, config: unknown, limit: number): PluginClaims => ({
  name: plugin.name,
  contribute: (asked) =>
    within(plugin.name, limit, async (signal) =>
      jsonTable(
        await plugin.contribute(
          Object.freeze({
            impersonator: personView(asked.impersonator),
            subject: personView(asked.subject),
            application: applicationView(asked.application),
            organization: organizationView(asked.organization),
            scopes: frozen([...asked.scopes]),
            now: new Date(asked.now),
            config,
            signal,
          }),
        ),
      ),
    ),
})
