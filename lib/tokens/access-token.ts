/** Access tokens: `at+jwt` (RFC 9068) when the application says `JWT`, opaque otherwise. */
import type { Db } from '../database/connect.ts'
import type { Application } from '../directory/applications.ts'
import type { Approval } from './approval.ts'
import { type Claims, numericDate, stampClaims, wholeSecond } from './claims.ts'
import type { Issuer, Minted } from './issuer.ts'
import { beginLineage } from './lineage.ts'
import {
  type Actor,
  type Clients,
  type Confirmation,
  randomValue,
  storeToken,
  type TokenContext,
} from './token.ts'

type Organization = Approval['organization']

/** What every access token says, whoever it is for. */
interface Spec {
  readonly application: Application
  readonly organization: Organization
  /** The account or client that the row names; `sub` is what the token calls it. */
  readonly subjectId: string
  readonly sub: string
  readonly aut: 'APPLICATION_USER' | 'APPLICATION'
  readonly actor: Actor | null
  readonly actorId: string | null
  readonly impersonationId: string | null
  readonly lineageId: string
  readonly sessionId: string | null
  readonly scopes: readonly string[]
  readonly audience: readonly string[]
  readonly confirmation: Confirmation | null
  readonly context: TokenContext
  readonly contributed: Claims
  readonly endsAt: Date
  /** A JWT whatever the application says: somebody asked for one by its token type (RFC 8693 §2.1). */
  readonly jwt?: boolean
  /** The token that it comes from by exchange. */
  readonly follows?: string | undefined
}

const mint = async (db: Db, issuer: Issuer, spec: Spec, now: Date): Promise<Minted> => {
  const { application, organization, scopes } = spec
  const { clientId } = application
  const id = crypto.randomUUID()
  const issuedAt = wholeSecond(now)
  const expiresAt = wholeSecond(spec.endsAt)
  const [only, ...more] = spec.audience
  const claims = stampClaims(spec.contributed, {
    sub: spec.sub,
    aut: spec.aut,
    iss: issuer.issuer,
    client_id: clientId,
    aud: only === undefined ? clientId : more.length > 0 ? spec.audience : only,
    nbf: numericDate(issuedAt),
    act: spec.actor ?? undefined,
    azp: clientId,
    org_id: organization.id,
    scope: scopes.length > 0 ? scopes.join(' ') : undefined,
    exp: numericDate(expiresAt),
    org_name: organization.name,
    iat: numericDate(issuedAt),
    jti: id,
    cnf: spec.confirmation ?? undefined,
  })
  const value =
    spec.jwt || application.oidc.accessToken.type === 'JWT'
      ? await issuer.sign(claims, 'at+jwt')
      : randomValue()
  const row = storeToken(db, value, {
    id,
    class: 'access',
    lineageId: spec.lineageId,
    applicationId: application.id,
    clientId,
    organizationId: organization.id,
    subjectId: spec.subjectId,
    actorId: spec.actorId,
    impersonationId: spec.impersonationId,
    sessionId: spec.sessionId,
    scopes,
    codeChallenge: null,
    actor: spec.actor,
    audience: spec.audience,
    confirmation: spec.confirmation,
    context: spec.context,
    follows: spec.follows ?? null,
    issuedAt,
    expiresAt,
  })
  return { value, id, expiresAt, writes: [row] }
}

/** An impersonated token's chain has the impersonator in it. Throws for a chain that lost him. */
const chainWith = (actor: Actor | undefined, impersonatorId: string): Actor => {
  if (actor === undefined) return { sub: impersonatorId }
  for (let link: Actor | undefined = actor; link !== undefined; link = link.act) {
    if (link.sub === impersonatorId) return actor
  }
  throw new Error('an impersonated token was asked for without its impersonator')
}

/**
 * Mints the impersonated access token of an approval redeemed at exchange; it ends at `endsAt`, cut to a whole second.
 * `act` is a plain object and is stamped by this server alone (facts/impersonation.md §4.4).
 */
export const mintImpersonatedAccessToken = (
  db: Db,
  issuer: Issuer,
  approval: Approval,
  impersonation: {
    readonly id: string
    readonly lineageId: string
    readonly confirmation: Confirmation | null
    /** The chain of a token that this one comes from, the impersonator in it; the impersonator alone without one. */
    readonly actor?: Actor | undefined
    readonly audience?: readonly string[] | undefined
    /** Those that the chain and the audience name. */
    readonly clients?: Clients | undefined
    readonly jwt?: boolean
    /** The token that it comes from, where that was an access token. */
    readonly follows?: string | undefined
  },
  contributed: Claims,
  endsAt: Date,
  now: Date,
): Promise<Minted> =>
  mint(
    db,
    issuer,
    {
      application: approval.application,
      organization: approval.organization,
      subjectId: approval.subject.id,
      sub: approval.subject.id,
      aut: 'APPLICATION_USER',
      actor: chainWith(impersonation.actor, approval.actor.id),
      actorId: approval.actor.id,
      impersonationId: impersonation.id,
      lineageId: impersonation.lineageId,
      sessionId: approval.sessionId,
      scopes: approval.scopes,
      audience: impersonation.audience ?? [],
      confirmation: impersonation.confirmation,
      context: { clients: impersonation.clients },
      contributed,
      endsAt,
      jwt: impersonation.jwt ?? false,
      follows: impersonation.follows,
    },
    now,
  )

/** Of a token in which nobody acts. */
const nobodyActs = { actor: null, actorId: null, impersonationId: null } as const

/** What a user let an application have: by a code, a device code, implicitly, or by refreshing one of these. */
export interface UserGrant {
  readonly application: Application
  readonly organization: Organization
  readonly accountId: string
  /** The user's name at this client (`tokens/subject-identifier.ts`). */
  readonly sub: string
  readonly lineageId: string
  readonly sessionId: string | null
  readonly scopes: readonly string[]
  readonly audience: readonly string[]
  readonly confirmation: Confirmation | null
  readonly context: TokenContext
}

/** Mints the access token of a user who signed in himself: nobody acts in it. */
export const mintUserAccessToken = (
  db: Db,
  issuer: Issuer,
  { accountId, ...grant }: UserGrant,
  contributed: Claims,
  endsAt: Date,
  now: Date,
): Promise<Minted> =>
  mint(
    db,
    issuer,
    {
      ...grant,
      subjectId: accountId,
      aut: 'APPLICATION_USER',
      ...nobodyActs,
      contributed,
      endsAt,
    },
    now,
  )

/** What an access token of ours becomes by delegation (RFC 8693 §4.1): for the same subject, on the same lineage. */
export interface DelegatedGrant extends Omit<UserGrant, 'accountId'> {
  /** An account, or a client that speaks for itself. */
  readonly subjectId: string
  readonly aut: 'APPLICATION_USER' | 'APPLICATION'
  /** The whole chain, the current actor outermost; null when nobody acts. */
  readonly actor: Actor | null
  readonly jwt: boolean
  /** The token that it comes from. */
  readonly follows: string
}

/** Mints the access token of a delegation; one of an impersonation needs an approval and is not minted here. */
export const mintDelegatedAccessToken = (
  db: Db,
  issuer: Issuer,
  grant: DelegatedGrant,
  endsAt: Date,
  now: Date,
): Promise<Minted> =>
  mint(
    db,
    issuer,
    { ...grant, actorId: grant.actor?.sub ?? null, impersonationId: null, contributed: {}, endsAt },
    now,
  )

/** Mints an access token that a client has for itself: nobody acts in it, and it hangs on a lineage of its own. */
export const mintClientAccessToken = async (
  db: Db,
  issuer: Issuer,
  application: Application,
  organization: Organization,
  granted: {
    readonly scopes: readonly string[]
    readonly claims: Claims
    readonly seconds: number
    readonly audience?: readonly string[]
    readonly confirmation?: Confirmation | null
  },
  now: Date,
): Promise<Minted> => {
  const { clientId } = application
  const lineageId = Bun.randomUUIDv7()
  const endsAt = new Date(wholeSecond(now).getTime() + granted.seconds * 1000)
  const token = await mint(
    db,
    issuer,
    {
      application,
      organization,
      subjectId: clientId,
      sub: clientId,
      aut: 'APPLICATION',
      ...nobodyActs,
      lineageId,
      sessionId: null,
      scopes: granted.scopes,
      audience: granted.audience ?? [],
      confirmation: granted.confirmation ?? null,
      context: {},
      contributed: granted.claims,
      endsAt,
    },
    now,
  )
  const lineage = beginLineage(db, {
    id: lineageId,
    kind: 'client',
    sessionId: null,
    applicationId: application.id,
    endsAt,
  })
  return { ...token, writes: [lineage, ...token.writes] }
}
