/** What a browser sees that went back to a page of a sign-in which has come to its end. */
import { page } from './layout.tsx'

/** An app's own scheme has no page to go to. */
const homeOf = (redirectUri: string): string | undefined => {
  const { origin, protocol } = new URL(redirectUri)
  return protocol === 'https:' || protocol === 'http:' ? origin : undefined
}

/** Status 410 Gone: what was here is done, and nothing is wrong. */
export const finishedPage = (application: string | undefined, redirectUri: string | undefined): Response => {
  const home = redirectUri === undefined ? undefined : homeOf(redirectUri)
  const name = application ?? 'the application'
  return page(
    { title: 'Sign-in finished', status: 410 },
    <>
      <h1>This sign-in is finished</h1>
      <p class="soft" id="finished">
        You came back to a step that is done already. Go forward again in your browser, or start again at{' '}
        {home === undefined ? <strong>{name}</strong> : <a href={home}>{name}</a>}.
      </p>
    </>,
  )
}
