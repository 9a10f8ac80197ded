/**
 * Two listeners on one port share its connections. Before the older one closes, new connections are steered to the
 * newer: what the kernel has queued for a listener that closes is lost. Linux can be told so (socket(7),
 * SO_ATTACH_REUSEPORT_CBPF); elsewhere a connection of that very moment may be reset, and its client tries again.
 */
import { dlopen, ptr } from 'bun:ffi'
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

const headerBytes = 16

/** A classic BPF program of one instruction, `return index`: header and instruction in one buffer, which holds both. */
const program = (index: number): Uint8Array => {
  const buffer = new Uint8Array(headerBytes + 8)
  const fields = new DataView(buffer.buffer)
  fields.setUint16(0, 1, true)
  fields.setBigUint64(8, BigInt(ptr(buffer) + headerBytes), true)
  fields.setUint16(headerBytes, 0x06, true)
  fields.setUint32(headerBytes + 4, index, true)
  return buffer
}

/** Sends new connections to the second listener of the port; false where the system does not do it. */
export const steerToSecond = (socket: number): boolean => {
  for (const library of ['libc.so.6', 'libc.so']) {
    try {
      const { symbols, close } = dlopen(library, {
        setsockopt: { args: ['i32', 'i32', 'i32', 'ptr', 'u32'], returns: 'i32' },
      })
      const result = symbols.setsockopt(socket, solSocket, attachReuseportCbpf, program(1), headerBytes)
      close()
      return result === 0
    } catch {
      // the next name
    }
  }
  return false
}
