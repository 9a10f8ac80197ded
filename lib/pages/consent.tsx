/**
 * /authenticationendpoint/oauth2_authz.do: asks whether to go on. The user may agree for good, but not to impersonate: that
 * is asked each time.
 */
import { type About, aboutStyle, imagesOf, Links, Logo } from './about.tsx'
import { formTarget, page, submitOnce } from './layout.tsx'
import { ScopeList } from './scopes.tsx'
import { SelfRegistered } from './self-registered.tsx'

export interface ConsentView {
  readonly key: string
  readonly application: string
  readonly about: About
  /** It registered itself. */
  readonly dynamic: boolean
  readonly redirectUri: string
  readonly userName: string
  /** As it was asked for; nothing is looked up, so the page tells nothing about who exists. */
  readonly requestedSubject: string | undefined
  /** What an impersonation is for, where it was said. */
  readonly reason?: string | undefined
  readonly ticket?: string | undefined
  readonly scopes: readonly string[]
  readonly displayNames: ReadonlyMap<string, string>
  /** Single claims of the `claims` parameter, and the URIs of `resource`. */
  readonly claims: readonly string[]
  readonly resources: readonly string[]
}

type WhoProps = Pick<ConsentView, 'application' | 'userName'>

const Access = ({ application, userName }: WhoProps) => (
  <>
    <h1>Allow access?</h1>
    <p class="soft">
      <strong id="application-name">{application}</strong> asks for access in your name.
    </p>
    <dl>
      <div>
        <dt>You are signed in as</dt>
        <dd id="user-name">{userName}</dd>
      </div>
    </dl>
  </>
)

const Impersonation = ({
  application,
  userName,
  requestedSubject,
  reason,
  ticket,
}: WhoProps & Pick<ConsentView, 'reason' | 'ticket'> & { readonly requestedSubject: string }) => (
  <>
    <h1>Act as another user?</h1>
    <p class="notice" id="impersonation-notice">
      If you continue, you act as somebody else. What you do then is done in that user’s name, and recorded
      together with yours.
    </p>
    <dl>
      <div>
        <dt>You are signed in as</dt>
        <dd id="user-name">{userName}</dd>
      </div>
      <div>
        <dt>You will act as the user with the id</dt>
        <dd>
          <span class="id">{requestedSubject}</span>
        </dd>
      </div>
      <div>
        <dt>In the application</dt>
        <dd id="application-name">{application}</dd>
      </div>
      {reason === undefined ? null : (
        <div>
          <dt>For the reason</dt>
          <dd id="impersonation-reason">{reason}</dd>
        </div>
      )}
      {ticket === undefined ? null : (
        <div>
          <dt>Ticket</dt>
          <dd id="impersonation-ticket">{ticket}</dd>
        </div>
      )}
    </dl>
  </>
)

interface NamesProps {
  readonly id: string
  readonly title: string
  readonly names: readonly string[]
}

const Names = ({ id, title, names }: NamesProps) =>
  names.length === 0 ? null : (
    <>
      <h2>{title}</h2>
      <ul id={id}>
        {names.map((name) => (
          <li>
            <code>{name}</code>
          </li>
        ))}
      </ul>
    </>
  )

export const consentPage = (view: ConsentView): Response => {
  const { application, userName, requestedSubject, scopes, displayNames } = view
  const acts = requestedSubject !== undefined
  return page(
    {
      title: acts ? 'Act as another user' : 'Allow access',
      formTargets: [formTarget(view.redirectUri)],
      script: submitOnce,
      images: imagesOf(view.about),
      style: aboutStyle,
    },
    <>
      <Logo about={view.about} />
      {acts ? (
        <Impersonation
          application={application}
          userName={userName}
          requestedSubject={requestedSubject}
          reason={view.reason}
          ticket={view.ticket}
        />
      ) : (
        <Access application={application} userName={userName} />
      )}
      {view.dynamic ? <SelfRegistered goesTo={formTarget(view.redirectUri)} /> : null}
      {scopes.length === 0 ? null : (
        <>
          <h2>The application asks for permission to</h2>
          <ScopeList scopes={scopes} displayNames={displayNames} />
          {acts ? <p class="soft small">Never more than that user may do.</p> : null}
        </>
      )}
      <Names id="claims" title="and to see of you" names={view.claims} />
      <Names id="resources" title="to be used at" names={view.resources} />
      <form method="post" action="../oauth2/authorize" id="consentForm" class="actions">
        <input type="hidden" name="sessionDataKeyConsent" value={view.key} />
        <button type="submit" name="consent" value="approve" id="approve">
          {acts ? 'Act as this user' : 'Allow'}
        </button>
        {acts ? null : (
          <button type="submit" name="consent" value="approveAlways" id="approveAlways" class="quiet">
            Allow and do not ask again
          </button>
        )}
        <button type="submit" name="consent" value="deny" id="deny" class="quiet">
          Deny
        </button>
      </form>
      <Links about={view.about} />
    </>,
  )
}
