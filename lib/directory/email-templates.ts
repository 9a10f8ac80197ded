/** E-mail templates that an organization keeps: for itself and for its applications, by type and locale. */
import type { Db } from '../database/connect.ts'
import { fact } from './facts.ts'

/** A type that the organization made; the built-in ones have no row. */
export interface TemplateType {
  readonly id: string
  readonly displayName: string
}

/** Whose template it is: the organization's, or that of one of its applications. */
export interface TemplateOwner {
  readonly organizationId: string
  readonly applicationId: string | null
}

export interface TemplateContent {
  /** `text/html` or `text/plain`, perhaps with its charset. */
  readonly contentType: string
  readonly subject: string
  readonly body: string
  readonly footer: string | null
}

export interface StoredTemplate extends TemplateContent {
  readonly id: string
  readonly locale: string
  /** Grows with every change; a change is guarded by the one it was decided on. */
  readonly edition: number
}

/** What tells types apart: neither case nor spaces do. */
export const typeKeyOf = (displayName: string): string =>
  displayName.normalize('NFC').replace(/\s+/g, '').toLowerCase()

/** The types that the organization made, by name. */
export const findTemplateTypes = (db: Db, organizationId: string): Promise<readonly TemplateType[]> =>
  db
    .selectFrom('email_template_type')
    .select(['id', 'display_name as displayName'])
    .where('organization_id', '=', organizationId)
    .orderBy('name_key')
    .execute()

/** The type that the organization made under that key. */
export const findTemplateType = (db: Db, organizationId: string, key: string) =>
  db
    .selectFrom('email_template_type')
    .select(['id', 'display_name as displayName'])
    .where('organization_id', '=', organizationId)
    .where('name_key', '=', key)
    .executeTakeFirst()

const columns = [
  'id',
  'locale',
  'content_type as contentType',
  'subject',
  'body',
  'footer',
  'edition',
] as const

/** The owner's templates of a type, by locale. */
export const findTemplates = (
  db: Db,
  { organizationId, applicationId }: TemplateOwner,
  typeKey: string,
): Promise<readonly StoredTemplate[]> =>
  db
    .selectFrom('email_template')
    .select(columns)
    .where('organization_id', '=', organizationId)
    .where('type_key', '=', typeKey)
    .where('application_id', applicationId === null ? 'is' : '=', applicationId)
    .orderBy('locale')
    .execute()

/** The owner's template of a type in that very locale. */
export const findTemplate = (
  db: Db,
  { organizationId, applicationId }: TemplateOwner,
  typeKey: string,
  locale: string,
): Promise<StoredTemplate | undefined> =>
  db
    .selectFrom('email_template')
    .select(columns)
    .where('organization_id', '=', organizationId)
    .where('type_key', '=', typeKey)
    .where('application_id', applicationId === null ? 'is' : '=', applicationId)
    .where('locale', '=', locale)
    .executeTakeFirst()

/** The organization's own templates of all types, with the type's key; without those of its applications. */
export const findAllTemplates = (
  db: Db,
  organizationId: string,
): Promise<readonly (StoredTemplate & { readonly typeKey: string })[]> =>
  db
    .selectFrom('email_template')
    .select([...columns, 'type_key as typeKey'])
    .where('organization_id', '=', organizationId)
    .where('application_id', 'is', null)
    .orderBy('type_key')
    .orderBy('locale')
    .execute()

export interface TemplateUse {
  readonly templates: number
  readonly types: number
  /** Of all texts. */
  readonly bytes: number
}

/** How much of it an organization has, its applications included. */
export const templateUse = async (db: Db, organizationId: string): Promise<TemplateUse> => {
  const [stored, types] = await Promise.all([
    db
      .selectFrom('email_template')
      .select(({ fn }) => [fn.countAll().as('n'), fn.sum('size').as('bytes')])
      .where('organization_id', '=', organizationId)
      .executeTakeFirstOrThrow(),
    db
      .selectFrom('email_template_type')
      .select(({ fn }) => fn.countAll().as('n'))
      .where('organization_id', '=', organizationId)
      .executeTakeFirstOrThrow(),
  ])
  return { templates: Number(stored.n), bytes: Number(stored.bytes ?? 0), types: Number(types.n) }
}

/** A template without its texts: enough to choose one. */
export interface TemplateHead {
  readonly id: string
  readonly applicationId: string | null
  readonly locale: string
}

/** Whether anybody stored a template of a type, as of revision `n`; loaded once. */
export const hasTemplatesAt = (db: Db, n: number, typeKey: string): Promise<boolean> =>
  fact(db, n, `email templates of anybody ${typeKey}`, async () => {
    const row = await db
      .selectFrom('email_template')
      .select('id')
      .where('type_key', '=', typeKey)
      .limit(1)
      .executeTakeFirst()
    return row !== undefined
  })

/** The organization's and its applications' templates of a type as of revision `n`, by locale; loaded once. */
export const templateHeadsAt = (
  db: Db,
  n: number,
  organizationId: string,
  typeKey: string,
): Promise<readonly TemplateHead[]> =>
  fact(db, n, `email templates ${organizationId} ${typeKey}`, () =>
    db
      .selectFrom('email_template')
      .select(['id', 'application_id as applicationId', 'locale'])
      .where('organization_id', '=', organizationId)
      .where('type_key', '=', typeKey)
      .orderBy('locale')
      .execute(),
  )

/** The texts of a template as of revision `n`; loaded once. */
export const templateAt = (db: Db, n: number, id: string): Promise<StoredTemplate | undefined> =>
  fact(db, n, `email template ${id}`, () =>
    db.selectFrom('email_template').select(columns).where('id', '=', id).executeTakeFirst(),
  )

/** Whom a mail tells of an impersonation, and where it happened: it decides which template is sent. */
export const findImpersonated = (db: Db, impersonationId: string) =>
  db
    .selectFrom('impersonation')
    .leftJoin('account', 'account.id', 'impersonation.subject_id')
    .select([
      'impersonation.organization_id as organizationId',
      'impersonation.application_id as applicationId',
      'account.attributes',
    ])
    .where('impersonation.id', '=', impersonationId)
    .executeTakeFirst()
