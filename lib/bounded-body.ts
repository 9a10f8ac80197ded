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
