import { Hono } from 'hono'
export const oauth = (_needs: unknown) => new Hono()
