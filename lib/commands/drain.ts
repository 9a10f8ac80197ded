/**
 * The end of a server: requests that were taken are finished, no other one is taken. A connection that stays open
 * may bring one more at any moment, so after the signal each is answered 503 and its connection closed: the caller
 * knows that nothing happened.
 */
type Listener = ReturnType<typeof Bun.serve>

export interface Drain {
  /** Hands a request on, or refuses it when the server is stopping. */
  take(request: Request, handle: () => Promise<Response>): Promise<Response> | Response
  /** Refuses from now on; resolves when everything taken has been answered, or after `patience` milliseconds. */
  finish(listener: Pick<Listener, 'stop' | 'pendingRequests'>, patience: number): Promise<void>
}

/** What has to pass after the last answer for its bytes to have left. */
const settling = 50

const refusal = () =>
  new Response('The server is stopping.', {
    status: 503,
    headers: { Connection: 'close', 'Retry-After': '1', 'Cache-Control': 'no-store' },
  })

/** Counts what is under way. */
export const drain = (): Drain => {
  let stopping = false
  let underWay = 0
  return {
    async take(request, handle) {
      // whoever asks whether the process lives is told so until it does not
      if (stopping && new URL(request.url).pathname !== '/health/live') return refusal()
      underWay += 1
      try {
        const response = await handle()
        if (stopping) response.headers.set('Connection', 'close')
        return response
      } finally {
        underWay -= 1
      }
    },
    async finish(listener, patience) {
      stopping = true
      // takes no new connection; those that are there go on
      void listener.stop()
      const until = Date.now() + patience
      let quietSince = Number.POSITIVE_INFINITY
      while (Date.now() < until) {
        const busy = underWay > 0 || listener.pendingRequests > 0
        quietSince = busy ? Number.POSITIVE_INFINITY : Math.min(quietSince, Date.now())
        if (Date.now() - quietSince >= settling) break
        await Bun.sleep(5)
      }
      await listener.stop(true)
    },
  }
}
