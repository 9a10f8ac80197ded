import { Problem } from '../problem.ts'

/** The list cannot be given as it was asked for: 400. */
export const unreadable = (description: string) =>
  new Problem({ status: 400, code: 'IMP-60001', message: 'Unable to list impersonations.', description })

export const unknownImpersonation = (id: string) =>
  new Problem({
    status: 404,
    code: 'IMP-60002',
    message: 'Unable to find the impersonation.',
    description: `There is no impersonation with the id: ${id}.`,
  })
