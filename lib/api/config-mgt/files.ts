/** Operations 13–17: the files of a resource of the configuration store. */
import { type Context, Hono } from 'hono'
import {
  addConfigurationFile,
  configurationFiles,
  deleteConfigurationFiles,
  findConfigurationFile,
  readConfigurationFile,
} from '../../directory/config-store-files.ts'
import type { ApiNeeds } from '../api.ts'
import { bytesOf, isStorable } from '../body.ts'
import { gate } from '../gate.ts'
import { parameter } from '../parameter.ts'
import { invalidRequest } from '../problem.ts'
import { boundaryOf, type Part, partsOf } from './multipart.ts'
import * as operations from './operations.ts'
import { locationOf, pathTo, requireResource } from './place.ts'
import { configurationProblem } from './problem.ts'

/** What a form needs beside its file. */
const formBytes = 16_384
const longestName = 255
/** A file goes out in slices of so many bytes, the next one when the client has taken the last. */
const slice = 1_048_576

const textOf = ({ content }: Part): string | undefined => {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(content)
  } catch {
    return undefined
  }
}

/** The file and its name out of the form. Throws `Problem`. */
const readForm = async (c: Context, largestFile: number) => {
  const tooLarge = `The file is larger than ${largestFile} bytes.`
  const boundary = boundaryOf(c.req.header('content-type') ?? '')
  if (boundary === undefined)
    throw invalidRequest('The request body must be multipart/form-data with a boundary.', { status: 415 })
  const body = await bytesOf(c.req.raw, largestFile + formBytes, tooLarge)
  const parts = partsOf(body, boundary)
  const only = (name: string) => {
    const named = parts?.filter((part) => part.name === name) ?? []
    if (!parts || named.length > 1)
      throw invalidRequest('Provided request body content is not in the expected format.')
    return named[0]
  }
  const [file, named] = [only('resourceFile'), only('file-name')]
  const name = (named && textOf(named)) ?? ''
  if (name.trim() === '' || name.length > longestName || !isStorable(name))
    throw configurationProblem('CONFIGM_00045', 'file-name')
  if (!file) throw configurationProblem('CONFIGM_00045', 'resourceFile')
  if (file.content.byteLength > largestFile) throw invalidRequest(tooLarge, { status: 413 })
  return { name, value: file.content }
}

const quoted = (name: string) =>
  encodeURIComponent(name.toWellFormed()).replace(/['()*]/g, (one) => `%${one.charCodeAt(0).toString(16)}`)

export const configurationResourceFiles = (needs: ApiNeeds) => {
  const { db, baseUrl, largestFile } = needs
  const guarded = gate(needs)
  const requireFile = async (c: Context) => {
    const place = await requireResource(db, c)
    const id = parameter(c, 'id')
    const file = await findConfigurationFile(db, place.resource.id, id)
    if (!file) throw configurationProblem('CONFIGM_00043', id)
    return { ...place, file }
  }
  return new Hono()
    .post(
      '/:type/:name/file',
      guarded(
        'internal_config_mgt_add',
        async (caller, c) => {
          const { type, resource } = await requireResource(db, c)
          const file = await readForm(c, largestFile)
          const id = await addConfigurationFile(db, caller, new Date(), type, resource, file)
          c.header('Location', locationOf(baseUrl, 'resource', type.name, resource.name, 'file', id))
          return c.body(null, 201)
        },
        operations.addFile,
      ),
    )
    .get(
      '/:type/:name/file',
      guarded(
        'internal_config_mgt_view',
        async (_, c) => {
          const { type, resource } = await requireResource(db, c)
          const files = await configurationFiles(db, resource.id)
          if (files.length === 0) throw configurationProblem('CONFIGM_00044', resource.name)
          return c.json(
            files.map(({ id, name }) => ({ name, file: pathTo(type.name, resource.name, 'file', id) })),
          )
        },
        operations.listFiles,
      ),
    )
    .delete(
      '/:type/:name/file',
      guarded(
        'internal_config_mgt_delete',
        async (caller, c) => {
          const { type, resource } = await requireResource(db, c)
          const files = await configurationFiles(db, resource.id)
          if (files.length > 0) await deleteConfigurationFiles(db, caller, new Date(), type, resource, files)
          return c.body(null, 200)
        },
        operations.deleteFiles,
      ),
    )
    .get(
      '/:type/:name/file/:id',
      guarded(
        'internal_config_mgt_view',
        async (_, c) => {
          const { file } = await requireFile(c)
          let sent = 0
          const content = new ReadableStream<Uint8Array>(
            {
              async pull(controller) {
                if (sent >= file.size) return controller.close()
                const bytes = await readConfigurationFile(db, file.id, sent, slice)
                if (!bytes?.byteLength) return controller.error(new Error('the file was removed meanwhile'))
                sent += bytes.byteLength
                controller.enqueue(bytes)
              },
            },
            { highWaterMark: 0 },
          )
          c.header('Content-Type', 'application/octet-stream')
          c.header('Content-Length', String(file.size))
          c.header('Content-Disposition', `attachment; filename*=UTF-8''${quoted(file.name ?? file.id)}`)
          return c.body(content)
        },
        operations.readFile,
      ),
    )
    .delete(
      '/:type/:name/file/:id',
      guarded(
        'internal_config_mgt_delete',
        async (caller, c) => {
          const { type, resource, file } = await requireFile(c)
          await deleteConfigurationFiles(db, caller, new Date(), type, resource, [file])
          return c.body(null, 200)
        },
        operations.deleteFile,
      ),
    )
}
