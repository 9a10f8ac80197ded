/** The log of a whole flow at its most talkative: no secret is in it, and a failure can be found by its trace id. */
import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { exchange, obtainSubjectToken, patchCountry, setUp, type TokenResponse } from '../scenario.ts'
import { deployment, folder, freePort, start } from './binary.ts'

test('the log says what happened and no secret', async () => {
  const port = await freePort()
  const toml = `${deployment(port)}\n[log]\nlevel = "debug"\nformat = "json"\n`
  const directory = folder({ 'deployment.toml': toml })
  const server = await start(directory, port)
  const scenario = await setUp(server)
  const tokens = await obtainSubjectToken(server, scenario)
  const answer = await exchange(server, scenario, tokens)
  const { access_token } = (await answer.json()) as TokenResponse
  expect((await patchCountry(server, access_token)).status).toBe(200)
  await exchange(server, scenario, { subjectToken: `${tokens.subjectToken}x`, idToken: tokens.idToken })
  await exchange(server, scenario, tokens, {}, 'Basic d3Jvbmc6c2VjcmV0LW9mLW5vYm9keQ==')
  await server.request('/oauth2/token?client_secret=in-the-query', { method: 'POST', body: 'grant_type=x' })
  const trace = 'trace-of-this-test'
  await server.request('/scim2/Me', {
    headers: { Authorization: `Bearer ${access_token}x`, activityid: trace },
  })
  await server.stop()

  const written = server.output() + (await Bun.file(join(directory, 'data/audit.log')).text())
  const secrets = [
    tokens.subjectToken,
    tokens.idToken,
    access_token,
    scenario.clientSecret,
    scenario.impersonator.password,
    scenario.subject.password,
    'secret-of-nobody',
    'in-the-query',
    ...[...tokens.browser.cookies.values()].filter((value) => value.length > 15),
  ]
  const signatures = [tokens.subjectToken, tokens.idToken, access_token].map(
    (token) => token.split('.')[2] ?? token,
  )
  expect(secrets.length).toBeGreaterThan(8)
  expect([...secrets, ...signatures].filter((secret) => secret !== '' && written.includes(secret))).toEqual(
    [],
  )

  const lines = server
    .output()
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Record<string, unknown>)
  const requests = lines.filter(({ msg }) => msg === 'request')
  expect(requests.length).toBeGreaterThan(10)
  expect(requests.filter(({ path }) => String(path).includes('?'))).toEqual([])
  expect(requests.find(({ traceId }) => traceId === trace)).toMatchObject({ path: '/scim2/Me', status: 401 })
}, 30_000)
