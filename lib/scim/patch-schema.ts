/** The body of a PATCH (RFC 7644 §3.5.2) as the OpenAPI document describes it; `parsePatch` is what reads it. */
import * as z from 'zod'
import { schemasNaming } from './written.ts'

/** Names in it may be written in any case; here they are as the RFC writes them. */
export const patchBody = () =>
  z
    .object({
      schemas: schemasNaming('urn:ietf:params:scim:api:messages:2.0:PatchOp'),
      Operations: z
        .array(
          z.union([
            z.object({
              op: z.enum(['add', 'replace']),
              path: z.string().optional(),
              value: z.unknown().describe('What to write; without a path an object of attributes.'),
            }),
            z.object({
              op: z.literal('remove'),
              path: z.string().regex(/\S/),
              value: z.unknown().optional(),
            }),
          ]),
        )
        .min(1)
        .max(1_000),
    })
    .meta({ title: 'PatchOp' })
