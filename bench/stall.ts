/**
 * The stalls of a server: the longest wait for `/health/live`, which touches no table, asked from a thread of its own, so
 * that what the clients of a load do in between is not counted; and how often its event loop was late by more than 50 ms.
 */
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'

/** How often a timer of the server, one that is due ten times a second, was late by more than 50 ms. */
const lateTimers = async (origin: string): Promise<number> => {
  const text = await (await fetch(`${origin}/metrics`)).text()
  const upTo = (bound: string) =>
    Number(
      new RegExp(`^mayact_event_loop_delay_seconds_bucket\\{le="${bound}"\\} (\\d+)$`, 'm').exec(text)?.[1] ??
        0,
    )
  return upTo('\\+Inf') - upTo('0\\.05')
}

/** What was seen while `work` went on: the longest wait in milliseconds, the late timers; and what `work` answered. */
export const withStalls = async <Result>(
  origin: string,
  work: () => Promise<Result>,
): Promise<{ readonly result: Result; readonly stall: number; readonly late: number }> => {
  const before = await lateTimers(origin)
  const worker = new Worker(import.meta.path, { workerData: origin })
  const said = new Promise<number>((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
  })
  const result = await work()
  worker.postMessage('enough')
  const stall = await said
  await worker.terminate()
  return { result, stall, late: (await lateTimers(origin)) - before }
}

if (!isMainThread) {
  let enough = false
  parentPort?.once('message', () => {
    enough = true
  })
  let longest = 0
  while (!enough) {
    const began = performance.now()
    await (await fetch(`${workerData}/health/live`)).arrayBuffer()
    longest = Math.max(longest, performance.now() - began)
    await Bun.sleep(5)
  }
  parentPort?.postMessage(longest)
}
