import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  hasItem,
  hasToken,
  isAsciiHeaderValue,
  isHeaderValue,
  isToken,
  parseTokens,
  readDeflateTerms,
  splitList,
  statusText,
  trimBlanks,
} from '#dist/shared/http/index.js';

describe('the grammar of HTTP heads', () => {
  test('a token has at least one character, and only those of RFC 9110 section 5.6.2', () => {
    for (const good of ['a', "!#$%&'*+-.^_`|~09AZaz"]) assert.ok(isToken(good), good);
    for (const wrong of [
      '',
      ' ',
      'a b',
      'a,',
      'a;',
      'a=b',
      '"a"',
      'a/b',
      'a:b',
      'é',
      'a\n',
      '\0',
      '(a)',
      '[a]',
      '{a}',
    ]) {
      assert.equal(isToken(wrong), false, JSON.stringify(wrong));
    }
  });

  test('a value has no control character but tab; the strict form has ASCII only', () => {
    for (const good of ['', 'a b', '\t', '~']) assert.ok(isHeaderValue(good) && isAsciiHeaderValue(good), good);
    assert.ok(isHeaderValue('\x80ÿ') && !isAsciiHeaderValue('\x80') && !isAsciiHeaderValue('ÿ'));
    for (const wrong of ['\n', 'a\r\nb', '\0', '\x7f', '\u0100']) {
      assert.ok(!isHeaderValue(wrong) && !isAsciiHeaderValue(wrong), JSON.stringify(wrong));
    }
  });

  test('blanks are spaces and tabs, and only those around a text are cut', () => {
    assert.equal(trimBlanks(' \t a \tb\t '), 'a \tb');
    assert.equal(trimBlanks(' \t '), '');
    assert.equal(trimBlanks('\u00a0a\v'), '\u00a0a\v');
  });

  test('a list is split at commas; empty items stay, and mean no token', () => {
    assert.deepEqual(splitList(' a ,,B\t'), ['a', '', 'B']);
    assert.deepEqual(splitList(''), ['']);
    assert.deepEqual(parseTokens(' a ,,B\t'), ['a', 'B']);
    assert.deepEqual(parseTokens(''), []);
    assert.equal(parseTokens('a, b c'), null);
  });

  test('an item is looked for as it is, a token in any case', () => {
    assert.ok(hasItem('a, Upgrade ,b', 'Upgrade') && !hasItem('a, Upgrade', 'upgrade'));
    assert.ok(hasToken('a, UPGRADE ,b', 'upgrade') && !hasToken('upgrades, an upgrade', 'upgrade'));
  });

  test('terms of permessage-deflate are read by their meaning, or what is wrong with them is said', () => {
    const read = (...parameters: [string, string | null][]): unknown =>
      readDeflateTerms({ name: 'permessage-deflate', parameters });
    const none = {
      serverNoContextTakeover: false,
      clientNoContextTakeover: false,
      serverMaxWindowBits: null,
      clientMaxWindowBits: null,
    };
    assert.deepEqual(read(), none);
    assert.deepEqual(read(['client_max_window_bits', null]), { ...none, clientMaxWindowBits: 'any' });
    assert.deepEqual(read(['server_max_window_bits', '8'], ['server_no_context_takeover', null]), {
      ...none,
      serverNoContextTakeover: true,
      serverMaxWindowBits: 8,
    });
    assert.equal(read(['server_max_window_bits', null]), 'server_max_window_bits is not a number from 8 to 15');
    assert.equal(read(['client_max_window_bits', '09']), 'client_max_window_bits is not a number from 8 to 15');
    assert.equal(read(['client_no_context_takeover', '1']), 'client_no_context_takeover has a value');
    assert.equal(read(['a', null]), 'a is unknown');
    assert.equal(
      read(['client_max_window_bits', null], ['client_max_window_bits', '9']),
      'client_max_window_bits is given twice',
    );
  });

  test('a status has a text, whatever it is', () => {
    assert.equal(statusText(404), 'Not Found');
    assert.equal(statusText(418), 'Refused');
  });
});
