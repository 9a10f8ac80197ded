/** The served binary tells applications of logouts at once, and kill -9 loses no notice. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { decodeJwt } from 'jose'
import { freePort } from '../databases.ts'
import { fieldsOf } from '../oauth/signed-in.ts'
import { createApplication, createRole, obtainSubjectToken, type Scenario, setUp } from '../scenario.ts'
import { deployment, folder, type Running, start } from './binary.ts'

const port = await freePort()
const applicationPort = await freePort()
const directory = folder({ 'deployment.toml': deployment(port) })
let server: Running
let scenario: Scenario
let told: string[] = []

const listen = () =>
  Bun.serve({
    hostname: '127.0.0.1',
    port: applicationPort,
    async fetch(request) {
      told.push(new URLSearchParams(await request.text()).get('logout_token') ?? '')
      return new Response()
    },
  })

const until = async (holds: () => boolean, milliseconds: number) => {
  const end = performance.now() + milliseconds
  while (!holds() && performance.now() < end) await Bun.sleep(10)
  expect(holds()).toBe(true)
}

beforeAll(async () => {
  server = await start(directory, port)
  const base = await setUp(server)
  const client = await createApplication(server, {
    name: 'Told',
    oidc: { logout: { backChannelLogoutUrl: `http://127.0.0.1:${applicationPort}/told` } },
  })
  await createRole(server, {
    name: 'Told impersonators',
    applicationId: client.applicationId,
    permissions: ['internal_user_impersonate'],
    member: base.impersonator.id,
  })
  scenario = { ...base, ...client }
}, 60_000)
afterAll(() => server.stop())

/** Signs in and out; answers the session's id. */
const signOut = async (): Promise<string> => {
  const { browser, idToken } = await obtainSubjectToken(server, scenario)
  const page = await browser.get('/oidc/logout')
  const done = await browser.post('/oidc/logout', fieldsOf(await page.text()))
  expect([done.status, (await done.text()).includes('id="signed-out"')]).toEqual([200, true])
  return String(decodeJwt(idToken).sid)
}

test('an application hears of a logout within a second', async () => {
  told = []
  const application = listen()
  const sid = await signOut()
  await until(() => told.length > 0, 1_000)
  expect(told.map((token) => decodeJwt(token).sid)).toEqual([sid])
  await application.stop(true)
})

test('kill -9 while the application is down loses no notice', async () => {
  told = []
  const sids = [await signOut(), await signOut(), await signOut()]
  await server.stop('SIGKILL')
  const application = listen()
  server = await start(directory, port)
  // what a dead process had claimed is anybody's after fifteen seconds
  await until(() => told.length >= 3, 25_000)
  expect(new Set(told.map((token) => decodeJwt(token).sid))).toEqual(new Set(sids))
  await application.stop(true)
}, 60_000)
