/** What changes between a decision of the authorization endpoint and its commit: all of it is decided again. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test'
import { app } from '../../lib/app.ts'
import type { Validator } from '../../lib/impersonation/validator.ts'
import { createLog } from '../../lib/log.ts'
import { readAnswer } from '../authorize-answer.ts'
import { type Booted, boot, origin } from '../boot.ts'
import { type Browser, newBrowser, type Server } from '../browser.ts'
import { databases } from '../databases.ts'
import { authorizePath, logIn, type Scenario, sender, setUp } from '../scenario.ts'

const log = createLog({ level: 'silent', format: 'text' })

for (const database of databases) {
  describe(`on ${database.name}, between decision and commit`, () => {
    let booted: Booted
    let server: Server
    let scenario: Scenario
    let browser: Browser
    let meanwhile: (() => Promise<unknown>) | undefined

    /** A rule that allows everything, while something else happens. */
    const slow: Validator = {
      name: 'slow',
      priority: 1,
      async validate({ scopes }) {
        const happens = meanwhile
        meanwhile = undefined
        await happens?.()
        return { allow: true, scopes }
      },
    }

    beforeAll(async () => {
      booted = await boot(database)
      scenario = await setUp(booted)
      const raced = app({ ...booted, validators: [...booted.validators, slow], log })
      server = {
        request: async (path, init) =>
          raced.fetch(new Request(new URL(path, origin).href, { redirect: 'manual', ...init }), '127.0.0.1'),
      }
      browser = newBrowser(server)
      expect(
        (await logIn(browser, await browser.get(authorizePath(scenario)), scenario.impersonator)).status,
      ).toBe(302)
    })
    afterEach(() => {
      meanwhile = undefined
    })
    afterAll(() => booted.stop())

    const change = async (body: object) => {
      const path = `/api/server/v1/applications/${scenario.applicationId}`
      expect((await sender(booted)('PATCH', path, body)).status).toBe(200)
    }
    const setConsent = (skipLoginConsent: boolean) => change({ advancedConfigurations: { skipLoginConsent } })

    test('the consent that the application no longer skips is asked for', async () => {
      meanwhile = () => setConsent(false)
      const asked = await readAnswer(await browser.get(authorizePath(scenario)))
      expect(asked.place).toBe('consent')
      await setConsent(true)
      meanwhile = () => setConsent(false)
      const silent = await readAnswer(await browser.get(authorizePath(scenario, { prompt: 'none' })))
      expect(silent).toMatchObject({ place: 'fragment', parameters: { error: 'consent_required' } })
      await setConsent(true)
    })

    test('an administrator who changes something each time ends it with temporarily_unavailable', async () => {
      let changes = 0
      const always = async () => {
        changes += 1
        await change({ description: `No. ${changes}` })
        meanwhile = always
      }
      meanwhile = always
      const before = (await booted.audit()).filter(({ event }) => event === 'request-abandoned').length
      const answer = await readAnswer(await browser.get(authorizePath(scenario)))
      expect(answer).toMatchObject({ place: 'fragment', parameters: { error: 'temporarily_unavailable' } })
      expect(changes).toBe(3)
      const rows = (await booted.audit()).filter(({ event }) => event === 'request-abandoned')
      expect(rows).toHaveLength(before + 1)
      expect(rows.at(-1)).toMatchObject({ initiator: scenario.impersonator.id, target: scenario.clientId })
    })
  })
}
