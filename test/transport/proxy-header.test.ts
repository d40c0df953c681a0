import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readProxyHeader } from '#dist/worker/transport/node/proxy-header.js';
import { fc } from '../support/properties.ts';

const signature = '0d0a0d0a000d0a515549540a';

function binary(command: number, family: number, body: string, announced = body.length / 2): Buffer {
  const prefix = Buffer.from([command, family, announced >> 8, announced & 255]);
  return Buffer.concat([Buffer.from(signature, 'hex'), prefix, Buffer.from(body, 'hex')]);
}

const ipv4 = '0a000001c0a8010104d20050';
const ipv6 = `20010db8${'00'.repeat(11)}01${'00'.repeat(15)}0104d20050`;

describe('the header of the PROXY protocol', () => {
  it('of version 2 gives the client’s address, and passes over what follows it', () => {
    assert.deepEqual(readProxyHeader(binary(0x21, 0x11, ipv4)), { bytes: 28, address: '10.0.0.1' });
    assert.deepEqual(readProxyHeader(binary(0x21, 0x11, `${ipv4}${'ff'.repeat(60)}`)), {
      bytes: 88,
      address: '10.0.0.1',
    });
    assert.deepEqual(readProxyHeader(binary(0x21, 0x21, ipv6)), {
      bytes: 52,
      address: '2001:0db8:0000:0000:0000:0000:0000:0001',
    });
  });

  it('of version 2 names nobody for the load balancer itself and for sockets of other kinds', () => {
    assert.deepEqual(readProxyHeader(binary(0x20, 0x11, ipv4)), { bytes: 28, address: '' });
    assert.deepEqual(readProxyHeader(binary(0x20, 0x00, '')), { bytes: 16, address: '' });
    assert.deepEqual(readProxyHeader(binary(0x21, 0x00, 'ffffff')), { bytes: 19, address: '' });
    assert.deepEqual(readProxyHeader(binary(0x21, 0x31, '00'.repeat(216))), { bytes: 232, address: '' });
  });

  it('of version 2 is malformed if its length does not cover the address, or is beyond all use', () => {
    assert.equal(readProxyHeader(binary(0x21, 0x11, ipv4.slice(0, 20))), 'malformed');
    assert.equal(readProxyHeader(binary(0x21, 0x21, ipv4)), 'malformed');
    assert.equal(readProxyHeader(binary(0x22, 0x11, ipv4)), 'malformed');
    assert.equal(readProxyHeader(binary(0x11, 0x11, ipv4)), 'malformed');
    assert.equal(readProxyHeader(binary(0x21, 0x11, ipv4, 65_535)), 'malformed');
  });

  it('of version 1 gives the client’s address', () => {
    const read = (text: string): unknown => readProxyHeader(Buffer.from(text));
    assert.deepEqual(read('PROXY TCP4 10.0.0.1 10.0.0.2 1234 80\r\nGET'), { bytes: 38, address: '10.0.0.1' });
    assert.deepEqual(read('PROXY TCP6 ::1 ::2 1 2\r\n'), { bytes: 24, address: '::1' });
    assert.deepEqual(read('PROXY UNKNOWN\r\n'), { bytes: 15, address: '' });
    for (const text of [
      'PROXY TCP4 ::1 ::2 1 2\r\n',
      'PROXY \r\n',
      'PROXY TCP4 x y 1 2\r\n',
      `PROXY ${'x'.repeat(107)}`,
    ]) {
      assert.equal(read(text), 'malformed', text);
    }
  });

  it('that is not all there is waited for, at every byte, and anything else is none', () => {
    for (const whole of [binary(0x21, 0x11, ipv4), Buffer.from('PROXY TCP4 10.0.0.1 10.0.0.2 1234 80\r\n')]) {
      for (let length = 1; length < whole.length; length++) {
        assert.equal(readProxyHeader(whole.subarray(0, length)), 'more', `${length} bytes`);
      }
    }
    for (const text of ['GET / HTTP/1.1\r\n', 'PROPFIND /', '\r\nGET', '']) {
      assert.deepEqual(readProxyHeader(Buffer.from(text)), { bytes: 0, address: '' }, text);
    }
  });

  it('never throws, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.boolean(), (bytes, isSigned) => {
        const all = isSigned ? Buffer.concat([Buffer.from(signature, 'hex'), bytes]) : Buffer.from(bytes);
        const read = readProxyHeader(all);
        if (typeof read === 'object') assert.ok(read.bytes <= all.length);
      }),
      { numRuns: 2_000 },
    );
  });
});
