/**
 * Entity tags (RFC 9110 §8.8.3): the edition of a resource, by which a client changes what it has seen and nothing
 * newer. They are weak, since attributes can be chosen (RFC 7644 §3.14), and compared weakly.
 */

/** The tag of a resource's edition, which grows with every change. */
export const entityTag = (edition: number | string): string => `W/"${edition}"`

const names = (header: string, tag: string): boolean => {
  if (header.trim() === '*') return true
  const opaque = tag.replace(/^W\//, '')
  return header.split(',').some((one) => one.trim().replace(/^W\//, '') === opaque)
}

/** True when the request wants another edition than the one that is there: 412 (RFC 9110 §13.1.1). */
export const isStale = (ifMatch: string | null | undefined, tag: string): boolean =>
  ifMatch !== null && ifMatch !== undefined && ifMatch.trim() !== '' && !names(ifMatch, tag)

/** True when the client has this edition already: 304 (RFC 9110 §13.1.2). */
export const isKnown = (ifNoneMatch: string | null | undefined, tag: string): boolean =>
  ifNoneMatch !== null && ifNoneMatch !== undefined && names(ifNoneMatch, tag)
