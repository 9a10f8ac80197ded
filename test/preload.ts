/** Runs once around all test files: whatever they started is stopped when the last one has ended. */
import { afterAll } from 'bun:test'
import { cleanUp } from './databases.ts'

afterAll(cleanUp)
