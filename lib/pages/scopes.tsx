/** The permissions a request asks for, in words; the scope itself stands below them, as the application wrote it. */

const words: Readonly<Record<string, string>> = {
  openid: 'Know who you are',
  profile: 'Read the profile',
  email: 'Read the e-mail address',
  address: 'Read the postal address',
  phone: 'Read the phone number',
  offline_access: 'Have access while you are signed out',
  internal_login: 'Sign in',
  internal_user_impersonate: 'Act as another user',
  internal_org_user_impersonate: 'Act as another user of an organization',
}

const verbs: Readonly<Record<string, string>> = {
  view: 'View',
  list: 'List',
  create: 'Create',
  add: 'Add',
  update: 'Change',
  delete: 'Delete',
}

const nouns: Readonly<Record<string, string>> = {
  user_mgt: 'users',
  group_mgt: 'groups',
  role_mgt: 'roles',
  application_mgt: 'applications',
  api_resource: 'API resources',
  organization: 'organizations',
  config: 'the server’s settings',
  config_mgt: 'stored configuration',
  session: 'sessions',
}

const own = (table: Readonly<Record<string, string>>, name: string | undefined) =>
  name !== undefined && Object.hasOwn(table, name) ? table[name] : undefined

/** `internal_user_mgt_list` is "List users"; a scope that is not one of the server's own has no words here. */
const inWords = (scope: string): string | undefined => {
  const known = own(words, scope)
  if (known !== undefined) return known
  const groups = /^internal_(?<org>org_)?(?<noun>\w+)_(?<verb>[a-z]+)$/.exec(scope)?.groups
  const verb = own(verbs, groups?.verb)
  const noun = own(nouns, groups?.noun)
  if (verb === undefined || noun === undefined) return undefined
  return `${verb} ${noun}${groups?.org === undefined ? '' : ' of an organization'}`
}

export interface ScopeListProps {
  readonly scopes: readonly string[]
  /** What the scopes are called that the application is authorized for. */
  readonly displayNames: ReadonlyMap<string, string>
}

export const ScopeList = ({ scopes, displayNames }: ScopeListProps) => (
  <ul id="scopes">
    {scopes.map((scope) => (
      <li>
        {inWords(scope) ?? displayNames.get(scope)}
        <code>{scope}</code>
      </li>
    ))}
  </ul>
)
