/**
 * /authenticationendpoint/device.do: takes the code that a device shows, and asks whether that device may have access. It
 * always asks, and shows the code: a link with a code in it may be somebody else's (RFC 8628 §5.4).
 */
import { type About, aboutStyle, imagesOf, Links, Logo } from './about.tsx'
import { page } from './layout.tsx'
import { ScopeList, type ScopeListProps } from './scopes.tsx'
import { SelfRegistered } from './self-registered.tsx'

/** By the key in the page's address, which anybody may have written. */
const messages: ReadonlyMap<string, string> = new Map([
  ['unknown', 'There is no such code, or it is no longer valid. Look at your device and try again.'],
  ['throttled', 'Too many attempts. Wait a quarter of an hour and try again.'],
])

export const deviceCodePage = (userCode: string | undefined, failure: string | undefined): Response => {
  const message = failure === undefined ? undefined : messages.get(failure)
  return page(
    { title: message === undefined ? 'Connect a device' : 'Error: Connect a device' },
    <>
      <h1>Connect a device</h1>
      <p class="soft">Enter the code that your device shows.</p>
      {message === undefined ? null : (
        <p class="alarm" role="alert" id="error-msg">
          {message}
        </p>
      )}
      <form method="post" action="../oauth2/device" id="deviceForm">
        <label for="user_code">Code</label>
        <input
          id="user_code"
          name="user_code"
          type="text"
          autocomplete="off"
          autocapitalize="characters"
          spellcheck={false}
          required
          autofocus
          maxlength={32}
          value={userCode}
          {...(message === undefined ? {} : { 'aria-describedby': 'error-msg' })}
        />
        <div class="actions">
          <button type="submit" id="continue">
            Continue
          </button>
        </div>
      </form>
    </>,
  )
}

export interface DeviceView extends ScopeListProps {
  readonly key: string
  readonly application: string
  readonly about: About
  /** It registered itself. */
  readonly dynamic: boolean
  readonly userName: string
  readonly userCode: string
}

export const deviceConsentPage = ({
  key,
  application,
  about,
  dynamic,
  userName,
  userCode,
  ...scopes
}: DeviceView): Response =>
  page(
    { title: 'Connect this device?', images: imagesOf(about), style: aboutStyle },
    <>
      <Logo about={about} />
      <h1>Connect this device?</h1>
      <p class="soft">
        <strong id="application-name">{application}</strong> asks for access in your name.
      </p>
      {dynamic ? <SelfRegistered /> : null}
      <p class="notice" id="device-notice">
        Go on only if you have the device before you and it shows this very code. Nobody needs it to help you.
      </p>
      <dl>
        <div>
          <dt>The device shows the code</dt>
          <dd id="user-code">{userCode}</dd>
        </div>
        <div>
          <dt>You are signed in as</dt>
          <dd id="user-name">{userName}</dd>
        </div>
      </dl>
      {scopes.scopes.length === 0 ? null : (
        <>
          <h2>It asks for permission to</h2>
          <ScopeList {...scopes} />
        </>
      )}
      <form method="post" action="../oauth2/device" id="consentForm" class="actions">
        <input type="hidden" name="sessionDataKey" value={key} />
        <button type="submit" name="consent" value="approve" id="approve">
          Connect
        </button>
        <button type="submit" name="consent" value="deny" id="deny" class="quiet">
          Deny
        </button>
      </form>
      <Links about={about} />
    </>,
  )

export const deviceDonePage = (decision: string): Response => {
  const title = decision === 'approved' ? 'The device is connected' : 'The device gets no access'
  return page(
    { title },
    <>
      <h1>{title}</h1>
      <p class="soft">You can close this page and go back to your device.</p>
    </>,
  )
}
