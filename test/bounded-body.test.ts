/** How much of a request's body is read: what comes without a length costs no more than the limit. */
import { describe, expect, test } from 'bun:test'
import { readBounded } from '../lib/bounded-body.ts'

const post = (
  body: Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>,
  headers: Record<string, string> = {},
) => new Request('https://localhost', { method: 'POST', body, headers })

/** Gives a piece whenever somebody asks for one, without an end. */
const endless = () => {
  let given = 0
  const body = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        given += 1024
        controller.enqueue(new Uint8Array(1024))
      },
    },
    { highWaterMark: 0 },
  )
  return { body, given: () => given }
}

describe('a body', () => {
  test('is read whole as long as it is not more than allowed', async () => {
    const most = 4096
    for (const size of [0, 1, most]) {
      const bytes = new Uint8Array(size).fill(97)
      expect((await readBounded(post(bytes), most))?.byteLength).toBe(size)
      expect((await readBounded(post(bytes, { 'Content-Length': String(size) }), most))?.byteLength).toBe(
        size,
      )
      expect((await readBounded(post(new Blob([bytes]).stream()), most))?.byteLength).toBe(size)
    }
    expect(await readBounded(new Request('https://localhost'), most)).toHaveLength(0)
  })

  test('is refused when it is longer, whether or not its length is said', async () => {
    const bytes = new Uint8Array(4097)
    expect(await readBounded(post(bytes), 4096)).toBeUndefined()
    expect(await readBounded(post(bytes, { 'Content-Length': '4097' }), 4096)).toBeUndefined()
    expect(await readBounded(post(bytes, { 'Content-Length': '10' }), 4096)).toBeUndefined()
    expect(await readBounded(post(new Blob([bytes]).stream()), 4096)).toBeUndefined()
  })

  test('without an end is read to the limit and no further', async () => {
    const { body, given } = endless()
    expect(await readBounded(post(body), 4096)).toBeUndefined()
    expect(given()).toBeLessThanOrEqual(4096 + 2 * 1024)
  })
})
