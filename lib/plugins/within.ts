/** Runs what a plugin does against the clock. */

/** It threw, was late, or answered with something that is no answer. `code` is for the audit. */
export class PluginFault extends Error {
  override readonly name = 'PluginFault'
  readonly plugin: string
  readonly code: 'fault' | 'timeout'
  constructor(plugin: string, code: 'fault' | 'timeout', message: string, options?: ErrorOptions) {
    super(message, options)
    this.plugin = plugin
    this.code = code
  }
}

/** What a plugin answers within `limit` milliseconds, also when it held the thread so long; PluginFault otherwise. */
export const within = async <Answer>(
  plugin: string,
  limit: number,
  work: (signal: AbortSignal) => Answer | Promise<Answer>,
): Promise<Answer> => {
  const abort = new AbortController()
  const began = performance.now()
  const tooLate = () => new PluginFault(plugin, 'timeout', `${plugin}: no answer within ${limit} ms`)
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(tooLate()), limit)
  })
  try {
    const answer = await Promise.race([(async () => work(abort.signal))(), late])
    if (performance.now() - began > limit) throw tooLate()
    return answer
  } catch (cause) {
    if (cause instanceof PluginFault) throw cause
    const message = cause instanceof Error ? cause.message : String(cause)
    throw new PluginFault(plugin, 'fault', `${plugin}: ${message}`, { cause })
  } finally {
    clearTimeout(timer)
    abort.abort()
  }
}
