/** Who calls a resource server, and for whom: `sub` is the user, `act` says who acts for him (RFC 8693 §4.1). */
import { replays, requireProof } from './proof.ts'
import { Refused } from './refused.ts'
import { type TokenClaims, type TokenRules, tokenReader } from './token.ts'

export interface Impersonation {
  /** Who acts now. */
  readonly actor: string
  /** Everybody in the chain, who acts now first. */
  readonly chain: readonly string[]
}

export interface Access {
  /** The user that the token is about; of a client for itself, the client. */
  readonly subject: string
  /** Who acts for him; undefined when he is there in person. */
  readonly actor: string | undefined
  readonly impersonation: Impersonation | undefined
  readonly client: string
  readonly scopes: ReadonlySet<string>
  readonly expiresAt: Date
  readonly claims: TokenClaims
}

/** A request made while somebody acts for the user: what the audit of the resource server keeps. */
export interface Use {
  readonly at: Date
  readonly subject: string
  readonly actor: string
  readonly chain: readonly string[]
  readonly client: string
  /** The token's `jti`. */
  readonly token: string | undefined
  readonly method: string
  readonly path: string
  /** False when a policy turned it away. */
  readonly allowed: boolean
}

export interface ResourceRules extends TokenRules {
  /** The thumbprint (`x5t#S256`) of the client's TLS certificate, where tokens are bound to one (RFC 8705). */
  readonly certificateOf?: ((request: Incoming) => string | undefined) | undefined
  /** Told of every request with somebody acting, before it is served; when it fails the request is not served. */
  readonly onImpersonated?: ((use: Use) => void | Promise<void>) | undefined
}

export interface Incoming {
  readonly method: string
  /** Absolute, as its sender knows it. */
  readonly url: string
  header(name: string): string | undefined
}

const deepest = 16

const chainOf = (act: unknown): readonly string[] => {
  const chain: string[] = []
  let link = act
  while (link !== undefined) {
    if (typeof link !== 'object' || link === null || !('sub' in link) || typeof link.sub !== 'string')
      throw new Refused('invalid_token', 'an actor without a name')
    chain.push(link.sub)
    if (chain.length > deepest) throw new Refused('invalid_token', 'too long a chain of actors')
    link = 'act' in link ? link.act : undefined
  }
  return chain
}

const read = (claims: TokenClaims): Access => {
  const chain = chainOf(claims.act)
  const [actor] = chain
  return {
    subject: String(claims.sub),
    actor,
    impersonation: actor === undefined ? undefined : { actor, chain },
    client: String(claims.client_id),
    scopes: new Set(typeof claims.scope === 'string' ? claims.scope.split(' ').filter(Boolean) : []),
    expiresAt: new Date(Number(claims.exp) * 1000),
    claims,
  }
}

/** Verifies requests by the rules: the token, and the key that it is bound to. Throws `Refused`. */
export const accessReader = (rules: ResourceRules): ((request: Incoming) => Promise<Access>) => {
  const readToken = tokenReader(rules)
  const isNew = replays()
  return async (request) => {
    const header = request.header('authorization')
    if (header === undefined) throw new Refused('missing', 'no token')
    const [, scheme = '', token = ''] = /^(Bearer|DPoP) +([\w.~+/-]+=*)$/i.exec(header) ?? []
    if (token === '') throw new Refused('missing', 'no Bearer or DPoP token')
    const claims = await readToken(token)
    const bound = claims.cnf as { readonly jkt?: unknown; readonly 'x5t#S256'?: unknown } | null | undefined
    const byKey = scheme.toLowerCase() === 'dpop'
    if (bound !== undefined) {
      if (typeof bound !== 'object' || bound === null)
        throw new Refused('invalid_token', 'bound to nothing that is understood here')
      const { jkt, 'x5t#S256': certificate } = bound
      if (jkt === undefined && certificate === undefined)
        throw new Refused('invalid_token', 'bound to a key that is not understood here')
      if (certificate !== undefined && certificate !== rules.certificateOf?.(request))
        throw new Refused('invalid_token', 'bound to another certificate')
      if (jkt !== undefined && (!byKey || typeof jkt !== 'string'))
        throw new Refused('invalid_dpop_proof', 'bound to a key, and sent as a Bearer token')
      if (typeof jkt === 'string')
        await requireProof(
          { proof: request.header('dpop'), method: request.method, url: request.url, token, thumbprint: jkt },
          isNew,
        )
    }
    if (byKey && (bound === undefined || bound.jkt === undefined))
      throw new Refused('invalid_token', 'not bound to a key, and sent as one that is')
    return read(claims)
  }
}
