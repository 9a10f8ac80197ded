/** The file of an import: its bytes as they come, and its SHA-256, by which its progress is known. */
import { createReadStream } from 'node:fs'

const piece = 1_048_576

/** The bytes of a file. Throws what the file system says. */
export const bytesOf = (path: string): AsyncIterable<Uint8Array> =>
  createReadStream(path, { highWaterMark: piece })

/** The SHA-256 of what passes, known when all has passed. */
export const hashing = (chunks: AsyncIterable<Uint8Array>) => {
  const hasher = new Bun.CryptoHasher('sha256')
  const passing = async function* () {
    for await (const chunk of chunks) {
      hasher.update(chunk)
      yield chunk
    }
  }
  return { chunks: passing(), digest: () => hasher.digest('hex') }
}

/** The SHA-256 of a file. */
export const hashOf = async (path: string): Promise<string> => {
  const { chunks, digest } = hashing(bytesOf(path))
  for await (const _ of chunks);
  return digest()
}
