import { Hono } from 'hono'
import type { Trace } from '../audit.ts'
import type { Config } from '../config.ts'
import type { Db } from '../database/connect.ts'
import type { Log } from '../log.ts'

export interface PageNeeds {
  readonly config: Config
  readonly db: Db
  traceOf(request: Request): Trace
  readonly log: Log
}

/** What must never be redirected is told on a page of ours. */
export type ErrorPage = (
  request: Request,
  problem: { code: string; message: string; status: number },
) => Response

/** A page that posts parameters to a client (OAuth 2.0 Form Post Response Mode). */
export type FormPost = (action: string, parameters: ReadonlyMap<string, string>) => Response

export const pages = (_needs: PageNeeds): { routes: Hono; error: ErrorPage; formPost: FormPost } => ({
  routes: new Hono(),
  error: (_request, { code, message, status }) => new Response(`${code}: ${message}`, { status }),
  formPost: () => new Response('', { status: 501 }),
})
