/**
 * Why a message did not leave. One that is the message's own says whether trying again is pointless; otherwise the
 * server is not there, not trusted or does not let us in, and no message would fare better. `reason` holds no secret.
 */
export class Undelivered extends Error {
  override readonly name = 'Undelivered'
  readonly fault: 'message' | 'server'
  readonly permanent: boolean

  constructor(reason: string, kind: { readonly fault: 'message' | 'server'; readonly permanent?: boolean }) {
    super(reason)
    this.fault = kind.fault
    this.permanent = kind.permanent ?? false
  }
}
