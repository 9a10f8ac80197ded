/** The frames of OpenID Connect Front-Channel Logout 1.0: one for each application that wants to be told by the browser. */
import type { SignedIn } from '../sign-in/end-session.ts'

/** The addresses to load, with `iss` and `sid` where the application requires them (§3). */
export const frontChannelUrls = (signedIn: readonly SignedIn[], issuer: string): readonly string[] => [
  ...new Set(
    signedIn.flatMap(({ application, session }) => {
      const { logout, mayact } = application.oidc
      const address = logout.frontChannelLogoutUrl
      if (address === undefined || !URL.canParse(address)) return []
      const url = new URL(address)
      if (url.protocol !== 'https:' && url.protocol !== 'http:') return []
      if (mayact.frontChannelLogoutSessionRequired) {
        url.searchParams.set('iss', issuer)
        url.searchParams.set('sid', session.id)
      }
      return [url.href]
    }),
  ),
]
