/** What the OpenAPI document says of this API's bodies; made when it is asked for. */
import * as z from 'zod'
import type { Answer } from '../../access/operation.ts'
import { type ConfigurationCode, statusOf } from './problem.ts'

/** A refusal with one of these codes. */
export const refusal = (description: string, codes: readonly string[]): Answer => ({
  description,
  schema: z.strictObject({
    code: z.enum(codes as [string, ...string[]]), // every caller names one at least
    message: z.string(),
    description: z.string(),
    traceId: z.string(),
  }),
})

/** The refusals of an operation by status: the codes of this API and those of a body that cannot be read. */
export const refusals = (
  codes: readonly ConfigurationCode[],
  unreadable: readonly (400 | 413 | 415)[] = [],
): Readonly<Record<number, Answer>> => {
  const byStatus = new Map<number, string[]>(unreadable.map((status) => [status, ['UE-10000']]))
  for (const code of codes) byStatus.set(statusOf(code), [...(byStatus.get(statusOf(code)) ?? []), code])
  return Object.fromEntries(
    [...byStatus].map(([status, named]) => [status, refusal(named.join(', '), named)] as const),
  )
}

export const typeAnswer = () =>
  z.strictObject({
    name: z.string(),
    id: z.string(),
    description: z.string().optional(),
    links: z.array(z.strictObject({ href: z.string(), rel: z.literal('resource') })),
  })

export const attributeAnswer = () => z.strictObject({ key: z.string(), value: z.string().nullable() })

export const resourceAnswer = () =>
  z.strictObject({
    resourceId: z.string(),
    tenantDomain: z.string(),
    resourceName: z.string(),
    resourceType: z.string(),
    lastModified: z.string(),
    created: z.string(),
    attributes: z.array(attributeAnswer()),
    files: z.array(z.strictObject({ rel: z.literal('file'), href: z.string() })),
  })

export const searchAnswer = () => z.strictObject({ resources: z.array(resourceAnswer()) })

export const filesAnswer = () =>
  z.array(z.strictObject({ name: z.string().nullable(), file: z.string() })).min(1)
