/**
 * Reading what a client's metadata names (`jwks_uri`, `sector_identifier_uri`, `request_uris`): a client can name
 * anything, so only https, no address of a private network, no redirect, little, and not for long.
 */
import { lookup } from 'node:dns/promises'
import { BlockList, isIP } from 'node:net'

export interface OutboundRules {
  /** Whether an address of a private network or of this machine may be read, and by http too: for tests and intranets. */
  readonly allowPrivateAddresses: boolean
}

/** The whole reading, name resolution included, in milliseconds. */
const longest = 5_000
const largest = 65_536

const listOf = (networks: string, family: 'ipv4' | 'ipv6') => {
  const list = new BlockList()
  for (const network of networks.split(' ')) {
    const [address = '', prefix] = network.split('/')
    list.addSubnet(address, Number(prefix), family)
  }
  return list
}

// two lists: one of both families would take every IPv4 address for the IPv6 one it maps to
const notPublic4 = listOf(
  '0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4',
  'ipv4',
)
// only 2000::/3 is public, and in it not the ranges that embed or document others
const notPublic6 = listOf('::/3 4000::/2 8000::/1 2001::/23 2001:db8::/32 2002::/16 3fff::/20', 'ipv6')

/** Whether an IP address is one that everybody in the Internet means the same host by. */
export const isPublicAddress = (address: string): boolean =>
  isIP(address) === 4
    ? !notPublic4.check(address, 'ipv4')
    : isIP(address) === 6 && !notPublic6.check(address, 'ipv6')

/** Why the address may not be read or posted to, before anything is sent to it. */
export const problemOf = async (
  url: URL,
  { allowPrivateAddresses }: OutboundRules,
): Promise<string | undefined> => {
  if (allowPrivateAddresses && url.protocol === 'http:') return undefined
  if (url.protocol !== 'https:') return 'is not an https URL'
  if (url.username !== '' || url.password !== '') return 'has a user name or password'
  if (allowPrivateAddresses) return undefined
  const hostname = url.hostname.replace(/^\[|\]$/g, '')
  const addresses = isIP(hostname) > 0 ? [{ address: hostname }] : await lookup(hostname, { all: true })
  // a name that moves in between reaches a host that has no certificate of that name
  return addresses.length > 0 && addresses.every(({ address }) => isPublicAddress(address))
    ? undefined
    : 'leads to an address that is not public'
}

const textOf = async (response: Response): Promise<string | undefined> => {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength
    if (size > largest) return undefined
    chunks.push(chunk)
  }
  return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks))
}

const unreadable = { problem: 'cannot be read' }

/** The text at a URL, or what is wrong; the reason says nothing about what answered there. `accept` is a media range. */
export const readText = async (
  address: string,
  rules: OutboundRules,
  accept: string,
): Promise<{ readonly text: string } | { readonly problem: string }> => {
  if (!URL.canParse(address)) return { problem: 'is not an absolute URL' }
  const url = new URL(address)
  const signal = AbortSignal.timeout(longest)
  const late = new Promise<never>((_, reject) =>
    signal.addEventListener('abort', () => reject(signal.reason), { once: true }),
  )
  late.catch(() => {})
  const reading = async () => {
    const problem = await problemOf(url, rules)
    if (problem !== undefined) return { problem }
    const response = await fetch(url, { redirect: 'error', signal, headers: { Accept: accept } })
    const text = response.status === 200 ? await textOf(response) : undefined
    return text === undefined ? unreadable : { text }
  }
  try {
    return await Promise.race([reading(), late])
  } catch {
    return unreadable
  }
}

/** The JSON document at a URL, or what is wrong, as `readText` says it. */
export const readDocument = async (
  address: string,
  rules: OutboundRules,
): Promise<{ readonly json: unknown } | { readonly problem: string }> => {
  const read = await readText(address, rules, 'application/json, application/jwk-set+json')
  if ('problem' in read) return read
  try {
    return { json: JSON.parse(read.text) as unknown }
  } catch {
    return unreadable
  }
}
