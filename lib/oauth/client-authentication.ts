/**
 * Who the client is (RFC 6749 §2.3, OpenID Connect Core §9): a secret by Basic or form, a signed assertion, a TLS
 * certificate, or, for public clients, its id alone. Where the application names its method no other one is taken.
 */
import { hash, timingSafeEqual } from 'node:crypto'
import { record, type Trace } from '../audit.ts'
import { commit, readRevision, type Write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { type Application, findClient } from '../directory/applications.ts'
import { fact } from '../directory/facts.ts'
import type { Vault } from '../keys/secrets.ts'
import {
  clientFailures,
  clientKey,
  forgetFailures,
  mostClientFailures,
  recordClientFailure,
} from '../sign-in/throttle.ts'
import type { Confirmation } from '../tokens/token.ts'
import { type AssertionRules, verifyAssertion } from './client-assertion.ts'
import { certificateProblem, certificateThumbprint, readCertificate } from './client-certificate.ts'
import { OAuthError } from './error.ts'
import { failed, type PresentedClient, presentedClient } from './presented-client.ts'
import { leaveRefusal } from './refused-client.ts'

/** The methods by which a proxy hands a certificate on (RFC 8705 §2). */
export const certificateMethods = ['tls_client_auth', 'self_signed_tls_client_auth'] as const

type CertificateMethod = (typeof certificateMethods)[number]

export interface ClientRules extends AssertionRules {
  /** The client's certificate as a trusted proxy's header has it; undefined from anybody else. */
  certificateOf(request: Request): string | undefined
}

/** What an endpoint needs whose clients authenticate. */
export interface ClientNeeds {
  readonly db: Db
  readonly vault: Vault
  readonly clients: ClientRules
  traceOf(request: Request): Trace
}

/** Who the client is, and what proves it. */
export interface AuthenticatedClient {
  readonly client: Application
  readonly method: PresentedClient['method']
  /** The revision at which it was; what is answered to it is guarded by that. */
  readonly revision: number
  /** Its TLS certificate, where its tokens are bound to it (RFC 8705 §3). */
  readonly confirmation: Confirmation | null
  /** For the commit of what it is answered: the assertion it was authenticated by is used up. */
  readonly writes: readonly Write[]
}

const digest = (value: string) => hash('sha256', value, 'buffer')

/** Whether the client proves itself by the certificate of its connection. */
export const byCertificate = (method: string | undefined): method is CertificateMethod =>
  certificateMethods.some((name) => name === method)

/** Whether the application takes the method; where it says nothing, a secret, or for a public client its id. */
const accepts = ({ oidc }: Application, method: PresentedClient['method']): boolean => {
  const wanted = oidc.clientAuthentication.tokenEndpointAuthMethod
  if (method === 'none') {
    return byCertificate(wanted) || (oidc.publicClient && (wanted === undefined || wanted === 'none'))
  }
  return wanted === undefined ? method !== 'private_key_jwt' : wanted === method
}

/** Both are hashed, so that neither length nor content shows in the time it takes. */
const isSecret = async ({ db, vault }: ClientNeeds, revision: number, client: Application, secret: string) =>
  timingSafeEqual(
    digest(secret),
    await fact(db, revision, `secret of ${client.id}`, async () =>
      digest(vault.openText(client.sealedSecret, client.id)),
    ),
  )

/** Why what was presented does not prove that it is the client, or the writes that belong to the proof. */
const prove = async (
  needs: ClientNeeds,
  request: Request,
  presented: PresentedClient,
  { client, revision }: Pick<AuthenticatedClient, 'client' | 'revision'>,
  now: Date,
): Promise<readonly Write[]> => {
  const { db, clients } = needs
  if (!accepts(client, presented.method)) throw failed(`${presented.method} is not the application's method`)
  if (presented.method === 'private_key_jwt') {
    return verifyAssertion(db, client, presented.assertion, clients, now)
  }
  if (presented.method === 'none') {
    const method = client.oidc.clientAuthentication.tokenEndpointAuthMethod
    if (!byCertificate(method)) return []
    const certificate = readCertificate(clients.certificateOf(request) ?? '')
    const problem = await certificateProblem(certificate, client, method, clients.outbound, now)
    if (problem !== undefined) throw failed(problem)
    return []
  }
  const key = clientKey(client.clientId, needs.traceOf(request).address)
  const failures = await clientFailures(db, key, now)
  // a secret that is guessed too late is a wrong one
  if (failures >= mostClientFailures) throw failed('too many failures')
  if (!(await isSecret(needs, revision, client, presented.secret))) throw failed('wrong secret')
  return failures > 0 ? [forgetFailures(db, key)] : []
}

/** Counts and records a failure, but not more of them than are counted. */
const noteFailure = async (
  needs: ClientNeeds,
  request: Request,
  client: Application,
  { cause }: OAuthError,
  now: Date,
): Promise<void> => {
  const { db } = needs
  const trace = needs.traceOf(request)
  const key = clientKey(client.clientId, trace.address)
  if ((await clientFailures(db, key, now)) >= mostClientFailures) return
  const reason = cause instanceof Error ? cause.message : String(cause)
  await commit(db, [
    recordClientFailure(db, key, trace.address, now),
    record(db, now, trace, {
      event: 'client-authentication-failed',
      initiator: client.clientId,
      target: client.clientId,
      data: { clientId: client.clientId, reason: reason.slice(0, 200), address: trace.address },
      outcome: 'Failure',
      applicationId: client.id,
      organizationId: client.organizationId,
    }),
  ])
}

const boundCertificate = (
  { clients }: ClientNeeds,
  request: Request,
  { oidc }: Application,
): Confirmation | null => {
  if (!oidc.mayact.tlsClientCertificateBoundAccessTokens) return null
  const certificate = readCertificate(clients.certificateOf(request) ?? '')
  if (certificate) return { 'x5t#S256': certificateThumbprint(certificate) }
  throw new OAuthError('invalid_request', 'The access tokens of this client are bound to its certificate.')
}

/**
 * The authenticated client, and the revision at which it was; what is answered to it is guarded by that. Throws
 * `invalid_client` (401) or, for two methods at once, `invalid_request`.
 */
export const authenticateClient = async (
  needs: ClientNeeds,
  request: Request,
  form: ReadonlyMap<string, string>,
): Promise<AuthenticatedClient> => {
  const now = new Date()
  const presented = presentedClient(request, form)
  const { db } = needs
  const revision = await readRevision(db)
  const client = await findClient(db, revision, presented.clientId)
  if (!client) throw failed('unknown client')
  if (!client.active) throw failed('the application is disabled or revoked')
  let writes: readonly Write[]
  try {
    writes = await prove(needs, request, presented, { client, revision }, now)
  } catch (error) {
    if (error instanceof OAuthError && error.code === 'invalid_client') {
      await noteFailure(needs, request, client, error, now)
    }
    throw error
  }
  try {
    const confirmation = boundCertificate(needs, request, client)
    return { client, method: presented.method, revision, confirmation, writes }
  } catch (error) {
    const grantType = form.get('grant_type')
    await leaveRefusal(db, client, error, { grantType, writes }, needs.traceOf(request), now)
    throw error
  }
}
