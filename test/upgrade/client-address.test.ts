import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type ClientOrigin, createFindClient } from '#dist/worker/handshake/client-address.js';
import { fc } from '../support/properties.ts';

interface Hops {
  readonly peer?: string;
  readonly proxied?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

function found(trustProxy: boolean | number | readonly string[], { peer, proxied, headers = {} }: Hops): ClientOrigin {
  return createFindClient(trustProxy)({
    method: 'GET',
    path: '/ws',
    query: '',
    headers: new Map(Object.entries(headers)),
    remoteAddress: peer ?? '10.0.0.1',
    proxiedAddress: proxied ?? '',
    clientCertificate: null,
  });
}

function address(trustProxy: boolean | number | readonly string[], list: string | null, more: Hops = {}): string {
  const headers = list === null ? {} : { 'x-forwarded-for': list };
  return found(trustProxy, { headers, ...more }).address;
}

const list = '198.51.100.9, 203.0.113.7, 10.0.0.2';

describe('the address of a client', () => {
  test('is the peer’s by default, whatever headers say', () => {
    for (const trust of [false, 0]) {
      assert.equal(address(trust, list, { proxied: '192.0.2.1' }), '10.0.0.1');
      const headers = { 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'https' };
      assert.equal(found(trust, { headers }).forwarded, null);
    }
  });

  test('is compressed, and IPv4 behind an IPv6 socket is IPv4', () => {
    assert.equal(address(false, null, { peer: '0000:0000:0000:0000:0000:ffff:7f00:0001' }), '127.0.0.1');
    assert.equal(address(false, null, { peer: '2001:0db8:0000:0000:0000:0000:0000:0001' }), '2001:db8::1');
  });

  test('true: the leftmost is believed', () => {
    assert.equal(address(true, list), '198.51.100.9');
    assert.equal(address(true, null), '10.0.0.1');
    assert.equal(address(true, null, { proxied: '192.0.2.1' }), '192.0.2.1');
  });

  test('a number: that many hops are believed, from the right; with fewer of them, the leftmost', () => {
    assert.equal(address(1, list), '10.0.0.2');
    assert.equal(address(2, list), '203.0.113.7');
    assert.equal(address(3, list), '198.51.100.9');
    assert.equal(address(9, list), '198.51.100.9');
    assert.equal(address(1, null), '10.0.0.1');
  });

  test('a list: the first from the right that is not on it', () => {
    assert.equal(address(['10.0.0.0/8'], list), '203.0.113.7');
    assert.equal(address(['10.0.0.1'], list), '10.0.0.2');
    assert.equal(address(['10.0.0.2'], list), '10.0.0.1');
    assert.equal(address(['10.0.0.0/8', '203.0.113.0/24'], list), '198.51.100.9');
    assert.equal(address(['0.0.0.0/0'], list), '198.51.100.9');
    assert.equal(address([], list), '10.0.0.1');
    assert.equal(found(['10.0.0.2'], { headers: { 'x-forwarded-proto': 'https' } }).forwarded, null);
  });

  test('a list of IPv6 networks, also for mapped peers', () => {
    const peer = '2001:0db8:0000:0000:0000:0000:0000:0005';
    assert.equal(address(['2001:db8::/32'], '2001:db9::1', { peer }), '2001:db9::1');
    assert.equal(address(['2001:db8::5'], '2001:DB9:0::1', { peer }), '2001:db9::1');
    assert.equal(address(['10.0.0.0/8'], '1.2.3.4', { peer: '0000:0000:0000:0000:0000:ffff:0a00:0001' }), '1.2.3.4');
  });

  test('may come with a port, in brackets, and with spaces', () => {
    assert.equal(address(1, ' 203.0.113.7:4711 '), '203.0.113.7');
    assert.equal(address(1, '[2001:db8::7]:4711'), '2001:db8::7');
    assert.equal(address(1, '[2001:db8::7]'), '2001:db8::7');
    assert.equal(address(1, '2001:db8:0:0::7'), '2001:db8::7');
  });

  test('is the peer’s if the value in its place is none', () => {
    for (const bad of ['unknown', '', '1.2.3', '203.0.113.7:port', '[::1', '_hidden', '1.2.3.4, ', '"::1"', '::1]:1']) {
      assert.equal(address(1, bad), '10.0.0.1', bad);
      assert.equal(address(['10.0.0.1'], bad), '10.0.0.1', bad);
    }
    assert.equal(address(true, 'unknown, 203.0.113.7'), '10.0.0.1');
    assert.equal(address(1, 'unknown, 203.0.113.7'), '203.0.113.7');
    assert.equal(address(['10.0.0.1', '203.0.113.7'], 'unknown, 203.0.113.7'), '10.0.0.1');
  });

  test('with the PROXY protocol, stands between the peer and the header', () => {
    const proxied = '192.0.2.1';
    assert.equal(address(1, null, { proxied }), proxied);
    assert.equal(address(1, '203.0.113.7', { proxied }), proxied);
    assert.equal(address(2, '203.0.113.7', { proxied }), '203.0.113.7');
    assert.equal(address(['10.0.0.1'], '203.0.113.7', { proxied }), proxied);
    assert.equal(address(['10.0.0.1', '192.0.2.0/24'], '203.0.113.7', { proxied }), '203.0.113.7');
    assert.equal(address(['10.9.9.9'], null, { proxied }), '10.0.0.1');
  });

  test('whatever a client writes to the left of what its proxy adds, its address is what the proxy saw', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (forged) => {
        assert.equal(address(1, `${forged}, 203.0.113.7`), '203.0.113.7');
        assert.equal(address(['10.0.0.0/8'], `${forged}, 203.0.113.7, 10.0.0.2`), '203.0.113.7');
      }),
    );
  });

  test('host and scheme are the first that are told, wss as https and ws as http', () => {
    const told = (headers: Readonly<Record<string, string>>): unknown => found(1, { headers }).forwarded;
    assert.deepEqual(told({}), { host: null, scheme: null });
    const both = { 'x-forwarded-host': 'chat.example, inner', 'x-forwarded-proto': 'WSS, http' };
    assert.deepEqual(told(both), { host: 'chat.example', scheme: 'https' });
    assert.deepEqual(told({ 'x-forwarded-host': ' ', 'x-forwarded-proto': 'ws' }), { host: null, scheme: 'http' });
    assert.deepEqual(told({ 'x-forwarded-proto': 'gopher' }), { host: null, scheme: null });
  });
});
