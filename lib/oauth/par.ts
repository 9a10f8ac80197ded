/**
 * POST /oauth2/par (RFC 9126): an authenticated client leaves an authorization request here and gets a `request_uri`,
 * which stands for all of it. What would be refused at the authorization endpoint is refused here.
 */
import { Hono } from 'hono'
import { commit, revisionIs } from '../database/commit.ts'
import { type PushedRequest, pushedRequestSeconds, pushRequest } from '../sign-in/pushed-request.ts'
import type { ProofNeeds } from '../tokens/dpop.ts'
import type { Confirmation } from '../tokens/token.ts'
import {
  checkRequest,
  type KnownClient,
  PageProblem,
  placeOf,
  type ReadNeeds,
} from './authorization-request.ts'
import { authenticateClient, type ClientNeeds } from './client-authentication.ts'
import { nonceHeader, proveClientKey } from './dpop.ts'
import { OAuthError } from './error.ts'
import { readForm } from './form.ts'
import { openRequestObject, type RequestObjectNeeds } from './request-object.ts'
import { repeatableResource } from './resource.ts'

export interface ParNeeds extends ClientNeeds, ReadNeeds, RequestObjectNeeds {
  readonly proofs: ProofNeeds
}

type Parameters = ReadonlyMap<string, string>

const tries = 3

/** As much as the authorization endpoint reads. */
const longestRequest = 8_192

/** What authenticates the client is no part of what it asks. */
const credentials = ['client_secret', 'client_assertion', 'client_assertion_type']

const invalid = (description: string) => new OAuthError('invalid_request', description)

const parse = async (request: Request): Promise<Parameters> => {
  const { parameters, ...bad } = await readForm(request, repeatableResource)
  if (parameters === undefined) {
    throw invalid(`Invalid request: ${'problem' in bad ? bad.problem : 'no form'}.`)
  }
  return parameters
}

/** The request that was pushed, without what proved its client. */
const askedOf = (parameters: Parameters, clientId: string): Parameters => {
  if (parameters.has('request_uri')) throw invalid('A request_uri cannot be pushed.')
  const asked = new Map([...parameters].filter(([name]) => !credentials.includes(name)))
  asked.set('client_id', clientId)
  const size = [...asked].reduce((sum, [name, value]) => sum + name.length + value.length, 0)
  if (size > longestRequest) throw invalid('Invalid request: the request is too long.')
  return asked
}

/** A code is bound to the key that its request proved; one that is also named must be that (RFC 9449 §10.1). */
const boundTo = (asked: Parameters, confirmation: Confirmation | null): Confirmation | null => {
  const named = asked.get('dpop_jkt')
  const proven = confirmation !== null && 'jkt' in confirmation ? confirmation : null
  if (proven === null || named === undefined || named === proven.jkt) return proven
  throw new OAuthError('invalid_dpop_proof', 'The DPoP proof is of another key than dpop_jkt.')
}

/** Judges the request as the authorization endpoint will. Throws OAuthError: here nothing is redirected. */
const check = (needs: ParNeeds, known: KnownClient, { parameters, signed }: PushedRequest) => {
  try {
    // it has no request_uri yet, and will have one
    const request = checkRequest(needs, placeOf(needs, known, parameters), parameters, { signed, pushed: '' })
    const problem = request.type.stated?.(request).problem
    if (problem) throw invalid(problem.message)
  } catch (error) {
    if (!(error instanceof PageProblem)) throw error
    throw new OAuthError('invalid_request', error.message, { cause: error.code })
  }
}

const push = async (needs: ParNeeds, request: Request, form: Parameters) => {
  const { db, proofs } = needs
  const trace = needs.traceOf(request)
  for (let attempt = 1; attempt <= tries; attempt += 1) {
    const authenticated = await authenticateClient(needs, request, form)
    const { client, revision } = authenticated
    const now = new Date()
    const proven = await proveClientKey(proofs, request, authenticated, false, trace, now)
    const asked = askedOf(form, client.clientId)
    const signed = asked.has('request')
    const parameters = signed ? await openRequestObject(needs, client, asked, now) : asked
    const bound = boundTo(parameters, proven.confirmation)
    check(needs, { client, revision }, { parameters, signed })
    const pushed = pushRequest(db, client.clientId, { parameters, signed }, bound, now)
    if ((await commit(db, [revisionIs(revision), ...proven.writes, pushed.write])) === 'committed') {
      return { requestUri: pushed.requestUri, headers: nonceHeader(proven.nonce) }
    }
  }
  throw new OAuthError('temporarily_unavailable', 'The request was overtaken by changes; try again.')
}

export const par = (needs: ParNeeds) =>
  new Hono().post('/oauth2/par', async (c) => {
    const { raw } = c.req
    const { requestUri, headers } = await push(needs, raw, await parse(raw))
    const body = { request_uri: requestUri, expires_in: pushedRequestSeconds }
    return c.json(body, 201, { 'Cache-Control': 'no-store', Pragma: 'no-cache', ...headers })
  })
