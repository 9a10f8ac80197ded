/** What whoever signs in or consents has to know of a client that registered itself (RFC 7591 §5): its name may look like another's. */

export const SelfRegistered = ({ goesTo }: { readonly goesTo?: string | undefined }) => (
  <p class="notice" id="self-registered">
    This application registered itself, and nobody here has checked its name.
    {goesTo === undefined ? null : (
      <>
        {' '}
        Your answer goes to <code>{goesTo}</code>.
      </>
    )}{' '}
    Go on only if you know it.
  </p>
)
