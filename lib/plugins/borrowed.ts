/** What an editor is told of the other modules on offer, for folders in which none of them is installed. */
export const borrowed = `declare module 'zod' {
  export interface ZodType<Output = unknown> {
    readonly _zod: { readonly output: Output }
    parse(value: unknown): Output
    safeParse(value: unknown): { success: true; data: Output; error?: never } | { success: false; data?: never; error: ZodError }
    parseAsync(value: unknown): Promise<Output>
    optional(): ZodType<Output | undefined>
    nullable(): ZodType<Output | null>
    default(value: Output): ZodType<Output>
    prefault(value: unknown): ZodType<Output>
    array(): ZodType<Output[]>
    refine(check: (value: Output) => unknown, options?: string | { error?: string; path?: PropertyKey[] }): this
    transform<Next>(change: (value: Output) => Next): ZodType<Next>
    pipe<Next>(next: ZodType<Next>): ZodType<Next>
    describe(text: string): this
  }
  export interface ZodError extends Error {
    readonly issues: readonly { readonly path: PropertyKey[]; readonly message: string }[]
  }
  interface Text<Output = string> extends ZodType<Output> {
    min(length: number, error?: string): this
    max(length: number, error?: string): this
    length(length: number, error?: string): this
    regex(pattern: RegExp, error?: string): this
    startsWith(text: string): this
    endsWith(text: string): this
    trim(): this
    toLowerCase(): this
  }
  interface Numeric extends ZodType<number> {
    min(value: number, error?: string): this
    max(value: number, error?: string): this
    int(): this
    positive(): this
    nonnegative(): this
  }
  interface List<Element> extends ZodType<Element[]> {
    min(length: number, error?: string): this
    max(length: number, error?: string): this
  }
  type Shape = Readonly<Record<string, ZodType>>
  type OptionalNames<S extends Shape> = { [Name in keyof S]: undefined extends output<S[Name]> ? Name : never }[keyof S]
  type Properties<S extends Shape> = { [Name in Exclude<keyof S, OptionalNames<S>>]: output<S[Name]> } & {
    [Name in OptionalNames<S>]?: output<S[Name]>
  }
  interface Table<S extends Shape> extends ZodType<Properties<S>> {
    strict(): this
    extend<More extends Shape>(shape: More): Table<S & More>
    partial(): ZodType<Partial<Properties<S>>>
    readonly shape: S
  }
  export type output<Schema> = Schema extends { readonly _zod: { readonly output: infer Output } } ? Output : never
  export type infer<Schema> = output<Schema>
  export function string(): Text
  export function email(): Text
  export function uuid(): Text
  export function url(): Text
  export function number(): Numeric
  export function int(): Numeric
  export function boolean(): ZodType<boolean>
  export function date(): ZodType<Date>
  export function unknown(): ZodType<unknown>
  export function literal<const Value extends string | number | boolean | null>(value: Value): ZodType<Value>
  const enumeration: <const Values extends readonly string[]>(values: Values) => ZodType<Values[number]>
  export { enumeration as enum }
  export function array<Schema extends ZodType>(element: Schema): List<output<Schema>>
  export function tuple<const Schemas extends readonly ZodType[]>(
    schemas: Schemas,
  ): ZodType<{ -readonly [Index in keyof Schemas]: output<Schemas[Index]> }>
  export function record<Value extends ZodType>(key: ZodType<string>, value: Value): ZodType<Record<string, output<Value>>>
  export function union<const Schemas extends readonly ZodType[]>(schemas: Schemas): ZodType<output<Schemas[number]>>
  export function object<S extends Shape>(shape: S): Table<S>
  export function strictObject<S extends Shape>(shape: S): Table<S>
  export * as z from 'zod'
}

declare module 'jose' {
  export interface JWTPayload {
    iss?: string
    sub?: string
    aud?: string | string[]
    exp?: number
    iat?: number
    jti?: string
    [claim: string]: unknown
  }
  interface VerifyOptions {
    issuer?: string | string[]
    audience?: string | string[]
    typ?: string
    algorithms?: string[]
    requiredClaims?: string[]
    currentDate?: Date
  }
  type Key = CryptoKey | Uint8Array
  type KeySet = (header: { readonly alg?: string; readonly kid?: string }) => Promise<Key>
  export function jwtVerify(
    jwt: string,
    key: Key | KeySet,
    options?: VerifyOptions,
  ): Promise<{ payload: JWTPayload; protectedHeader: Record<string, unknown> }>
  export function decodeJwt(jwt: string): JWTPayload
  export function createRemoteJWKSet(url: URL, options?: { timeoutDuration?: number }): KeySet
  export function createLocalJWKSet(set: { keys: readonly Record<string, unknown>[] }): KeySet
  export function importPKCS8(pem: string, algorithm: string): Promise<CryptoKey>
  export function importSPKI(pem: string, algorithm: string): Promise<CryptoKey>
  export class SignJWT {
    constructor(payload: JWTPayload)
    setProtectedHeader(header: { alg: string; kid?: string; typ?: string }): this
    setIssuer(issuer: string): this
    setSubject(subject: string): this
    setAudience(audience: string | string[]): this
    setIssuedAt(at?: number): this
    setExpirationTime(at: number | string): this
    setJti(id: string): this
    sign(key: Key): Promise<string>
  }
}

declare module 'hono' {
  interface Context {
    readonly req: {
      readonly path: string
      readonly method: string
      param(name: string): string
      query(name: string): string | undefined
      header(name: string): string | undefined
      json(): Promise<unknown>
      text(): Promise<string>
    }
    json(value: unknown, status?: number): Response
    text(value: string, status?: number): Response
  }
  type Handler = (context: Context) => Response | Promise<Response>
  export class Hono {
    get(path: string, handler: Handler): this
    post(path: string, handler: Handler): this
    request(path: string, init?: RequestInit): Promise<Response>
    fetch(request: Request): Promise<Response>
  }
}
`
