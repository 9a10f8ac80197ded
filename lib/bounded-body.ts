/** A request's body, never more of it than an endpoint takes: one of unknown length is read piece by piece. */

/** Its bytes, or undefined when it has more than `most` of them; the rest is then left unread. */
export const readBounded = async (
  request: Request,
  most: number,
): Promise<Uint8Array<ArrayBuffer> | undefined> => {
  const { headers, body } = request
  const said = headers.get('content-length')
  if (Number(said ?? 0) > most) return undefined
  if (said !== null && !headers.has('transfer-encoding')) {
    // the listener reads no more than was said
    const bytes = new Uint8Array(await request.arrayBuffer())
    return bytes.byteLength > most ? undefined : bytes
  }
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of body ?? []) {
    size += chunk.byteLength
    if (size > most) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** What is read of a request of which nobody said more. */
const usualLimit = 1_048_576
const limits = new WeakMap<Request, number>()

/** How many bytes the body of a request may have. */
export const bodyLimit = (request: Request): number => limits.get(request) ?? usualLimit

/** Says how many it may have. */
export const limitBody = (request: Request, most: number): void => {
  limits.set(request, most)
}

// a request that lost its race is handled again, its body can be read only once
const bodies = new WeakMap<Request, ReturnType<typeof readBounded>>()

/** The same as `readBounded` for a request that may be handled several times. */
export const bodyOf = (request: Request, most = bodyLimit(request)): ReturnType<typeof readBounded> => {
  const reading = bodies.get(request) ?? readBounded(request, most)
  bodies.set(request, reading)
  return reading
}
