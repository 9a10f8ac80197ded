/** /authenticationendpoint/login.do: asks for user name and password; the names of its fields are WSO2's. */
import { type About, aboutStyle, imagesOf, Links, Logo } from './about.tsx'
import { formTarget, page, submitOnce } from './layout.tsx'
import { SelfRegistered } from './self-registered.tsx'

const wrongCredentials = 'The user name or the password is not right.'

/** By the key in the page's address, which anybody may have written. */
const messages: ReadonlyMap<string, string> = new Map([
  ['login.fail.message', wrongCredentials],
  ['login.throttled.message', 'Too many attempts. Wait a quarter of an hour and try again.'],
  ['login.busy.message', 'The server is busy. Try again in a moment.'],
])

export interface LoginView {
  readonly key: string
  readonly application: string | undefined
  readonly about: About | undefined
  /** It registered itself. */
  readonly dynamic: boolean
  /** Where the sign-in leads; undefined for one that leads to no application. */
  readonly redirectUri: string | undefined
  /** By its key, where a sign-in just failed. */
  readonly failure: string | undefined
  /** `login_hint` of the request (OpenID Connect Core §3.1.2.1): a suggestion, which the user may overwrite. */
  readonly userName: string | undefined
}

export const loginPage = (view: LoginView): Response => {
  const { key, application, about, dynamic, redirectUri, failure, userName } = view
  const message = failure === undefined ? undefined : (messages.get(failure) ?? wrongCredentials)
  // what a screen reader says with each field: the message, and whether the field's content is to blame
  const described = message === undefined ? {} : { 'aria-describedby': 'error-msg' }
  const blamed = message === wrongCredentials ? { ...described, 'aria-invalid': 'true' as const } : described
  return page(
    {
      title: message === undefined ? 'Sign in' : 'Error: Sign in',
      // a device's sign-in leads nowhere else
      formTargets: redirectUri === undefined ? [] : [formTarget(redirectUri)],
      script: submitOnce,
      images: imagesOf(about),
      style: aboutStyle,
    },
    <>
      <Logo about={about} />
      <h1>Sign in</h1>
      {application === undefined ? null : (
        <p class="soft">
          to continue to <strong id="application-name">{application}</strong>
        </p>
      )}
      {dynamic ? <SelfRegistered goesTo={redirectUri && formTarget(redirectUri)} /> : null}
      {message === undefined ? null : (
        <p class="alarm" role="alert" id="error-msg">
          {message}
        </p>
      )}
      <form method="post" action="../commonauth" id="loginForm">
        <label for="username">User name</label>
        <input
          id="username"
          name="username"
          type="text"
          autocomplete="username"
          autocapitalize="none"
          spellcheck={false}
          value={userName}
          required
          autofocus={userName === undefined}
          {...blamed}
        />
        <label for="password">Password</label>
        <input
          id="password"
          name="password"
          type="password"
          autocomplete="current-password"
          required
          autofocus={userName !== undefined}
          {...blamed}
        />
        <input type="hidden" name="sessionDataKey" value={key} />
        <div class="actions">
          <button type="submit" id="sign-in-button">
            Sign in
          </button>
        </div>
      </form>
      <Links about={about} />
    </>,
  )
}
