/** Plays the impersonation: the request, the login form, the exchange, and a change with the impersonated token. */
import { basic, type Client, textOf, Unexpected } from './client.ts'
import { countryPatch, type Scenario } from './scenario.ts'
import { sampleCountry, sampleRequest, sampleScope } from './seed.ts'

export interface Flow {
  /** Where the browser was sent in the end: the redirect URI with everything behind it. */
  readonly redirect: string
  readonly idToken: string
  readonly subjectToken: string
  /** The token endpoint's answer, its members in their order. */
  readonly response: Readonly<Record<string, unknown>>
  readonly accessToken: string
}

const tokenType = (name: string) => `urn:ietf:params:oauth:token-type:${name}`

/** A browser's cookies; without a script nothing else of one is needed. */
const browserOf = (client: Client) => {
  const cookies = new Map<string, string>()
  return async (asked: Parameters<Client['ask']>[0]) => {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const answer = await client.ask({
      ...asked,
      headers: { ...asked.headers, ...(cookie ? { cookie } : {}) },
    })
    for (const line of answer.response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
      cookies.set(name, value)
    }
    return answer
  }
}

/** The form of the login page: where it goes, and the fields that come with it. */
const readForm = async (html: string) => {
  let action = ''
  const fields: Record<string, string> = {}
  const rewriter = new HTMLRewriter()
    .on('form', {
      element(form) {
        action ||= form.getAttribute('action') ?? ''
      },
    })
    .on('form input[type=hidden]', {
      element(input) {
        fields[input.getAttribute('name') ?? ''] = input.getAttribute('value') ?? ''
      },
    })
  await rewriter.transform(new Response(html)).text()
  return { action, fields }
}

const pathOf = (response: Response, base: string): string => {
  const location = response.headers.get('location')
  if (!location) throw new Unexpected('a redirect has no Location')
  const { pathname, search } = new URL(location, base)
  return `${pathname}${search}`
}

/** The authorization request up to the redirect that carries the tokens. */
const authorize = async (client: Client, scenario: Scenario, origin: string): Promise<string> => {
  const browse = browserOf(client)
  const request = new URLSearchParams({
    client_id: scenario.clientId,
    state: sampleRequest.state,
    scope: sampleScope,
    redirect_uri: sampleRequest.redirectUri,
    response_type: sampleRequest.responseType,
    requested_subject: scenario.subject.id,
    nonce: sampleRequest.nonce,
  })
  const paused = await browse({
    about: 'the application sends the browser to ask for a subject token',
    path: `/oauth2/authorize?${request}`,
    expected: 302,
  })
  const loginPath = pathOf(paused.response, origin)
  const page = await browse({ about: 'the login page', path: loginPath, expected: 200 })
  const { action, fields } = await readForm(page.text)
  const { pathname } = new URL(action, new URL(loginPath, origin))
  const signedIn = await browse({
    about: `${scenario.impersonator.userName} signs in`,
    path: pathname,
    form: {
      ...fields,
      username: scenario.impersonator.userName,
      password: scenario.impersonator.password,
    },
    expected: 302,
  })
  const answered = await browse({
    about: 'the request goes on and is answered with the tokens',
    path: pathOf(signedIn.response, origin),
    expected: 302,
  })
  return answered.response.headers.get('location') ?? ''
}

/** Plays all of it. Throws `Unexpected` where the server answers something else than it should. */
export const play = async (client: Client, scenario: Scenario, origin: string): Promise<Flow> => {
  const redirect = await authorize(client, scenario, origin)
  const parameters = new URLSearchParams(new URL(redirect).hash.slice(1))
  const [idToken, subjectToken] = ['id_token', 'subject_token'].map((name) => parameters.get(name) ?? '')
  if (!idToken || !subjectToken) throw new Unexpected(`the redirect carries no tokens: ${redirect}`)
  const response = (await client.askJson({
    about: 'the application exchanges both tokens for an impersonated access token',
    path: '/oauth2/token',
    headers: { Authorization: basic(scenario.clientId, scenario.clientSecret) },
    form: {
      subject_token: subjectToken,
      subject_token_type: tokenType('jwt'),
      requested_token_type: tokenType('access_token'),
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      actor_token: idToken,
      actor_token_type: tokenType('id_token'),
    },
    expected: 200,
  })) as Readonly<Record<string, unknown>>
  const accessToken = textOf(response, 'access_token')
  const bearer = { Authorization: `Bearer ${accessToken}` }
  await client.ask({
    about: `${scenario.impersonator.userName} changes the country of ${scenario.subject.userName} as that user`,
    path: '/scim2/Me',
    method: 'PATCH',
    headers: bearer,
    json: countryPatch(sampleCountry),
    expected: 200,
  })
  return { redirect, idToken, subjectToken, response, accessToken }
}
