/** The pages of /oidc/logout: the question, which a link may lead to, and the answer to it. */
import { page } from './layout.tsx'

export const logoutPage = (): Response =>
  page(
    { title: 'Sign out' },
    <>
      <h1>Sign out?</h1>
      <p class="soft">Impersonations that were begun in this sign-in end with it.</p>
      <form method="post" action="/oidc/logout" id="logoutForm" class="actions">
        <button type="submit" id="sign-out-button">
          Sign out
        </button>
      </form>
    </>,
  )

export const signedOutPage = (): Response =>
  page(
    { title: 'Signed out' },
    <>
      <h1>You are signed out</h1>
      <p class="soft" id="signed-out">
        This sign-in and what was begun in it have ended. You can close this window.
      </p>
    </>,
  )
