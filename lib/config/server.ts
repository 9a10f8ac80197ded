import { isIPv4, isIPv6 } from 'node:net'
import { certificate } from './certificate.ts'
import type { Draft } from './draft.ts'

export interface Server {
  readonly hostname: string
  /** The port to listen on, `offset` included. */
  readonly port: number
  readonly bind: string
  /** Where browsers and clients find the server, without a trailing slash. */
  readonly baseUrl: string
  /** Certificate and key are absolute paths of PEM files; without them a self-signed certificate is made. */
  readonly tls:
    | { readonly enabled: true; readonly certificate?: string; readonly key?: string }
    | { readonly enabled: false }
  /** Addresses and networks (CIDR) whose `X-Forwarded-…` headers are believed. */
  readonly trustedProxies: readonly string[]
  /** The largest body that the management APIs and SCIM read, in bytes. */
  readonly maxBodySize: number
  /** Who may read /metrics. */
  readonly metrics: 'loopback' | 'everybody' | 'off'
  /** With it as Bearer token /metrics is read from anywhere. */
  readonly metricsToken?: string
  /** The Host headers that are answered, in lower case. */
  readonly hosts: readonly string[]
}

/** The password that everybody knows: with it the server is kept to its own machine. */
export const shippedPassword = 'admin'

const inUrl = (hostname: string): string => (isIPv6(hostname) ? `[${hostname}]` : hostname)

const isLoopback = (hostname: string): boolean => {
  if (isIPv6(hostname)) return new URL(`http://[${hostname}]`).hostname === '[::1]'
  return isIPv4(hostname) ? hostname.startsWith('127.') : hostname.toLowerCase() === 'localhost'
}

const hostsOf = (scheme: string, hostname: string, port: number, base: URL): readonly string[] => {
  const names = hostname === 'localhost' ? [hostname, '127.0.0.1', '[::1]'] : [inUrl(hostname)]
  const implied = port === (scheme === 'https' ? 443 : 80)
  const listening = names.flatMap((name) => (implied ? [`${name}:${port}`, name] : [`${name}:${port}`]))
  const basePort = base.port || (base.protocol === 'https:' ? '443' : '80')
  const published = base.port ? [base.host] : [base.host, `${base.hostname}:${basePort}`]
  return [...new Set([...listening, ...published])]
}

const checkShippedPassword = ({ settings, refuse }: Draft, bind: string, base: URL): void => {
  const { server, super_admin } = settings
  if (super_admin.password !== shippedPassword) return
  const remedy = 'while the password is the shipped one: change [super_admin] password'
  const bindKey = server.bind === undefined ? 'server.node_ip' : 'server.bind'
  const check = (right: boolean, key: string, wanted: string) => {
    if (!right) refuse(key, `must ${wanted} ${remedy}`, ['super_admin.password'])
  }
  check(isLoopback(bind), bindKey, 'be a loopback address such as "127.0.0.1"')
  check(server.trusted_proxies.length === 0, 'server.trusted_proxies', 'be empty')
  check(server.hostname.toLowerCase() === 'localhost', 'server.hostname', 'be "localhost"')
  const baseHostname = base.hostname.replace(/^\[|\]$/g, '')
  check(server.base_path === undefined || isLoopback(baseHostname), 'server.base_path', 'name localhost')
}

/** What the server's own paths begin with: published under one of these, two addresses would be one. */
const ownPath =
  /^\/(?:\.well-known|api|authenticationendpoint|commonauth|health|metrics|oauth2|oidc|scim2|t)(?:\/|$)/

/** `[server]`: where it listens, under which name it is known, and by which certificate. */
export const serverOf = (draft: Draft): Server => {
  const { settings, refuse } = draft
  const { server, super_admin } = settings
  const hostname = server.hostname.toLowerCase()
  const port = server.port + server.offset
  if (port > 65_535) refuse('server.offset', `makes the port ${port}; wanted at most 65535`, ['server.port'])

  if (server.bind !== undefined && server.node_ip !== undefined && server.bind !== server.node_ip)
    refuse('server.node_ip', 'is another name of server.bind and says something else; remove one of them')
  const bind =
    server.bind ?? server.node_ip ?? (super_admin.password === shippedPassword ? '127.0.0.1' : '0.0.0.0')

  const scheme = server.tls.enabled ? 'https' : 'http'
  const base = new URL(server.base_path ?? `${scheme}://${inUrl(hostname)}:${Math.min(port, 65_535)}`)
  checkShippedPassword(draft, bind, base)
  if (ownPath.test(base.pathname))
    refuse(
      'server.base_path',
      'has a path that begins as one of the server’s own; take another, such as /sso',
    )

  return {
    hostname,
    port,
    bind,
    baseUrl: `${base.origin}${base.pathname}`.replace(/\/+$/, ''),
    tls: server.tls.enabled ? { enabled: true, ...certificate(draft) } : { enabled: false },
    trustedProxies: server.trusted_proxies,
    maxBodySize: server.max_body_size,
    metrics: server.metrics,
    ...(server.metrics_token === undefined ? {} : { metricsToken: server.metrics_token }),
    hosts: hostsOf(scheme, hostname, port, base),
  }
}
