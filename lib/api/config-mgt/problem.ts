/** The errors of the configuration management API: the message is the status's name, the text is the description. */
import { Problem } from '../problem.ts'

const texts = {
  CONFIGM_00004: [400, 'Resource type name: %s validation failed.'],
  CONFIGM_00006: [409, 'Resource type with the name: %s already exists.'],
  CONFIGM_00008: [404, 'Resource type with the name: %s does not exists.'],
  CONFIGM_00017: [404, 'Resource with the name: %s does not exists.'],
} as const

/** The problem of that code; `name` is what the request named. */
export const configurationProblem = (code: keyof typeof texts, name: string): Problem => {
  const [status, text] = texts[code]
  return new Problem({
    status,
    code,
    message: status === 404 ? 'Not Found' : 'Bad Request',
    description: text.replace('%s', () => name),
  })
}
