/** Counts requests at the listener, and answers /metrics to those who may read it. */
import { isIPv4 } from 'node:net'
import type { Config } from '../config.ts'
import type { Db } from '../database/connect.ts'
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
  ['door'],
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

const waiting = async (db: Db): Promise<readonly Gauge[]> => {
  const lines = db.selectFrom('audit').select('id').where('line_at', 'is', null).limit(most).as('rows')
  const mails = db
    .selectFrom('outbox')
    .select('id')
    .where('next_attempt_at', 'is not', null)
    .limit(most)
    .as('rows')
  const [journal, outbox] = await Promise.all(
    [lines, mails].map((rows) =>
      db
        .selectFrom(rows)
        .select((eb) => eb.fn.countAll().as('n'))
        .executeTakeFirstOrThrow(),
    ),
  )
  return [
    {
      name: 'mayact_audit_rows_without_line',
      help: `Audit rows whose line is not in the audit log yet; ${most} means at least that.`,
      value: Number(journal?.n),
    },
    {
      name: 'mayact_outbox_backlog',
      help: `Mails that have to leave; ${most} means at least that.`,
      value: Number(outbox?.n),
    },
  ]
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

export interface Telemetry {
  /** Answers a request, by `/metrics` itself or by `handle`, and counts it. */
  observe(request: Request, peer: string, handle: () => Promise<Response> | Response): Promise<Response>
  stop(): void
}

/** Starts the counting; `paths` are the patterns of the routes, which become labels. */
export const startTelemetry = (
  {
    db,
    log,
    access,
  }: { readonly db: Db; readonly log: Log; readonly access: () => Config['server']['metrics'] },
  paths: readonly string[],
): Telemetry => {
  const nameOf = routeNames(paths)
  let expected = performance.now() + tick
  const timer = setInterval(() => {
    const at = performance.now()
    delays.observe(Math.max(0, at - expected) / 1000)
    expected = at + tick
  }, tick)
  timer.unref()

  const answer = async (request: Request, peer: string): Promise<Response | undefined> => {
    if (access() === 'off' || request.method !== 'GET') return undefined
    if (access() === 'loopback' && !isLocal(request, peer)) return undefined
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
      durations.observe(took / 1000, door)
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
