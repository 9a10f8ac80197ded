/** The frame of every page: one column, light and dark, nothing from another origin, no script needed. */

import { raw } from 'hono/html'
import type { Child } from 'hono/jsx'

const style = `
:root{color-scheme:light dark;--ink:#1b2330;--soft:#5a6675;--paper:#f4f6f9;--card:#fff;--line:#d4dae3;--accent:#1f5fbf;--accent-ink:#fff;--alarm:#a61b1b;--alarm-paper:#fdeeee}
@media(prefers-color-scheme:dark){:root{--ink:#e7ebf1;--soft:#a3aebd;--paper:#12161d;--card:#1b212b;--line:#37414f;--accent:#7fb2ff;--accent-ink:#0c1626;--alarm:#ffb4b4;--alarm-paper:#3a1d1f}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:1.25rem;background:var(--paper);color:var(--ink);font:1rem/1.5 system-ui,sans-serif}
main{width:100%;max-width:26rem;padding:2rem;background:var(--card);border:1px solid var(--line);border-radius:.75rem}
h1{margin:0 0 .25rem;font-size:1.4rem;line-height:1.25}
p{margin:.5rem 0}
.soft{color:var(--soft)}
label{display:block;margin:1rem 0 .25rem;font-weight:600}
input{width:100%;padding:.65rem .75rem;font:inherit;color:inherit;background:transparent;border:1px solid var(--soft);border-radius:.5rem}
button{width:100%;margin-top:1rem;padding:.7rem;font:inherit;font-weight:600;cursor:pointer;color:var(--accent-ink);background:var(--accent);border:1px solid var(--accent);border-radius:.5rem}
button.quiet{color:var(--ink);background:transparent;border-color:var(--soft)}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
.alarm{padding:.65rem .75rem;color:var(--alarm);background:var(--alarm-paper);border:1px solid currentColor;border-radius:.5rem}
code,.id{font-family:ui-monospace,monospace;font-size:.9rem;overflow-wrap:anywhere}
ul{margin:.5rem 0;padding-left:1.25rem}
`

interface PageOptions {
  readonly title: string
  readonly status?: number
  /** Origins that a form of this page may lead to, beside our own; browsers check redirects, too. */
  readonly formTargets?: readonly string[]
  /** An inline script, allowed by its nonce; the page has to work without it. */
  readonly script?: string
}

/** Renders a page with its strict Content-Security-Policy. */
export const page = (
  { title, status = 200, formTargets = [], script }: PageOptions,
  content: Child,
): Response => {
  const nonce = Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString('base64')
  const document = (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="robots" content="noindex" />
        <title>{title}</title>
        <style nonce={nonce}>{raw(style)}</style>
      </head>
      <body>
        <main>{content}</main>
        {script === undefined ? null : <script nonce={nonce}>{raw(script)}</script>}
      </body>
    </html>
  )
  const policy = [
    "default-src 'none'",
    `style-src 'nonce-${nonce}'`,
    ...(script === undefined ? [] : [`script-src 'nonce-${nonce}'`]),
    `form-action ${["'self'", ...formTargets].join(' ')}`,
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ]
  return new Response(`<!doctype html>${document}`, {
    status,
    headers: {
      'Content-Type': 'text/html; charset=utf-8',
      'Content-Security-Policy': policy.join('; '),
      'X-Frame-Options': 'DENY',
      'Cache-Control': 'no-store',
    },
  })
}

/** What a form-action names for a redirect URI: its origin, or the scheme of an app's own. */
export const formTarget = (redirectUri: string): string => {
  const { origin, protocol } = new URL(redirectUri)
  return origin === 'null' ? protocol : origin
}
