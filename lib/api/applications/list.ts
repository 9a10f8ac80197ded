/** The list of applications: what its query means and how a page is answered. */
import {
  type ApplicationFilter,
  type ApplicationRecord,
  applicationAttributes,
} from '../../directory/application-records.ts'
import { parseFilter } from '../filter.ts'
import { Problem } from '../problem.ts'
import { applicationsPath, applicationVersion, reservedNames } from './model.ts'
import { invalidApplication, notSupported } from './problem.ts'

const usualLimit = 15
const largestLimit = 100

const attributes = [
  'advancedConfigurations',
  'templateId',
  'templateVersion',
  'clientId',
  'issuer',
  'applicationEnabled',
  'associatedRoles.allowedAudience',
] as const
type Attribute = (typeof attributes)[number]

export interface ListQuery {
  readonly limit: number
  readonly offset: number
  readonly filter: ApplicationFilter
  readonly filterText: string | null
  readonly attributes: ReadonlySet<Attribute>
  /** Names that are left out. */
  readonly without: readonly string[]
}

const unsupportedFilter = (description: string) =>
  new Problem({ status: 400, code: 'APP-60004', message: 'Unsupported filter.', description })

const readFilter = (text: string | null): ApplicationFilter => {
  if (text === null || text.trim() === '') return []
  const parsed = parseFilter(text, applicationAttributes, { withOr: true })
  const names = applicationAttributes.join(', ')
  if (!parsed.filter) throw unsupportedFilter(`Filter on ${names} by eq, co, sw or ew, joined by and, or.`)
  if (parsed.filter.flat().some(({ operator }) => operator === 'ne'))
    throw unsupportedFilter('The filter operation ne is not supported.')
  return parsed.filter
}

const readNumber = (query: URLSearchParams, name: string, usual: number): number => {
  const text = query.get(name)
  if (text === null) return usual
  if (!/^\d{1,9}$/.test(text)) throw invalidApplication(`The ${name} must be a whole number, zero or more.`)
  return Number(text)
}

const isAttribute = (name: string): name is Attribute => attributes.some((known) => known === name)

const readAttributes = (text: string | null): ReadonlySet<Attribute> => {
  const names = (text ?? '').split(',').flatMap((name) => name.trim() || [])
  const unknown = names.filter((name) => !isAttribute(name))
  if (unknown.length > 0)
    throw new Problem({
      status: 400,
      code: 'APP-60505',
      message: 'Unsupported attributes.',
      description: `Unsupported attributes: ${unknown.join(', ')}. Supported: ${attributes.join(', ')}.`,
    })
  return new Set(names.filter(isAttribute))
}

const readExclusion = (text: string | null): readonly string[] => {
  if (text === null || text === 'false') return []
  if (text === 'true') return reservedNames
  throw invalidApplication('excludeSystemPortals is true or false.')
}

/** What is asked for. Throws `Problem`. */
export const readListQuery = (query: URLSearchParams): ListQuery => {
  if (query.has('sortBy') || query.has('sortOrder'))
    throw notSupported('Sorting is not supported.', 'APP-65002')
  const filterText = query.get('filter')
  return {
    limit: Math.min(readNumber(query, 'limit', usualLimit), largestLimit),
    offset: readNumber(query, 'offset', 0),
    filter: readFilter(filterText),
    filterText,
    attributes: readAttributes(query.get('attributes')),
    without: readExclusion(query.get('excludeSystemPortals')),
  }
}

const audienceOf = ({ model }: ApplicationRecord) => {
  const roles = model.associatedRoles
  const given = typeof roles === 'object' && roles !== null && 'allowedAudience' in roles
  return given ? roles.allowedAudience : 'APPLICATION'
}

const item = (application: ApplicationRecord, asked: ReadonlySet<Attribute>, access: 'READ' | 'WRITE') => {
  const { id, name, clientId, model, oidc, disabledAt } = application
  const only = (attribute: Attribute, value: object) => (asked.has(attribute) ? value : {})
  const { description, imageUrl: image, accessUrl, templateId, templateVersion } = model
  return {
    id,
    name,
    description,
    image,
    accessUrl,
    applicationVersion,
    access,
    self: `${applicationsPath}/${id}`,
    ...(oidc ? only('clientId', { clientId }) : {}),
    ...only('applicationEnabled', { applicationEnabled: disabledAt === null }),
    ...only('templateId', { templateId }),
    ...only('templateVersion', { templateVersion }),
    ...only('advancedConfigurations', { advancedConfigurations: model.advancedConfigurations }),
    ...only('associatedRoles.allowedAudience', {
      associatedRoles: { allowedAudience: audienceOf(application) },
    }),
  }
}

const linksOf = ({ limit, offset, filterText, attributes: asked, without }: ListQuery, total: number) => {
  if (limit === 0) return []
  const kept = [
    filterText ? `&filter=${encodeURIComponent(filterText).replaceAll('%20', '+')}` : '',
    asked.size > 0 ? `&attributes=${[...asked].join(',')}` : '',
    without.length > 0 ? '&excludeSystemPortals=true' : '',
  ].join('')
  const link = (rel: string, to: number) => ({
    href: `${applicationsPath}?offset=${to}&limit=${limit}${kept}`,
    rel,
  })
  return [
    ...(offset + limit < total ? [link('next', offset + limit)] : []),
    ...(offset > 0 ? [link('previous', Math.max(0, offset - limit))] : []),
  ]
}

/** One page. */
export const renderList = (
  query: ListQuery,
  { total, items }: { readonly total: number; readonly items: readonly ApplicationRecord[] },
  access: 'READ' | 'WRITE',
) => ({
  totalResults: total,
  startIndex: query.offset + 1,
  count: items.length,
  applications: items.map((application) => item(application, query.attributes, access)),
  links: linksOf(query, total),
})
