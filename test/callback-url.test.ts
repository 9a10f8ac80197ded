import { describe, expect, test } from 'bun:test'
import { callbackExpression, callbackProblem } from '../lib/directory/callback-url.ts'

describe('a regexp= callback', () => {
  test('it is anchored, and a dot in it is a dot', () => {
    const matches = (registered: string, asked: string) => callbackExpression(registered)?.test(asked)
    const registered = 'regexp=(https://app.example.com/cb|https://b\\.example/[^/]*/x|https://c.example/.*)'
    expect(matches(registered, 'https://app.example.com/cb')).toBe(true)
    expect(matches(registered, 'https://b.example/1/x')).toBe(true)
    expect(matches(registered, 'https://c.example/any/where')).toBe(true)
    for (const asked of [
      'https://appXexample.com/cb',
      'https://app.example.com/cb2',
      'xhttps://app.example.com/cb',
      'https://bXexample/1/x',
      'https://b.example/1/2/x',
      'https://c.example.evil/',
    ]) {
      expect([asked, matches(registered, asked)]).toEqual([asked, false])
    }
    expect(callbackExpression('https://app.example.com/cb')).toBeUndefined()
  })

  test('it may stand beside subject tokens only where the setting says so', () => {
    const callback = 'regexp=(https://a/cb)'
    expect(callbackProblem(callback, { subjectToken: true, allowRegexp: false })).toContain(
      'allow_regexp_callbacks',
    )
    expect(callbackProblem(callback, { subjectToken: true, allowRegexp: true })).toBeUndefined()
  })

  test('it cannot be made slow', () => {
    const slow = [
      'regexp=(https://a/(x|x)*)',
      'regexp=(https://a/(a+)+)',
      'regexp=(https://a/.*.*.*)',
      'regexp=(https://a/(.*)*)',
    ]
    for (const callback of slow) {
      expect(callbackProblem(callback, { subjectToken: false, allowRegexp: true })).toContain(
        'is not of the accepted form',
      )
    }
    const worst = callbackExpression(
      `regexp=(${Array.from({ length: 20 }, (_, n) => `https://h${n}/.*/[^/]*/(a|b)`).join('|')})`,
    )
    expect(worst?.test(`https://h19/${'a/'.repeat(50_000)}!`)).toBe(false)
  })
})
