import { type Draft, given } from './draft.ts'

/** `[output_adapter.email]`: the mail server and who sends. */
export interface Email {
  readonly fromAddress: string
  readonly username?: string
  readonly password?: string
  readonly hostname: string
  readonly port: number
  readonly startTls: boolean
  readonly authentication: boolean
}

/**
 * The mail server, or undefined when none is configured. Refuses a missing user name or password where they
 * are needed.
 */
export const emailOf = ({ settings, refuse }: Draft): Email | undefined => {
  const { email } = settings.output_adapter
  if (!email) return undefined
  const key = 'output_adapter.email'
  for (const name of ['username', 'password'] as const)
    if (email.enable_authentication && email[name] === undefined)
      refuse(`${key}.${name}`, 'is missing; give it, or write enable_authentication = false', [
        `${key}.enable_authentication`,
      ])
  return {
    fromAddress: email.from_address,
    ...given('username', email.username),
    ...given('password', email.password),
    hostname: email.hostname,
    port: email.port,
    startTls: email.enable_start_tls,
    authentication: email.enable_authentication,
  }
}
