/** Long work in short parts: between them the event loop turns, so that nobody waits for the whole. */

const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve))

/** What is made of each, in their order. */
export const inParts = async <Part, Made>(
  parts: Iterable<Part>,
  make: (part: Part) => Made,
): Promise<readonly Made[]> => {
  const made: Made[] = []
  for (const part of parts) {
    made.push(make(part))
    await nextTurn()
  }
  return made
}

/** Makes it when it is first asked for, once for all who ask meanwhile and later; what failed is made again. */
export const once = <Made>(make: () => Promise<Made>): (() => Promise<Made>) => {
  let made: Promise<Made> | undefined
  return () => {
    made ??= make().catch((error: unknown) => {
      made = undefined
      throw error
    })
    return made
  }
}
