/** The pages of /oidc/logout: the question, which a link may lead to, and what follows the answer. */
import { formTarget, page } from './layout.tsx'

/** The question; the form posts the fields back, and its answer may lead on to the application. */
export const logoutPage = (fields: ReadonlyMap<string, string>, returnTo: string | undefined): Response =>
  page(
    { title: 'Sign out', formTargets: returnTo === undefined ? [] : [formTarget(returnTo)] },
    <>
      <h1>Sign out?</h1>
      <p class="soft">Impersonations that were begun in this sign-in end with it.</p>
      <form method="post" action="logout" id="logoutForm" class="actions">
        {[...fields].map(([name, value]) => (
          <input type="hidden" name={name} value={value} />
        ))}
        <button type="submit" id="sign-out-button">
          Sign out
        </button>
      </form>
    </>,
  )

/** Seconds that applications have to hear of it before the browser goes on. */
const patience = 3

/**
 * Goes on as soon as all frames are there, or when the time is up, and once: an application that is slow to answer would
 * be asked again. Old browsers understand it, too.
 */
const goOn = `
(function () {
  var link = document.getElementById('continue')
  var gone = false
  function go() {
    if (!gone) window.location.replace(link.href)
    gone = true
  }
  window.addEventListener('load', go)
  window.setTimeout(go, ${patience * 1000})
})()`

/**
 * The end. Hidden frames tell applications that want it so (OpenID Connect Front-Channel Logout 1.0); then the browser
 * goes on to `returnTo`: by the script, without scripts by itself a little later, or by the link.
 */
export const signedOutPage = (frames: readonly string[], returnTo: string | undefined): Response =>
  page(
    {
      title: 'Signed out',
      frames: [...new Set(frames.map((frame) => new URL(frame).origin))],
      ...(returnTo === undefined ? {} : { script: goOn, refresh: { seconds: patience, to: returnTo } }),
    },
    <>
      <h1>You are signed out</h1>
      <p class="soft" id="signed-out">
        This sign-in and what was begun in it have ended.
        {returnTo === undefined ? ' You can close this window.' : null}
      </p>
      {returnTo === undefined ? null : (
        <p>
          <a href={returnTo} id="continue">
            Back to the application
          </a>
        </p>
      )}
      {frames.map((frame) => (
        <iframe src={frame} title="Signing out of an application" hidden />
      ))}
    </>,
  )
