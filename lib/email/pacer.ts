/** Grants turns at least `1000 / perSecond` milliseconds apart. */
export const pacer = (perSecond: number) => {
  let free = 0
  return async (): Promise<void> => {
    const at = Math.max(performance.now(), free)
    free = at + 1000 / perSecond
    const wait = at - performance.now()
    if (wait > 0) await Bun.sleep(wait)
  }
}
