/** A plugin's response type: parameters for the redirect, and statements that the server signs. */
import type { ResponseType } from 'mayact'
import * as z from 'zod'
import type { KnownPerson } from '../directory/people.ts'
import { jsonTable } from './json.ts'
import { type Problem, problem } from './problem.ts'
import { applicationView, frozen, organizationView, parametersView, personView } from './views.ts'
import { within } from './within.ts'

export interface ResponseAsked {
  readonly parameters: ReadonlyMap<string, string>
  readonly person: KnownPerson
  readonly application: { readonly id: string; readonly name: string; readonly clientId: string }
  readonly organization: { readonly id: string; readonly name: string }
  readonly scopes: readonly string[]
  readonly now: Date
}

export interface PluginAnswer {
  readonly parameters: Readonly<Record<string, string>>
  readonly statements: Readonly<
    Record<string, { readonly claims: Readonly<Record<string, unknown>>; readonly seconds: number }>
  >
}

export interface PluginResponseType {
  readonly name: string
  readonly check: ((parameters: ReadonlyMap<string, string>) => Problem | undefined) | undefined
  /** Rejects with PluginFault. */
  readonly answer: ((asked: ResponseAsked) => Promise<Problem | PluginAnswer>) | undefined
}

/** What the server itself puts into a redirect. */
const owned = new Set([
  'access_token',
  'code',
  'error',
  'error_description',
  'error_uri',
  'id_token',
  'iss',
  'session_state',
  'state',
  'subject_token',
  'token_type',
])
const parameterName = z
  .string()
  .regex(/^[a-z][a-z\d_]{0,63}$/)
  .refine((name) => !owned.has(name), { error: 'is a parameter of the server' })

const answered = z.strictObject({
  parameters: z.record(parameterName, z.string()).default({}),
  statements: z
    .record(
      parameterName,
      z.strictObject({ claims: z.record(z.string(), z.unknown()), seconds: z.int().min(1).max(86_400) }),
    )
    .default({}),
})

const answer = z.union([problem, answered])

export const asResponseType = (
  plugin: ResponseType<unknown>,
  config: unknown,
  limit: number,
): PluginResponseType => ({
  name: plugin.name,
  check:
    plugin.check &&
    ((parameters) => {
      const found = plugin.check?.(Object.freeze({ parameters: parametersView(parameters), config }))
      return found === undefined ? undefined : problem.parse(jsonTable(found))
    }),
  answer:
    plugin.answer &&
    ((asked) =>
      within(plugin.name, limit, async (signal) =>
        answer.parse(
          jsonTable(
            await plugin.answer?.(
              Object.freeze({
                parameters: parametersView(asked.parameters),
                person: personView(asked.person),
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
      )),
})
