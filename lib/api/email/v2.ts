/** E-mail templates, second form, mounted at /api/server/v2/email/template-types. */
import { Hono } from 'hono'
import type { ApiNeeds } from '../api.ts'
import { v2 } from './dialect.ts'
import { levelTemplates } from './levels.ts'
import { templateTypes } from './types.ts'

export const emailV2 = (needs: ApiNeeds) =>
  new Hono()
    .route('/', templateTypes(needs, v2))
    .route('/', levelTemplates(needs, v2, 'org-templates'))
    .route('/', levelTemplates(needs, v2, 'app-templates'))
