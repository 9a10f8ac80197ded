/**
 * What a client shows of itself where somebody signs in or agrees (RFC 7591 §2): its logo, its policy and its terms. They
 * are its own words: the host of each link is named beside it, and the logo of a client that registered itself is loaded
 * only from where its answers go, so that it tells nobody else who is here (OpenID Connect Dynamic Registration §9.1).
 */
import type { Application } from '../directory/applications.ts'

export interface About {
  readonly logo: URL | undefined
  readonly policy: URL | undefined
  readonly terms: URL | undefined
}

const webAddress = (text: string | undefined): URL | undefined => {
  const url = text === undefined ? null : URL.parse(text)
  return url !== null && (url.protocol === 'https:' || url.protocol === 'http:') ? url : undefined
}

/** What is shown of an application whose answer goes to `redirectUri`, if anywhere. */
export const aboutOf = ({ oidc, dynamic }: Application, redirectUri: string | undefined): About => {
  const { logoUri, policyUri, tosUri } = oidc.mayact
  const logo = webAddress(logoUri)
  const home = redirectUri === undefined ? undefined : URL.parse(redirectUri)?.origin
  // a picture by http would be blocked on a page by https
  const isShown = logo?.protocol === 'https:' && (!dynamic || logo.origin === home)
  return { logo: isShown ? logo : undefined, policy: webAddress(policyUri), terms: webAddress(tosUri) }
}

/** The origins that the page may load pictures from. */
export const imagesOf = (about: About | undefined): readonly string[] =>
  about?.logo ? [about.logo.origin] : []

/** Of the pages that show it. */
export const aboutStyle = `
.logo{display:block;max-width:100%;max-height:4rem;margin-bottom:1rem}
a{color:var(--accent)}
`

interface AboutProps {
  readonly about: About | undefined
}

/** The name of the application stands beside it, so it needs no words of its own. */
export const Logo = ({ about }: AboutProps) =>
  about?.logo ? <img class="logo" id="application-logo" src={about.logo.href} alt="" /> : null

const Link = ({
  id,
  to,
  words,
}: {
  readonly id: string
  readonly to: URL | undefined
  readonly words: string
}) =>
  to === undefined ? null : (
    <p class="soft small">
      <a id={id} href={to.href} target="_blank" rel="noopener noreferrer">
        {words}
      </a>{' '}
      ({to.host})
    </p>
  )

export const Links = ({ about }: AboutProps) => (
  <>
    <Link id="policy-link" to={about?.policy} words="Privacy policy" />
    <Link id="terms-link" to={about?.terms} words="Terms of use" />
  </>
)
