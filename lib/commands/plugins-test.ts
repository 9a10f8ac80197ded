/** `mayact plugins test FILE`: asks a plugin what a server would ask it, with honest and with hostile values. */
import { basename, dirname, resolve } from 'node:path'
import { type Config, ConfigurationError } from '../config.ts'
import type { KnownPerson } from '../directory/people.ts'
import { ask } from '../impersonation/decide.ts'
import type { Validator } from '../impersonation/validator.ts'
import type { Plugins } from '../plugins.ts'
import { configure, type Invocation, Misuse } from './invocation.ts'
import { pluginsOf } from './plugins-of.ts'

const organization = { id: '10084a8d-113f-4211-a0d5-efe36b082211', name: 'Super' }
const application = { id: 'app-1', name: 'Example application', clientId: 'example-client' }

const person = (id: string, changes: Partial<KnownPerson> = {}): KnownPerson => ({
  id,
  userName: id,
  email: `${id}@example.com`,
  organizationId: organization.id,
  roles: [{ id: `role-of-${id}`, name: 'Everyone' }],
  locked: false,
  disabled: false,
  ...changes,
})

interface Example {
  readonly name: string
  readonly phase?: 'authorize' | 'exchange'
  readonly hour?: number
  readonly subject?: Partial<KnownPerson>
  readonly scopes?: readonly string[]
  readonly reason?: string
  readonly ticket?: string
}

const examples: readonly Example[] = [
  { name: 'authorize, at noon (UTC)', reason: 'ticket 42' },
  { name: 'authorize, at three in the morning (UTC)', hour: 3 },
  { name: 'exchange, at noon (UTC)', phase: 'exchange' },
  { name: 'no scopes', scopes: [] },
  { name: 'a subject without e-mail and roles', subject: { email: undefined, roles: [] } },
  { name: 'a locked subject', subject: { locked: true } },
  {
    name: 'names with quotes, line breaks and markup',
    subject: { userName: '"\'\r\n<script>; DROP TABLE', email: 'a\u0000@b' },
    reason: '\r\nOutcome=Success | Impersonator : admin',
  },
  { name: 'names of members that objects have', subject: { userName: '__proto__', id: 'constructor' } },
  { name: '500 scopes', scopes: Array.from({ length: 500 }, (_, index) => `scope_${index}`) },
]

const requestOf = (example: Example): Parameters<typeof ask>[1] => {
  const impersonator = person('impersonator')
  const subject = person('subject', example.subject)
  const now = new Date()
  now.setUTCHours(example.hour ?? 12, 0, 0, 0)
  const scopes = example.scopes ?? ['openid', 'internal_user_mgt_view', 'internal_user_mgt_list']
  const account = (known: KnownPerson) => ({
    id: known.id,
    organizationId: known.organizationId,
    userName: known.userName,
    version: 1,
    lockedAt: null,
    disabledAt: null,
    optedOutAt: null,
    passwordHash: null,
    email: null,
    roleIds: known.roles.map(({ id }) => id),
  })
  return {
    phase: example.phase ?? 'authorize',
    impersonator: account(impersonator),
    subject: account(subject),
    // a plugin sees no other members of it
    application: application as Parameters<typeof ask>[1]['application'],
    organization,
    requestedScopes: scopes,
    scopes,
    reason: example.reason,
    ticket: example.ticket,
    now,
    granted: async () => new Set(),
    people: async () => new Map([impersonator, subject].map((known) => [known.id, known])),
  }
}

const say = (text: string) => process.stdout.write(`${text}\n`)

/** True when every answer was one. */
const tryValidator = async (validator: Validator, limit: number): Promise<boolean> => {
  let sound = true
  for (const example of examples) {
    const request = requestOf(example)
    const answer = await ask(validator, request, limit)
    if (answer.allow) {
      const { size } = new Set(answer.scopes)
      say(`allow   ${example.name}: ${size} of ${request.scopes.length} scopes`)
    } else {
      const failed = answer.code === 'fault' || answer.code === 'timeout'
      if (failed) sound = false
      say(`${failed ? 'FAILED ' : 'refuse '} ${example.name}: ${answer.code}: ${answer.message}`)
    }
  }
  return sound
}

const tryOthers = async (plugins: Plugins): Promise<boolean> => {
  const now = new Date()
  const [impersonator, subject] = [person('impersonator'), person('subject')]
  const scopes = ['openid']
  const parameters = new Map([['reason', 'ticket 42']])
  const calls: [string, () => unknown][] = [
    ...plugins.claims.map(({ contribute }): [string, () => unknown] => [
      'claims',
      () => contribute({ impersonator, subject, application, organization, scopes, now }),
    ]),
    ...plugins.grantTypes.map(({ decide }): [string, () => unknown] => [
      'decide',
      () => decide({ parameters, application, organization, now }),
    ]),
    ...plugins.responseTypes.flatMap(({ check, answer }): [string, () => unknown][] => [
      ...(check ? [['check', () => check(parameters)] as [string, () => unknown]] : []),
      ...(answer
        ? [
            [
              'answer',
              () => answer({ parameters, person: impersonator, application, organization, scopes, now }),
            ] as [string, () => unknown],
          ]
        : []),
    ]),
  ]
  let sound = true
  for (const [name, call] of calls) {
    try {
      say(`answer  ${name}: ${JSON.stringify((await call()) ?? null)}`)
    } catch (error) {
      sound = false
      say(`FAILED  ${name}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  for (const { name } of plugins.followers) say(`loaded  ${name}: it is told afterwards and answers nothing`)
  return sound
}

/** 0 when the plugin answered everything, 1 when it failed somewhere; one that cannot be loaded is thrown. */
export const testPlugin = async (invocation: Invocation): Promise<number> => {
  const [operand, ...rest] = invocation.operands
  if (operand === undefined || rest.length > 0) throw new Misuse('plugins test needs one file')
  const { config, log } = await configure(invocation)
  const file = resolve(operand)
  const plugins: Config['plugins'] = { ...config.plugins, directory: dirname(file) }
  const loaded = await pluginsOf({ ...config, plugins }, log, basename(file))
  try {
    if (loaded.files.length === 0) throw new ConfigurationError([`${file}: there is no such file`])
    let sound = await tryOthers(loaded)
    for (const validator of loaded.validators) {
      sound = (await tryValidator(validator, config.plugins.timeoutMilliseconds)) && sound
    }
    return sound ? 0 : 1
  } finally {
    await loaded.remove()
  }
}
