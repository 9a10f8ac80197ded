/** The errors of the configuration management API: the message is the status's name, the text is the description. */
import { Problem } from '../problem.ts'

const texts = {
  CONFIGM_00004: [400, 'Resource type name: %s validation failed.'],
  CONFIGM_00006: [409, 'Resource type with the name: %s already exists.'],
  CONFIGM_00008: [404, 'Resource type with the name: %s does not exists.'],
  CONFIGM_00010: [400, 'Resource add request validation failed. Invalid resource add request.'],
  CONFIGM_00013: [409, 'Resource with the name: %s already exists.'],
  CONFIGM_00015: [400, 'Too large SQL query length.'],
  CONFIGM_00017: [404, 'Resource with the name: %s does not exists.'],
  CONFIGM_00018: [400, 'Search request validation failed. Invalid search filter.'],
  CONFIGM_00020: [404, 'Resources does not exists.'],
  CONFIGM_00021: [
    404,
    'Search query property: %s is either invalid or not found in the permitted properties.',
  ],
  CONFIGM_00022: [400, 'Search query syntax error in the condition: %s.'],
  CONFIGM_00023: [400, 'Search query syntax error'],
  CONFIGM_00026: [400, 'Attribute validation failed for the attribute: %s.'],
  CONFIGM_00027: [400, 'Attribute with the key: %s does not exists.'],
  CONFIGM_00031: [409, 'Attribute with the name: %s already exists.'],
  CONFIGM_00033: [400, 'Resource replace request validation failed.'],
  CONFIGM_00043: [400, 'File with the id: %s does not exists.'],
  CONFIGM_00044: [400, 'Resource: %s does not contain any files.'],
  CONFIGM_00045: [400, 'File identifier validation failed for one or more file identifiers in: %s.'],
} as const

export type ConfigurationCode = keyof typeof texts

/** The problem of that code; `name` is what the request named. */
export const configurationProblem = (code: ConfigurationCode, name = ''): Problem => {
  const [status, text] = texts[code]
  return new Problem({
    status,
    code,
    message: status === 404 ? 'Not Found' : 'Bad Request',
    description: text.replace('%s', () => name),
  })
}

/** Its status. */
export const statusOf = (code: ConfigurationCode): number => texts[code][0]
