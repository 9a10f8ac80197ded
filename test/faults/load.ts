/**
 * The load of the fault test: impersonators who authorize, exchange, use and end, and an administrator who makes and
 * deletes users, while their server is killed again and again. They remember what they were told; what they were not
 * told, since the answer was cut off, may have happened or not.
 */
import { type Browser, newBrowser, type Server } from '../browser.ts'
import * as calls from '../scenario.ts'
import { patchCountry, type Scenario } from '../scenario.ts'

/** The connection broke before the answer was there. */
export class Cut extends Error {
  override readonly name = 'Cut'
}

/** What a client received from an exchange, and what became of it as far as the client was told. */
export interface Held {
  readonly client: number
  readonly subjectToken: string
  /** All that it got, the newest last. */
  readonly access: string[]
  refresh: string | undefined
  /** Whether a change that was made with it was acknowledged. */
  used: boolean
  /** `unknown` when an end was asked for and its answer was cut off. */
  state: 'live' | 'ended' | 'unknown'
  /** What ended it. */
  by: 'end' | 'revoke' | 'logout' | undefined
}

export interface Remembered {
  readonly held: Held[]
  readonly subjectTokens: string[]
  /** Users by their ids, as the administrator was told. */
  readonly people: Map<string, 'made' | 'deleted' | 'unknown'>
  /** Answers that no kill explains. */
  readonly wrong: string[]
  /** Requests that were cut off. */
  cut: number
}

/** The server as the clients see it: requests wait while it is down. */
export interface World extends Server {
  /** From now on they go there; undefined while it is down. */
  at(origin: string | undefined): void
}

export const newWorld = (remembered: Remembered): World => {
  let up = Promise.withResolvers<string>()
  return {
    at(origin) {
      if (origin === undefined) up = Promise.withResolvers<string>()
      else up.resolve(origin)
    },
    async request(path, init = {}) {
      const origin = await up.promise
      let answer: Response
      let body: ArrayBuffer
      try {
        // each by a connection of its own: none is sent a second time by itself
        answer = await fetch(origin + path, { ...init, redirect: 'manual', keepalive: false })
        body = await answer.arrayBuffer()
      } catch {
        remembered.cut += 1
        throw new Cut()
      }
      const { status, headers } = answer
      if (status >= 500)
        remembered.wrong.push(`${init.method ?? 'GET'} ${path.split('?')[0]} was answered with ${status}`)
      return new Response(body.byteLength === 0 ? null : body, { status, headers })
    },
  }
}

export type Random = () => number

/** Numbers from 0 up to 1, the same for the same seed (mulberry32). */
export const randomFrom = (seed: number): Random => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

const expectStatus = (what: string, response: Response, ...statuses: number[]) => {
  if (!statuses.includes(response.status)) throw new Error(`${what} was answered with ${response.status}`)
}

const form = (server: Server, { clientId, clientSecret }: Scenario, path: string, fields: object) =>
  server.request(path, {
    method: 'POST',
    headers: { Authorization: calls.basic(clientId, clientSecret) },
    body: new URLSearchParams({ ...fields }),
  })

/** Asks once more, most times, when the answer was cut off, as a client does that wants to be sure. */
const insisting = async (random: Random, ask: () => Promise<Response>) => {
  try {
    return { response: await ask(), again: false }
  } catch (error) {
    if (!(error instanceof Cut) || random() < 0.3) throw error
    return { response: await ask(), again: true }
  }
}

const impersonatorOf = (
  server: Server,
  scenario: Scenario,
  client: number,
  remembered: Remembered,
  random: Random,
) => {
  let browser: Browser = newBrowser(server)
  const send = calls.sender(server)

  const exchanged = async (tokens: { subjectToken: string; idToken: string }): Promise<Held | undefined> => {
    const { response, again } = await insisting(random, () => calls.exchange(server, scenario, tokens))
    // the first of two that was cut off may have spent it
    if (again && response.status === 400) return undefined
    expectStatus('an exchange', response, 200)
    const body = (await response.json()) as { access_token: string; refresh_token: string }
    const held: Held = {
      client,
      subjectToken: tokens.subjectToken,
      access: [body.access_token],
      refresh: body.refresh_token,
      used: false,
      state: 'live',
      by: undefined,
    }
    remembered.held.push(held)
    return held
  }

  const refresh = async (held: Held) => {
    const refresh_token = held.refresh ?? ''
    held.refresh = undefined
    // whoever is cut off may repeat it for a while (`reuse_grace`), whether or not it was rotated
    const { response } = await insisting(random, () =>
      form(server, scenario, '/oauth2/token', { grant_type: 'refresh_token', refresh_token }),
    )
    expectStatus('a refresh', response, 200)
    const body = (await response.json()) as { access_token: string; refresh_token: string }
    held.access.push(body.access_token)
    held.refresh = body.refresh_token
  }

  /** Asks for the end of these; they are ended when that is acknowledged. */
  const ending = async (
    ended: readonly Held[],
    by: NonNullable<Held['by']>,
    statuses: readonly number[],
    ask: () => Promise<Response>,
  ) => {
    for (const held of ended) {
      held.state = 'unknown'
      held.by = by
    }
    const { response } = await insisting(random, ask)
    expectStatus(`an end by ${by}`, response, ...statuses)
    for (const held of ended) held.state = 'ended'
  }

  const end = async (held: Held) => {
    const path = '/api/server/v1/impersonations'
    const listed = await send('GET', `${path}?limit=1&impersonator=${scenario.impersonator.id}`)
    expectStatus('the list of impersonations', listed, 200)
    const { impersonations } = (await listed.json()) as { impersonations: { id: string }[] }
    await ending([held], 'end', [204], () => send('POST', `${path}/${impersonations[0]?.id}/end`))
  }

  const logout = async (idToken: string) => {
    const mine = remembered.held.filter((held) => held.client === client && held.state === 'live')
    await ending(mine, 'logout', [200, 302], () => browser.get(`/oidc/logout?id_token_hint=${idToken}`))
    browser = newBrowser(server)
  }

  return async () => {
    const tokens = await calls.obtainSubjectToken(server, scenario, {}, browser)
    remembered.subjectTokens.push(tokens.subjectToken)
    const held = await exchanged(tokens)
    if (!held) return
    if (random() < 0.2)
      expectStatus('a spent subject token', await calls.exchange(server, scenario, tokens), 400)
    expectStatus('a use', await patchCountry(server, held.access[0] ?? '', `Country${random()}`), 200)
    held.used = true
    if (random() < 0.3) await refresh(held)
    const way = random()
    if (way < 0.35) await end(held)
    else if (way < 0.6) {
      const token = random() < 0.5 ? (held.refresh ?? held.access[0]) : held.access[0]
      await ending([held], 'revoke', [200], () => form(server, scenario, '/oauth2/revoke', { token }))
    } else if (way < 0.7) await logout(tokens.idToken)
  }
}

const administratorOf = (server: Server, remembered: Remembered, random: Random) => {
  const send = calls.sender(server)
  let made = 0
  return async () => {
    made += 1
    const userName = `made${made}`
    const response = await send('POST', '/scim2/Users', { schemas: [], userName, password: 'Passw0rd@123' })
    expectStatus('the making of a user', response, 201)
    const { id } = (await response.json()) as { id: string }
    remembered.people.set(id, 'made')
    if (random() < 0.5) return
    remembered.people.set(id, 'unknown')
    expectStatus('the deletion of a user', await send('DELETE', `/scim2/Users/${id}`), 204)
    remembered.people.set(id, 'deleted')
  }
}

export interface LoadOptions {
  readonly server: Server
  /** An impersonator, and whom he acts for, for each client. */
  readonly scenarios: readonly Scenario[]
  readonly remembered: Remembered
  readonly seed: number
}

/** Starts the clients; `stop` lets each end what it is about. */
export const startLoad = ({ server, scenarios, remembered, seed }: LoadOptions) => {
  let stopping = false
  const run = async (turn: () => Promise<void>, random: Random) => {
    while (!stopping) {
      try {
        await turn()
      } catch (error) {
        if (!(error instanceof Cut))
          remembered.wrong.push(error instanceof Error ? error.message : `${error}`)
      }
      await Bun.sleep(random() * 60)
    }
  }
  const running = scenarios.map((scenario, client) => {
    const random = randomFrom(seed + client + 1)
    return run(impersonatorOf(server, scenario, client, remembered, random), random)
  })
  const random = randomFrom(seed + 1_000)
  running.push(run(administratorOf(server, remembered, random), random))
  return {
    async stop() {
      stopping = true
      await Promise.all(running)
    },
  }
}
