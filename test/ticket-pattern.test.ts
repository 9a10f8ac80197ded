/** `[impersonation] ticket_pattern`: what it takes, and that none that is taken can be made slow. */
import { describe, expect, test } from 'bun:test'
import { longestTicket, ticketExpression, ticketPatternProblem } from '../lib/config/ticket-pattern.ts'
import { parse } from '../lib/config.ts'

describe('the pattern of a ticket', () => {
  test.each([
    ['CASE-\\d+', ['CASE-1', 'CASE-123456'], ['case-1', 'CASE-', 'xCASE-1', 'CASE-1\n', 'CASE-1 ']],
    ['^[A-Z]{2,10}-[0-9]{1,7}$', ['AB-1', 'ABCDEFGHIJ-1234567'], ['A-1', 'AB-', 'AB-12345678']],
    ['(?:INC|CHG)\\d{7}|#\\d+', ['INC0000001', 'CHG1234567', '#1'], ['INC1', 'INC', 'INC0000001#1']],
    ['[^/]+(?:/\\d+)?', ['a', 'a/1'], ['', '/1', 'a/']],
    ['https://desk\\.example/t/\\w+', ['https://desk.example/t/9'], ['https://desk-example/t/9']],
    ['a|b', ['a', 'b'], ['ab', 'a|b', 'ax', 'xb']],
    ['\\$\\d{2}\\$', ['$42$'], ['42']],
  ])('%s matches whole tickets only', (pattern, good, bad) => {
    expect(ticketPatternProblem(pattern)).toBeUndefined()
    const expression = ticketExpression(pattern)
    for (const ticket of good) expect([ticket, expression.test(ticket)]).toEqual([ticket, true])
    for (const ticket of bad) expect([ticket, expression.test(ticket)]).toEqual([ticket, false])
  })

  test.each([
    '(a+)+',
    '(a|a)*',
    '(?:a?){30}',
    'a*a*a*b',
    `${'a?'.repeat(17)}`,
    '.*.*.*',
    '(\\d+)\\1',
    '(?=a)a',
    '(?<name>a)',
    'a**',
    'a{2}{3}',
    '(a',
    'a)',
    'a)|(b',
    '[a',
    'a{3,2}',
    '\\u0041',
    'a\\',
    '^^a',
    'a$b',
    'x'.repeat(257),
    `${'(a|b)'.repeat(20)}`,
  ])('%s is refused when the server starts', (pattern) => {
    expect(ticketPatternProblem(pattern)).toBeString()
    const toml = `[impersonation]\nticket_pattern = ${JSON.stringify(pattern)}\n`
    expect(() => parse(toml, '/srv/mayact/deployment.toml', { variables: {} })).toThrow(
      'impersonation.ticket_pattern: ',
    )
  })

  test('the slowest that is taken is still quick', () => {
    const slowest = ['\\w*\\w*(?:a|\\w)x', `${'a?'.repeat(16)}b`, '[a-z]+[a-z]+-?-?', '.*.*aa?']
    for (const pattern of slowest) {
      expect(ticketPatternProblem(pattern)).toBeUndefined()
      const expression = ticketExpression(pattern)
      const began = performance.now()
      expect(expression.test(`${'a'.repeat(longestTicket - 1)}!`)).toBe(false)
      expect(performance.now() - began).toBeLessThan(250)
    }
  })
})
