import { describe, expect, test } from 'bun:test'
import { clientAddressReader } from '../lib/client-address.ts'

describe('the address a request counts as', () => {
  test('it is the peer where no proxy is trusted, whatever the header says', () => {
    const address = clientAddressReader([])
    expect(address('203.0.113.9', '198.51.100.1')).toBe('203.0.113.9')
    expect(address('::ffff:203.0.113.9', null)).toBe('203.0.113.9')
  })

  test('it is what stands behind trusted addresses and networks', () => {
    const address = clientAddressReader(['10.0.0.0/8', '192.0.2.7', '2001:db8::/32'])
    expect(address('10.1.2.3', '198.51.100.1')).toBe('198.51.100.1')
    expect(address('::ffff:10.1.2.3', '198.51.100.1, 192.0.2.7, 10.9.9.9')).toBe('198.51.100.1')
    expect(address('2001:db8::1', '2001:4860::8')).toBe('2001:4860::8')
    expect(address('192.0.2.8', '198.51.100.1')).toBe('192.0.2.8')
  })

  test('it believes nothing that a stranger put in front', () => {
    const address = clientAddressReader(['10.0.0.0/8'])
    expect(address('10.0.0.1', '1.1.1.1, 203.0.113.9')).toBe('203.0.113.9')
    expect(address('10.0.0.1', 'nonsense')).toBe('10.0.0.1')
    expect(address('10.0.0.1', null)).toBe('10.0.0.1')
    expect(address('10.0.0.1', '10.0.0.2')).toBe('10.0.0.1')
  })
})
