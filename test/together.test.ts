/** How requests of one moment are begun, and how signatures are handed back: together, in order, and each for itself. */
import { describe, expect, test } from 'bun:test'
import { together } from '../lib/commands/together.ts'
import { inGroups } from '../lib/keys/delivery.ts'

describe('together', () => {
  test('begins what one turn brings when the turn is over, in its order', async () => {
    const begun = together()
    const said: string[] = []
    const one = begun(async () => said.push('one'))
    const two = begun(async () => said.push('two'))
    await Promise.resolve()
    expect(said).toEqual([])
    expect(await Promise.all([one, two])).toEqual([1, 2])
    expect(said).toEqual(['one', 'two'])
  })

  test('what fails, at once or later, fails alone', async () => {
    const begun = together()
    const results = await Promise.allSettled([
      begun(async () => {
        throw new Error('later')
      }),
      begun(() => {
        throw new Error('at once')
      }),
      begun(async () => 'well'),
    ])
    expect(
      results.map((result) => (result.status === 'rejected' ? result.reason.message : result.value)),
    ).toEqual(['later', 'at once', 'well'])
  })

  test('what is brought while others begin has a turn of its own', async () => {
    const begun = together()
    const said: string[] = []
    let inner: Promise<unknown> | undefined
    const outer = begun(async () => {
      inner = begun(async () => said.push('inner'))
      said.push('outer')
    })
    const beside = begun(async () => said.push('beside'))
    await Promise.all([outer, beside])
    expect(said).toEqual(['outer', 'beside'])
    await inner
    expect(said).toEqual(['outer', 'beside', 'inner'])
  })
})

describe('in groups', () => {
  const deferred = () => {
    const { promise, resolve, reject } = Promise.withResolvers<string>()
    return { promise, resolve, reject }
  }
  /** Everything that is settled by now. */
  const settledOf = (all: readonly Promise<string>[]) => {
    const settled: string[] = []
    for (const each of all) {
      each.then(
        (value) => settled.push(value),
        (error: Error) => settled.push(`failed: ${error.message}`),
      )
    }
    return settled
  }

  test('one that is alone is handed back at once', async () => {
    expect(await inGroups(Promise.resolve('alone'))).toBe('alone')
  })

  test('some wait until none is under way, a failure among them', async () => {
    const work = [deferred(), deferred(), deferred()]
    const settled = settledOf(work.map(({ promise }) => inGroups(promise)))
    work[1]?.resolve('second')
    work[0]?.reject(new Error('no key'))
    await Bun.sleep(1)
    expect(settled).toEqual([])
    work[2]?.resolve('third')
    await Bun.sleep(1)
    expect(settled).toEqual(['second', 'failed: no key', 'third'])
  })

  test('of many eight are handed back while others are under way', async () => {
    const work = Array.from({ length: 10 }, deferred)
    const settled = settledOf(work.map(({ promise }) => inGroups(promise)))
    for (const [at, { resolve }] of work.slice(0, 7).entries()) resolve(String(at))
    await Bun.sleep(1)
    expect(settled).toEqual([])
    work[7]?.resolve('7')
    await Bun.sleep(1)
    expect(settled).toHaveLength(8)
    for (const { resolve } of work.slice(8)) resolve('late')
    await Bun.sleep(1)
    expect(settled).toHaveLength(10)
  })
})
