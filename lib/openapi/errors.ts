/** The bodies of errors, each API with its own; components of the document by these names. */

type Json = Readonly<Record<string, unknown>>

const text = { type: 'string' }
const object = (properties: Json, required: readonly string[] = Object.keys(properties)) => ({
  type: 'object',
  properties,
  required,
})

export const errors: Readonly<Record<string, Json>> = {
  Problem: object({ code: text, message: text, description: text, traceId: text }),
  GateError: object({ code: { type: 'integer' }, message: text, description: text, traceId: text }),
  RegistrationError: object({ error: text, error_description: text, traceId: text }),
  ScimError: object(
    {
      schemas: { type: 'array', items: text },
      detail: text,
      scimType: text,
      status: { type: ['string', 'integer'] },
    },
    ['schemas', 'status', 'detail'],
  ),
}
