/** A change of a set, such as the members of a group: what comes and what goes. */

/** First everything becomes `replaceWith`, when that is there; then some are added and some removed. */
export interface SetEdit {
  readonly replaceWith?: ReadonlySet<string> | undefined
  readonly add: ReadonlySet<string>
  readonly remove: ReadonlySet<string>
}

export const nothing: SetEdit = { add: new Set(), remove: new Set() }

export interface Difference {
  readonly added: readonly string[]
  readonly removed: readonly string[]
}

/** What the edit adds to `current` and takes from it. */
export const difference = (
  current: ReadonlySet<string>,
  { replaceWith, add, remove }: SetEdit,
): Difference => {
  const wanted = (replaceWith ?? current).union(add).difference(remove)
  return { added: [...wanted.difference(current)], removed: [...current.difference(wanted)] }
}

/**
 * The same where the set may be large: `all` reads the whole of it, only for a replacement; `among` those of the ids
 * that are in it.
 */
export const differenceOf = async (
  edit: SetEdit | undefined,
  all: () => Promise<Iterable<string>>,
  among: (ids: readonly string[]) => Promise<ReadonlySet<string>>,
): Promise<Difference> => {
  if (!edit) return { added: [], removed: [] }
  const current = edit.replaceWith ? new Set(await all()) : await among([...edit.add, ...edit.remove])
  return difference(current, edit)
}
