/**
 * What this process counts, and its text for Prometheus (exposition format 0.0.4). Counting is an addition in a map;
 * everything else happens when somebody asks. Labels come from closed lists, so that no request can add a series.
 */

const escaped = (value: string) =>
  value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')

const labelled = (names: readonly string[], values: readonly string[]) =>
  names.map((name, index) => `${name}="${escaped(values[index] ?? '')}"`)

const series = (name: string, labels: readonly string[], value: number) =>
  `${name}${labels.length > 0 ? `{${labels.join(',')}}` : ''} ${value}`

const head = (name: string, help: string, type: string) => [
  `# HELP ${name} ${help}`,
  `# TYPE ${name} ${type}`,
]

interface Metric {
  lines(): readonly string[]
}

const metrics: Metric[] = []

/** NUL is in no label. */
const separator = '\0'

export interface Counter {
  add(...labels: readonly string[]): void
}

/** Makes a counter of the process; `name` ends in `_total`. */
export const counter = (name: string, help: string, names: readonly string[] = []): Counter => {
  const counts = new Map<string, number>(names.length === 0 ? [['', 0]] : [])
  metrics.push({
    lines: () => [
      ...head(name, help, 'counter'),
      ...[...counts].map(([key, count]) => series(name, labelled(names, key.split(separator)), count)),
    ],
  })
  return {
    add(...labels) {
      const key = labels.join(separator)
      counts.set(key, (counts.get(key) ?? 0) + 1)
    },
  }
}

export interface Histogram {
  /** Seconds, and the values of the labels. */
  observe(seconds: number, ...labels: readonly string[]): void
}

/** Makes a histogram of seconds; `bounds` are ascending. */
export const histogram = (
  name: string,
  help: string,
  bounds: readonly number[],
  names: readonly string[] = [],
): Histogram => {
  const all = new Map<string, { readonly counts: number[]; sum: number }>()
  metrics.push({
    lines: () => [
      ...head(name, help, 'histogram'),
      ...[...all].flatMap(([key, { counts, sum }]) => {
        const labels = labelled(names, key === '' ? [] : key.split(separator))
        let below = 0
        const buckets = [...bounds.map(String), '+Inf'].map((bound, index) => {
          below += counts[index] ?? 0
          return series(`${name}_bucket`, [...labels, `le="${bound}"`], below)
        })
        return [...buckets, series(`${name}_sum`, labels, sum), series(`${name}_count`, labels, below)]
      }),
    ],
  })
  return {
    observe(seconds, ...labels) {
      const key = labels.join(separator)
      let known = all.get(key)
      if (!known) {
        known = { counts: new Array<number>(bounds.length + 1).fill(0), sum: 0 }
        all.set(key, known)
      }
      const found = bounds.findIndex((bound) => seconds <= bound)
      const index = found === -1 ? bounds.length : found
      known.counts[index] = (known.counts[index] ?? 0) + 1
      known.sum += seconds
    },
  }
}

/** A value that is read when somebody asks. */
export interface Gauge {
  readonly name: string
  readonly help: string
  readonly value: number
  readonly labels?: Readonly<Record<string, string>>
}

/** The whole text; `gauges` are what the caller has just read. */
export const exposition = (gauges: readonly Gauge[]): string => {
  const read = gauges.flatMap(({ name, help, value, labels = {} }) => [
    ...head(name, help, 'gauge'),
    series(name, labelled(Object.keys(labels), Object.values(labels)), value),
  ])
  return `${[...metrics.flatMap((metric) => metric.lines()), ...read].join('\n')}\n`
}

// What rooms count; the doors are counted where requests come in.

export const commits = counter('mayact_commits_total', 'Commits by outcome.', ['outcome'])
export const loginFailures = counter(
  'mayact_login_failures_total',
  'Passwords that did not fit, of unknown users too.',
)
export const auditEvents = counter(
  'mayact_audit_events_total',
  'Audit events whose line was written, by action: impersonations authorized, started and refused among them.',
  ['action', 'outcome'],
)

/** Answers of the token endpoint with tokens. The grants are those that are registered. */
export const tokenGrants = counter(
  'mayact_tokens_issued_total',
  'Token requests that got tokens, by grant.',
  ['grant'],
)
export const impersonationRefusals = counter(
  'mayact_impersonation_refusals_total',
  'Impersonations that a validator refused, by validator and phase.',
  ['validator', 'phase'],
)
/** How long the database takes, waiting for it included. */
export const databaseTime = histogram(
  'mayact_database_seconds',
  'From a query or commit to its answer.',
  [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1],
  ['operation'],
)
