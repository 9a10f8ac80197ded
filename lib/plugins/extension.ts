/** The functions that the module 'mayact' offers: each looks at what a plugin says of itself and remembers it. */
import type {
  AuditSink,
  Claims,
  Extension,
  GrantType,
  ImpersonationValidator,
  Notifier,
  ResponseType,
} from 'mayact'
import * as z from 'zod'

/** Settings are read by the plugin's own schema, so what they are is for the plugin alone to know. */
export type Definition =
  | { readonly kind: 'impersonationValidator'; readonly plugin: ImpersonationValidator<unknown> }
  | { readonly kind: 'responseType'; readonly plugin: ResponseType<unknown> }
  | { readonly kind: 'grantType'; readonly plugin: GrantType<unknown> }
  | { readonly kind: 'claims'; readonly plugin: Claims<unknown> }
  | { readonly kind: 'auditSink'; readonly plugin: AuditSink<unknown> }
  | { readonly kind: 'notifier'; readonly plugin: Notifier<unknown> }

export type Kind = Definition['kind']

const callable = z.custom((value) => typeof value === 'function', { error: 'must be a function' })

const named = {
  name: z
    .string()
    .regex(/^[A-Za-z\d][\w.-]{0,99}$/, { error: 'must be a name of letters, digits, "-", "_" and "."' }),
  config: z.custom((value) => value instanceof z.ZodType, { error: 'must be a schema of zod' }).optional(),
}

const shapes: Readonly<Record<Kind, z.ZodType>> = {
  impersonationValidator: z.strictObject({ ...named, priority: z.number(), validate: callable }),
  responseType: z
    .strictObject({ ...named, check: callable.optional(), answer: callable.optional() })
    .refine(({ check, answer }) => check !== undefined || answer !== undefined, {
      error: 'has neither check nor answer',
    }),
  grantType: z.strictObject({
    ...named,
    type: z.string().refine((value) => /^[!#-[\]-~]+$/.test(value) && URL.canParse(value), {
      error: 'must be an absolute URI',
    }),
    decide: callable,
  }),
  claims: z.strictObject({ ...named, contribute: callable }),
  auditSink: z.strictObject({ ...named, receive: callable }),
  notifier: z.strictObject({ ...named, started: callable }),
}

const made = new WeakMap<object, Definition>()

/** What a default export was made of, or undefined when none of our functions made it. */
export const definitionOf = (value: unknown): Definition | undefined =>
  typeof value === 'object' && value !== null ? made.get(value) : undefined

const maker =
  (kind: Kind) =>
  (plugin: unknown): Extension => {
    const checked = shapes[kind].safeParse(plugin)
    if (!checked.success) {
      const problems = checked.error.issues.map(({ path, message }) => `${path.join('.')} ${message}`.trim())
      throw new TypeError(`${kind}(…): ${problems.join('; ')}`)
    }
    // a copy: what was checked is what will run
    const definition = { kind, plugin: Object.freeze({ ...(plugin as object) }) } as Definition
    const extension = Object.freeze({ kind, name: definition.plugin.name })
    made.set(extension, definition)
    return extension
  }

/** The exports of the module 'mayact'. */
export const offered = {
  impersonationValidator: maker('impersonationValidator'),
  responseType: maker('responseType'),
  grantType: maker('grantType'),
  claims: maker('claims'),
  auditSink: maker('auditSink'),
  notifier: maker('notifier'),
} satisfies Record<Kind, unknown>
