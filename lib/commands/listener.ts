/** The listener, and how it changes its certificate: by a second one on the same port, while the first one finishes. */
import type { Log } from '../log.ts'
import { listeningSockets, openSteering, type Steer } from './steer.ts'
import { together } from './together.ts'

/**
 * Larger than any request of ours, so that the doors refuse in their own words: they set their own, smaller limits, and
 * of a body that nobody reads no more is taken than the socket holds.
 */
const largestBody = 1_073_741_824
/** A connection that began with the old certificate has so long to send its first request. */
const handoverMilliseconds = 1_000

interface Pair {
  readonly cert: string
  readonly key: string
}

export interface Listener {
  /** Serves with another certificate from now on; throws when that cannot be, and then nothing has changed. */
  replace(tls: Pair): Promise<void>
  /** Takes no new connections; resolves when those that are there have ended, or ends them. */
  stop(endConnections?: boolean): Promise<void>
  /** Requests under way, those on connections with an older certificate included. */
  readonly pendingRequests: number
}

/** Listens; throws when the address is taken. */
export const startListener = (
  place: { readonly bind: string; readonly port: number },
  tls: Pair | undefined,
  answer: (request: Request, address: string) => Promise<Response>,
  log: Log,
): Listener => {
  const begun = together()
  const listen = (pair: Pair | undefined) =>
    Bun.serve({
      hostname: place.bind,
      port: place.port,
      reusePort: pair !== undefined,
      ...(pair ? { tls: { cert: pair.cert, key: pair.key } } : {}),
      maxRequestBodySize: largestBody,
      development: false,
      fetch: (request, self) => {
        const address = self.requestIP(request)?.address ?? 'unknown'
        return begun(() => answer(request, address))
      },
    })
  let current = listen(tls)
  const finishing = new Set<typeof current>()
  let closing: Promise<void> = Promise.resolve()

  let steering: Promise<Steer> | undefined
  const handOver = (pair: Pair, steer: Steer) => {
    const before = listeningSockets(place.port)
    const next = listen(pair)
    const [added] = [...listeningSockets(place.port)].filter((socket) => !before.has(socket))
    const steered = added !== undefined && before.size === 1 && steer(added)
    if (!steered)
      log.warn('a connection that is being made at this moment may be reset: its client tries again')
    const old = current
    current = next
    finishing.add(old)
    return async () => {
      await Bun.sleep(handoverMilliseconds)
      // not waited for: a request under way may take its time
      old.stop().finally(() => finishing.delete(old))
    }
  }

  return {
    async replace(pair) {
      // a third listener on the port would be nobody's
      await closing
      steering ??= openSteering()
      const close = handOver(pair, await steering)
      closing = close()
    },
    async stop(endConnections = false) {
      await Promise.all([current, ...finishing].map((server) => server.stop(endConnections)))
    },
    get pendingRequests() {
      return [current, ...finishing].reduce((sum, server) => sum + server.pendingRequests, 0)
    },
  }
}
