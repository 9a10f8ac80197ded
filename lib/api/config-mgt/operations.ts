/** The 18 operations of the configuration management API as the OpenAPI document describes them. */
import * as z from 'zod'
import type { Describe, Operation } from '../../access/operation.ts'
import {
  attributeAnswer,
  filesAnswer,
  refusals,
  resourceAnswer,
  searchAnswer,
  typeAnswer,
} from './answers.ts'
import type { ConfigurationCode } from './problem.ts'
import { attributeBody, resourceBody, typeBody } from './requests.ts'

const tag = 'Configuration management'
const unknownResource = ['CONFIGM_00008', 'CONFIGM_00017'] as const satisfies readonly ConfigurationCode[]
const unreadable = [400, 413, 415] as const
const tagged = ['ETag']

const read = (
  id: string,
  summary: string,
  codes: readonly ConfigurationCode[],
  answer: () => z.ZodType,
): Describe => {
  return () => ({
    id,
    summary,
    tag,
    conditional: true,
    answers: { 200: { description: summary, schema: answer(), headers: tagged }, ...refusals(codes) },
  })
}

const remove = (
  id: string,
  summary: string,
  codes: readonly ConfigurationCode[],
  rest: Partial<Operation> = { conditional: true },
): Describe => {
  return () => ({ id, summary, tag, answers: { 200: { description: 'Done.' }, ...refusals(codes) }, ...rest })
}

export const createType: Describe = () => ({
  id: 'createConfigurationType',
  summary: 'Create a type',
  tag,
  body: typeBody,
  answers: {
    201: { description: 'The type.', schema: typeAnswer(), headers: ['Location', ...tagged] },
    ...refusals(['CONFIGM_00004', 'CONFIGM_00006'], unreadable),
  },
})

export const replaceType: Describe = () => ({
  id: 'replaceConfigurationType',
  summary: 'Create a type, or replace the description of the one that has the name',
  tag,
  body: typeBody,
  conditional: true,
  answers: {
    200: { description: 'The type.', schema: typeAnswer(), headers: tagged },
    ...refusals(['CONFIGM_00004'], unreadable),
  },
})

export const readType = read(
  'readConfigurationType',
  'A type, with a link to each of its resources',
  ['CONFIGM_00008'],
  typeAnswer,
)

export const deleteType = remove('deleteConfigurationType', 'Remove a type and its resources', [
  'CONFIGM_00008',
])

export const createResource: Describe = () => ({
  id: 'createConfigurationResource',
  summary: 'Create a resource of a type',
  tag,
  body: resourceBody,
  answers: {
    201: { description: 'The resource.', schema: resourceAnswer(), headers: ['Location', ...tagged] },
    ...refusals(
      ['CONFIGM_00008', 'CONFIGM_00010', 'CONFIGM_00013', 'CONFIGM_00026', 'CONFIGM_00031'],
      unreadable,
    ),
  },
})

export const replaceResource: Describe = () => ({
  id: 'replaceConfigurationResource',
  summary: 'Create a resource, or replace all attributes of the one that has the name',
  tag,
  body: resourceBody,
  conditional: true,
  answers: {
    200: { description: 'The resource.', schema: resourceAnswer(), headers: tagged },
    ...refusals(['CONFIGM_00008', 'CONFIGM_00026', 'CONFIGM_00031', 'CONFIGM_00033'], unreadable),
  },
})

export const readResource = read(
  'readConfigurationResource',
  'A resource with its attributes',
  unknownResource,
  resourceAnswer,
)

export const deleteResource = remove(
  'deleteConfigurationResource',
  'Remove a resource with its attributes and files',
  unknownResource,
)

export const addAttribute: Describe = () => ({
  id: 'addConfigurationAttribute',
  summary: 'Add an attribute to a resource',
  tag,
  body: attributeBody,
  answers: {
    201: { description: 'The attribute.', schema: attributeAnswer(), headers: tagged },
    ...refusals([...unknownResource, 'CONFIGM_00026', 'CONFIGM_00031'], unreadable),
  },
})

export const replaceAttribute: Describe = () => ({
  id: 'replaceConfigurationAttribute',
  summary: 'Add or replace an attribute of a resource',
  tag,
  body: attributeBody,
  conditional: true,
  answers: {
    200: { description: 'The attribute.', schema: attributeAnswer(), headers: tagged },
    ...refusals([...unknownResource, 'CONFIGM_00026'], unreadable),
  },
})

export const readAttribute = read(
  'readConfigurationAttribute',
  'An attribute of a resource',
  [...unknownResource, 'CONFIGM_00027'],
  attributeAnswer,
)

export const deleteAttribute = remove('deleteConfigurationAttribute', 'Remove an attribute of a resource', [
  ...unknownResource,
  'CONFIGM_00027',
])

export const addFile: Describe = () => ({
  id: 'addConfigurationFile',
  summary: 'Add a file to a resource',
  tag,
  type: 'multipart/form-data',
  body: z.object({ resourceFile: z.string(), 'file-name': z.string().min(1).max(255) }),
  answers: {
    201: { description: 'Stored; Location is the path of the file.', headers: ['Location'] },
    ...refusals([...unknownResource, 'CONFIGM_00045'], unreadable),
  },
})

export const listFiles: Describe = () => ({
  id: 'listConfigurationFiles',
  summary: 'The files of a resource',
  tag,
  answers: {
    200: { description: 'Names and paths.', schema: filesAnswer() },
    ...refusals([...unknownResource, 'CONFIGM_00044']),
  },
})

export const deleteFiles = remove(
  'deleteConfigurationFiles',
  'Remove all files of a resource',
  unknownResource,
  {},
)

export const readFile: Describe = () => ({
  id: 'readConfigurationFile',
  summary: 'The content of a file',
  tag,
  answers: {
    200: {
      description: 'The bytes.',
      type: 'application/octet-stream',
      schema: z.string(),
      headers: ['Content-Disposition'],
    },
    ...refusals([...unknownResource, 'CONFIGM_00043']),
  },
})

export const deleteFile = remove(
  'deleteConfigurationFile',
  'Remove a file of a resource',
  [...unknownResource, 'CONFIGM_00043'],
  {},
)

export const search: Describe = () => ({
  id: 'searchConfigurationResources',
  summary:
    'Search resources, as $filter=resourceTypeName eq ’T’ and attributeKey eq ’K’ (with straight quotes)',
  tag,
  query: z.object({
    $filter: z
      .string()
      .max(4_000)
      .describe('resourceTypeName, attributeKey and others by eq, joined by and; values in straight quotes.'),
  }),
  answers: {
    200: { description: 'The resources that were found, whole.', schema: searchAnswer() },
    ...refusals([
      'CONFIGM_00015',
      'CONFIGM_00018',
      'CONFIGM_00020',
      'CONFIGM_00021',
      'CONFIGM_00022',
      'CONFIGM_00023',
    ]),
  },
})
