/** What the tests read out of a Markdown document of this repository. */
import { join } from 'node:path'

export const root = new URL('..', import.meta.url).pathname

export interface Block {
  readonly kind: string
  readonly text: string
}

export const readDocument = (name: string): Promise<string> => Bun.file(join(root, name)).text()

/** The fenced blocks of a document, in their order. */
export const blocksOf = async (document: string): Promise<readonly Block[]> => {
  const text = await readDocument(document)
  return [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(([, kind = '', block = '']) => ({
    kind,
    text: block,
  }))
}

/** The rows of the table below a heading, without its head, cell by cell. */
export const rowsBelow = async (document: string, heading: string): Promise<readonly string[][]> => {
  const [, section = ''] = (await readDocument(document)).split(`\n## ${heading}\n`)
  const [own = ''] = section.split('\n## ')
  const lines = own.split('\n').filter((line) => line.startsWith('|'))
  return lines.slice(2).map((line) =>
    line
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim()),
  )
}
