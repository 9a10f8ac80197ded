/** Where metadata is found: OpenID Connect Discovery §4, RFC 8414 §3, RFC 9728 §3, WebFinger (RFC 7033). */
import { type Context, Hono } from 'hono'
import { readRevision } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { oidcScopesAt } from '../directory/oidc-scopes.ts'
import { supportedClaims } from '../directory/user-claims.ts'
import { type MetadataNeeds, metadata, protectedResources, tokenClaims } from './metadata.ts'

export interface DiscoveryNeeds extends MetadataNeeds {
  readonly db: Db
}

/** A protected resource of ours (RFC 9728 §2). */
const resourceMetadata = (
  resource: string,
  { issuer, baseUrl }: MetadataNeeds,
  proofs: readonly string[],
) => ({
  resource,
  authorization_servers: [issuer],
  jwks_uri: `${baseUrl}/oauth2/jwks`,
  bearer_methods_supported: ['header'],
  dpop_signing_alg_values_supported: proofs,
})

const pathOf = (url: string): string => {
  const { pathname } = new URL(url)
  return pathname === '/' ? '' : pathname
}

const withoutPath = (path: string, front: string): string =>
  path.startsWith(`${front}/`) ? path.slice(front.length) : path

export const discovery = (needs: DiscoveryNeeds) => {
  const { db, issuer, baseUrl } = needs
  const document = metadata(needs)
  /** The scopes of OpenID Connect are the administrators'. */
  const current = async (c: Context): Promise<Response> => {
    const revision = await readRevision(db)
    const [scopes, known] = await Promise.all([oidcScopesAt(db, revision), supportedClaims(db, revision)])
    return c.json({
      ...document,
      // no row of theirs: what it asks for is not a claim (OpenID Connect Core §11)
      scopes_supported: [...scopes.keys(), 'offline_access'],
      claims_supported: [...new Set([...tokenClaims, ...known])],
    })
  }
  const path = pathOf(issuer)
  // what a proxy publishes under a path of its own may come here without it
  const own = withoutPath(path, pathOf(baseUrl))
  const suffixes = ['openid-configuration', 'oauth-authorization-server']
  const app = new Hono().get('/oauth2/:place/.well-known/openid-configuration', async (c) => {
    const place = c.req.param('place')
    if (place === 'token' || place === 'oidcdiscovery') return current(c)
    return c.text(`Invalid path to the discovery document. Received path : ${place} is not resolvable`, 400)
  })
  // WSO2's places, and those of a configured issuer: the well-known part behind its path and, by RFC 8414 §3.1, before
  const places = new Set([
    '/oauth2/token/.well-known/oauth-authorization-server',
    ...suffixes.flatMap((suffix) => [
      `/.well-known/${suffix}${path}`,
      `/.well-known/${suffix}${own}`,
      `${own}/.well-known/${suffix}`,
    ]),
  ])
  places.delete('/oauth2/token/.well-known/openid-configuration')
  for (const place of places) app.get(place, current)
  for (const resource of protectedResources(baseUrl)) {
    const said = resourceMetadata(resource, needs, document.dpop_signing_alg_values_supported)
    const { origin, pathname } = new URL(resource)
    if (origin !== new URL(baseUrl).origin) continue
    for (const place of new Set([pathname, withoutPath(pathname, pathOf(baseUrl))]))
      app.get(`/.well-known/oauth-protected-resource${place}`, (c) => c.json(said))
  }
  return app
}
