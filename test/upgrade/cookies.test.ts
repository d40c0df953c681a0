import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseCookies } from '#dist/worker/handshake/cookies.js';
import { fc } from '../support/properties.ts';

function parsed(header: string): Record<string, string> {
  return Object.fromEntries(parseCookies(header));
}

describe('cookies (RFC 6265)', () => {
  test('are pairs of names and values, separated by semicolons', () => {
    assert.deepEqual(parsed('SID=31d4d96e407aad42; lang=en-US'), { SID: '31d4d96e407aad42', lang: 'en-US' });
    assert.deepEqual(parsed('a=1;b=2;  c = 3\t'), { a: '1', b: '2', c: '3' });
    assert.deepEqual(parsed('a=b=c==; d='), { a: 'b=c==', d: '' });
  });

  test('lose the quotes around a value, and only those', () => {
    assert.deepEqual(parsed('a="x y"; b="; c=""; d=a"b'), { a: 'x y', b: '"', c: '', d: 'a"b' });
  });

  test('are not decoded', () => {
    assert.deepEqual(parsed('a=%20%zz; b=+'), { a: '%20%zz', b: '+' });
  });

  test('of one name: the first counts', () => {
    assert.deepEqual(parsed('a=1; a=2'), { a: '1' });
  });

  test('that are none are left out', () => {
    assert.deepEqual(parsed('alone; =value; a b=1; a,b=2; é=3; ;; good=1'), { good: '1' });
    assert.deepEqual(parsed(''), {});
    assert.equal(parseCookies(undefined).size, 0);
  });

  test('with names of prototypes are cookies like others', () => {
    const cookies = parseCookies('__proto__=1; constructor=2');
    assert.deepEqual(
      [cookies.get('__proto__'), cookies.get('constructor'), cookies.get('toString')],
      ['1', '2', undefined],
    );
  });

  test('whatever is sent, what comes out are tokens as names and pieces of the header as values', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (header) => {
        for (const [name, value] of parseCookies(header)) {
          assert.match(name, /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/);
          assert.ok(header.includes(value) && !value.includes(';'));
        }
      }),
    );
    const name = fc.stringMatching(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,8}$/);
    const value = fc.stringMatching(/^[!#-+\--:<-[\]-~]{0,12}$/);
    fc.assert(
      fc.property(fc.uniqueArray(fc.tuple(name, value), { selector: ([key]) => key }), (pairs) => {
        const header = pairs.map(([key, text]) => `${key}=${text}`).join('; ');
        assert.deepEqual([...parseCookies(header)], pairs);
      }),
    );
  });
});
