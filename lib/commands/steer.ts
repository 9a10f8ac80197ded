/**
 * Two listeners on one port share its connections. Before the older one closes, new connections are steered to the
 * newer: what the kernel has queued for a listener that closes is lost. Linux can be told so (socket(7),
 * SO_ATTACH_REUSEPORT_CBPF); elsewhere a connection of that very moment may be reset, and its client tries again.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

const solSocket = 1
const attachReuseportCbpf = 51
const listenState = '0A'

const listeningInodes = (port: number): ReadonlySet<string> => {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  const rows = ['tcp', 'tcp6'].flatMap((table) =>
    readFileSync(`/proc/self/net/${table}`, 'utf8').trim().split('\n').slice(1),
  )
  const columns = rows.map((row) => row.trim().split(/\s+/))
  const listening = columns.filter(
    ([, local = '', , state]) => local.endsWith(suffix) && state === listenState,
  )
  return new Set(listening.map((row) => row[9] ?? ''))
}

const inodeOf = (descriptor: string): string | undefined => {
  try {
    return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${descriptor}`))?.[1]
  } catch {
    // closed since the folder was read
    return undefined
  }
}

/** This process's listening sockets of a port, by file descriptor; none where they cannot be told. */
export const listeningSockets = (port: number): ReadonlySet<number> => {
  if (process.platform !== 'linux') return new Set()
  try {
    const inodes = listeningInodes(port)
    const descriptors = readdirSync('/proc/self/fd').filter((name) => inodes.has(inodeOf(name) ?? ''))
    return new Set(descriptors.map(Number))
  } catch {
    return new Set()
  }
}

/** What `struct sock_fprog` and `struct sock_filter` look like is known of these: 64 bits, little-endian. */
const architectures: readonly string[] = ['x64', 'arm64']
const headerBytes = 16
const returnConstant = 0x06

/** A classic BPF program of one instruction, `return index`: header and instruction in one buffer, which holds both. */
const program = (index: number, addressOf: (buffer: Uint8Array) => number): Uint8Array => {
  const buffer = new Uint8Array(headerBytes + 8)
  // asking for its ArrayBuffer is what gives a small array a place that stays: the address is taken afterwards
  const fields = new DataView(buffer.buffer)
  fields.setUint16(0, 1, true)
  fields.setBigUint64(8, BigInt(addressOf(buffer) + headerBytes), true)
  fields.setUint16(headerBytes, returnConstant, true)
  fields.setUint32(headerBytes + 4, index, true)
  return buffer
}

/** Sends new connections to the second listener of the port; answers false where the system does not do it. */
export type Steer = (socket: number) => boolean

/**
 * What steers. Foreign functions are loaded when a certificate changes for the first time, not at a start: where they
 * are not allowed or libc has another name, as in musl, a server works all the same.
 */
export const openSteering = async (): Promise<Steer> => {
  const cannot = () => false
  if (process.platform !== 'linux' || !architectures.includes(process.arch)) return cannot
  try {
    const { dlopen, ptr } = await import('bun:ffi')
    const { symbols } = dlopen('libc.so.6', {
      setsockopt: { args: ['i32', 'i32', 'i32', 'ptr', 'u32'], returns: 'i32' },
    })
    return (socket) =>
      symbols.setsockopt(socket, solSocket, attachReuseportCbpf, program(1, ptr), headerBytes) === 0
  } catch {
    return cannot
  }
}
