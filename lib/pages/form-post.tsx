/** The page that posts an answer to the client (OAuth 2.0 Form Post Response Mode); without scripts by its button. */
import { formTarget, page } from './layout.tsx'

export const formPostPage = (action: string, parameters: ReadonlyMap<string, string>): Response =>
  page(
    { title: 'Continue', formTargets: [formTarget(action)], script: 'document.forms[0].submit()' },
    <form method="post" action={action}>
      {[...parameters].map(([name, value]) => (
        <input type="hidden" name={name} value={value} />
      ))}
      <h1>Signed in</h1>
      <p class="soft">Continue to the application.</p>
      <button type="submit" id="continue">
        Continue
      </button>
    </form>,
  )
