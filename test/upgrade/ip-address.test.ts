import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { canonicalAddress, subscriberOf } from '#dist/shared/base/ip-address.js';
import { fc } from '../support/properties.ts';

describe('the one spelling of an address', () => {
  test('is that of RFC 5952', () => {
    const cases: readonly (readonly [string, string])[] = [
      ['127.0.0.1', '127.0.0.1'],
      ['0000:0000:0000:0000:0000:0000:0000:0001', '::1'],
      ['0:0:0:0:0:0:0:0', '::'],
      ['2001:0DB8:0000:0000:0000:0000:0002:0001', '2001:db8::2:1'],
      ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
      ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
      ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
      ['1::', '1::'],
      ['::1:0', '::1:0'],
      ['fe80::1%eth0', 'fe80::1'],
      ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
    ];
    for (const [text, canonical] of cases) assert.equal(canonicalAddress(text), canonical, text);
  });

  test('of IPv4 mapped into IPv6 is that of IPv4', () => {
    for (const text of ['0000:0000:0000:0000:0000:ffff:cb00:7107', '::ffff:203.0.113.7', '::FFFF:cb00:7107']) {
      assert.equal(canonicalAddress(text), '203.0.113.7');
    }
    assert.equal(canonicalAddress('::fffe:203.0.113.7'), '::fffe:cb00:7107');
    assert.equal(canonicalAddress('::203.0.113.7'), '::cb00:7107');
  });

  test('what is no address has none', () => {
    for (const text of [
      '',
      'unknown',
      '1.2.3',
      '1.2.3.256',
      '01.2.3.4',
      '::1::',
      '1:2:3',
      'g::',
      '[::1]',
      '1.2.3.4%1',
    ]) {
      assert.equal(canonicalAddress(text), null, text);
    }
  });

  test('is what URL makes of it, for every IPv6 address in every spelling', () => {
    const word = fc.oneof(fc.constant(0), fc.constant(0), fc.nat(0xffff));
    fc.assert(
      fc.property(fc.array(word, { minLength: 8, maxLength: 8 }), fc.boolean(), (words, padded) => {
        const full = words.map((one) => one.toString(16).padStart(padded ? 4 : 1, '0')).join(':');
        const canonical = canonicalAddress(full) ?? '';
        if (canonical.includes('.')) {
          assert.equal(new URL(`http://[::ffff:${canonical}]`).hostname, new URL(`http://[${full}]`).hostname);
        } else {
          assert.equal(`[${canonical}]`, new URL(`http://[${full}]`).hostname);
          assert.equal(canonicalAddress(canonical), canonical);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  test('limits hold for an IPv4 address, and for the /64 of an IPv6 address', () => {
    assert.equal(subscriberOf('203.0.113.7'), '203.0.113.7');
    assert.equal(subscriberOf('2001:db8:0:1::1'), subscriberOf('2001:db8:0:1:ffff::'));
    assert.notEqual(subscriberOf('2001:db8:0:1::1'), subscriberOf('2001:db8:0:2::1'));
    assert.equal(subscriberOf('::1'), subscriberOf('::2'));
  });
});
