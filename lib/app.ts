/** Mounts the doors. The whole server is one value with one `fetch`: tests call it as the listener does. */
import { type Context, Hono } from 'hono'
import type { GuardNeeds } from './access/guard.ts'
import { allowedMethods } from './allowed-methods.ts'
import type { Trace } from './audit.ts'
import { limitBody } from './bounded-body.ts'
import { clientAddressReader, trustedPeerReader } from './client-address.ts'
import type { Config } from './config.ts'
import { readRevision } from './database/commit.ts'
import type { Db } from './database/connect.ts'
import type { Validator } from './impersonation/validator.ts'
import type { Vault } from './keys/secrets.ts'
import type { SigningKeys } from './keys/signing.ts'
import type { Log } from './log.ts'
import { certificateThumbprint, readCertificate } from './oauth/client-certificate.ts'
import { withCors } from './oauth/cors.ts'
import { type OAuthPlugins, oauth } from './oauth/oauth.ts'
import { wrongMethod } from './oauth/wrong-method.ts'
import { pages } from './pages/pages.tsx'
import { pathOf, publishedUnder } from './published-path.ts'
import { nonces } from './tokens/dpop-nonce.ts'

export interface AppNeeds {
  readonly config: Config
  readonly db: Db
  readonly vault: Vault
  readonly keys: SigningKeys
  readonly validators: readonly Validator[]
  readonly plugins?: OAuthPlugins
  readonly organization: { readonly id: string; readonly name: string }
  readonly log: Log
}

export interface App {
  /** Answers one request; `address` is the peer's, before any proxy header is looked at. */
  fetch(request: Request, address: string): Promise<Response>
  /** Every route with its handler; those of the management APIs once these are loaded. */
  readonly routes: Hono['routes']
  /** Loads the management APIs, which else happens when one of them is first called. */
  complete(): Promise<void>
}

const superTenant = 'carbon.super'

/** `/t/carbon.super/…` is the short form's other name; there is no other tenant. */
const withoutTenant = (url: URL): { readonly path: string } | { readonly unknownTenant: string } => {
  const match = /^\/t\/([^/]+)(\/.*)$/.exec(url.pathname)
  if (!match) return { path: url.pathname }
  const [, tenant = '', path = '/'] = match
  return tenant === superTenant ? { path } : { unknownTenant: tenant }
}

const text = (body: string, status: number) =>
  new Response(body, {
    status,
    headers: { 'Content-Type': 'text/plain; charset=utf-8', 'Cache-Control': 'no-store' },
  })

/** Composes the server from what `commands/` opened. */
export const app = (needs: AppNeeds): App => {
  const { config, db, log, organization } = needs
  const traces = new WeakMap<Request, Trace>()
  const traceOf = (request: Request): Trace =>
    traces.get(request) ?? { id: crypto.randomUUID(), address: 'unknown' }
  const certificates = new WeakMap<Request, string>()
  const { baseUrl, hosts } = config.server
  const proofs = {
    db,
    baseUrl,
    nonces: config.oauth.dpop.requireNonce ? nonces(needs.vault.derive('DPoP nonces')) : undefined,
  }
  const guard: GuardNeeds = {
    db,
    proofs,
    organizationId: organization.id,
    impersonationEnabled: config.impersonation.enabled,
    traceOf,
    certificateOf(request) {
      const certificate = readCertificate(certificates.get(request) ?? '')
      return certificate && certificateThumbprint(certificate)
    },
    log: (message, details) => ('err' in details ? log.error(details, message) : log.info(details, message)),
  }
  const page = pages({ db, traceOf, log, reasons: config.impersonation })
  let routes: Hono['routes'] = []
  let loaded: Hono | undefined
  const load = async () => {
    const { management } = await import('./app/management.ts')
    if (loaded) return loaded
    const grantTypes = needs.plugins?.grantTypes ?? []
    const allowedAt = allowedMethods(() => routes)
    loaded = closed(management({ ...needs, guard, grantTypes, allowedAt, routes: () => routes }))
    routes = [...routes, ...loaded.routes]
    return loaded
  }
  const manage = async (c: Context) => (loaded ?? (await load())).fetch(c.req.raw)
  /** What answers where there is nothing, and where something failed. */
  const closed = (hono: Hono): Hono => {
    const allowedAt = allowedMethods(() => hono.routes)
    return hono
      .notFound((c) => {
        const allowed = allowedAt(c.req.path)
        return allowed.length === 0
          ? text('Not found', 404)
          : wrongMethod(c.req.raw, c.req.path, allowed, page.error)
      })
      .onError((error, c) => {
        const { id } = traceOf(c.req.raw)
        log.error({ err: error, traceId: id, path: c.req.path }, 'unexpected error')
        return text(`Unexpected error. Trace id: ${id}`, 500)
      })
  }
  const server: Hono = new Hono()
    .all('/scim2/*', manage)
    .all('/api/*', manage)
    .route('/authenticationendpoint', page.routes)
    .route(
      '/',
      oauth({
        ...needs,
        proofs,
        guard,
        traceOf,
        certificateOf: (request) => certificates.get(request),
        errorPage: page.error,
        formPost: page.formPost,
        logoutPage: page.logout,
        signedOutPage: page.signedOut,
      }),
    )
    .get('/health/live', (c) => c.json({ status: 'UP' }))
    .get('/health/ready', async (c) => {
      try {
        await readRevision(db)
        return c.json({ status: 'UP' })
      } catch {
        return c.json({ status: 'DOWN', reason: 'the database does not answer' }, 503)
      }
    })
  closed(server)
  routes = server.routes.filter(({ handler }) => handler !== manage)
  const addressOf = clientAddressReader(config.server.trustedProxies)
  const isTrusted = trustedPeerReader(config.server.trustedProxies)
  const certificateHeader = config.oauth.clientCertificateHeader
  const secured = (response: Response, trace: Trace) => {
    response.headers.set('X-Content-Type-Options', 'nosniff')
    response.headers.set('Referrer-Policy', 'no-referrer')
    if (config.server.baseUrl.startsWith('https:')) {
      response.headers.set('Strict-Transport-Security', 'max-age=31536000')
    }
    response.headers.set('activityid', trace.id)
    return response
  }
  const answer = async (incoming: Request, peer: string): Promise<Response> => {
    const url = new URL(incoming.url)
    const asked = incoming.headers.get('activityid')
    const trace: Trace = {
      id: asked && /^[\w-]{8,64}$/.test(asked) ? asked : Bun.randomUUIDv7(),
      address: addressOf(peer, incoming.headers.get('x-forwarded-for')),
    }
    const host = incoming.headers.get('host')?.toLowerCase() ?? url.host
    if (!hosts.includes(host) && !url.pathname.startsWith('/health/')) {
      return secured(text('This host is not configured here.', 421), trace)
    }
    const place = withoutTenant(url)
    if ('unknownTenant' in place) {
      return secured(text(`${place.unknownTenant} is an invalid tenant domain`, 404), trace)
    }
    const request =
      place.path === url.pathname
        ? incoming
        : new Request(new URL(`${place.path}${url.search}`, url).href, incoming)
    traces.set(request, trace)
    limitBody(request, config.server.maxBodySize)
    const certificate = certificateHeader && incoming.headers.get(certificateHeader)
    if (certificate && isTrusted(peer)) certificates.set(request, certificate)
    return secured(await withCors(db, request, place.path, async () => server.fetch(request)), trace)
  }
  return {
    get routes() {
      return routes
    },
    async complete() {
      await load()
    },
    fetch: publishedUnder(pathOf(baseUrl), answer),
  }
}
