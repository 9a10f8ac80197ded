/** The page that posts an answer to the client (OAuth 2.0 Form Post Response Mode); without scripts by its button. */
import { formTarget, page } from './layout.tsx'

/** An app's own scheme has no host to name. */
const nameOf = (action: string) => new URL(action).host || 'the application'

export const formPostPage = (action: string, parameters: ReadonlyMap<string, string>): Response =>
  page(
    { title: 'Continue', formTargets: [formTarget(action)], script: 'document.forms[0].submit()' },
    <form method="post" action={action}>
      {[...parameters].map(([name, value]) => (
        <input type="hidden" name={name} value={value} />
      ))}
      <h1>Back to the application</h1>
      <p class="soft">
        Your answer is ready for <strong>{nameOf(action)}</strong>.
      </p>
      <div class="actions">
        <button type="submit" id="continue">
          Continue
        </button>
      </div>
    </form>,
  )
