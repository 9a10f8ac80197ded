/** Files of resources of the configuration store: bytes in by forms, bytes out as they came, and every refusal. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { runScript } from '../lib/database/commit.ts'
import { admin, type Booted, boot } from './boot.ts'
import { databases } from './databases.ts'
import { expectRefusal } from './management.ts'
import { nothingElse } from './nothing-else.ts'

const base = '/api/identity/config-mgt/v1.0'
const place = `${base}/resource/FILES/r`
const largest = 2_500_000

for (const database of databases) {
  describe(`files of config-mgt on ${database.name}`, () => {
    let server: Booted
    beforeAll(async () => {
      server = await boot(database, { toml: `[configuration_store]\nmax_file_bytes = ${largest}` })
      expect((await server.send('POST', `${base}/resource-type`, { name: 'FILES' })).status).toBe(201)
      for (const name of ['r', 'empty'])
        expect((await server.send('POST', `${base}/resource/FILES`, { name })).status).toBe(201)
    })
    afterAll(() => server.stop())

    const post = (form: FormData, path = `${place}/file`) =>
      server.request(path, { method: 'POST', headers: { Authorization: admin }, body: form })
    const formOf = (content: string | Uint8Array<ArrayBuffer> | undefined, name: string | undefined) => {
      const form = new FormData()
      if (content !== undefined) form.append('resourceFile', new Blob([content]), 'local.bin')
      if (name !== undefined) form.append('file-name', name)
      return form
    }
    const counted = { audit: { added: 1 }, revision: { changed: 1 }, idn_config_resource: { changed: 1 } }
    const hasFile = async () => {
      const row = await server.db
        .selectFrom('idn_config_resource')
        .select('has_file')
        .where('name', '=', 'r')
        .executeTakeFirstOrThrow()
      return Boolean(row.has_file)
    }

    test('a file goes in, is listed, comes out byte by byte, and is removed', async () => {
      const bytes = crypto.getRandomValues(new Uint8Array(60_000))
      bytes.set(new TextEncoder().encode('\r\n--boundary--\r\n\r\n'), 100)
      const name = 'Prüfung "1".bin'
      const { result: added } = await nothingElse(
        server.db,
        { ...counted, idn_config_file: { added: 1 } },
        () => post(formOf(bytes, name)),
      )
      expect([added.status, await added.text()]).toEqual([201, ''])
      const location = added.headers.get('Location') ?? ''
      expect(location).toMatch(/^https:\/\/localhost:9443\/api\/.*\/resource\/FILES\/r\/file\/[\da-f-]{36}$/)
      const id = location.split('/').at(-1) ?? ''
      expect((await server.audit()).at(-1)).toMatchObject({
        event: 'configuration-file-added',
        target: 'FILES/r',
        data: { id, name, bytes: 60_000 },
        outcome: 'Success',
      })
      expect(await hasFile()).toBe(true)
      const list = await server.send('GET', `${place}/file`)
      const href = `/t/carbon.super${place}/file/${id}`
      expect([list.status, await list.json()]).toEqual([200, [{ name, file: href }]])
      const resource = await server.send('GET', place)
      expect(await resource.json()).toMatchObject({
        files: [{ rel: 'file', href: `/t/carbon.super${place}/file` }],
      })
      for (const path of [href, new URL(location).pathname]) {
        const file = await server.send('GET', path)
        expect(file.status).toBe(200)
        expect(file.headers.get('Content-Type')).toBe('application/octet-stream')
        expect(file.headers.get('Content-Length')).toBe('60000')
        expect(file.headers.get('Content-Disposition')).toBe(
          "attachment; filename*=UTF-8''Pr%C3%BCfung%20%221%22.bin",
        )
        expect(Bun.hash(await file.arrayBuffer())).toBe(Bun.hash(bytes))
      }
      const { result: removed } = await nothingElse(
        server.db,
        { ...counted, idn_config_file: { removed: 1 } },
        () => server.send('DELETE', href),
      )
      expect([removed.status, await removed.text()]).toEqual([200, ''])
      expect((await server.audit()).at(-1)).toMatchObject({
        event: 'configuration-file-deleted',
        data: { files: [{ id, name }] },
      })
      expect(await hasFile()).toBe(false)
    })

    test('the largest file goes in and out in slices; one byte more does not', async () => {
      const bytes = new Uint8Array(largest).map((_, n) => (n * 7) % 251)
      const added = await post(formOf(bytes, 'large'))
      expect(added.status).toBe(201)
      const file = await server.send('GET', added.headers.get('Location') ?? '')
      expect(Bun.hash(await file.arrayBuffer())).toBe(Bun.hash(bytes))
      await server.send('DELETE', added.headers.get('Location') ?? '')
      const tooLarge = {
        status: 413,
        code: 'UE-10000',
        description: `The file is larger than ${largest} bytes.`,
      }
      await expectRefusal(server, () => post(formOf(new Uint8Array(largest + 1), 'larger')), tooLarge)
      await expectRefusal(server, () => post(formOf(new Uint8Array(largest + 100_000), 'larger')), tooLarge)
    })

    test('DELETE of all files leaves none, and finds nothing to do after that', async () => {
      for (const name of ['a', 'b']) expect((await post(formOf('x', name))).status).toBe(201)
      const one = (await (await server.send('GET', `${place}/file`)).json()) as { file: string }[]
      await server.send('DELETE', one[0]?.file ?? '')
      expect(await hasFile()).toBe(true)
      expect((await post(formOf('y', 'a'))).status).toBe(201)
      const all = () => server.send('DELETE', `${place}/file`)
      const { result } = await nothingElse(server.db, { ...counted, idn_config_file: { removed: 2 } }, all)
      expect([result.status, await result.text()]).toEqual([200, ''])
      expect(await hasFile()).toBe(false)
      const { result: again } = await nothingElse(server.db, {}, all)
      expect(again.status).toBe(200)
    })

    test('files of no bytes, and those of scripts, come out as they are', async () => {
      const empty = await post(formOf('', 'nothing'))
      expect(empty.status).toBe(201)
      const read = await server.send('GET', empty.headers.get('Location') ?? '')
      expect([read.status, await read.text()]).toEqual([200, ''])
      await runScript(
        server.db,
        `INSERT INTO IDN_CONFIG_FILE (ID, VALUE, NAME, RESOURCE_ID) SELECT 'null', NULL, NULL, ID FROM IDN_CONFIG_RESOURCE WHERE NAME = 'r';
         INSERT INTO IDN_CONFIG_FILE (ID, VALUE, NAME, RESOURCE_ID) SELECT 'text', 'plain text', 'text.txt', ID FROM IDN_CONFIG_RESOURCE WHERE NAME = 'r';`,
      )
      const texts = await Promise.all(
        ['null', 'text'].map(async (id) => (await server.send('GET', `${place}/file/${id}`)).text()),
      )
      expect(texts).toEqual(['', 'plain text'])
      const list = (await (await server.send('GET', `${place}/file`)).json()) as { name: string | null }[]
      expect(list.map(({ name }) => name).toSorted()).toEqual(['nothing', null, 'text.txt'])
      expect((await server.send('DELETE', `${place}/file`)).status).toBe(200)
    })

    test('a resource takes its files with it', async () => {
      const name = { name: 'short-lived' }
      await server.send('POST', `${base}/resource/FILES`, name)
      await post(formOf('x', 'x'), `${base}/resource/FILES/short-lived/file`)
      await server.send('DELETE', `${base}/resource/FILES/short-lived`)
      expect(await server.db.selectFrom('idn_config_file').select('id').execute()).toEqual([])
    })

    const noFile = 'Resource: empty does not contain any files.'
    const noId = 'File with the id: no does not exists.'
    test.each([
      [
        'GET',
        '/resource/NO/r/file',
        404,
        'CONFIGM_00008',
        'Resource type with the name: NO does not exists.',
      ],
      ['GET', '/resource/FILES/no/file', 404, 'CONFIGM_00017', 'Resource with the name: no does not exists.'],
      ['DELETE', '/resource/FILES/no/file', 404, 'CONFIGM_00017', /does not exists/],
      ['GET', '/resource/FILES/empty/file', 400, 'CONFIGM_00044', noFile],
      ['GET', '/resource/FILES/empty/file/no', 400, 'CONFIGM_00043', noId],
      ['DELETE', '/resource/FILES/empty/file/no', 400, 'CONFIGM_00043', noId],
      ['GET', '/resource/FILES/empty/file/%00%ff', 400, 'CONFIGM_00043', /^File with the id: /],
    ] as const)('%s %s is %d %s', async (method, path, status, code, description) => {
      await expectRefusal(server, () => server.send(method, `${base}${path}`), { status, code, description })
    })

    const identifiers = (what: string) =>
      `File identifier validation failed for one or more file identifiers in: ${what}.`
    test.each([
      ['no file', formOf(undefined, 'x'), identifiers('resourceFile')],
      ['no name', formOf('x', undefined), identifiers('file-name')],
      ['a blank name', formOf('x', '  '), identifiers('file-name')],
      ['a name too long', formOf('x', 'n'.repeat(256)), identifiers('file-name')],
      ['a name with NUL', formOf('x', 'a\0b'), identifiers('file-name')],
    ])('it refuses %s', async (_, form, description) => {
      await expectRefusal(server, () => post(form), { status: 400, code: 'CONFIGM_00045', description })
    })

    const raw = (body: string, contentType = 'multipart/form-data; boundary=b') =>
      server.request(`${place}/file`, {
        method: 'POST',
        headers: { Authorization: admin, 'Content-Type': contentType },
        body,
      })
    const part = (name: string, content: string) =>
      `--b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${content}\r\n`
    const whole = `${part('resourceFile', 'x')}${part('file-name', 'n')}--b--`
    test.each([
      ['another media type', whole, 'text/plain', 415],
      ['no boundary', whole, 'multipart/form-data', 415],
      ['a boundary of spaces', whole, 'multipart/form-data; boundary=" "', 415],
      ['another boundary', whole, 'multipart/form-data; boundary=c', 400],
      ['nothing', '', undefined, 400],
      ['no end', `${part('resourceFile', 'x')}${part('file-name', 'n')}`, undefined, 400],
      ['a part without a name', `--b\r\n\r\nx\r\n--b--`, undefined, 400],
      ['headers without end', `--b\r\nContent-Disposition: form-data; name="a"`, undefined, 400],
      ['two files', `${part('resourceFile', 'x')}${whole}`, undefined, 400],
      ['eleven parts', `${part('more', 'x').repeat(9)}${whole}`, undefined, 400],
    ])('it refuses a form with %s', async (_, body, contentType, status) => {
      await expectRefusal(server, () => raw(body, contentType), { status, code: 'UE-10000' })
    })

    test('it reads a form that others would write differently', async () => {
      const quoted = 'multipart/form-data; charset=utf-8; boundary="b"'
      const odd = `preamble\r\n--b  \r\ncontent-type: text/plain\r\ncontent-disposition: form-data; filename="; name=x"; name=resourceFile\r\n\r\n\r\n--bb\r\n--b\r\nContent-Disposition: form-data; name="file-name"\r\n\r\nodd\r\n--b--\r\nepilogue`
      const added = await raw(odd, quoted)
      expect(added.status).toBe(201)
      const file = await server.send('GET', added.headers.get('Location') ?? '')
      expect(await file.text()).toBe('\r\n--bb')
      await server.send('DELETE', added.headers.get('Location') ?? '')
    })
  })
}
