#!/usr/bin/env bun
/** The entry: the only reader of the process's arguments and environment; everything else is a command. */
import { run } from './lib/commands/run.ts'

// whatever is written here is its owner's alone
process.umask(0o077)
const code = await run(process.argv.slice(2), { variables: process.env })
// a server that goes on serving answers undefined
if (code !== undefined) process.exit(code)
