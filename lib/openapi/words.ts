/** What the OpenAPI document says of names that mean the same everywhere: parameters of paths, headers, and what bears no name. */

const parametersOfPaths: Readonly<Record<string, string>> = {
  id: 'The id of the resource.',
  name: 'The name of the resource.',
  type: 'The name of the type.',
  resource: 'The name of the resource.',
  resourceName: 'The name of the resource.',
  attribute: 'The key of the attribute.',
  userId: 'The id of the user.',
  sessionId: 'The id of the session.',
  app: 'The id of the application; its name in version 1.',
  apiId: 'The id of the API resource.',
  scope: 'The name of the scope.',
  scopeName: 'The name of the scope.',
  client: 'The client id.',
}

/** What a parameter of a path is. */
export const wordOfPath = (name: string): string =>
  parametersOfPaths[name] ?? `The ${name.replace(/([A-Z])/g, ' $1').toLowerCase()}.`

const headers: Readonly<Record<string, string>> = {
  ETag: 'The edition of the resource, to be sent back in If-Match or If-None-Match.',
  Location: 'The address of the resource.',
  'WWW-Authenticate': 'How to authenticate.',
  'Retry-After': 'After how many seconds to try again.',
  'Content-Disposition': 'The name of the file.',
  Allow: 'The methods that the path has.',
}

/** What a header of an answer is. */
export const wordOfHeader = (name: string): string => headers[name] ?? ''

const queries: Readonly<Record<string, string>> = {
  attributes: 'What to show, separated by commas (RFC 7644 §3.9).',
  excludedAttributes: 'What not to show, separated by commas (RFC 7644 §3.9).',
  filter: 'Which to show (RFC 7644 §3.4.2.2), such as userName sw "a" and active eq true.',
  sortBy: 'The attribute to order by.',
  sortOrder: 'Which end comes first.',
  startIndex: 'The first of the page, from 1.',
  count: 'How many a page has, 100 unless said and 200 at most.',
  cursor: 'The page (RFC 9865): empty for the first, then the last answer’s nextCursor.',
  domain: 'The user store; there is one.',
}

/** What a parameter of a query is that says nothing of itself. */
export const wordOfQuery = (name: string): string =>
  queries[name] ?? `Only what has this ${name.replace(/([A-Z])/g, ' $1').toLowerCase()}.`

/** What the conditional headers of a request are (RFC 9110 §13.1). */
export const wordOfCondition = {
  'If-Match': 'The edition that the change is for; another one is a 412. Absent, the last write wins.',
  'If-None-Match': 'The edition that the client has; the same one is a 304.',
} as const

const tags: Readonly<Record<string, string>> = {
  Users: 'Accounts and the own one (RFC 7644).',
  Groups: 'Groups of users (RFC 7644).',
  Roles: 'Roles with their permissions, of users and groups.',
  Bulk: 'Many operations of SCIM in one request (RFC 7644 §3.7).',
  Discovery: 'What SCIM is spoken here (RFC 7644 §4).',
  'Configuration management': 'Types, resources, attributes and files of the configuration store.',
  'Server configuration': 'Settings of the server, that of impersonation among them.',
  'API resources': 'APIs whose scopes applications may ask for.',
  'Scopes of API resources': 'The scopes of these, which are the permissions of roles.',
  'Authorization details types': 'There for clients that ask; none is supported (RFC 9396).',
  'API resource collections': 'The built-in APIs by what they are about.',
  Applications: 'OAuth clients: their settings, their credentials, export and import.',
  'Authorized applications': 'Which applications the caller let act for him, and their end.',
  Impersonations: 'Who acts or acted for whom, and the end of it.',
  'Own impersonations': 'Who acted for the caller, the end of it, and whether others may.',
  'Audit trail': 'What happened, to be searched.',
  'Scopes of OpenID Connect': 'The scopes that stand for claims about a user.',
  Webhooks: 'Who is told of events, and what became of each delivery.',
  'E-mail templates (v1)': 'The templates of e-mails by type and locale, in the paths of version 1.',
  'E-mail templates (v2)': 'The templates of e-mails, of the organization or an application.',
  'Notification templates':
    'The templates of e-mails, of the organization or an application, and what they become.',
  Outbox: 'E-mails that wait to be sent, or could not be.',
  'Notification senders': 'Services for text and push messages, kept for clients; nothing is sent by them.',
  Sessions: 'Where users are signed in, and the end of it.',
  'Client registration': 'Clients that register themselves (RFC 7591, RFC 7592).',
}

/** What a chapter is about. */
export const wordOfTag = (name: string): string => tags[name] ?? ''
