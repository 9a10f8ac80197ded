/** A plugin's grant: it says yes or no, and for how long; the token endpoint mints. */
import type { GrantType } from 'mayact'
import * as z from 'zod'
import { jsonTable } from './json.ts'
import { type Problem, problem } from './problem.ts'
import { applicationView, organizationView, parametersView } from './views.ts'
import { within } from './within.ts'

export interface GrantAsked {
  readonly parameters: ReadonlyMap<string, string>
  readonly application: { readonly id: string; readonly name: string; readonly clientId: string }
  readonly organization: { readonly id: string; readonly name: string }
  readonly now: Date
}

export interface Granted {
  readonly seconds: number
  readonly scopes: readonly string[]
  readonly claims: Readonly<Record<string, unknown>>
}

export interface PluginGrantType {
  readonly name: string
  readonly type: string
  /** Rejects with PluginFault. */
  decide(asked: GrantAsked): Promise<Problem | Granted>
}

const granted = z.strictObject({
  seconds: z.int().min(1).max(86_400),
  scopes: z.array(z.string().regex(/^[!#-[\]-~]+$/)).default([]),
  claims: z.record(z.string(), z.unknown()).default({}),
})

const answer = z.union([problem, granted])

export const asGrantType = (plugin: GrantType<unknown>, config: unknown, limit: number): PluginGrantType => ({
  name: plugin.name,
  type: plugin.type,
  decide: (asked) =>
    within(plugin.name, limit, async (signal) =>
      answer.parse(
        jsonTable(
          await plugin.decide(
            Object.freeze({
              parameters: parametersView(asked.parameters),
              application: applicationView(asked.application),
              organization: organizationView(asked.organization),
              now: new Date(asked.now),
              config,
              signal,
            }),
          ),
        ),
      ),
    ),
})
