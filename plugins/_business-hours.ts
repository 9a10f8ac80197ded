// An example that is off: a file whose name begins with "_" is not loaded. Copy it to business-hours.ts, write
//
//   [plugins.business-hours]
//   from = 8
//   to = 18
//
// into deployment.toml, and restart the server or send it SIGHUP.
import { impersonationValidator } from 'mayact'
import { z } from 'zod'

export default impersonationValidator({
  name: 'business-hours',
  // the highest runs first; the built-in rules have 400, 300, 200, 150 and 80
  priority: 90,
  // read once from [plugins.business-hours]; what does not fit stops the start
  config: z.object({ from: z.int().min(0).max(23), to: z.int().min(1).max(24) }),
  // asked when the subject token is made, and again when it is exchanged
  validate({ scopes, now, config }) {
    const hour = now.getUTCHours()
    // may narrow the scopes, never widen them
    if (hour >= config.from && hour < config.to) return { allow: true, scopes }
    // goes into the audit; the client hears access_denied
    return { allow: false, code: 'outside_hours', message: `it is ${hour}:00 UTC` }
  },
})
