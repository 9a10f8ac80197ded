/** Proofs that an address is the account's own: each is of one address, and ends with it. */
import { type Attributes, primaryText, wso2Schema } from './attributes.ts'

/** The flag that says so, by the attribute whose primary value it is said of. */
const proofs = [
  ['emails', `${wso2Schema}:emailVerified`],
  ['phoneNumbers', `${wso2Schema}:phoneVerified`],
] as const

/**
 * What an account has `after` a change, without the proofs of addresses that are no longer its own: whoever changes his
 * address would else be told from the owner of that address by nobody. `touched` are the full names that the change
 * speaks of: one that says an address is proved is believed.
 */
export const withoutStaleProofs = (
  before: Attributes,
  after: Attributes,
  touched: ReadonlySet<string>,
): Attributes => {
  const stale = proofs.filter(
    ([address, proof]) =>
      after.has(proof) &&
      !touched.has(proof) &&
      primaryText(before.get(address)) !== primaryText(after.get(address)),
  )
  if (stale.length === 0) return after
  const gone = new Set<string>(stale.map(([, proof]) => proof))
  return new Map([...after].filter(([name]) => !gone.has(name)))
}
