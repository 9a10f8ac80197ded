/** /api/docs: the APIs of this server to read, made of the same table as the OpenAPI document. */
import { raw } from 'hono/html'
import { page } from './layout.tsx'

export interface DocumentedOperation {
  readonly method: string
  readonly path: string
  readonly summary: string
  /** The chapter. */
  readonly tag: string
  readonly id: string
  readonly permission: string | undefined
  /** Also for who is not signed in. */
  readonly open: boolean
  /** Whether somebody who acts for another may call it. */
  readonly actor: boolean
  readonly parameters: readonly {
    readonly name: string
    readonly in: string
    readonly required: boolean
    readonly description: string
  }[]
  readonly answers: readonly { readonly status: string; readonly description: string }[]
  /** The JSON Schema of the body, as text. */
  readonly body: string | undefined
}

const style = `
.card{max-width:60rem}
body{justify-content:flex-start}
nav ul{display:flex;flex-wrap:wrap;gap:.25rem 1rem}
nav li{border:0;padding:0}
h2{margin-top:2.5rem;font-size:1.25rem}
a{color:var(--accent)}
h3{margin:1rem 0 0;font-size:.875rem}
details{border-top:1px solid var(--line)}
details[open]{padding-bottom:1rem}
summary{display:grid;grid-template-columns:4.5rem 1fr 1rem;gap:.125rem .5rem;align-items:baseline;padding:.625rem 0;cursor:pointer;list-style:none}
summary::-webkit-details-marker{display:none}
summary::after{content:"›";grid-column:3;grid-row:1;justify-self:center;font-weight:700;color:var(--soft)}
details[open]>summary::after{transform:rotate(90deg)}
summary:hover code{text-decoration:underline}
summary code{font-size:.9375rem;color:var(--ink)}
summary .soft{grid-column:2}
.method{font-weight:700;font-size:.8125rem;letter-spacing:.03em;color:var(--accent)}
@media(max-width:30rem){summary{grid-template-columns:1fr 1rem}summary::after{grid-column:2}summary code,summary .soft,.method{grid-column:1}}
table{width:100%;border-collapse:collapse;margin:.5rem 0 1rem;font-size:.875rem}
th,td{text-align:left;vertical-align:top;padding:.25rem .75rem .25rem 0;border-top:1px solid var(--line)}
th{font-weight:600;white-space:nowrap}
td:not(:last-child){overflow-wrap:break-word}
pre{overflow:auto;overflow-wrap:normal;margin:.5rem 0 0;max-height:24rem;padding:.75rem;border:1px solid var(--line);border-radius:.5rem;font-size:.8125rem}
`

const anchor = (tag: string) => tag.toLowerCase().replace(/\W+/g, '-')

const who = ({ open, permission, actor }: DocumentedOperation): string => {
  if (open) return 'Everybody.'
  const needed = permission === undefined ? 'Anybody who is signed in' : `Whoever holds ${permission}`
  return `${needed}${actor ? ', also while acting for somebody else.' : '; nobody who acts for somebody else.'}`
}

const Entry = ({ operation }: { readonly operation: DocumentedOperation }) => (
  <details id={operation.id}>
    <summary>
      <span class="method">{operation.method}</span>
      <code>{operation.path}</code>
      <span class="soft">{operation.summary}</span>
    </summary>
    <p class="small">{who(operation)}</p>
    {operation.parameters.length === 0 ? null : (
      <>
        <h3>Parameters</h3>
        <table>
          {operation.parameters.map((parameter) => (
            <tr>
              <th scope="row">{parameter.name}</th>
              <td>{`${parameter.in}${parameter.required ? ', required' : ''}`}</td>
              <td>{parameter.description}</td>
            </tr>
          ))}
        </table>
      </>
    )}
    {operation.body === undefined ? null : (
      <>
        <h3>Body</h3>
        <pre>{operation.body}</pre>
      </>
    )}
    <h3>Answers</h3>
    <table>
      {operation.answers.map(({ status, description }) => (
        <tr>
          <th scope="row">{status}</th>
          <td>{description}</td>
        </tr>
      ))}
    </table>
  </details>
)

/** An operation as the page has it. */
export interface ApiDocsEntry {
  readonly tag: string
  readonly html: string
}

/** Made one by one: all of them take a while. */
export const apiDocsEntry = (operation: DocumentedOperation): ApiDocsEntry => ({
  tag: operation.tag,
  html: `${<Entry operation={operation} />}`,
})

/** The page. */
export const apiDocsPage = (entries: readonly ApiDocsEntry[], document: string): Response => {
  const chapters = [...Map.groupBy(entries, ({ tag }) => tag)].sort(([one], [other]) =>
    one < other ? -1 : 1,
  )
  return page(
    { title: 'The APIs of this server', style },
    <>
      <h1>The APIs of this server</h1>
      <p class="soft">
        Call them with a user and his password (Basic) or with an access token that has the scope. For
        programs: <a href={document}>OpenAPI 3.1</a>.
      </p>
      <nav aria-label="Chapters">
        <ul>
          {chapters.map(([tag]) => (
            <li>
              <a href={`#${anchor(tag)}`}>{tag}</a>
            </li>
          ))}
        </ul>
      </nav>
      {chapters.map(([tag, members]) => (
        <section aria-labelledby={anchor(tag)}>
          <h2 id={anchor(tag)}>{tag}</h2>
          {raw(members.map(({ html }) => html).join(''))}
        </section>
      ))}
    </>,
  )
}
