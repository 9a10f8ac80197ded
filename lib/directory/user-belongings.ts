/** What users belong to, by which they can be found: their groups, and the roles that they or their groups have. */
import { sql } from 'kysely'
import { againstNull, type Field, no, type SqlCondition, textField } from './search.ts'

const lowered = (text: string) => text.normalize('NFC').toLowerCase()

/** Names of roles: both databases know the small letters of ASCII alone there. */
const small = (text: string) => text.replace(/[A-Z]/g, (letter) => letter.toLowerCase())

/** The fields of what a user belongs to, by sub-attribute; and where it is looked for. */
interface Belonging {
  readonly subs: ReadonlyMap<string, Field>
  among(organizationId: string, condition: SqlCondition): SqlCondition
}

const groups: Belonging = {
  subs: new Map([
    ['value', textField(sql.ref('user_group.id'))],
    ['display', textField(sql.ref('user_group.name_key'), lowered)],
  ]),
  // the organization is named for the index that has its groups by name
  among: (organizationId, condition) => sql`account.id in (select group_member.account_id from group_member
    inner join user_group on user_group.id = group_member.group_id
    where user_group.organization_id = ${organizationId} and ${condition})`,
}

const roles: Belonging = {
  subs: new Map([
    ['value', textField(sql.ref('role.id'))],
    ['display', textField(sql`lower(role.name)`, small)],
    ['audiencevalue', textField(sql.ref('role.audience_id'))],
    ['audiencetype', textField(sql.ref('role.audience_type'), (text) => text.toLowerCase())],
  ]),
  among: (organizationId, condition) => sql`(account.id in (select account_role.account_id from account_role
    inner join role on role.id = account_role.role_id
    where role.organization_id = ${organizationId} and ${condition})
    or account.id in (select group_member.account_id from group_member
    inner join group_role on group_role.group_id = group_member.group_id
    inner join role on role.id = group_role.role_id
    where role.organization_id = ${organizationId} and ${condition}))`,
}

/** What users belong to, by the attribute that shows it. */
export const belongings: ReadonlyMap<string, Belonging> = new Map([
  ['groups', groups],
  ['roles', roles],
])

/** The field of one of its sub-attributes; undefined when there is no such. */
export const belongingField = (
  organizationId: string,
  { subs, among }: Belonging,
  sub: string,
): Field | undefined => {
  const inner = subs.get(sub)
  const those = (condition: SqlCondition) => among(organizationId, condition)
  return (
    inner && {
      present: () => those(sql`1 = 1`),
      compare(comparison) {
        const unassigned = againstNull(comparison, those(sql`1 = 1`))
        if (unassigned) return unassigned
        if (comparison.operator !== 'ne') return those(inner.compare(comparison))
        return no(those(inner.compare({ ...comparison, operator: 'eq' })))
      },
    }
  )
}
