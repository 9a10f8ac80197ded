/** The scopes of an API resource replaced, described and removed in the name of a caller; a scope keeps its name. */
import { exactly } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import { commitApiResource, nextEdition, scopesMade } from './api-resource-changes.ts'
import { type ApiResource, type Scope, scopesOf } from './api-resources.ts'
import type { Caller } from './caller.ts'
import { type NewScope, refuseScopes, type ScopeRefusal } from './scope-refusals.ts'
import { scopesGone } from './scope-removal.ts'

const describing = (db: Db, { name, displayName, description }: NewScope) =>
  exactly(1, db.updateTable('scope').set({ display_name: displayName, description }).where('name', '=', name))

const removing = (db: Db, names: readonly string[]) =>
  names.length === 0 ? [] : [exactly(names.length, db.deleteFrom('scope').where('name', 'in', names))]

const isSame = (one: NewScope, other: NewScope): boolean =>
  one.displayName === other.displayName && one.description === other.description

/**
 * Makes these the scopes of the API resource. Those that stay keep their ids and who has them; those that go are taken
 * from everybody.
 */
export const replaceScopes = async (
  db: Db,
  caller: Caller,
  now: Date,
  resource: ApiResource,
  asked: readonly NewScope[],
): Promise<ScopeRefusal | undefined> => {
  const current = new Map((await scopesOf(db, resource.id)).map((scope) => [scope.name, scope]))
  const wanted = new Map(asked.map((scope) => [scope.name, scope]))
  const repeated = asked.find((scope) => wanted.get(scope.name) !== scope)
  if (repeated) return { refused: 'scope-taken', scope: repeated.name }
  const added = asked.filter(({ name }) => !current.has(name))
  const refused = await refuseScopes(db, caller, added, asked.length - added.length)
  if (refused) return refused
  const removed = [...current.keys()].filter((name) => !wanted.has(name))
  const changed = asked.filter((scope) => {
    const known = current.get(scope.name)
    return known && !isSame(known, scope)
  })
  if (added.length + removed.length + changed.length === 0) return undefined
  await commitApiResource(db, caller, now, 'api-resource-updated', {
    id: resource.id,
    writes: [
      nextEdition(db, resource),
      ...scopesGone(db, removed, now),
      ...removing(db, removed),
      ...changed.map((scope) => describing(db, scope)),
      ...scopesMade(db, resource.id, added, now),
    ],
    data: {
      identifier: resource.identifier,
      name: resource.name,
      addedScopes: added.map(({ name }) => name),
      removedScopes: removed,
      changedScopes: changed.map(({ name }) => name),
    },
  })
  return undefined
}

export interface ScopeEdit {
  readonly displayName?: string | undefined
  readonly description?: string | null | undefined
}

/** Changes what a scope is called and said to be for; answers it with the edition that its API resource then has. */
export const describeScope = async (
  db: Db,
  caller: Caller,
  now: Date,
  resource: ApiResource,
  scope: Scope,
  edit: ScopeEdit,
): Promise<{ readonly scope: Scope; readonly edition: number }> => {
  const changed = {
    ...scope,
    displayName: edit.displayName ?? scope.displayName,
    description: edit.description === undefined ? scope.description : edit.description,
  }
  if (isSame(scope, changed)) return { scope, edition: resource.edition }
  await commitApiResource(db, caller, now, 'api-resource-updated', {
    id: resource.id,
    writes: [nextEdition(db, resource), describing(db, changed)],
    data: { identifier: resource.identifier, name: resource.name, changedScopes: [scope.name] },
  })
  return { scope: changed, edition: resource.edition + 1 }
}

/** Removes a scope, and takes it from everybody. */
export const removeScope = async (
  db: Db,
  caller: Caller,
  now: Date,
  resource: ApiResource,
  { name }: Scope,
): Promise<void> =>
  commitApiResource(db, caller, now, 'api-resource-updated', {
    id: resource.id,
    writes: [nextEdition(db, resource), ...scopesGone(db, [name], now), ...removing(db, [name])],
    data: { identifier: resource.identifier, name: resource.name, removedScopes: [name] },
  })
