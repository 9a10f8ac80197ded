/** The `scope` parameter: split on white space, duplicates dropped (the seed's sample ends in `%0A`). */

const token = /^[\x21\x23-\x5b\x5d-\x7e]+$/

/** The scopes in the order asked for, or undefined when one is not a scope-token (RFC 6749 §3.3). */
export const parseScope = (value: string | undefined): readonly string[] | undefined => {
  const scopes = [...new Set((value ?? '').split(/\s+/).filter((scope) => scope !== ''))]
  return scopes.every((scope) => token.test(scope)) ? scopes : undefined
}
