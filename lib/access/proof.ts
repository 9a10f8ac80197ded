/** The DPoP proof of a request to our own APIs (RFC 9449 §7): verified once, whatever is decided how often, and used up once. */
import { commit } from '../database/commit.ts'
import { dpopChallenge, type ProofNeeds, type Proved, verifyProof } from '../tokens/dpop.ts'

/** What the gate does with a proof. */
export interface Proof {
  /** The key that was proved. */
  readonly jkt: string | undefined
  /** Why it proved none, for the log. */
  readonly why: string | undefined
  /** Uses the proof up, before its request has any effect; false when somebody else did. */
  use(): Promise<boolean>
  /** Puts the challenge on a 401, and a nonce that should be used from now on. */
  mark(response: Response): Response
}

/** `Authorization: DPoP <token>`. */
const tokenOf = (authorization: string | null): string | undefined =>
  /^dpop +([^ ]+)$/i.exec(authorization ?? '')?.[1]

const none = 'no DPoP header'

/** The proof of a request; one that comes without the scheme `DPoP` proves nothing here and is not looked at. */
export const proofOf = async (needs: ProofNeeds, request: Request, now: Date): Promise<Proof> => {
  const authorization = request.headers.get('authorization')
  const accessToken = tokenOf(authorization)
  if (accessToken === undefined) {
    return { jkt: undefined, why: undefined, use: async () => true, mark: (response) => response }
  }
  const proof = request.headers.get('dpop')
  const { method, url } = request
  const proved: Proved =
    proof === null
      ? { jkt: undefined, error: 'invalid_dpop_proof', why: none, nonce: undefined }
      : await verifyProof(needs, { proof, method, path: new URL(url).pathname, accessToken }, now)
  let used = false
  let replayed = false
  return {
    jkt: proved.jkt,
    why: proved.jkt === undefined ? proved.why : undefined,
    async use() {
      if (proved.jkt === undefined || used) return !replayed
      used = true
      replayed = (await commit(needs.db, proved.writes)) !== 'committed'
      return !replayed
    },
    mark(response) {
      if (response.status === 401) {
        const error =
          proved.jkt === undefined ? proved.error : replayed ? 'invalid_dpop_proof' : 'invalid_token'
        response.headers.set('WWW-Authenticate', dpopChallenge(error))
      }
      if (proved.nonce !== undefined) response.headers.set('DPoP-Nonce', proved.nonce)
      return response
    },
  }
}
