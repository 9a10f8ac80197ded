/** What must never be redirected, and what went wrong on a page of ours. */
import type { Trace } from '../audit.ts'
import { page } from './layout.tsx'

export interface PageProblem {
  readonly code: string
  readonly message: string
  readonly status: number
}

export const errorPage = ({ code, message, status }: PageProblem, trace: Trace): Response =>
  page(
    { title: 'Request refused', status },
    <>
      <h1>This request cannot be answered</h1>
      <p class="alarm" role="alert" id="error-message">
        {message}
      </p>
      <p class="soft small">Whoever helps you will ask for this:</p>
      <dl>
        <div>
          <dt>Error</dt>
          <dd>
            <code id="error-code">{code}</code>
          </dd>
        </div>
        <div>
          <dt>Trace id</dt>
          <dd>
            <code id="trace-id">{trace.id}</code>
          </dd>
        </div>
      </dl>
    </>,
  )
