/** Offers the modules that a plugin may import by name; a plugin needs no node_modules. */
import * as zod from 'zod'
import { offered } from './extension.ts'

let done: Promise<void> | undefined

/** Once a process, and only where there are plugins: nobody else pays for the imports. */
export const offerModules = (): Promise<void> => {
  done ??= (async () => {
    // before they are offered: from then on these names lead to what is offered
    const [jose, hono] = await Promise.all([import('jose'), import('hono')])
    const modules = { mayact: offered, zod, jose, hono }
    Bun.plugin({
      name: 'mayact',
      setup(build) {
        for (const [name, exports] of Object.entries(modules)) {
          build.module(name, () => ({ exports: { ...exports }, loader: 'object' }))
        }
      },
    })
  })()
  return done
}
