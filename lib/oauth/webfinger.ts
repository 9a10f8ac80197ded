/**
 * GET /.well-known/webfinger (RFC 7033, OpenID Connect Discovery §2): which issuer somebody of this host signs in at. Every
 * name of this host has the same answer, so it says nothing about who there is.
 */
import { Hono } from 'hono'

const issuerRelation = 'http://openid.net/specs/connect/1.0/issuer'
const longest = 2_048

/** The host that a resource names: `acct:somebody@host`, or a URL of it. */
const hostOf = (resource: string): string | undefined => {
  const account = /^(?:acct:)?[^@\s/:]+@([^@\s/]+)$/i.exec(resource)?.[1]
  if (account !== undefined) return account.toLowerCase()
  if (!/^https?:\/\//i.test(resource) || !URL.canParse(resource)) return undefined
  return new URL(resource).host
}

export const webfinger = ({
  issuer,
  hosts,
}: {
  readonly issuer: string
  readonly hosts: readonly string[]
}) => {
  const known = new Set(hosts.flatMap((host) => [host, host.replace(/:\d+$/, '')]))
  const own = new URL(issuer)
  known.add(own.host)
  known.add(own.hostname)
  return new Hono().get('/.well-known/webfinger', (c) => {
    const parameters = new URL(c.req.url).searchParams
    const [resource, ...more] = parameters.getAll('resource')
    const relations = parameters.getAll('rel')
    const malformed = (description: string) =>
      c.json({ error: 'invalid_request', error_description: description }, 400)
    if (!resource || more.length > 0) return malformed('resource must be there once')
    const host = resource.length > longest ? undefined : hostOf(resource)
    if (host === undefined) return malformed('resource is no acct: or https: URI')
    if (!known.has(host)) return c.json({ error: 'not_found', error_description: 'another host has it' }, 404)
    // without one all are asked for (§4.1)
    const asked = relations.length === 0 || relations.includes(issuerRelation)
    const links = asked ? [{ rel: issuerRelation, href: issuer }] : []
    return c.body(JSON.stringify({ subject: resource, links }), 200, {
      'Content-Type': 'application/jrd+json',
    })
  })
}
