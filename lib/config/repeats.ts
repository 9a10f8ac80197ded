import type { Draft } from './draft.ts'

/**
 * The list without its repeats, told apart by `nameOf`. An identical repeat is left out with a warning, as
 * happens when blocks of a guide are pasted into a file that has them; a differing one is refused.
 */
export const merged = <Value>(
  { refuse, warn }: Draft,
  key: string,
  values: readonly Value[],
  nameOf: (value: Value) => string,
): readonly Value[] => {
  const first = new Map<string, Value>()
  values.forEach((value, index) => {
    const name = nameOf(value)
    const earlier = first.get(name)
    if (earlier === undefined) first.set(name, value)
    else if (Bun.deepEquals(earlier, value, true))
      warn(`${key}: "${name}" is given twice, with the same content`)
    else refuse(`${key}[${index}]`, `"${name}" is given before with other content; remove one of the two`)
  })
  return [...first.values()]
}
