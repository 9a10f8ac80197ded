/** The declarations that let an editor check a plugin with nothing installed. */
import { borrowed } from './borrowed.ts'
// @ts-expect-error TypeScript sees declarations here, and Bun their text, which is what is wanted
import contract from './mayact.d.ts' with { type: 'text' }

const header = `// Written by \`mayact plugins types\`; write it again after an upgrade. It tells an editor what the server offers to
// plugins. It shows the common part of zod, jose and hono; the server offers all of them.
`

/** The text of mayact.d.ts. */
export const declarations: string = `${header}\n${contract}\n${borrowed}`
