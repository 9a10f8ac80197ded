import type { Context } from 'hono'

/** A text fit to look up: what no database can store becomes text that nothing is stored under. */
const findable = (text: string | undefined): string => (text ?? '').toWellFormed().replaceAll('\0', '\ufffd')

/** A part of the path, fit to look up. */
export const parameter = (c: Context, name: string): string => findable(c.req.param(name))

/** A parameter of the query, fit to look up; empty when it is not there. */
export const queried = (c: Context, name: string): string => findable(c.req.query(name))
