/**
 * What is said of a route in the OpenAPI document. Path and method come from the route itself, the permission from its
 * rule, and the schemas are those that validate: there is nothing to keep in step.
 */
import type { ZodObject, ZodType } from 'zod'

export interface Answer {
  readonly description: string
  /** Of its body; none when it has no body, or the usual one of an error. */
  readonly schema?: ZodType | undefined
  /** An error without a body. */
  readonly empty?: boolean | undefined
  /** Its media type, `application/json` unless said. */
  readonly type?: string | undefined
  /** Names of the headers that it carries. */
  readonly headers?: readonly string[] | undefined
}

export interface Operation {
  /** `operationId`: unique, in camel case, such as `createApplication`. */
  readonly id: string
  readonly summary: string
  /** The chapter it stands in, such as `Applications`. */
  readonly tag: string
  /** The parameters of the query. */
  readonly query?: ZodObject | undefined
  /** The body of the request; by media type when there is more than one. */
  readonly body?: ZodType | undefined
  /** Whether a null in the body is the same as leaving its member out. */
  readonly nulls?: 'absent' | undefined
  /** The media type of the body, `application/json` unless said. */
  readonly type?: string | undefined
  /**
   * By status. Those of the gate (401, 403, 503), of bodies that cannot be read (400, 413) and of `If-Match` (412, with
   * `conditional`) are added by themselves.
   */
  readonly answers: Readonly<Record<number, Answer>>
  /** Whether it honours `If-Match`. */
  readonly conditional?: boolean | undefined
}

/** Made when the document is asked for: a start has no time for it. */
export type Describe = () => Operation
