/** How many references to others an answer shows. */
import { ScimError } from './error.ts'
import { isSelected, type Selection } from './projection.ts'

/** As many are shown in one list, of all its resources together; groups of 50,000 are looked at one by one. */
const mostInList = 100_000

/** A change of something larger is answered without it, unless the request says what it wants to see. */
export const largeSet = 1_000

/** Whether somebody says what he wants to see. */
export const isChosen = ({ wanted, unwanted }: Selection): boolean => wanted.length > 0 || unwanted.length > 0

/** Whether a list shows that part of its resources, which may be large: to who names it. */
export const isNamed = (selection: Selection, name: string): boolean =>
  selection.wanted.length > 0 && isSelected(selection, name)

/** Reads what a list shows of them; more than it can show is a 400. */
export const bounded = async <T>(
  read: (most: number) => Promise<readonly T[]>,
  what: string,
): Promise<readonly T[]> => {
  const found = await read(mostInList + 1)
  if (found.length > mostInList) {
    throw new ScimError(
      400,
      `The list has more ${what} than can be shown: ask for fewer resources.`,
      'tooMany',
    )
  }
  return found
}
