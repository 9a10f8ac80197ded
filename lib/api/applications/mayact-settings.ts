/**
 * The object `mayact` of the OAuth settings: what OpenID Connect Registration has and WSO2's model has not. It is ours,
 * so a key that nothing here knows is a mistake and refused.
 */
import * as z from 'zod'
import { callbackProblem } from '../../directory/callback-url.ts'
import { clientSignatures, registrableResponses, responseTypeName } from '../../directory/client-abilities.ts'
import { webUrlProblem } from '../../directory/web-url.ts'

const checked = (problemOf: (text: string) => string | undefined) =>
  z.string().superRefine((value, context) => {
    const problem = problemOf(value)
    if (problem !== undefined) context.addIssue({ code: 'custom', message: problem })
  })

/** An address of the web: https, or http on this machine. */
export const webUrl = checked(webUrlProblem)

/** Where a request object is: a fragment, such as the hash of what is there, belongs to it (OpenID Connect Core §6.2). */
export const requestUris = z.array(webUrl.max(512)).max(20)

/** A redirect URI that is matched exactly: no `regexp=` form. */
export const redirectUri = checked((uri) => callbackProblem(uri, { subjectToken: true, allowRegexp: false }))

/** Signatures that the client makes. */
export const clientSignature = z.enum(clientSignatures)

const secretMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k']

const publicKey = z
  .looseObject({ kty: z.enum(['RSA', 'EC', 'OKP']), kid: z.string().max(255).optional() })
  .refine((key) => !secretMembers.some((member) => member in key), {
    error: 'has private members; register public keys only',
  })

/** Characters of a set; one at a URL may be as large (`lib/outbound.ts`). */
const largestSet = 65_536

/** A JWK set (RFC 7517 §5) of public keys. */
export const publicKeys = z
  .looseObject({ keys: z.array(publicKey).min(1).max(20) })
  .refine((set) => JSON.stringify(set).length <= largestSet, {
    error: `is longer than ${largestSet} characters`,
  })

const responseType = z.string().refine((type) => registrableResponses.has(responseTypeName(type)), {
  error: 'is not a response type of this server',
})

const text = z.string().max(2_048)
const scope = z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*$/, {
  error: 'must be scope names, separated by single spaces',
})

/** `serverSignature` is what this server signs with. */
export const mayactSchema = (serverSignature: z.ZodType<string>) =>
  z.strictObject({
    redirectUris: z.array(redirectUri).max(50).optional(),
    responseTypes: z.array(responseType).max(20).optional(),
    postLogoutRedirectUris: z.array(redirectUri).max(50).optional(),
    backChannelLogoutSessionRequired: z.boolean().optional(),
    frontChannelLogoutSessionRequired: z.boolean().optional(),
    userinfoSignedResponseAlg: serverSignature.optional(),
    introspectionSignedResponseAlg: serverSignature.optional(),
    authorizationSignedResponseAlg: serverSignature.optional(),
    dpopBoundAccessTokens: z.boolean().optional(),
    tlsClientCertificateBoundAccessTokens: z.boolean().optional(),
    requireSignedRequestObject: z.boolean().optional(),
    requestedSubjectByParOnly: z.boolean().optional(),
    requireImpersonationReason: z.boolean().optional(),
    requireImpersonationTicket: z.boolean().optional(),
    defaultMaxAge: z.int().min(0).max(2_147_483_647).optional(),
    requireAuthTime: z.boolean().optional(),
    defaultAcrValues: z
      .array(z.string().regex(/^[\x21-\x7e]{1,255}$/))
      .max(20)
      .optional(),
    initiateLoginUri: webUrl.optional(),
    requestUris: requestUris.optional(),
    jwks: publicKeys.optional(),
    jwksUri: webUrl.optional(),
    scope: scope.optional(),
    contacts: z.array(z.string().max(320)).max(20).optional(),
    applicationType: z.enum(['web', 'native']).optional(),
    logoUri: webUrl.optional(),
    clientUri: webUrl.optional(),
    policyUri: webUrl.optional(),
    tosUri: webUrl.optional(),
    impersonationMaxDuration: z.int().min(1).max(31_536_000).optional(),
    softwareId: text.optional(),
    softwareVersion: text.optional(),
  })
