/** What the OpenAPI document says of e-mail template types and templates in their three forms. */
import * as z from 'zod'
import type { Answer, Describe, Operation } from '../../access/operation.ts'
import {
  identifiedTemplate,
  localizedTemplate,
  relocalizedTemplate,
  replacedTemplate,
  reset,
  templates,
  typeAlone,
  typeWithTemplates,
} from './bodies.ts'
import { type Dialect, notification, v1 } from './dialect.ts'
import type { Level } from './levels.ts'

type About = Omit<Operation, 'tag' | 'id'> & { readonly id: string }

export const describing =
  ({ tag, id: form }: Dialect) =>
  (about: () => About): Describe =>
  () => {
    const { id, ...rest } = about()
    return { tag, id: `${id}${form}`, ...rest }
  }

const content = () => ({
  contentType: z.string(),
  subject: z.string(),
  body: z.string(),
  footer: z.string(),
})
const type = () => z.strictObject({ id: z.string(), displayName: z.string(), self: z.string() })
const identified = () => z.strictObject({ id: z.string(), ...content() })
const whole = () =>
  z.strictObject({
    id: z.string(),
    displayName: z.string(),
    self: z.string(),
    templates: z.array(identified()),
  })
const link = (name: 'id' | 'locale') =>
  z.strictObject({ [name]: z.string(), self: z.string() } as Record<'self', z.ZodString>)

export const noType: Answer = { description: 'There is no type of that id.' }
export const noTemplate: Answer = { description: 'There is no such type, application or template.' }
const done: Answer = { description: 'Done.' }
const builtIn: Answer = { description: 'It is built in, or the caller may not do that.' }
const taken: Answer = { description: 'There is one already.' }
const badBody: Answer = { description: 'It could not be sent: locale, content type, subject or size.' }
const ofV1 = describing(v1)

export const v1Operations = {
  listTypes: ofV1(() => ({
    id: 'listEmailTemplateTypes',
    summary: 'Lists the template types, the built-in ones first.',
    query: z.object({
      requiredAttributes: z.enum(['templates', '']).optional().describe('What else is answered.'),
    }),
    answers: {
      200: { description: 'The types.', schema: z.array(z.union([type(), whole()])) },
      400: { description: 'requiredAttributes names something else.' },
    },
  })),
  createType: ofV1(() => ({
    id: 'createEmailTemplateType',
    summary: 'Makes a template type with its templates.',
    body: typeWithTemplates,
    answers: {
      201: { description: 'The type.', schema: type(), headers: ['Location'] },
      400: badBody,
      409: taken,
    },
  })),
  readType: ofV1(() => ({
    id: 'getEmailTemplateType',
    summary: 'Shows a template type with its templates.',
    conditional: true,
    answers: { 200: { description: 'The type.', schema: whole(), headers: ['ETag'] }, 404: noType },
  })),
  replaceType: ofV1(() => ({
    id: 'replaceEmailTemplatesOfType',
    summary: 'Replaces all templates of a type; without any, what is built in is sent.',
    body: templates,
    conditional: true,
    answers: {
      200: { description: 'The type.', schema: type(), headers: ['ETag'] },
      400: badBody,
      404: noType,
    },
  })),
  deleteType: ofV1(() => ({
    id: 'deleteEmailTemplateType',
    summary: 'Removes a template type and all its templates.',
    conditional: true,
    answers: { 204: done, 403: builtIn, 404: noType },
  })),
  createTemplate: ofV1(() => ({
    id: 'createEmailTemplate',
    summary: 'Adds a template to a type.',
    body: identifiedTemplate,
    answers: {
      201: { description: 'The template.', schema: link('id'), headers: ['Location', 'ETag'] },
      400: badBody,
      404: noType,
      409: taken,
    },
  })),
  listTemplates: ofV1(() => ({
    id: 'listEmailTemplates',
    summary: 'Lists the templates of a type by their locales.',
    answers: { 200: { description: 'The templates.', schema: z.array(link('id')) }, 404: noType },
  })),
  readTemplate: ofV1(() => ({
    id: 'getEmailTemplate',
    summary: 'Shows a template.',
    conditional: true,
    answers: {
      200: { description: 'The template.', schema: identified(), headers: ['ETag'] },
      404: noTemplate,
    },
  })),
  replaceTemplate: ofV1(() => ({
    id: 'replaceEmailTemplate',
    summary: 'Replaces a template, or what is built in.',
    body: replacedTemplate,
    conditional: true,
    answers: {
      200: { description: 'The template.', schema: link('id'), headers: ['ETag'] },
      400: badBody,
      404: noTemplate,
    },
  })),
  deleteTemplate: ofV1(() => ({
    id: 'deleteEmailTemplate',
    summary: 'Removes a template; what is built in is sent again.',
    conditional: true,
    answers: { 204: done, 403: builtIn, 404: noTemplate },
  })),
}

/** Types without templates. */
export const typeOperations = (dialect: Dialect) => {
  const of = describing(dialect)
  return {
    listTypes: of(() => ({
      id: 'listEmailTemplateTypes',
      summary: 'Lists the template types, the built-in ones first.',
      answers: {
        200: { description: 'The types.', schema: z.array(type()) },
      },
    })),
    createType: of(() => ({
      id: 'createEmailTemplateType',
      summary: 'Makes a template type.',
      body: typeAlone,
      answers: {
        201: { description: 'The type.', schema: type(), headers: ['Location'] },
        400: { description: 'It has no name that a type may have.' },
        409: taken,
      },
    })),
    readType: of(() => ({
      id: 'getEmailTemplateType',
      summary: 'Shows a template type.',
      conditional: true,
      answers: { 200: { description: 'The type.', schema: type(), headers: ['ETag'] }, 404: noType },
    })),
    deleteType: of(() => ({
      id: 'deleteEmailTemplateType',
      summary: 'Removes a template type and all its templates.',
      conditional: true,
      answers: { 204: done, 403: builtIn, 404: noType },
    })),
  }
}

const localized = () => z.strictObject({ locale: z.string(), ...content() })

/** Templates of the organization or of an application. */
export const levelOperations = (dialect: Dialect, level: Level) => {
  const whose = level === 'org-templates' ? 'Organization' : 'Application'
  const of = (about: () => About) =>
    describing(dialect)(() => {
      const made = about()
      return { ...made, id: `${made.id}Of${whose}` }
    })
  const query =
    dialect.id === 'Notification'
      ? {
          query: z.object({
            resolve: z.enum(['true', 'false', '']).optional().describe('With what is inherited.'),
          }),
        }
      : {}
  const owner = whose.toLowerCase()
  return {
    listTemplates: of(() => ({
      id: 'listEmailTemplates',
      summary: `Lists the templates of a type that the ${owner} has, by their locales.`,
      ...query,
      answers: { 200: { description: 'The templates.', schema: z.array(link('locale')) }, 404: noTemplate },
    })),
    createTemplate: of(() => ({
      id: 'createEmailTemplate',
      summary: `Adds a template of the ${owner} to a type.`,
      body: localizedTemplate,
      answers: {
        201: { description: 'The template.', schema: link('locale'), headers: ['Location', 'ETag'] },
        400: badBody,
        404: noTemplate,
        409: taken,
      },
    })),
    readTemplate: of(() => ({
      id: 'getEmailTemplate',
      summary: `Shows a template of the ${owner}.`,
      ...query,
      conditional: true,
      answers: {
        200: { description: 'The template.', schema: localized(), headers: ['ETag'] },
        404: noTemplate,
      },
    })),
    replaceTemplate: of(() => ({
      id: 'replaceEmailTemplate',
      summary: `Replaces a template of the ${owner}.`,
      body: relocalizedTemplate,
      conditional: true,
      answers: {
        200: { description: 'The template.', schema: localized(), headers: ['ETag'] },
        400: badBody,
        404: noTemplate,
      },
    })),
    deleteTemplate: of(() => ({
      id: 'deleteEmailTemplate',
      summary: `Removes a template of the ${owner}.`,
      conditional: true,
      answers: { 204: done, 404: noTemplate },
    })),
  }
}

const ofNotification = describing(notification)

export const notificationOperations = {
  listSystemTemplates: ofNotification(() => ({
    id: 'listSystemEmailTemplates',
    summary: 'Lists what is built in of a type.',
    answers: { 200: { description: 'The templates.', schema: z.array(link('locale')) }, 404: noType },
  })),
  readSystemTemplate: ofNotification(() => ({
    id: 'getSystemEmailTemplate',
    summary: 'Shows what is built in of a type.',
    conditional: true,
    answers: {
      200: { description: 'The template.', schema: localized(), headers: ['ETag'] },
      404: noTemplate,
    },
  })),
  reset: ofNotification(() => ({
    id: 'resetTemplateType',
    summary: "Removes the organization's own templates of a type, so that what is built in is sent.",
    body: reset,
    answers: { 204: done, 400: { description: 'The channel is none.' }, 404: noType },
  })),
  listSmsTypes: ofNotification(() => ({
    id: 'listSmsTemplateTypes',
    summary: 'Lists the template types of text messages: none, since this server sends none.',
    answers: { 200: { description: 'None.', schema: z.array(z.never()) } },
  })),
}
