/** The file that `mayact plugins new` writes: a rule that allows everything, ready to be changed. */
export const starter = (
  name: string,
): string => `// A rule for impersonations. It is in force as soon as the server has started or been sent SIGHUP.
// Try it first: mayact plugins test ${name}.ts
import { impersonationValidator } from 'mayact'
import { z } from 'zod'

export default impersonationValidator({
  name: '${name}',

  // the highest runs first; the built-in rules have 400, 300, 200, 150 and 80
  priority: 90,

  // read from [plugins.${name}] of deployment.toml; a setting that is not named here stops the start
  config: z.object({
    protectedUsers: z.array(z.string()).default([]),
  }),

  // asked when the subject token is made (phase 'authorize') and again when it is exchanged (phase 'exchange')
  async validate({ phase, impersonator, subject, application, scopes, now, config, signal }) {
    // code and message go into the audit; the client hears access_denied and nothing else
    if (config.protectedUsers.includes(subject.userName)) {
      return { allow: false, code: 'protected_user', message: \`\${subject.userName} is not impersonated\` }
    }
    // fewer scopes than were offered may be given, never others: scopes.filter((scope) => …)
    return { allow: true, scopes }
  },
})
`
