/** Whose address a request counts as: the peer's, or what trusted proxies say stands behind them. */
import { BlockList, isIP, isIPv6 } from 'node:net'

const family = (address: string) => (isIPv6(address) ? 'ipv6' : 'ipv4')

/** Dual-stack listeners see IPv4 peers as `::ffff:10.0.0.1`. */
const plain = (address: string) => address.replace(/^::ffff:(?=\d+\.)/i, '')

/**
 * Reads `[server] trusted_proxies` (addresses and networks) once. The function made answers the nearest address that
 * no trusted proxy has; an X-Forwarded-For of anybody else is not looked at.
 */
export const clientAddressReader = (
  trustedProxies: readonly string[],
): ((peer: string, forwardedFor: string | null) => string) => {
  const trusted = new BlockList()
  for (const entry of trustedProxies) {
    const [address = '', prefix] = entry.split('/')
    if (prefix === undefined) trusted.addAddress(address, family(address))
    else trusted.addSubnet(address, Number(prefix), family(address))
  }
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
