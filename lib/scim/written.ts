/** What the OpenAPI document says of bodies that clients of SCIM write: forms that more than one kind of resource has. */
import * as z from 'zod'
import { mostEntries } from './user-value.ts'

/** `schemas`, in which that one has to be named when it is there. */
export const schemasNaming = (urn: string) =>
  z
    .array(z.string())
    .optional()
    .meta({ contains: { const: urn } })

/** Clients of WSO2 write booleans as strings, too. */
export const truth = () =>
  z.union([z.boolean(), z.string().regex(/^(?:[Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee])$/)])

/** One value may stand where a list can. */
export const oneOrMore = (item: z.ZodType) => z.union([z.array(item).max(mostEntries), item])

/** As a number or as its digits; empty is not said. */
const number = () =>
  z.union([z.int().min(-999_999_999).max(999_999_999), z.string().regex(/^(?:-?[0-9]{1,9})?$/)])

/** What a list is asked for, in a query. */
export const paging = () => ({
  filter: z.string().optional(),
  sortBy: z.string().max(1_024).optional(),
  sortOrder: z
    .string()
    .regex(/^(?:[Aa][Ss][Cc][Ee][Nn][Dd][Ii][Nn][Gg]|[Dd][Ee][Ss][Cc][Ee][Nn][Dd][Ii][Nn][Gg])?$/)
    .optional(),
  startIndex: number().optional(),
  count: number().optional(),
  cursor: z.string().optional(),
  domain: z
    .string()
    .regex(/^(?:[Pp][Rr][Ii][Mm][Aa][Rr][Yy])?$/)
    .optional(),
})

/** What an answer shows, in a query. */
export const selection = () => ({
  attributes: z.string().optional(),
  excludedAttributes: z.string().optional(),
})

/** The same in the body of a `.search`, whose members may be null. */
export const searchBody = () => {
  const names = z.union([z.array(z.string()), z.string()]).optional()
  return z.strictObject({
    schemas: schemasNaming('urn:ietf:params:scim:api:messages:2.0:SearchRequest'),
    ...paging(),
    attributes: names,
    excludedAttributes: names,
  })
}
