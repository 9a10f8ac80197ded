/** What a plugin may import from 'mayact'. This text is also what `mayact plugins types` writes beside the plugins. */
declare module 'mayact' {
  import type { ZodType } from 'zod'

  /** A user. Everything that a plugin is given is frozen: it is a picture, and changing it changes nothing. */
  export interface Person {
    readonly id: string
    readonly userName: string
    readonly email: string | undefined
    readonly organizationId: string
    readonly roles: readonly { readonly id: string; readonly name: string }[]
    readonly locked: boolean
    readonly disabled: boolean
  }

  export interface Application {
    readonly id: string
    readonly name: string
    readonly clientId: string
  }

  export interface Organization {
    readonly id: string
    readonly name: string
  }

  /** What every call of a plugin is given. */
  interface Asked<Config> {
    readonly now: Date
    /** The `[plugins.NAME]` table of deployment.toml, as the plugin's own schema read it. */
    readonly config: Config
    /** Aborted when the answer is no longer waited for. */
    readonly signal: AbortSignal
  }

  interface Named<Config> {
    /** Letters, digits, `-`, `_` and `.`; no two plugins share one. Its settings are `[plugins.NAME]`. */
    readonly name: string
    /** Without a schema the plugin takes no settings. Unknown settings stop the start. */
    readonly config?: ZodType<Config>
  }

  type Eventually<Value> = Value | Promise<Value>

  /** A value that JSON can say. */
  export type Json =
    | string
    | number
    | boolean
    | null
    | readonly Json[]
    | { readonly [name: string]: Json | undefined }

  // ---- impersonationValidator: may this person act as that one?

  export interface ImpersonationRequest<Config> extends Asked<Config> {
    /** Asked twice: when the subject token is made, and again when it is exchanged. */
    readonly phase: 'authorize' | 'exchange'
    readonly impersonator: Person
    readonly subject: Person
    readonly application: Application
    readonly organization: Organization
    readonly requestedScopes: readonly string[]
    /** What earlier validators have left of them. */
    readonly scopes: readonly string[]
    /** What the impersonator said that it is for; the same at exchange as at authorize. */
    readonly reason: string | undefined
    /** Where that is written: the number of a ticket, say. */
    readonly ticket: string | undefined
  }

  export type Verdict =
    /** `scopes` may be fewer than were offered, never others. */
    | { readonly allow: true; readonly scopes: readonly string[] }
    /** Code and message go into the audit; the client hears `access_denied`. */
    | { readonly allow: false; readonly code: string; readonly message: string }

  export interface ImpersonationValidator<Config> extends Named<Config> {
    /** The highest runs first; the built-in ones have 400, 300, 200, 175, 150 and 80. */
    readonly priority: number
    validate(request: ImpersonationRequest<Config>): Eventually<Verdict>
  }

  // ---- responseType: what `class` or `validator` of [[oauth.custom_response_type]] names

  export interface Problem {
    /** An OAuth error code, such as `invalid_request` or `access_denied`. */
    readonly error: string
    readonly description: string
  }

  export interface ResponseTypeRequest<Config> extends Asked<Config> {
    readonly parameters: Readonly<Record<string, string>>
    /** The person who signed in. */
    readonly person: Person
    readonly application: Application
    readonly organization: Organization
    readonly scopes: readonly string[]
  }

  export interface Statement {
    readonly claims: Readonly<Record<string, Json>>
    readonly seconds: number
  }

  export interface ResponseType<Config> extends Named<Config> {
    /** Looks at the request before anybody signs in. It must not wait for anything. */
    check?(request: {
      readonly parameters: Readonly<Record<string, string>>
      readonly config: Config
    }): Problem | undefined
    /**
     * Answers the person who signed in. `parameters` go into the redirect; a `statement` is signed by the server
     * about that person for that client, and goes out as the parameter that its name says.
     */
    answer?(request: ResponseTypeRequest<Config>): Eventually<
      | Problem
      | {
          readonly parameters?: Readonly<Record<string, string>>
          readonly statements?: Readonly<Record<string, Statement>>
        }
    >
  }

  // ---- grantType: a further grant_type of the token endpoint

  export interface GrantRequest<Config> extends Asked<Config> {
    readonly parameters: Readonly<Record<string, string>>
    /** The client, which has authenticated and may use this grant. */
    readonly application: Application
    readonly organization: Organization
  }

  export interface GrantType<Config> extends Named<Config> {
    /** The `grant_type`: an absolute URI of your own. */
    readonly type: string
    /** The answer is an access token of the client itself; `claims` and `scopes` go into it. It never acts for a user. */
    decide(request: GrantRequest<Config>): Eventually<
      | Problem
      | {
          readonly seconds: number
          readonly scopes?: readonly string[]
          readonly claims?: Readonly<Record<string, Json>>
        }
    >
  }

  // ---- claims: more claims for impersonated access tokens

  export interface ClaimsRequest<Config> extends Asked<Config> {
    readonly impersonator: Person
    readonly subject: Person
    readonly application: Application
    readonly organization: Organization
    readonly scopes: readonly string[]
  }

  export interface Claims<Config> extends Named<Config> {
    /** Claims that the server owns (`iss`, `sub`, `act`, `scope`, …) are left out of what this returns. */
    contribute(request: ClaimsRequest<Config>): Eventually<Readonly<Record<string, Json>>>
  }

  // ---- auditSink and notifier: told afterwards, at least once; they can stop nothing

  export interface AuditRow {
    readonly id: string
    /** Its place in the sealed chain: 1, 2, 3 …, without a gap. */
    readonly position: number
    readonly at: string
    readonly event: string
    readonly initiator: string
    readonly target: string
    readonly data: Json
    readonly outcome: string
    readonly impersonatorId: string | undefined
    readonly subjectId: string | undefined
    readonly applicationId: string | undefined
    readonly organizationId: string | undefined
    readonly impersonationId: string | undefined
    readonly traceId: string
  }

  export interface AuditSink<Config> extends Named<Config> {
    /** Rows that are committed. Whoever throws or is late is given the same rows again. */
    receive(request: Asked<Config> & { readonly rows: readonly AuditRow[] }): Eventually<void>
  }

  export interface Started<Config> extends Asked<Config> {
    readonly impersonationId: string
    readonly at: string
    readonly impersonatorId: string
    readonly subjectId: string
    readonly clientId: string
    readonly scopes: readonly string[]
  }

  export interface Notifier<Config> extends Named<Config> {
    /** An impersonation has started. Whoever throws or is late is told again. */
    started(request: Started<Config>): Eventually<void>
  }

  /** What a file in the folder of plugins exports by default; made by the functions below alone. */
  export interface Extension {
    readonly kind:
      | 'impersonationValidator'
      | 'responseType'
      | 'grantType'
      | 'claims'
      | 'auditSink'
      | 'notifier'
    readonly name: string
  }

  export function impersonationValidator<Config = undefined>(
    plugin: ImpersonationValidator<Config>,
  ): Extension
  export function responseType<Config = undefined>(plugin: ResponseType<Config>): Extension
  export function grantType<Config = undefined>(plugin: GrantType<Config>): Extension
  export function claims<Config = undefined>(plugin: Claims<Config>): Extension
  export function auditSink<Config = undefined>(plugin: AuditSink<Config>): Extension
  export function notifier<Config = undefined>(plugin: Notifier<Config>): Extension
}
