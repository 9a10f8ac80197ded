/** What a scope may be called: which names are scope-tokens, and which belong to this server. */

/** RFC 6749 §3.3, and no longer than a name of anything. */
/** A scope token (RFC 6749 §3.3). */
export const scopeForm = /^[\x21\x23-\x5b\x5d-\x7e]{1,255}$/

export const isScopeToken = (name: string): boolean => scopeForm.test(name)

/**
 * Whether only this server and its operator name scopes so: permissions of our own APIs begin with `internal_`, and the
 * other two mean all of them elsewhere. However it is written, since nobody tells `Internal_` from `internal_`.
 */
export const isReservedScope = (name: string): boolean => /^(?:internal_|console:|system$)/i.test(name)
