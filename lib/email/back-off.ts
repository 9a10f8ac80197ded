const shortest = 1_000

/**
 * Milliseconds to wait after the given number of failures in a row: a second, doubled each time up to `longest`, less
 * up to a fifth, so that what failed together does not come back together.
 */
export const backOff = (failures: number, longest: number): number =>
  Math.round(Math.min(longest, shortest * 2 ** Math.min(failures - 1, 30)) * (1 - Math.random() / 5))
