/** Whose address a request counts as: the peer's, or what trusted proxies say stands behind them. */
import { BlockList, isIP, isIPv6 } from 'node:net'

const family = (address: string) => (isIPv6(address) ? 'ipv6' : 'ipv4')

/** Dual-stack listeners see IPv4 peers as `::ffff:10.0.0.1`. */
const plain = (address: string) => address.replace(/^::ffff:(?=\d+\.)/i, '')

const listOf = (entries: readonly string[]): BlockList => {
  const list = new BlockList()
  for (const entry of entries) {
    const [address = '', prefix] = entry.split('/')
    if (prefix === undefined) list.addAddress(address, family(address))
    else list.addSubnet(address, Number(prefix), family(address))
  }
  return list
}

/** Makes the question whether a peer is one of `[server] trusted_proxies`, whose headers are believed. */
export const trustedPeerReader = (trustedProxies: readonly string[]): ((peer: string) => boolean) => {
  const trusted = listOf(trustedProxies)
  return (peer) => {
    const address = plain(peer)
    return isIP(address) > 0 && trusted.check(address, family(address))
  }
}

/**
 * Reads `[server] trusted_proxies` (addresses and networks) once. The function made answers the nearest address that
 * no trusted proxy has; an X-Forwarded-For of anybody else is not looked at.
 */
export const clientAddressReader = (
  trustedProxies: readonly string[],
): ((peer: string, forwardedFor: string | null) => string) => {
  const trusted = listOf(trustedProxies)
  if (trustedProxies.length === 0) return plain
  const isTrusted = (address: string) => isIP(address) > 0 && trusted.check(address, family(address))
  return (peer, forwardedFor) => {
    const nearest = plain(peer)
    if (!isTrusted(nearest)) return nearest
    const hops = (forwardedFor ?? '').split(',').map((hop) => plain(hop.trim()))
    for (const hop of hops.reverse()) {
      // what is no address was not written by a proxy worth trusting
      if (isIP(hop) === 0) return nearest
      if (!isTrusted(hop)) return hop
    }
    return nearest
  }
}

const groupsOf = (text: string): readonly string[] => (text === '' ? [] : text.split(':'))

/** An IPv4 address, or the /64 that whoever has one IPv6 address has as a rule. */
export const networkOf = (address: string): string => {
  const [plain = ''] = address.split('%')
  if (!isIPv6(plain)) return address
  const [start = '', end = ''] = new URL(`http://[${plain}]`).hostname.slice(1, -1).split('::')
  const [first, last] = [groupsOf(start), groupsOf(end)]
  const between = Array<string>(8 - first.length - last.length).fill('0')
  return [...first, ...between, ...last].slice(0, 4).join(':')
}
