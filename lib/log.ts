/** Structured logs: JSON for machines, one readable line on a terminal. Secrets and tokens never get in. */
import pino from 'pino'

export type Log = Pick<pino.Logger, 'debug' | 'info' | 'warn' | 'error'>

/** Names whose values are cut out wherever they stand in a logged object. */
const secretNames = [
  'password',
  'client_secret',
  'clientSecret',
  'authorization',
  'cookie',
  'access_token',
  'refresh_token',
  'subject_token',
  'actor_token',
  'id_token',
  'token',
  'code',
  'code_verifier',
]

const redact = {
  paths: secretNames.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]),
  censor: '[redacted]',
}

const time = (instant: unknown) => (typeof instant === 'string' ? instant.slice(11, 23) : '')

/** A log record as one line for people. */
const readable = (line: string): string => {
  const { level, time: at, msg, ...rest }: Record<string, unknown> = JSON.parse(line)
  const details = Object.entries(rest).map(
    ([name, value]) => ` ${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  )
  return `${time(at)} ${String(level).toUpperCase().padEnd(5)} ${String(msg ?? '')}${details.join('')}\n`
}

/** The server's log on standard error; `format` `auto` is readable on a terminal and JSON elsewhere. */
export const createLog = (options: {
  readonly level: string
  readonly format: 'json' | 'text' | 'auto'
}): Log => {
  const text = options.format === 'text' || (options.format === 'auto' && process.stderr.isTTY)
  return pino(
    {
      level: options.level,
      base: null,
      redact,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    { write: (line: string) => process.stderr.write(text ? readable(line) : line) },
  )
}
