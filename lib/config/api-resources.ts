import type { Draft } from './draft.ts'
import { merged } from './repeats.ts'
import type { Settings } from './schema.ts'

/** An `[[api_resources]]` table. */
export interface ApiResource {
  readonly name: string
  readonly identifier: string
  readonly requiresAuthorization: boolean
  readonly description: string
  readonly type: string
  readonly disabled: boolean
  readonly scopes: readonly {
    readonly name: string
    readonly displayName: string
    readonly description: string
  }[]
}

type Resource = Settings['api_resources'][number]

/** `[[api_resources]]`, each identifier once and each scope in one of them. */
export const apiResourcesOf = (draft: Draft) => {
  const resources: readonly Resource[] = draft.settings.api_resources.map((resource, index) => ({
    ...resource,
    scopes: [...merged(draft, `api_resources[${index}].scopes`, resource.scopes, ({ name }) => name)],
  }))
  const distinct = merged(draft, 'api_resources', resources, ({ identifier }) => identifier)
  const owners = new Map<string, string>()
  for (const { identifier, scopes } of distinct)
    for (const { name } of scopes) {
      const owner = owners.get(name)
      if (owner === undefined) owners.set(name, identifier)
      else
        draft.refuse(
          'api_resources',
          `the scope "${name}" is in "${owner}" and in "${identifier}"; rename one`,
        )
    }
  return distinct.map(({ scopes, ...resource }) => ({
    ...resource,
    scopes: scopes.map((scope) => ({ ...scope, displayName: scope.displayName ?? scope.name })),
  }))
}
