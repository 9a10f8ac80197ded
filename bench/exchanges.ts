/** Exchanges alone: the subject tokens are there before the clock runs. */
import { closedLoop, type Measured, warmUp } from './measure.ts'
import type { prepareScenario, Tokens } from './scenario.ts'

type Scenario = Awaited<ReturnType<typeof prepareScenario>>

/** Subject tokens for so many seconds of a fast server; gathering them is given up after a minute and a half. */
const perSecond = 3_600
const patience = 90_000

/** How fast they go; `missing` of them had to authorize first, since the stock was empty. */
export const exchangesAlone = async (
  { authorize, exchange }: Pick<Scenario, 'authorize' | 'exchange'>,
  clients: number,
  seconds: number,
): Promise<Measured & { readonly missing: number }> => {
  const stock: Tokens[] = []
  const enough = (warmUp(seconds) / 1_000 + seconds) * perSecond
  const until = performance.now() + patience
  await Promise.all(
    Array.from({ length: clients }, async (_, client) => {
      while (stock.length < enough && performance.now() < until) stock.push(await authorize(client))
    }),
  )
  let missing = 0
  const measured = await closedLoop(clients, seconds, async (client) => {
    const tokens = stock.pop()
    if (!tokens) missing += 1
    await exchange(tokens ?? (await authorize(client)))
  })
  return { ...measured, missing }
}
