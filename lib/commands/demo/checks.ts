/** One comparison with the samples: what was wanted, what was found. */
export interface Check {
  /** What it belongs to: the redirect, one of the tokens, the mail. */
  readonly about: string
  readonly name: string
  readonly ok: boolean
  readonly wanted: string
  readonly found: string
}

const shown = (value: unknown): string =>
  typeof value === 'string' ? value : (JSON.stringify(value) ?? '(none)')

/** Collects the comparisons of one topic. */
export const checksOf = (about: string) => {
  const checks: Check[] = []
  const add = (name: string, ok: boolean, wanted: unknown, found: unknown) => {
    checks.push({ about, name, ok, wanted: shown(wanted), found: shown(found) })
  }
  return {
    checks,
    /** The same value, members in any order. */
    same(name: string, wanted: unknown, found: unknown) {
      add(name, Bun.deepEquals(wanted, found, true), wanted, found)
    },
    /** Of the form that is described by `wanted`. */
    like(name: string, form: RegExp, wanted: string, found: unknown) {
      add(name, typeof found === 'string' && form.test(found), wanted, found)
    },
    /** The same members, in the same order. */
    order(name: string, wanted: readonly string[], found: readonly string[]) {
      add(name, Bun.deepEquals([...wanted], [...found]), wanted.join(', '), found.join(', '))
    },
    /** The same members, in any order. */
    names(name: string, wanted: readonly string[], found: readonly string[]) {
      const [one, other] = [wanted.toSorted(), found.toSorted()]
      add(name, Bun.deepEquals(one, other), one.join(', '), other.join(', '))
    },
    /** The same scopes, but for `openid`, which may be there or not. */
    scopes(name: string, wanted: string, found: unknown) {
      const sorted = (scopes: string) =>
        scopes
          .split(' ')
          .filter((scope) => scope !== 'openid')
          .sort()
      const ok = typeof found === 'string' && Bun.deepEquals(sorted(wanted), sorted(found))
      add(name, ok, `${wanted} (openid or not)`, found)
    },
  }
}

export const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
