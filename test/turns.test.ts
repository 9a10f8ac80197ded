/** Requests that were overtaken take turns. */
import { expect, test } from 'bun:test'
import { letOthersPass, takeTurn } from '../lib/access/turns.ts'
import type { Db } from '../lib/database/connect.ts'

/** Nothing is asked of it: a queue belongs to a database. */
const database = () => ({}) as Db

test('one goes after the other, in the order in which they lost, and a newcomer waits for all', async () => {
  const db = database()
  const seen: string[] = []
  const endFirst = await takeTurn(db)
  const others = ['second', 'third'].map(async (name) => {
    const end = await takeTurn(db)
    seen.push(name)
    end()
  })
  const newcomer = letOthersPass(db).then(() => seen.push('newcomer'))
  await letOthersPass(database())
  expect(seen).toEqual([])
  seen.push('first')
  endFirst()
  await Promise.all([...others, newcomer])
  expect(seen).toEqual(['first', 'second', 'third', 'newcomer'])
})

test('where nobody lost there is nothing to wait for', async () => {
  const db = database()
  await letOthersPass(db)
  const end = await takeTurn(db)
  end()
  end()
  await letOthersPass(db)
})
