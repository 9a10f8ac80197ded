/**
 * The samples of the user-impersonation guide of WSO2 Identity Server, decoded. What the demo plays is compared with
 * them; identifiers and times stand for whatever they were at the time.
 */

/** The guide's request, as it is printed there: a scope twice, one that nobody registered, a line break at the end. */
export const sampleScope = `${[
  'internal_user_impersonate',
  'openid',
  'internal_org_user_mgt_view',
  'internal_org_user_mgt_list',
  'internal_user_mgt_delete',
  'internal_org_user_mgt_create',
  'internal_login',
  'internal_user_mgt_delete',
  'internal_user_mgt_view',
  'internal_user_mgt_list',
  'internal_user_mgt_update',
  'internal_user_mgt_create',
  'readBooking',
].join(' ')}\n`

export const sampleRequest = {
  redirectUri: 'https://oauth.pstmn.io/v1/callback',
  state: 'sample_state',
  nonce: '2131232',
  responseType: 'id_token subject_token',
} as const

/** The parameters of the redirect, in their order. */
export const sampleRedirect = ['id_token', 'session_state', 'state', 'subject_token'] as const

/** The scopes of the samples; `openid` is in the encoded access token and left out where it is printed. */
export const sampleScopes = [
  'internal_login',
  'internal_org_user_mgt_list',
  'internal_org_user_mgt_view',
  'internal_user_mgt_list',
  'internal_user_mgt_view',
] as const

const subject = '32bc4697-ed0f-4546-8387-dcd6403e7caa'
const impersonator = '2d931c9d-876e-46c0-9aba-f34501879dfc'
const client = 'jVcW4oLn1Jjb2T94H4gtPV9z5Y0a'
const issuer = 'https://localhost:9443/oauth2/token'

/** Who and what the samples are about: what stands in their place differs from one server to the next. */
export const sampleParties = { subject, impersonator, client, issuer } as const

export const sampleSubjectToken = {
  sub: subject,
  aud: client,
  nbf: 1718694997,
  azp: client,
  scope: sampleScopes.join(' '),
  iss: issuer,
  may_act: { sub: impersonator },
  exp: 1718712997,
  iat: 1718694997,
  jti: '66dff3b0-2828-4bc0-8a27-84aa9bd3ebdb',
  client_id: client,
} as const

export const sampleResponse = {
  access_token: '…',
  issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
  scope: sampleScopes.join(' '),
  token_type: 'Bearer',
  expires_in: 3600,
} as const

export const sampleAccessToken = {
  sub: subject,
  aut: 'APPLICATION_USER',
  iss: issuer,
  client_id: client,
  aud: client,
  nbf: 1718695052,
  act: { sub: impersonator },
  azp: client,
  org_id: '10084a8d-113f-4211-a0d5-efe36b082211',
  scope: sampleScopes.join(' '),
  exp: 1718698652,
  org_name: 'Super',
  iat: 1718695052,
  jti: '0728d517-7968-474f-bd7d-12537ccbe436',
} as const

/** The names in the headers of both tokens. */
export const sampleHeader = ['x5t', 'kid', 'typ', 'alg'] as const
export const sampleAlgorithm = 'RS256'
/** `typ` of the access token is the sample's; that of the subject token was `jwt` (docs/compatibility.md). */
export const headerTypes = { subjectToken: 'subject-token+jwt', accessToken: 'at+jwt' } as const

export const sampleMailSubject = 'User Impersonation Session Started'

/** The two lines of the guide, one after the other: what was done, and by whom on whose behalf. */
export const sampleAuditLines = [
  'TID: [-1234] [2024-06-03 14:50:42,298] [1a2ac914-ea61-4699-8778-ea44d2fa27c5]  INFO {AUDIT_LOG} - Initiator=0fa51985-d36d-4492-9ebd-298f9d68861f Action=resource-modification-via-impersonation Target=49de2b73-5f0b-44db-bf75-6fddec4b058e Data={"ResourcePath":"/scim2/Me","clientId":"luoljDTbHYcfx6YWT_7wsYs67rsa","subject":"49de2b73-5f0b-44db-bf75-6fddec4b058e","scope":"internal_login internal_user_mgt_list internal_user_mgt_view","impersonator":"0fa51985-d36d-4492-9ebd-298f9d68861f","httpMethod":"PATCH"} Outcome=AUTHORIZED',
  'TID: [-1234] [2024-06-03 14:50:42,976] [1a2ac914-ea61-4699-8778-ea44d2fa27c5]  INFO {AUDIT_LOG} - Initiator=49de2b73-5f0b-44db-bf75-6fddec4b058e Action=Set-User-Claim-Values Target=t******r Data={"ServiceProviderName":"POSTMAN_SBA","Claims":{"http://wso2.org/claims/country":"S***n","http://wso2.org/claims/modified":"2*************************Z","profileConfiguration":"d*****t"}} Outcome=Success | Impersonator : 0fa51985-d36d-4492-9ebd-298f9d68861f',
] as const

/** Names whose masked forms are those of the second line. */
export const samplePeople = {
  impersonator: { userName: 'Impersonator', email: 'impersonator@example.com' },
  subject: { userName: 'testuser', email: 'testuser@example.com' },
} as const
export const sampleApplication = 'POSTMAN_SBA'
export const sampleCountry = 'Spain'
