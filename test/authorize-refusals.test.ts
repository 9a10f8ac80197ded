/** Every refusal of the authorization endpoint: what is said, where, what the audit keeps, and that nothing else happened. */
import { afterAll, beforeAll, describe, expect, setSystemTime, test } from 'bun:test'
import { bump, commit, exactly, write } from '../lib/database/commit.ts'
import { administratorRole } from '../lib/directory/permissions.ts'
import { type Answer, type Delivered, type Page, readAnswer } from './authorize-answer.ts'
import { type Booted, boot, origin } from './boot.ts'
import { type Browser, fragmentOf, locationOf } from './browser.ts'
import { databases } from './databases.ts'
import { type Changes, nothingElse } from './nothing-else.ts'
import {
  addToRole,
  authorizePath,
  createApplication,
  createPerson,
  createRole,
  logIn,
  type Person,
  redirectUri,
  removeFromRole,
  type Scenario,
  setLocked,
  setUp,
  tokenExchange,
} from './scenario.ts'

const issuer = `${origin}/oauth2/token`
const organizationId = '10084a8d-113f-4211-a0d5-efe36b082211'
const challenge = 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM'

/** The applications that the rows need, by what is special about them. */
const applications = {
  consenting: { skipLoginConsent: false },
  public: { oidc: { publicClient: true } },
  pkce: { oidc: { pkce: { mandatory: true, supportPlainTransformAlgorithm: false } } },
  plain: { oidc: { pkce: { mandatory: false, supportPlainTransformAlgorithm: true } } },
  implicitOnly: { oidc: { grantTypes: ['implicit', tokenExchange] } },
  withoutGrant: { oidc: { grantTypes: ['authorization_code'] } },
  withoutSubjectToken: { oidc: { subjectToken: { enable: false } } },
  withoutApi: {},
  other: {},
  disabled: {},
  revoked: {},
  withoutGrants: {},
  withoutCallback: {},
  withRegexp: {
    oidc: { subjectToken: { enable: false }, callbackURLs: ['regexp=(https://client\\.example/.*)'] },
  },
} as const

type Special = keyof typeof applications

interface World {
  readonly server: Booted
  readonly scenario: Scenario
  readonly clients: Readonly<Record<Special, { readonly applicationId: string; readonly clientId: string }>>
}

const build = async (server: Booted): Promise<World> => {
  const scenario = await setUp(server)
  const made: Partial<Record<Special, { applicationId: string; clientId: string }>> = {}
  for (const [name, options] of Object.entries(applications)) {
    made[name as Special] = await createApplication(server, { name, ...options })
  }
  const clients = made as World['clients'] // the loop went through all of its keys
  const { db } = server
  const now = new Date().toISOString()
  const update = (name: Special, columns: Readonly<Record<string, string>>) =>
    write(db.updateTable('application').set(columns).where('id', '=', clients[name].applicationId))
  const settings = (changes: object) =>
    JSON.stringify({ grantTypes: [tokenExchange], callbackURLs: [redirectUri], ...changes })
  const outcome = await commit(db, [
    update('disabled', { disabled_at: now }),
    update('revoked', { revoked_at: now }),
    update('withoutGrants', { oidc: settings({ grantTypes: [] }) }),
    update('withoutCallback', { oidc: settings({ callbackURLs: [] }) }),
    bump,
  ])
  expect(outcome).toBe('committed')
  return { server, scenario, clients }
}

const page = (code: string, message: string, status = 400): Page => ({ place: 'page', status, code, message })

/** An error at the client's own redirect URI, before anybody is known: no `session_state`. */
const at = (
  place: Delivered['place'],
  error: string,
  description: string,
  state: string | null = 's1',
): Delivered => ({
  place,
  to: redirectUri,
  parameters: {
    error,
    error_description: description,
    ...(state === null ? {} : { state }),
    iss: issuer,
  },
})

const expectAnswer = (seen: Answer, wanted: Answer) => {
  expect(seen).toEqual(wanted)
  if ('parameters' in wanted && 'parameters' in seen)
    expect(Object.keys(seen.parameters)).toEqual(Object.keys(wanted.parameters))
}

type Parameters = Readonly<Record<string, string | undefined>>

/** A row of the table of what is refused before anybody signs in. */
interface EarlyRow {
  readonly title: string
  readonly with?: Parameters
  /** Whose request it is, where it is not the scenario's application. */
  readonly client?: Special
  /** The request's query as it stands, where parameters cannot say it. */
  readonly raw?: (world: World) => string
  readonly answer: Answer | ((world: World) => Answer)
}

const repeated = page('invalid_request', 'Invalid authorization request with repeated parameters')
const callback = page(
  'invalid_callback',
  'The redirect_uri of the request is not the one that is registered for the application.',
)
const invalid = (description: string, place: Delivered['place'] = 'fragment') =>
  at(place, 'invalid_request', description)
const unknownClient = (id: string) =>
  page('invalid_client', `A valid OAuth client could not be found for client_id: ${id}`)
const unregistered = (place: Delivered['place'] = 'fragment') =>
  at(place, 'unsupported_response_type', 'Unsupported Response Type!')
const noSubjectDescription = 'response_type is subject_token. but requested_subject parameter not found.'
const noSubject = invalid(noSubjectDescription)
const noNonce = invalid("'response_type' contains 'id_token'; but 'nonce' parameter not found")
const noMode = invalid('Unsupported response_mode for this response_type.')
const noPlain = invalid('This application does not allow the plain code_challenge_method; use S256.')
const badChallenge = invalid('code_challenge does not comply with RFC 7636.')
const noChallenge = invalid('PKCE is mandatory for this application: code_challenge is missing.')
const badPrompt = invalid('Invalid prompt variable value found.')
const badScope = at('fragment', 'invalid_scope', 'Scope validation failed.')
const badMaxAge = invalid('max_age is not a number of seconds.')

const queryOf = ({ scenario }: World, changes: Parameters = {}) =>
  authorizePath(scenario, changes).split('?')[1] ?? ''

const earlyRows: readonly EarlyRow[] = [
  // row 1
  {
    title: 'the request-format line of the seed, with its second response_type and its missing ampersand',
    raw: ({ scenario }) =>
      `response_type=code&redirect_uri=${redirectUri}&client_id=${scenario.clientId}state=<sample_state>&scope=internal_user_impersonate%20openid&response_type=id_token%20subject_token&requested_subject=${scenario.subject.id}&nonce=n1`,
    answer: repeated,
  },
  { title: 'state twice', raw: (world) => `${queryOf(world)}&state=s2`, answer: repeated },
  { title: 'state twice with one value', raw: (world) => `${queryOf(world)}&state=s1`, answer: repeated },
  {
    title: 'requested_subject a second time, empty',
    raw: (world) => `${queryOf(world)}&requested_subject=`,
    answer: repeated,
  },
  {
    title: 'requested_subject twice, once spelled with %5F',
    raw: (world) => `${queryOf(world)}&requested%5Fsubject=x`,
    answer: repeated,
  },
  {
    title: 'client_id twice',
    raw: (world) => `${queryOf(world)}&client_id=${world.scenario.clientId}`,
    answer: repeated,
  },
  {
    title: 'redirect_uri twice',
    raw: (world) => `${queryOf(world)}&redirect_uri=https://evil.example/`,
    answer: repeated,
  },
  { title: 'a parameter nobody knows twice', raw: (world) => `${queryOf(world)}&a=1&a=1`, answer: repeated },
  // what cannot be read at all
  {
    title: 'bytes that are not UTF-8',
    raw: (world) => `${queryOf(world)}&x=%ff`,
    answer: page('invalid_request', 'Invalid request: a parameter is not percent-encoded UTF-8.'),
  },
  {
    title: 'half a percent escape',
    raw: (world) => `${queryOf(world)}&x=%4`,
    answer: page('invalid_request', 'Invalid request: a parameter is not percent-encoded UTF-8.'),
  },
  ...['client_id', 'redirect_uri', 'requested_subject', 'state', 'nonce', 'scope'].map(
    (name): EarlyRow => ({
      title: `a NUL character in ${name}`,
      with: { [name]: 'a\0b' },
      answer: page('invalid_request', 'Invalid request: a parameter has a NUL character.'),
    }),
  ),
  {
    title: 'a request longer than anything needs',
    with: { state: 'x'.repeat(70_000) },
    answer: page('invalid_request', 'Invalid request: the request is too long.'),
  },
  // rows 2 and 3
  {
    title: 'a request without client_id',
    with: { client_id: undefined },
    answer: page('invalid_request', 'The client_id parameter is missing.'),
  },
  {
    title: 'an empty client_id',
    with: { client_id: '' },
    answer: page('invalid_request', 'The client_id parameter is missing.'),
  },
  {
    title: 'an unknown client, escaped on the page',
    with: { client_id: '<b>"x"' },
    answer: unknownClient('<b>"x"'),
  },
  {
    title: 'a client_id in another case',
    raw: (world) => queryOf(world, { client_id: world.scenario.clientId.toUpperCase() }),
    answer: ({ scenario }) => unknownClient(scenario.clientId.toUpperCase()),
  },
  {
    title: 'a client_id with a space behind it',
    raw: (world) => queryOf(world, { client_id: `${world.scenario.clientId} ` }),
    answer: ({ scenario }) => unknownClient(`${scenario.clientId} `),
  },
  {
    title: 'a client_id with SQL in it',
    with: { client_id: "' or '1'='1" },
    answer: unknownClient("' or '1'='1"),
  },
  {
    title: 'a client_id longer than any',
    with: { client_id: 'x'.repeat(300) },
    answer: page(
      'invalid_client',
      'A valid OAuth client could not be found for client_id: a value that is too long',
    ),
  },
  {
    title: 'a request longer than any',
    with: { state: 'x'.repeat(10_000) },
    answer: page('invalid_request', 'Invalid request: the request is too long.'),
  },
  {
    title: 'a disabled application',
    client: 'disabled',
    answer: page('invalid_client', 'Oauth application is not in active state'),
  },
  {
    title: 'a revoked application',
    client: 'revoked',
    answer: page('invalid_client', 'Oauth application is not in active state'),
  },
  // row 4
  ...Object.entries({
    none: undefined,
    'an empty': '',
    'a foreign': 'https://evil.example/cb',
    'a longer': `${redirectUri}x`,
    'a shorter': redirectUri.slice(0, -1),
    "the origin's": 'https://client.example',
    'a trailing slash in the': `${redirectUri}/`,
    'a query added to the': `${redirectUri}?a=b`,
    'an empty query added to the': `${redirectUri}?`,
    'a fragment added to the': `${redirectUri}#x`,
    'an empty fragment added to the': `${redirectUri}#`,
    'another case in the path of the': 'https://client.example/CB',
    'another case in the host of the': 'https://CLIENT.example/cb',
    'another case in the scheme of the': 'HTTPS://client.example/cb',
    'http instead of https in the': 'http://client.example/cb',
    'the default port in the': 'https://client.example:443/cb',
    'another port in the': 'https://client.example:8443/cb',
    'a user name in the': 'https://user@client.example/cb',
    'the host as user name in the': 'https://client.example@evil.example/cb',
    'a longer host in the': 'https://client.example.evil.example/cb',
    'a subdomain in the': 'https://sub.client.example/cb',
    'a dot at the end of the host in the': 'https://client.example./cb',
    'a path traversal in the': 'https://client.example/x/../cb',
    'an encoded traversal in the': 'https://client.example/cb/%2e%2e/cb',
    'an encoded letter in the': 'https://client.example/%63b',
    'a backslash in the': 'https://client.example\\@evil.example/cb',
    'white space before the': ` ${redirectUri}`,
    'white space behind the': `${redirectUri} `,
    'a line end in the': `${redirectUri}\r\nSet-Cookie: a=b`,
    'no scheme in the': '//client.example/cb',
    'a path only as': '/cb',
    'a script as': 'javascript:alert(1)',
    'two URIs in the': `${redirectUri},https://evil.example/cb`,
    'a regexp= form as': 'regexp=(https://client\\.example/.*)',
  }).map(
    ([what, redirect_uri]): EarlyRow => ({
      title: `${what} redirect_uri`,
      with: { redirect_uri },
      answer: callback,
    }),
  ),
  { title: 'an application without a callback', client: 'withoutCallback', answer: callback },
  { title: 'a regexp= callback, which no setting allows here', client: 'withRegexp', answer: callback },
  // row 5
  {
    title: 'an application without any grant',
    client: 'withoutGrants',
    answer: at(
      'fragment',
      'unauthorized_client',
      'The authenticated client is not authorized to use this authorization grant type',
    ),
  },
  // row 6: nothing says that a token was wanted, so it is RFC 6749's place
  {
    title: 'no response_type',
    with: { response_type: undefined },
    answer: invalid('Missing response_type parameter value', 'query'),
  },
  {
    title: 'an empty response_type',
    with: { response_type: '' },
    answer: invalid('Missing response_type parameter value', 'query'),
  },
  ...(['fragment', 'form_post'] as const).map(
    (mode): EarlyRow => ({
      title: `no response_type with response_mode ${mode}`,
      with: { response_type: undefined, response_mode: mode },
      answer: invalid('Missing response_type parameter value', mode),
    }),
  ),
  // row 7
  ...[
    'subject_token id_token',
    'ID_TOKEN subject_token',
    'id_token  subject_token',
    'id_token subject_token ',
    ' id_token subject_token',
    'id_token\tsubject_token',
    'id_token+subject_token',
    'id_token subject_token subject_token',
    'id_token subject_token code',
    'Subject_token id_token',
    'subject_token ',
    'token token',
    'id_token id_token',
    'code id_token subject_token',
  ].map(
    (response_type): EarlyRow => ({
      title: `the response_type ${JSON.stringify(response_type)}`,
      with: { response_type },
      answer: unregistered(
        /(^| )(id_token|token|subject_token)( |$)/.test(response_type) ? 'fragment' : 'query',
      ),
    }),
  ),
  {
    title: 'the response_type code, answered where a code would go',
    client: 'implicitOnly',
    with: { response_type: 'code' },
    answer: at('query', 'unauthorized_client', 'The application may not use this response_type.'),
  },
  {
    title: 'the response_type constructor',
    with: { response_type: 'constructor' },
    answer: unregistered('query'),
  },
  {
    title: 'an unregistered response_type by form post',
    with: { response_type: 'token token', response_mode: 'form_post' },
    answer: unregistered('form_post'),
  },
  // row 10
  ...[undefined, '', ' ', ' \t\n '].map(
    (requested_subject): EarlyRow => ({
      title: `requested_subject ${JSON.stringify(requested_subject)}`,
      with: { requested_subject },
      answer: noSubject,
    }),
  ),
  {
    title: 'a blank requested_subject with subject_token alone, in the fragment as well',
    with: { response_type: 'subject_token', requested_subject: ' ' },
    answer: noSubject,
  },
  {
    title: 'a blank requested_subject by form post',
    with: { requested_subject: '', response_mode: 'form_post' },
    answer: { ...noSubject, place: 'form_post' },
  },
  {
    title: 'a blank requested_subject in the fragment though a query is asked for',
    with: { requested_subject: '', response_mode: 'query' },
    answer: noSubject,
  },
  {
    title: 'a refusal without state, which then has none',
    with: { requested_subject: '', state: undefined },
    answer: at('fragment', 'invalid_request', noSubjectDescription, null),
  },
  {
    title: 'a refusal with a state that has to be encoded',
    with: { requested_subject: '', state: '#&=+%"<é\u2028\r\n' },
    answer: at('fragment', 'invalid_request', noSubjectDescription, '#&=+%"<é\u2028\r\n'),
  },
  // row 11
  { title: 'a public client without a code_challenge', client: 'public', answer: noChallenge },
  {
    title: 'a public client with an empty code_challenge',
    client: 'public',
    with: { code_challenge: '' },
    answer: noChallenge,
  },
  { title: 'a client that must use PKCE and does not', client: 'pkce', answer: noChallenge },
  {
    title: 'a code_challenge_method without code_challenge',
    with: { code_challenge_method: 'S256' },
    answer: invalid('code_challenge_method was sent without code_challenge.'),
  },
  {
    title: 'an unknown code_challenge_method',
    with: { code_challenge: challenge, code_challenge_method: 's256' },
    answer: invalid('Unsupported code_challenge_method.'),
  },
  {
    title: 'plain where it is not allowed',
    with: { code_challenge: challenge, code_challenge_method: 'plain' },
    answer: noPlain,
  },
  {
    title: 'an omitted method, which means plain, where it is not allowed',
    with: { code_challenge: challenge },
    answer: noPlain,
  },
  {
    title: 'an omitted method of a client that must use PKCE',
    client: 'pkce',
    with: { code_challenge: challenge },
    answer: noPlain,
  },
  {
    title: 'a code_challenge that is too short',
    with: { code_challenge: challenge.slice(1), code_challenge_method: 'S256' },
    answer: badChallenge,
  },
  {
    title: 'an S256 code_challenge that is too long',
    with: { code_challenge: `${challenge}A`, code_challenge_method: 'S256' },
    answer: badChallenge,
  },
  {
    title: 'a code_challenge with a character of base64',
    with: { code_challenge: challenge.replace('-', '+'), code_challenge_method: 'S256' },
    answer: badChallenge,
  },
  {
    title: 'a plain code_challenge that is too long',
    client: 'plain',
    with: { code_challenge: 'x'.repeat(129) },
    answer: badChallenge,
  },
  // row 12
  ...['nonsense', 'none login', 'none consent', 'LOGIN', 'login,consent'].map(
    (prompt): EarlyRow => ({
      title: `prompt ${prompt}`,
      with: { prompt },
      answer: badPrompt,
    }),
  ),
  { title: 'no nonce', with: { nonce: undefined }, answer: noNonce },
  { title: 'an empty nonce', with: { nonce: '' }, answer: noNonce },
  ...['x', '-1', '1.5', '1e3', '9999999999'].map(
    (max_age): EarlyRow => ({ title: `max_age ${max_age}`, with: { max_age }, answer: badMaxAge }),
  ),
  // malformed scope, as row 15 says it
  ...['openid "x', 'openid a\\b', 'openid scöpe', 'openid \u0007', 'openid \u200b'].map(
    (scope): EarlyRow => ({
      title: `the scope ${JSON.stringify(scope)}`,
      with: { scope },
      answer: badScope,
    }),
  ),
  // response modes
  {
    title: 'response_mode query for subject_token alone',
    with: { response_type: 'subject_token', response_mode: 'query' },
    answer: noMode,
  },
  ...['jwt', 'query.jwt', 'fragment.jwt', 'form_post.jwt', 'web_message', 'FRAGMENT', 'form_post '].flatMap(
    (response_mode) =>
      ['subject_token', 'id_token subject_token'].map(
        (response_type): EarlyRow => ({
          title: `response_mode ${JSON.stringify(response_mode)} for ${response_type}`,
          with: { response_type, response_mode },
          answer: noMode,
        }),
      ),
  ),
  // what would change the request if it were understood
  {
    title: 'a request parameter that is no JWT',
    with: { request: 'https://client.example/x' },
    answer: at('fragment', 'invalid_request_object', 'The request parameter is not a JWT.'),
  },
  ...(['request_uri', 'registration'] as const).map(
    (name): EarlyRow => ({
      title: `the ${name} parameter`,
      with: { [name]: 'https://client.example/x' },
      answer: at('fragment', `${name}_not_supported`, `The ${name} parameter is not supported.`),
    }),
  ),
]

/** An error where the sign-in is known: in the fragment, in the order of WSO2, then `iss`. */
const expectError = (response: Response, error: string, description: string) => {
  expect(response.status).toBe(302)
  expect(locationOf(response).search).toBe('')
  const { session_state, ...parameters } = Object.fromEntries(fragmentOf(response))
  expect(session_state).toMatch(/^[0-9a-f]{64}\.[\w-]{22}$/)
  expect(parameters).toEqual({ error, error_description: description, state: 's1', iss: issuer })
  expect([...fragmentOf(response).keys()]).toEqual([
    'error',
    'error_description',
    'session_state',
    'state',
    'iss',
  ])
}

/** What a client sees of an answer: all of it but what differs from request to request by design. */
const visible = async (response: Response) => ({
  status: response.status,
  body: await response.text(),
  headers: [...response.headers]
    .filter(([name]) => name !== 'activityid')
    .map(([name, value]) => [
      name,
      value.replace(/session_state=[0-9a-f]{64}\.[\w-]{22}/, 'session_state=…'),
    ]),
})

const indistinguishable = {
  status: 302,
  body: '',
  headers: [
    ['cache-control', 'no-store'],
    [
      'location',
      `${redirectUri}#error=access_denied&error_description=The+impersonation+was+refused.&session_state=…&state=s1&iss=${encodeURIComponent(issuer)}`,
    ],
    ['referrer-policy', 'no-referrer'],
    ['strict-transport-security', 'max-age=31536000'],
    ['x-content-type-options', 'nosniff'],
  ],
}

/** A refusal leaves its audit row, and what was asked for as a refused impersonation. */
const refusedOnce = { audit: { added: 1 }, impersonation: { added: 1 } }

for (const database of databases) {
  describe(`on ${database.name}, the authorization endpoint`, () => {
    let world: World
    let server: Booted
    let scenario: Scenario
    /** The impersonator's, signed in. */
    let browser: Browser

    const signedIn = async (person: Pick<Person, 'userName' | 'password'>): Promise<Browser> => {
      const fresh = server.browser()
      await logIn(fresh, await fresh.get(authorizePath(scenario)), person)
      expect(fresh.cookies.has('__Host-mayact-session')).toBe(true)
      return fresh
    }

    beforeAll(async () => {
      server = await boot(database)
      world = await build(server)
      scenario = world.scenario
      browser = await signedIn(scenario.impersonator)
    })
    afterAll(() => server.stop())

    const changeAccount = async (id: string, columns: Readonly<Record<string, string | null>>) => {
      const { db } = server
      const row = await db
        .selectFrom('account')
        .select('version')
        .where('id', '=', id)
        .executeTakeFirstOrThrow()
      const query = db
        .updateTable('account')
        .set({ ...columns, version: row.version + 1 })
        .where('id', '=', id)
      expect(await commit(db, [write(query)])).toBe('committed')
    }

    const expectRefusal = (
      changes: Changes,
      { validator, reason }: { readonly validator: string; readonly reason: string },
      whose: {
        readonly impersonatorId?: string
        readonly subjectId?: string
        readonly client?: Special
      } = {},
    ) => {
      const { impersonatorId = scenario.impersonator.id, subjectId = scenario.subject.id, client } = whose
      const { applicationId, clientId } = client === undefined ? scenario : world.clients[client]
      const row = changes.added.audit?.[0]
      expect(row).toMatchObject({
        event: 'impersonation-refused',
        action: 'impersonation-refused',
        initiator: impersonatorId,
        target: subjectId,
        outcome: 'Refused',
        actor_id: impersonatorId,
        subject_id: subjectId,
        application_id: applicationId,
        organization_id: organizationId,
        impersonation_id: changes.added.impersonation?.[0]?.id ?? null,
      })
      expect(JSON.parse(String(row?.data))).toEqual({
        clientId,
        subject: subjectId,
        impersonator: impersonatorId,
        phase: 'authorize',
        validator,
        reason,
      })
    }

    describe('refuses before anybody signs in', () => {
      for (const row of earlyRows) {
        test(row.title, async () => {
          const changes = {
            ...row.with,
            ...(row.client ? { client_id: world.clients[row.client].clientId } : {}),
          }
          const query = row.raw?.(world) ?? queryOf(world, changes)
          const wanted = typeof row.answer === 'function' ? row.answer(world) : row.answer
          const anonymous = server.browser()
          const form = { 'Content-Type': 'application/x-www-form-urlencoded' }
          const { result } = await nothingElse(server.db, {}, async () => [
            await anonymous.get(`/oauth2/authorize?${query}`),
            await anonymous.get('/oauth2/authorize', { method: 'POST', headers: form, body: query }),
            await browser.get(`/oauth2/authorize?${query}`),
          ])
          for (const response of result) {
            expectAnswer(await readAnswer(response), wanted)
            expect(response.headers.getSetCookie()).toEqual([])
            expect(response.headers.get('cache-control')).toBe('no-store')
          }
        })
      }

      test('every other method, with a page', async () => {
        const { result } = await nothingElse(server.db, {}, async () =>
          Promise.all(
            ['HEAD', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'].map((method) =>
              browser.get(authorizePath(scenario), { method }),
            ),
          ),
        )
        const [head, ...others] = result
        expect([head?.status, await head?.text()]).toEqual([405, ''])
        for (const response of others) {
          expect(await readAnswer(response)).toEqual(
            page('invalid_request', 'Http Method is not correct.', 405),
          )
        }
      })

      test('a body that is no form, and one that is not UTF-8', async () => {
        const send = (type: string, body: string | Uint8Array<ArrayBuffer>) =>
          browser.get('/oauth2/authorize', { method: 'POST', headers: { 'Content-Type': type }, body })
        const form = 'application/x-www-form-urlencoded'
        const { result } = await nothingElse(server.db, {}, async () => [
          await send('application/json', JSON.stringify({ client_id: scenario.clientId })),
          await send('text/plain', queryOf(world)),
          await send('multipart/form-data; boundary=x', queryOf(world)),
          await send(form, new Uint8Array([0x61, 0x3d, 0xff])),
          await send(form, `${queryOf(world)}&x=${'y'.repeat(100_000)}`),
        ])
        const problems = [
          ...Array(3).fill('the body must be application/x-www-form-urlencoded'),
          'the body is not UTF-8',
          'the request is too long',
        ]
        for (const [index, response] of result.entries())
          expect(await readAnswer(response)).toEqual(
            page('invalid_request', `Invalid request: ${problems[index]}.`),
          )
      })

      test('prompt=none when nobody is signed in, with the session_state of nobody', async () => {
        const anonymous = server.browser()
        const { result } = await nothingElse(server.db, {}, () =>
          anonymous.get(authorizePath(scenario, { prompt: 'none' })),
        )
        expect(anonymous.cookies.has('__Host-mayact-session')).toBe(false)
        expectError(result, 'login_required', 'Authentication required')
      })
    })

    describe('refuses when somebody is signed in', () => {
      test('prompt=none where consent is needed', async () => {
        const { clientId } = world.clients.consenting
        const { result } = await nothingElse(server.db, {}, () =>
          browser.get(authorizePath(scenario, { client_id: clientId, prompt: 'none' })),
        )
        expectError(result, 'consent_required', 'Consent required')
      })

      test('prompt=none with a max_age that the sign-in is too old for', async () => {
        setSystemTime(new Date(Date.now() + 2_000))
        const { result } = await nothingElse(server.db, {}, () =>
          browser.get(authorizePath(scenario, { prompt: 'none', max_age: '1' })),
        )
        setSystemTime()
        expectError(result, 'login_required', 'Authentication required')
      })

      for (const client of ['withoutGrant', 'withoutSubjectToken'] as const) {
        test(`an application ${client === 'withoutGrant' ? 'without the grant' : 'with its subject token off'}, only now, with unauthorized_client`, async () => {
          const { clientId } = world.clients[client]
          const before = await nothingElse(server.db, { interaction: { added: 1 } }, () =>
            server.request(authorizePath(scenario, { client_id: clientId })),
          )
          expect((await readAnswer(before.result)).place).toBe('login')
          const { result, changes } = await nothingElse(server.db, refusedOnce, () =>
            browser.get(authorizePath(scenario, { client_id: clientId })),
          )
          expectError(
            result,
            'unauthorized_client',
            'The authenticated client is not authorized to use this authorization grant type',
          )
          expectRefusal(changes, { validator: 'application', reason: 'not_enabled' }, { client })
        })
      }

      /** Brings a request to the consent page of the application that asks for it. */
      const toConsent = async (person: Browser, changes: Parameters = {}) => {
        const { clientId } = world.clients.consenting
        const answer = await readAnswer(
          await person.get(authorizePath(scenario, { client_id: clientId, ...changes })),
        )
        if (answer.place !== 'consent') throw new Error(`no consent page: ${JSON.stringify(answer)}`)
        return answer
      }
      const decide = (person: Browser, key: string, consent: string) =>
        person.post('/oauth2/authorize', { sessionDataKeyConsent: key, consent })

      test('a denied consent, with its audit row, and the same key is worth nothing afterwards', async () => {
        const { key, path } = await toConsent(browser)
        expect((await browser.get(path)).status).toBe(200)
        const { result, changes } = await nothingElse(
          server.db,
          { ...refusedOnce, interaction: { changed: 1 } },
          () => decide(browser, key, 'deny'),
        )
        expectError(result, 'access_denied', 'User denied the consent')
        expectRefusal(changes, { validator: 'consent', reason: 'consent_denied' }, { client: 'consenting' })
        const again = await nothingElse(server.db, {}, () => decide(browser, key, 'approve'))
        expect((await readAnswer(again.result)).place).toBe('page')
      })

      test('a consent that is neither given nor denied', async () => {
        const { key } = await toConsent(browser)
        for (const word of ['', 'APPROVE', 'true', 'approve ', 'yes']) {
          const { result } = await nothingElse(server.db, {}, () => decide(browser, key, word))
          expect(await readAnswer(result)).toEqual(
            page('invalid_request', 'The consent parameter is missing or unknown.'),
          )
        }
      })

      test('a consent by GET, by nobody, or for another key', async () => {
        const { key } = await toConsent(browser)
        const { result } = await nothingElse(server.db, {}, async () => [
          await browser.get(`/oauth2/authorize?sessionDataKeyConsent=${key}&consent=approve`),
          await server
            .browser()
            .post('/oauth2/authorize', { sessionDataKeyConsent: key, consent: 'approve' }),
          await decide(browser, `${key}x`, 'approve'),
          await browser.get(`/oauth2/authorize?sessionDataKey=${key}`),
          await browser.post('/commonauth', {
            sessionDataKey: key,
            username: 'EndUser',
            password: 'EndUser@123',
          }),
        ])
        for (const response of result)
          expect(await readAnswer(response)).toMatchObject({ place: 'page', status: 400 })
      })

      interface Late {
        readonly title: string
        readonly validator: string
        readonly reason: string
        /** Who asks, for whom, by which application, with which scope. */
        readonly prepare: () => Promise<{
          readonly browser?: Browser
          readonly impersonatorId?: string
          readonly subjectId?: string
          readonly client?: Special
          readonly scope?: string
        }>
      }

      const permission = { validator: 'ImpersonatorPermissionValidator', reason: 'missing_permission' }
      const person = async (name: string) => {
        const made = await createPerson(server, name)
        return { made, asks: { browser: await signedIn(made), impersonatorId: made.id } }
      }
      const subject = async (name: string) => ({ subjectId: (await createPerson(server, name)).id })
      const adminId = async () => {
        const admin = await server.db
          .selectFrom('account_role')
          .select('account_id')
          .where('role_id', '=', administratorRole.id)
          .executeTakeFirstOrThrow()
        return admin.account_id
      }

      const late: readonly Late[] = [
        {
          title: 'nobody asked for the permission to impersonate',
          ...permission,
          prepare: async () => ({ scope: 'openid internal_login internal_user_mgt_list' }),
        },
        {
          title: 'the permission is asked for in another case',
          ...permission,
          prepare: async () => ({ scope: 'openid INTERNAL_USER_IMPERSONATE' }),
        },
        {
          title: 'the application is not authorized for the API',
          ...permission,
          prepare: async () => {
            const { applicationId } = world.clients.withoutApi
            await createRole(server, {
              name: 'Powerless',
              applicationId,
              permissions: ['internal_user_impersonate'],
              member: scenario.impersonator.id,
            })
            const { db } = server
            const authorized = db
              .deleteFrom('application_scope')
              .where('application_id', '=', applicationId)
              .where('scope_name', '=', 'internal_user_impersonate')
            expect(await commit(db, [exactly(1, authorized), bump])).toBe('committed')
            return { client: 'withoutApi' }
          },
        },
        {
          title: 'the impersonator has no role',
          ...permission,
          prepare: async () => (await person('Roleless')).asks,
        },
        {
          title: 'the impersonator has no role, before it matters that nobody has the requested id',
          ...permission,
          prepare: async () => ({ ...(await person('Curious')).asks, subjectId: 'nobody' }),
        },
        {
          title: 'the impersonator has a role of another application',
          ...permission,
          prepare: async () => {
            const { made, asks } = await person('Foreigner')
            const { applicationId } = world.clients.other
            await createRole(server, {
              name: 'Elsewhere',
              applicationId,
              permissions: ['internal_user_impersonate'],
              member: made.id,
            })
            return asks
          },
        },
        {
          title:
            'the impersonator has a role of the organization, and the application looks at its own roles',
          ...permission,
          prepare: async () => {
            const { made, asks } = await person('Organizational')
            const created = await server.send('POST', '/scim2/v2/Roles', {
              schemas: [],
              displayName: 'Everywhere',
              audience: { value: organizationId, type: 'organization' },
              permissions: [{ value: 'internal_user_impersonate' }],
            })
            expect(created.status).toBe(201)
            const { id } = (await created.json()) as { id: string }
            await addToRole(server, id, made.id)
            return asks
          },
        },
        {
          title: 'the impersonator is the Administrator without a role of the application',
          ...permission,
          prepare: async () => ({
            browser: await signedIn({ userName: 'admin', password: 'admin' }),
            impersonatorId: await adminId(),
          }),
        },
        {
          title: 'the role was withdrawn after the sign-in',
          ...permission,
          prepare: async () => {
            const { made, asks } = await person('Former')
            await addToRole(server, scenario.impersonatorRole, made.id)
            const works = await asks.browser.get(authorizePath(scenario))
            expect(fragmentOf(works).has('subject_token')).toBe(true)
            await removeFromRole(server, scenario.impersonatorRole, made.id)
            return asks
          },
        },
        {
          title: 'nobody has the requested id',
          validator: 'SubjectAccountStatusValidator',
          reason: 'unknown_subject',
          prepare: async () => ({ subjectId: '32bc4697-ed0f-4546-8387-dcd6403e7caa' }),
        },
        {
          title: 'a user name is given instead of an id',
          validator: 'SubjectAccountStatusValidator',
          reason: 'unknown_subject',
          prepare: async () => ({ subjectId: scenario.subject.userName }),
        },
        {
          title: 'the id has a space behind it',
          validator: 'SubjectAccountStatusValidator',
          reason: 'unknown_subject',
          prepare: async () => ({ subjectId: `${scenario.subject.id} ` }),
        },
        {
          title: 'the id is in capitals',
          validator: 'SubjectAccountStatusValidator',
          reason: 'unknown_subject',
          prepare: async () => ({ subjectId: scenario.subject.id.toUpperCase() }),
        },
        {
          title: 'the subject is locked',
          validator: 'SubjectAccountStatusValidator',
          reason: 'subject_locked',
          prepare: async () => {
            const asks = await subject('Locked')
            await setLocked(server, asks.subjectId, true)
            return asks
          },
        },
        {
          title: 'the subject is disabled',
          validator: 'SubjectAccountStatusValidator',
          reason: 'subject_disabled',
          prepare: async () => {
            const asks = await subject('Disabled')
            await changeAccount(asks.subjectId, { disabled_at: new Date().toISOString() })
            return asks
          },
        },
        {
          title: 'the subject belongs to another organization',
          validator: 'ResidentOrganizationValidator',
          reason: 'other_organization',
          prepare: async () => {
            const asks = await subject('Distant')
            const row = {
              id: 'sub',
              name: 'Sub',
              parent_id: organizationId,
              created_at: new Date().toISOString(),
            }
            expect(
              await commit(server.db, [write(server.db.insertInto('organization').values(row)), bump]),
            ).toBe('committed')
            await changeAccount(asks.subjectId, { organization_id: 'sub' })
            return asks
          },
        },
        {
          title: 'the subject is the impersonator',
          validator: 'ProtectedSubjectValidator',
          reason: 'self',
          prepare: async () => ({ subjectId: scenario.impersonator.id }),
        },
        {
          title: 'the subject is an administrator',
          validator: 'ProtectedSubjectValidator',
          reason: 'protected_subject',
          prepare: async () => ({ subjectId: await adminId() }),
        },
        {
          title: 'the impersonator was disabled after the sign-in, and the session lives',
          validator: 'impersonator',
          reason: 'impersonator_inactive',
          prepare: async () => {
            const { made, asks } = await person('Leaver')
            await addToRole(server, scenario.impersonatorRole, made.id)
            await changeAccount(made.id, { disabled_at: new Date().toISOString() })
            return asks
          },
        },
      ]

      for (const { title, prepare, ...why } of late) {
        test(`an impersonation because ${title}, and does not say so`, async () => {
          const { browser: who = browser, scope, ...whose } = await prepare()
          const changes = {
            ...(scope === undefined ? {} : { scope }),
            ...(whose.subjectId === undefined ? {} : { requested_subject: whose.subjectId }),
            ...(whose.client === undefined ? {} : { client_id: world.clients[whose.client].clientId }),
          }
          const known = await server.db
            .selectFrom('account')
            .select('id')
            .where('id', '=', whose.subjectId ?? scenario.subject.id)
            .executeTakeFirst()
          // only what somebody real was asked for is kept beside its audit row
          const seen = await nothingElse(server.db, known ? refusedOnce : { audit: { added: 1 } }, () =>
            who.get(authorizePath(scenario, changes)),
          )
          expect(await visible(seen.result)).toEqual(indistinguishable)
          expectRefusal(seen.changes, why, whose)
        })
      }

      test('an impersonation by form post where that was asked for, with the same parameters', async () => {
        const { result } = await nothingElse(server.db, { audit: { added: 1 } }, () =>
          browser.get(authorizePath(scenario, { requested_subject: 'nobody', response_mode: 'form_post' })),
        )
        const answer = await readAnswer(result)
        if (answer.place !== 'form_post') throw new Error(`answered in the ${answer.place}`)
        expect(answer.to).toBe(redirectUri)
        expect(Object.keys(answer.parameters)).toEqual([
          'error',
          'error_description',
          'session_state',
          'state',
          'iss',
        ])
        expect(answer.parameters.error).toBe('access_denied')
      })

      test('an impersonator who was locked after the sign-in: the session is over, and a new one is not to be had', async () => {
        const { made, asks } = await person('Suspended')
        await addToRole(server, scenario.impersonatorRole, made.id)
        await setLocked(server, made.id, true)
        const paused = await asks.browser.get(authorizePath(scenario))
        expect((await readAnswer(paused)).place).toBe('login')
        const { result } = await nothingElse(
          server.db,
          { audit: { added: 1 }, login_failure: { added: 1 } },
          () => logIn(asks.browser, paused, made),
        )
        expect(locationOf(result).searchParams.get('authFailureMsg')).toBe('login.fail.message')
      })

      test('what was withdrawn while the consent page was open', async () => {
        const { clientId, applicationId } = world.clients.consenting
        const role = await createRole(server, {
          name: 'Consenting',
          applicationId,
          permissions: ['internal_user_impersonate'],
          member: scenario.impersonator.id,
        })
        const withdrawn = await toConsent(browser)
        await removeFromRole(server, role, scenario.impersonator.id)
        const { result, changes } = await nothingElse(
          server.db,
          { ...refusedOnce, interaction: { changed: 1 } },
          () => decide(browser, withdrawn.key, 'approve'),
        )
        expect(await visible(result)).toEqual(indistinguishable)
        expectRefusal(changes, permission, { client: 'consenting' })

        const switchedOff = await toConsent(browser)
        const { db } = server
        const set = (disabled_at: string | null) =>
          commit(db, [
            write(db.updateTable('application').set({ disabled_at }).where('client_id', '=', clientId)),
            bump,
          ])
        await set(new Date().toISOString())
        const off = await nothingElse(db, {}, () => decide(browser, switchedOff.key, 'approve'))
        expect(await readAnswer(off.result)).toEqual(
          page('invalid_client', 'Oauth application is not in active state'),
        )
        await set(null)
      })
    })
  })

  describe(`on ${database.name}, with the permissive settings`, () => {
    let server: Booted
    let scenario: Scenario
    let browser: Browser
    beforeAll(async () => {
      server = await boot(database, {
        toml: '[impersonation]\nallow_query_response = true\nallow_regexp_callbacks = true\n',
      })
      scenario = await setUp(server)
      browser = server.browser()
      await logIn(browser, await browser.get(authorizePath(scenario)), scenario.impersonator)
    })
    afterAll(() => server.stop())

    const ask = async (changes: Parameters) => readAnswer(await browser.get(authorizePath(scenario, changes)))

    test('it answers subject_token alone in the query, good and bad, unless another mode is asked for', async () => {
      const alone = { response_type: 'subject_token', nonce: undefined }
      for (const response_mode of [undefined, 'query']) {
        const answer = await ask({ ...alone, response_mode })
        expect(answer).toMatchObject({
          place: 'query',
          to: redirectUri,
          parameters: { subject_token: expect.any(String) },
        })
        expectAnswer(await ask({ ...alone, response_mode, requested_subject: '' }), {
          ...noSubject,
          place: 'query',
        })
      }
      expect((await ask({ ...alone, response_mode: 'fragment' })).place).toBe('fragment')
      expect((await ask({ ...alone, response_mode: 'form_post' })).place).toBe('form_post')
      expectAnswer(await ask({ ...alone, response_mode: 'jwt' }), { ...noMode, place: 'query' })
    })

    test('it still answers in the fragment beside an ID token', async () => {
      for (const response_mode of [undefined, 'query', 'fragment']) {
        expect((await ask({ response_mode })).place).toBe('fragment')
        expectAnswer(await ask({ response_mode, requested_subject: '' }), noSubject)
      }
    })

    test('it takes for a regexp= callback nothing that leaves its host or is no URI', async () => {
      const { clientId } = await createApplication(server, {
        name: 'patterned',
        oidc: {
          subjectToken: { enable: false },
          callbackURLs: ['regexp=(https://client\\.example/[^/]*/(a|b)|https://other\\.example/.*)'],
        },
      })
      const request = (redirect_uri: string) =>
        ask({ client_id: clientId, redirect_uri, requested_subject: '' })
      for (const good of [
        'https://client.example/x/a',
        'https://other.example/',
        'https://other.example/x/y?z=1',
      ]) {
        expect(await request(good)).toMatchObject({ place: 'fragment', to: good })
      }
      for (const bad of [
        'https://client.example/x/c',
        'https://client.example/x/ab',
        'https://client.example/x/y/a',
        'https://client.example/\r\nSet-Cookie: a=b\r\n/a',
        'https://client.example/\n/a',
        'https://client.example/\u00e9/a',
        'https://client.example/\u20ac/a',
        'https://client.example/"><script>/a',
        'https://client.example/ /a',
        'https://client.example/\\/a',
        'https://clientXexample/x/a',
        'https://client.example@evil.example/x/a',
        'https://evil.example/https://client.example/x/a',
        'https://other.example/\u20ac',
        'https://other.example/#x',
        'https://other.example',
        'https://other.example.evil.example/',
        'xhttps://other.example/',
        'https://other.example/\nhttps://evil.example',
      ]) {
        expect([bad, await request(bad)]).toEqual([bad, callback])
      }
    })
  })

  describe(`on ${database.name}, without the response types`, () => {
    test('it knows no subject token, whoever asks', async () => {
      const shipped = await Bun.file(new URL('../deployment.toml', import.meta.url)).text()
      const without = shipped.replace(/\[\[oauth\.custom_response_type\]\]\n(?:\w+= .*\n)+/g, '')
      expect(without).not.toContain('custom_response_type')
      const server = await boot(database, { insteadOfShipped: without })
      const { clientId } = await createApplication(server)
      const path = authorizePath({ clientId, subject: { id: 'x', userName: 'x', password: 'x' } })
      const { result } = await nothingElse(server.db, {}, () => server.request(path))
      expectAnswer(await readAnswer(result), unregistered())
      await server.stop()
    })
  })
}
