import type { Context } from 'hono'

/** A part of the path, fit to look up: what no database can store becomes text that nothing is stored under. */
export const parameter = (c: Context, name: string): string =>
  (c.req.param(name) ?? '').toWellFormed().replaceAll('\0', '\ufffd')
