/**
 * `bun run test [PATTERN…]`: every test, in as many processes as there are processors. What they share is made once: the
 * binary, and a Postgres. A bare `bun test` runs them one after the other and makes both by itself.
 */
import { $ } from 'bun'
import { cleanUp, startPostgres } from './databases.ts'

const root = new URL('..', import.meta.url).pathname
const environment: Record<string, string | undefined> = { ...process.env }
if (!environment.MAYACT_BINARY) {
  await $`${process.execPath} build.ts`.cwd(root).quiet()
  environment.MAYACT_BINARY = `${root}dist/mayact`
}
environment.MAYACT_TEST_POSTGRES_PORT = String(await startPostgres())
const tests = Bun.spawn(
  [process.execPath, 'test', '--parallel', '--no-isolate', '--timeout', '60000', ...process.argv.slice(2)],
  { cwd: root, env: environment, stdio: ['inherit', 'inherit', 'inherit'] },
)
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => tests.kill(signal))
const code = await tests.exited
await cleanUp()
process.exit(code)
