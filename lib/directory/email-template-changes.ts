/** E-mail templates made, changed and removed in the name of a caller, each with its one audit row. */
import type { AuditEvent } from '../audit.ts'
import { exactly, type Write, write } from '../database/commit.ts'
import type { Db } from '../database/connect.ts'
import type { Caller } from './caller.ts'
import { change, Lost } from './change.ts'
import {
  findTemplates,
  type StoredTemplate,
  type TemplateContent,
  type TemplateOwner,
  type TemplateType,
  templateUse,
  typeKeyOf,
} from './email-templates.ts'

/** What an organization may keep, its applications included: a mail's templates are loaded by every process. */
export const mostTemplates = 2_000
export const mostTypes = 200
export const mostBytes = 8_388_608

export type NewTemplate = TemplateContent & { readonly locale: string }

/** There is no room for more: what there may be at most, in words. */
export interface Full {
  readonly refused: 'full'
  readonly most: string
}

const sizeOf = ({ subject, body, footer }: TemplateContent): number =>
  Buffer.byteLength(subject) + Buffer.byteLength(body) + Buffer.byteLength(footer ?? '')

/** What the audit keeps of a text: enough to prove which one it was. */
const digestOf = (content: TemplateContent): string =>
  new Bun.CryptoHasher('sha256')
    .update(JSON.stringify([content.contentType, content.subject, content.body, content.footer ?? '']))
    .digest('hex')

const commitTemplates = async (
  db: Db,
  caller: Caller,
  now: Date,
  event: AuditEvent,
  type: string,
  writes: readonly Write[],
  data: Readonly<Record<string, unknown>>,
): Promise<void> => {
  const said = Object.entries({ type, ...data }).filter(([, value]) => value !== undefined && value !== null)
  const entry = { event, target: type, data: Object.fromEntries(said), outcome: 'Success' }
  const outcome = await change(db, caller, now, { writes, events: [entry], administrative: true })
  if (outcome === 'conflict') throw new Lost('a template came, or its application went, meanwhile')
}

const about = ({ applicationId }: TemplateOwner) => ({ application: applicationId })

const rowOf = (owner: TemplateOwner, typeKey: string, template: NewTemplate, now: Date) => ({
  id: Bun.randomUUIDv7(),
  organization_id: owner.organizationId,
  type_key: typeKey,
  application_id: owner.applicationId,
  locale: template.locale,
  content_type: template.contentType,
  subject: template.subject,
  body: template.body,
  footer: template.footer,
  size: sizeOf(template),
  modified_at: now.toISOString(),
})

/** Whether so many more templates of so many more bytes are too many. */
const wouldFill = async (
  db: Db,
  organizationId: string,
  more: readonly TemplateContent[],
  less: readonly TemplateContent[] = [],
): Promise<Full | undefined> => {
  const use = await templateUse(db, organizationId)
  const bytes = (all: readonly TemplateContent[]) => all.reduce((sum, one) => sum + sizeOf(one), 0)
  if (use.templates + more.length - less.length > mostTemplates)
    return { refused: 'full', most: `${mostTemplates} templates` }
  return use.bytes + bytes(more) - bytes(less) > mostBytes
    ? { refused: 'full', most: `${mostBytes} bytes in all templates together` }
    : undefined
}

/** Makes a type with templates of the organization. The caller has seen that there is none of its name. */
export const createTemplateType = async (
  db: Db,
  caller: Caller,
  now: Date,
  displayName: string,
  templates: readonly NewTemplate[] = [],
): Promise<TemplateType | Full> => {
  const { organizationId } = caller
  const { types } = await templateUse(db, organizationId)
  if (types >= mostTypes) return { refused: 'full', most: `${mostTypes} types` }
  const full = await wouldFill(db, organizationId, templates)
  if (full) return full
  const type = { id: Bun.randomUUIDv7(), displayName }
  const key = typeKeyOf(displayName)
  const owner = { organizationId, applicationId: null }
  const row = {
    id: type.id,
    organization_id: organizationId,
    display_name: displayName,
    name_key: key,
    created_at: now.toISOString(),
  }
  const rows = templates.map((template) => rowOf(owner, key, template, now))
  await commitTemplates(
    db,
    caller,
    now,
    'email-template-type-created',
    displayName,
    [
      write(db.insertInto('email_template_type').values(row)),
      ...(rows.length > 0 ? [write(db.insertInto('email_template').values(rows))] : []),
    ],
    { locales: templates.map(({ locale }) => locale) },
  )
  return type
}

/** Removes a type that the organization made, with all templates of it, its applications' too. */
export const deleteTemplateType = (db: Db, caller: Caller, now: Date, type: TemplateType): Promise<void> =>
  commitTemplates(
    db,
    caller,
    now,
    'email-template-type-deleted',
    type.displayName,
    [
      write(
        db
          .deleteFrom('email_template')
          .where('organization_id', '=', caller.organizationId)
          .where('type_key', '=', typeKeyOf(type.displayName)),
      ),
      exactly(1, db.deleteFrom('email_template_type').where('id', '=', type.id)),
    ],
    {},
  )

/** Makes a template. The caller has seen that there is none in its locale. */
export const createTemplate = async (
  db: Db,
  caller: Caller,
  now: Date,
  owner: TemplateOwner,
  type: string,
  template: NewTemplate,
): Promise<StoredTemplate | Full> => {
  const full = await wouldFill(db, owner.organizationId, [template])
  if (full) return full
  const row = rowOf(owner, typeKeyOf(type), template, now)
  const insert = write(db.insertInto('email_template').values(row))
  await commitTemplates(db, caller, now, 'email-template-created', type, [insert], {
    ...about(owner),
    locale: template.locale,
    sha256: digestOf(template),
  })
  return { ...template, id: row.id, edition: 1 }
}

/** Changes the template that was read as `current`. */
export const updateTemplate = async (
  db: Db,
  caller: Caller,
  now: Date,
  owner: TemplateOwner,
  type: string,
  current: StoredTemplate,
  content: TemplateContent,
): Promise<StoredTemplate | Full> => {
  const full = await wouldFill(db, owner.organizationId, [content], [current])
  if (full) return full
  const edition = current.edition + 1
  const update = db
    .updateTable('email_template')
    .set({
      content_type: content.contentType,
      subject: content.subject,
      body: content.body,
      footer: content.footer,
      size: sizeOf(content),
      edition,
      modified_at: now.toISOString(),
    })
    .where('id', '=', current.id)
    .where('edition', '=', current.edition)
  await commitTemplates(db, caller, now, 'email-template-updated', type, [exactly(1, update)], {
    ...about(owner),
    locale: current.locale,
    sha256: digestOf(content),
  })
  return { ...content, id: current.id, locale: current.locale, edition }
}

/** Removes the template that was read as `current`. */
export const deleteTemplate = (
  db: Db,
  caller: Caller,
  now: Date,
  owner: TemplateOwner,
  type: string,
  current: StoredTemplate,
): Promise<void> => {
  const remove = db
    .deleteFrom('email_template')
    .where('id', '=', current.id)
    .where('edition', '=', current.edition)
  return commitTemplates(db, caller, now, 'email-template-deleted', type, [exactly(1, remove)], {
    ...about(owner),
    locale: current.locale,
  })
}

const ofOwner = (db: Db, { organizationId, applicationId }: TemplateOwner, type: string): Write =>
  write(
    db
      .deleteFrom('email_template')
      .where('organization_id', '=', organizationId)
      .where('type_key', '=', typeKeyOf(type))
      .where('application_id', applicationId === null ? 'is' : '=', applicationId),
  )

/** Puts these templates in the place of all that the owner has of the type. */
export const replaceTemplates = async (
  db: Db,
  caller: Caller,
  now: Date,
  owner: TemplateOwner,
  type: string,
  templates: readonly NewTemplate[],
): Promise<Full | undefined> => {
  const current = await findTemplates(db, owner, typeKeyOf(type))
  const full = await wouldFill(db, owner.organizationId, templates, current)
  if (full) return full
  const rows = templates.map((template) => rowOf(owner, typeKeyOf(type), template, now))
  await commitTemplates(
    db,
    caller,
    now,
    'email-templates-replaced',
    type,
    [
      ofOwner(db, owner, type),
      ...(rows.length > 0 ? [write(db.insertInto('email_template').values(rows))] : []),
    ],
    {
      ...about(owner),
      locales: templates.map(({ locale }) => locale),
      sha256: templates.map(digestOf),
    },
  )
  return undefined
}

/** Removes all templates of the type that the owner has: what is built in is sent again. */
export const resetTemplates = (
  db: Db,
  caller: Caller,
  now: Date,
  owner: TemplateOwner,
  type: string,
): Promise<void> =>
  commitTemplates(db, caller, now, 'email-templates-reset', type, [ofOwner(db, owner, type)], about(owner))
