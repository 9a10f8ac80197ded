/** /authenticationendpoint/oauth2_authz.do: asks whether to go on; consent to impersonate is never remembered. */
import { formTarget, page } from './layout.tsx'

export interface ConsentView {
  readonly key: string
  readonly application: string
  readonly redirectUri: string
  readonly userName: string
  /** As it was asked for; nothing is looked up, so the page tells nothing about who exists. */
  readonly requestedSubject: string | undefined
  readonly scopes: readonly string[]
}

export const consentPage = (view: ConsentView): Response =>
  page(
    { title: 'Allow access', formTargets: [formTarget(view.redirectUri)] },
    <>
      <h1>
        <span id="application-name">{view.application}</span> asks for access
      </h1>
      <p class="soft">
        You are signed in as <strong id="user-name">{view.userName}</strong>.
      </p>
      {view.requestedSubject === undefined ? null : (
        <p class="alarm" id="impersonation-notice">
          You ask to act as the user <span class="id">{view.requestedSubject}</span>. This is recorded.
        </p>
      )}
      <p>Asked for:</p>
      <ul id="scopes">
        {view.scopes.map((scope) => (
          <li>
            <code>{scope}</code>
          </li>
        ))}
      </ul>
      <form method="post" action="/oauth2/authorize" id="consentForm">
        <input type="hidden" name="sessionDataKeyConsent" value={view.key} />
        <button type="submit" name="consent" value="approve" id="approve">
          Continue
        </button>
        <button type="submit" name="consent" value="deny" id="deny" class="quiet">
          Deny
        </button>
      </form>
    </>,
  )
