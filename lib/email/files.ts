/** Mail as `.eml` files, for a server without a mail server: whoever looks can open them with a mail program. */
import { mkdir, open, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { compose } from './message.ts'
import type { Message, Transport } from './transport.ts'
import { Undelivered } from './undelivered.ts'

const connect = async () => {
  const { createTransport } = await import('nodemailer')
  return createTransport({ streamTransport: true, buffer: true, newline: 'windows' })
}

/** By rename, so that nobody reads half a message; the same message again replaces the file. */
const place = async (directory: string, name: string, content: Buffer) => {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const draft = join(directory, `.${name}.${crypto.randomUUID()}`)
  try {
    const file = await open(draft, 'wx', 0o600)
    try {
      await file.writeFile(content)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(draft, join(directory, name))
  } catch (error) {
    await rm(draft, { force: true })
    throw error
  }
}

/** The file's name is the Message-ID, without what a file system might not take. */
export const fileName = (messageId: string): string => `${messageId.replace(/[^\w.@-]/g, '')}.eml`

export const fileTransport = (directory: string): Transport => {
  let composer: ReturnType<typeof connect> | undefined
  return {
    async send(message: Message) {
      const options = compose(message)
      composer ??= connect()
      const { message: content } = await (await composer).sendMail(options)
      if (!Buffer.isBuffer(content)) throw new Error('the message was not built in memory')
      await place(directory, fileName(message.messageId), content).catch((error: unknown) => {
        const reason = error instanceof Error ? error.message : String(error)
        throw new Undelivered(`the message cannot be written: ${reason}`, { fault: 'server' })
      })
    },
    close() {},
  }
}
