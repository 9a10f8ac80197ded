/** What the OpenAPI document says of client registration (RFC 7591) and of managing a registration (RFC 7592). */
import * as z from 'zod'
import type { Answer, Operation } from '../../access/operation.ts'
import { metadataSchema } from './metadata-schema.ts'

const refused = (description: string): Answer => ({ description })

const registered = (description: string): Answer => ({
  description,
  schema: z
    .looseObject({
      client_id: z.string(),
      client_id_issued_at: z.int(),
      client_secret: z.string().optional(),
      client_secret_expires_at: z.int().optional(),
      registration_access_token: z.string().optional(),
      registration_client_uri: z.string(),
      client_name: z.string(),
      redirect_uris: z.array(z.string()),
      grant_types: z.array(z.string()),
      response_types: z.array(z.string()),
      token_endpoint_auth_method: z.string(),
    })
    .meta({ title: 'RegisteredClient' }),
})

const wrong = refused('The metadata cannot be so: invalid_redirect_uri, invalid_client_metadata and others.')
const tooLarge = refused('The body is too large (invalid_client_metadata).')
const notJson = refused('The body is not application/json (invalid_client_metadata).')
const unknown: Answer = {
  description: 'Nobody is signed in, or there is no such client (invalid_token).',
  headers: ['WWW-Authenticate'],
}
const stronger: Answer = { description: 'The caller may not do that, or the client can do more than he may.' }

const of = (about: () => Omit<Operation, 'tag'>) => (): Operation => ({
  tag: 'Client registration',
  ...about(),
})

export const registerClient = of(() => ({
  id: 'registerClient',
  summary: 'Register a client; open to everybody where the deployment says so',
  body: metadataSchema(),
  nulls: 'absent',
  answers: {
    201: registered('The client, with its secret and the token that manages it.'),
    400: wrong,
    403: stronger,
    413: tooLarge,
    415: notJson,
    429: { ...refused('Too many without authentication in an hour.'), headers: ['Retry-After'] },
  },
}))

export const findClient = of(() => ({
  id: 'findRegisteredClient',
  summary: 'The client of a name',
  query: z.object({ client_name: z.string().describe('Its whole name.') }),
  answers: { 200: registered('The client.'), 401: unknown },
}))

export const readClient = of(() => ({
  id: 'readRegisteredClient',
  summary: 'A client, for itself by its registration access token and for who holds the permission',
  answers: { 200: registered('The client.'), 401: unknown },
}))

export const replaceClient = of(() => ({
  id: 'replaceRegisteredClient',
  summary: 'Replace the metadata of a client; what is left out goes back to its default',
  body: metadataSchema(),
  nulls: 'absent',
  answers: {
    200: registered('The client as it is now.'),
    400: wrong,
    401: unknown,
    403: stronger,
    413: tooLarge,
    415: notJson,
    429: { ...refused('Too many without authentication in an hour.'), headers: ['Retry-After'] },
  },
}))

export const deleteClient = of(() => ({
  id: 'deleteRegisteredClient',
  summary: 'Delete a client with all that was issued to it',
  answers: { 204: { description: 'It is gone.' }, 401: unknown, 403: stronger },
}))
