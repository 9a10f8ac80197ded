/** Programs as somebody runs them in a terminal, and blocks of documents pasted into a shell. */
import { expect } from 'bun:test'

const environment = { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '' }

/** Looks again and again; throws with what there was to read when it has not come in time. */
export const within = async (seconds: number, what: () => boolean, context: () => string) => {
  const end = Date.now() + seconds * 1000
  while (!what()) {
    if (Date.now() > end) throw new Error(`not within ${seconds} s: ${what}\n${context()}`)
    await Bun.sleep(20)
  }
}

/** A program in a process group of its own, like one of a terminal; `output` grows. */
export const run = (words: string[], cwd: string, stdin: 'ignore' | 'pipe') => {
  const child = Bun.spawn(words, {
    cwd,
    env: environment,
    stdin,
    stdout: 'pipe',
    stderr: 'pipe',
    detached: true,
  })
  let output = ''
  const collect = async (stream: ReadableStream<Uint8Array>) => {
    const decoder = new TextDecoder()
    for await (const chunk of stream) output += decoder.decode(chunk, { stream: true })
  }
  const reading = Promise.all([collect(child.stdout), collect(child.stderr)])
  const signal = (name: NodeJS.Signals) => {
    try {
      process.kill(-child.pid, name)
    } catch {
      // nobody of the group is left
    }
  }
  return {
    child,
    output: () => output,
    signal,
    /** What Ctrl+C does; whoever is still there after ten seconds is killed. */
    async interrupt() {
      signal('SIGINT')
      const ended = await Promise.race([reading.then(() => true), Bun.sleep(10_000).then(() => false)])
      signal('SIGKILL')
      return ended
    },
  }
}

/** Pastes a block into a shell; answers what it wrote. The shell ends (`sh -e`) at the first command that fails. */
export const paste = async (shell: ReturnType<typeof run>, text: string): Promise<string> => {
  const { stdin } = shell.child
  const before = shell.output().length
  const mark = `pasted ${crypto.randomUUID()}`
  stdin?.write(`${text}echo '${mark}'\n`)
  stdin?.flush()
  const over = () => shell.output().includes(mark) || shell.child.exitCode !== null
  await within(10, over, () => `${text}\n${shell.output()}`)
  const output = shell.output().slice(before)
  expect([text, output]).toEqual([text, expect.stringContaining(mark)])
  return output.replace(mark, '')
}
