import type { Write } from '../database/commit.ts'

/** What every minting function needs of the server: its name and its key. */
export interface Issuer {
  /** The `iss` of every token. */
  readonly issuer: string
  /**
   * Signs claims as a compact JWS with the current key; `type` becomes the header's `typ`. An `algorithm` that this
   * server does not offer gives way to the configured one.
   */
  sign(claims: Record<string, unknown>, type?: string, algorithm?: string): Promise<string>
  /** What `sign` signs with where this `algorithm` is asked for. */
  algorithmFor(algorithm?: string): string
}

/** A signed value that is not released yet, and the writes that make it known. */
export interface Minted {
  readonly value: string
  readonly id: string
  readonly expiresAt: Date
  readonly writes: readonly Write[]
}
