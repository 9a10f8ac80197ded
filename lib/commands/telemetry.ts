/** Counts requests at the listener, and answers /metrics to those who may read it. */
import { createHash, timingSafeEqual } from 'node:crypto'
import { isIPv4 } from 'node:net'
import type { Config } from '../config.ts'
import type { Db } from '../database/connect.ts'
import { rootOrganization } from '../database/migrate.ts'
import type { Log } from '../log.ts'
import { counter, exposition, type Gauge, histogram } from '../metrics.ts'
import { routeNames } from './route-names.ts'
import { version } from './version.ts'

const requests = counter('mayact_http_requests_total', 'Requests by route and status.', [
  'door',
  'route',
  'method',
  'status',
])
const durations = histogram(
  'mayact_http_request_duration_seconds',
  'From a request to its answer.',
  [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10],
  ['door', 'route'],
)
const delays = histogram(
  'mayact_event_loop_delay_seconds',
  'How late a timer is, ten times a second.',
  [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1],
)
const exchanges = counter('mayact_token_requests_total', 'Requests at /oauth2/token by result.', ['result'])

const tick = 100
const methods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])
/** More rows than this are not counted one by one. */
const most = 10_000

/** What is read when somebody asks: each a count of at most `most` rows of an index. */
const waiting = async (db: Db): Promise<readonly Gauge[]> => {
  const audit = db.selectFrom('audit').select('id').limit(most)
  const outbox = db.selectFrom('outbox').select('id').limit(most)
  const deliveries = db.selectFrom('webhook_delivery').select('id').limit(most)
  const live = db
    .selectFrom('impersonation')
    .select('id')
    .where('organization_id', '=', rootOrganization.id)
    .where('state', '=', 'open')
    .where('started_at', 'is not', null)
    .limit(most)
  const counted = [
    ['mayact_impersonations_live', 'Impersonations that were started and are not over', live],
    [
      'mayact_audit_rows_without_line',
      'Audit rows whose line is not in the audit log yet',
      audit.where('line_at', 'is', null),
    ],
    ['mayact_audit_rows_unsealed', 'Audit rows that are not sealed yet', audit.where('position', 'is', null)],
    ['mayact_outbox_backlog', 'Mails that have to leave', outbox.where('next_attempt_at', 'is not', null)],
    ['mayact_outbox_failed', 'Mails that were given up', outbox.where('gave_up_at', 'is not', null)],
    [
      'mayact_webhook_backlog',
      'Webhook deliveries that have to leave',
      deliveries.where('next_attempt_at', 'is not', null),
    ],
    [
      'mayact_webhook_failed',
      'Webhook deliveries that were given up',
      deliveries.where('gave_up_at', 'is not', null),
    ],
  ] as const
  return Promise.all(
    counted.map(async ([name, help, rows]) => {
      const { n } = await db
        .selectFrom(rows.as('rows'))
        .select((eb) => eb.fn.countAll().as('n'))
        .executeTakeFirstOrThrow()
      return { name, help: `${help}; ${most} means at least that.`, value: Number(n) }
    }),
  )
}

const ofProcess = (): readonly Gauge[] => [
  { name: 'process_resident_memory_bytes', help: 'Resident memory.', value: process.memoryUsage.rss() },
  {
    name: 'process_start_time_seconds',
    help: 'When the process started.',
    value: Math.round(Date.now() / 1000 - process.uptime()),
  },
  {
    name: 'mayact_build_info',
    help: 'The version that runs.',
    value: 1,
    labels: { version, bun: Bun.version },
  },
]

const isLoopback = (address: string) => {
  const plain = address.replace(/^::ffff:/, '')
  return plain === '::1' || (isIPv4(plain) && plain.startsWith('127.'))
}

/** A proxy on this machine is a loopback peer for the whole world; it says so by its headers, or by the Host. */
const isLocal = (request: Request, peer: string) => {
  if (!isLoopback(peer)) return false
  if (['forwarded', 'x-forwarded-for', 'x-real-ip', 'via'].some((name) => request.headers.has(name)))
    return false
  const { hostname } = new URL(`http://${request.headers.get('host') ?? ''}`)
  return hostname === 'localhost' || hostname === '[::1]' || isLoopback(hostname)
}

/** `Authorization: Bearer` with the configured token, compared in a time that says nothing of it. */
const holdsToken = (request: Request, token: string | undefined): boolean => {
  const [, given] = /^Bearer +(\S+)$/i.exec(request.headers.get('authorization') ?? '') ?? []
  if (token === undefined || given === undefined) return false
  const [one, other] = [given, token].map((text) => createHash('sha256').update(text).digest())
  return one !== undefined && other !== undefined && timingSafeEqual(one, other)
}

export interface Telemetry {
  /** Answers a request, by `/metrics` itself or by `handle`, and counts it. */
  observe(request: Request, peer: string, handle: () => Promise<Response> | Response): Promise<Response>
  stop(): void
}

/** Starts the counting; `routesOf` answers the routes that there are by now, whose patterns become labels. */
export const startTelemetry = (
  {
    db,
    log,
    access,
    token,
    prefix = () => '',
  }: {
    readonly db: Db
    readonly log: Log
    readonly access: () => Config['server']['metrics']
    /** Who sends it may read from anywhere. */
    readonly token?: (() => string | undefined) | undefined
    /** The path that a proxy publishes us under, and may hand on; none by default. */
    readonly prefix?: (() => string) | undefined
  },
  routesOf: () => readonly { readonly path: string }[],
): Telemetry => {
  let known = routesOf()
  const namesNow = () =>
    routeNames(
      known.map(({ path }) => path),
      prefix(),
    )
  let namesOf = namesNow()
  const nameOf = (pathname: string) => {
    const routes = routesOf()
    if (routes !== known) {
      known = routes
      namesOf = namesNow()
    }
    return namesOf(pathname)
  }
  let expected = performance.now() + tick
  const timer = setInterval(() => {
    const at = performance.now()
    delays.observe(Math.max(0, at - expected) / 1000)
    expected = at + tick
  }, tick)
  timer.unref()

  const answer = async (request: Request, peer: string): Promise<Response | undefined> => {
    if (access() === 'off' || request.method !== 'GET') return undefined
    if (!holdsToken(request, token?.()) && access() === 'loopback' && !isLocal(request, peer))
      return undefined
    const text = exposition([...ofProcess(), ...(await waiting(db).catch(() => []))])
    return new Response(text, {
      headers: { 'Content-Type': 'text/plain; version=0.0.4; charset=utf-8', 'Cache-Control': 'no-store' },
    })
  }

  return {
    async observe(request, peer, handle) {
      const started = performance.now()
      const { pathname } = new URL(request.url)
      const own = pathname === '/metrics' ? await answer(request, peer) : undefined
      const response = own ?? (await handle())
      const { door, route } = own ? { door: 'health', route: '/metrics' } : nameOf(pathname)
      const method = methods.has(request.method) ? request.method : 'other'
      const took = performance.now() - started
      const { status } = response
      requests.add(door, route, method, String(status))
      durations.observe(took / 1000, door, route)
      if (route === '/oauth2/token') {
        exchanges.add(status < 300 ? 'issued' : status < 500 ? 'refused' : 'failed')
      }
      log.debug(
        { method, path: pathname, status, ms: Math.round(took), traceId: response.headers.get('activityid') },
        'request',
      )
      return response
    },
    stop: () => clearInterval(timer),
  }
}
