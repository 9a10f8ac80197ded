/** The same guard for servers in the manner of Hono (Fetch) and of Express (Node). */
import { type Access, accessReader, type Incoming, type ResourceRules } from './access.ts'
import type { Policy } from './policy.ts'
import { Refused } from './refused.ts'

/** As much of Hono's context as is used here. */
export interface HonoContext {
  readonly req: { readonly raw: Request }
  set(key: 'access', value: Access): void
}

/** As much of Express's request and response as is used here. */
export interface NodeRequest {
  readonly method?: string | undefined
  readonly url?: string | undefined
  readonly originalUrl?: string | undefined
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  access?: Access
}
export interface NodeResponse {
  statusCode: number
  setHeader(name: string, value: string): unknown
  end(body: string): unknown
}

export interface Resource {
  /** The access of a request. Throws `Refused`; what else it throws is a server that did not answer. */
  verify(request: Incoming, ...policies: readonly Policy[]): Promise<Access>
  /** Middleware for Hono: `c.get('access')`. */
  hono(
    ...policies: readonly Policy[]
  ): (c: HonoContext, next: () => Promise<void>) => Promise<Response | undefined>
  /** Middleware for Express and what takes the same: `request.access`. */
  express(
    ...policies: readonly Policy[]
  ): (request: NodeRequest, response: NodeResponse, next: (error?: unknown) => void) => Promise<void>
}

const pathOf = (url: string) => new URL(url).pathname

/**
 * A resource server that knows mayact's tokens. `origin` is where its clients find it, such as
 * `https://api.example.com`: with it a server behind a proxy checks what DPoP proofs are for.
 */
export const resource = (rules: ResourceRules & { readonly origin?: string | undefined }): Resource => {
  const readAccess = accessReader(rules)

  const verify: Resource['verify'] = async (request, ...policies) => {
    const access = await readAccess(request)
    const { impersonation } = access
    let refused: unknown
    try {
      for (const policy of policies) policy(access, request.method)
    } catch (error) {
      refused = error
    }
    if (impersonation) {
      await rules.onImpersonated?.({
        at: new Date(),
        subject: access.subject,
        actor: impersonation.actor,
        chain: impersonation.chain,
        client: access.client,
        token: access.claims.jti,
        method: request.method,
        path: pathOf(request.url),
        allowed: refused === undefined,
      })
    }
    if (refused !== undefined) throw refused
    return access
  }

  /** Put together as text: a path that begins with two slashes is not another host. */
  const published = ({ origin, pathname, search }: URL) =>
    `${rules.origin ? new URL(rules.origin).origin : origin}${pathname}${search}`

  return {
    verify,
    hono:
      (...policies) =>
      async (c, next) => {
        const { raw } = c.req
        try {
          const url = published(new URL(raw.url))
          const header = (name: string) => raw.headers.get(name) ?? undefined
          c.set('access', await verify({ method: raw.method, url, header }, ...policies))
        } catch (error) {
          if (!(error instanceof Refused)) throw error
          const headers = new Headers({ 'Cache-Control': 'no-store' })
          if (error.challenge !== undefined) headers.set('WWW-Authenticate', error.challenge)
          return Response.json(error.body, { status: error.status, headers })
        }
        await next()
        return undefined
      },
    express:
      (...policies) =>
      async (request, response, next) => {
        const header = (name: string) => {
          const value = request.headers[name]
          return typeof value === 'string' ? value : value?.join(', ')
        }
        const method = request.method ?? 'GET'
        try {
          const place = request.originalUrl ?? request.url ?? '/'
          const base = new URL(rules.origin ?? `https://${header('host') ?? 'localhost'}`).origin
          const asked = place.startsWith('/') ? `${base}${place}` : place
          if (!URL.canParse(asked, base)) throw new Refused('missing', 'no address')
          const url = published(new URL(asked, base))
          request.access = await verify({ method, url, header }, ...policies)
        } catch (error) {
          if (!(error instanceof Refused)) {
            next(error)
            return
          }
          response.statusCode = error.status
          response.setHeader('Content-Type', 'application/json')
          response.setHeader('Cache-Control', 'no-store')
          if (error.challenge !== undefined) response.setHeader('WWW-Authenticate', error.challenge)
          response.end(JSON.stringify(error.body))
          return
        }
        next()
      },
  }
}
