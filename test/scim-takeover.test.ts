/** Addresses, passwords and names as ways into the accounts of others. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { type Booted, basic, boot } from './boot.ts'
import { databases } from './databases.ts'

type Body = Record<string, unknown>
const wso2 = 'urn:scim:wso2:schema'
const patchOf = (...Operations: readonly Body[]) => ({
  schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
  Operations,
})

describe.each(databases)('taking accounts over on $name', (database) => {
  let server: Booted
  beforeAll(async () => {
    server = await boot(database)
  })
  afterAll(() => server.stop())

  const send = async (method: string, path: string, body?: unknown, headers?: Record<string, string>) => {
    const response = await server.send(method, `/scim2${path}`, body, headers)
    const text = await response.text()
    return { status: response.status, body: (text === '' ? {} : JSON.parse(text)) as Body }
  }

  describe('a proof is of one address', () => {
    const create = async (userName: string) => {
      const { status, body } = await send('POST', '/Users', {
        userName,
        password: 'Password@123',
        emails: [{ value: `${userName}@own.example`, primary: true }, { value: `${userName}@other.example` }],
        phoneNumbers: [{ type: 'mobile', value: '+491' }],
        [wso2]: {
          emailVerified: true,
          phoneVerified: true,
          verifiedEmailAddresses: [`${userName}@own.example`],
        },
      })
      expect(status).toBe(201)
      return { id: String(body.id), own: { Authorization: basic(userName, 'Password@123') } }
    }
    const proofs = async (id: string) => {
      const { body } = await send('GET', `/Users/${id}`)
      const { emailVerified, phoneVerified, verifiedEmailAddresses } = body[wso2] as Body
      return { emailVerified, phoneVerified, addresses: verifiedEmailAddresses }
    }
    const addresses = (name: string) => [`${name}@own.example`]

    test('an owner who takes another address has none of that one', async () => {
      const { id, own } = await create('mover')
      const change = patchOf({ op: 'replace', path: 'emails', value: [{ value: 'victim@else.example' }] })
      expect((await send('PATCH', '/Me', change, own)).status).toBe(200)
      expect(await proofs(id)).toEqual({
        emailVerified: undefined,
        phoneVerified: true,
        addresses: addresses('mover'),
      })
      const phone = patchOf({ op: 'replace', path: 'phoneNumbers[type eq "mobile"].value', value: '+492' })
      expect((await send('PATCH', '/Me', phone, own)).status).toBe(200)
      expect(await proofs(id)).toEqual({
        emailVerified: undefined,
        phoneVerified: undefined,
        addresses: addresses('mover'),
      })
    })

    test('nor by another one of his becoming the primary', async () => {
      const { id, own } = await create('switcher')
      const change = patchOf({
        op: 'replace',
        path: 'emails[value eq "switcher@other.example"].primary',
        value: true,
      })
      expect((await send('PATCH', '/Me', change, own)).status).toBe(200)
      expect((await proofs(id)).emailVerified).toBeUndefined()
    })

    test('nor by putting back with another address what was read', async () => {
      const { id, own } = await create('putter')
      const { body } = await send('GET', '/Me', undefined, own)
      const put = await send('PUT', '/Me', { ...body, emails: ['victim@else.example'] }, own)
      expect(put.status).toBe(200)
      expect(await proofs(id)).toEqual({
        emailVerified: undefined,
        phoneVerified: true,
        addresses: addresses('putter'),
      })
    })

    test('it stays with further addresses, and with an administrator who says so', async () => {
      const { id, own } = await create('keeper')
      const more = patchOf({ op: 'add', path: 'emails', value: [{ value: 'third@else.example' }] })
      expect((await send('PATCH', '/Me', more, own)).status).toBe(200)
      expect((await proofs(id)).emailVerified).toBe(true)
      const both = patchOf({
        op: 'replace',
        value: { emails: [{ value: 'new@else.example' }], [wso2]: { emailVerified: true } },
      })
      expect((await send('PATCH', `/Users/${id}`, both)).status).toBe(200)
      expect((await proofs(id)).emailVerified).toBe(true)
      expect((await send('PATCH', '/Me', both, own)).status).toBe(403)
    })
  })
})
