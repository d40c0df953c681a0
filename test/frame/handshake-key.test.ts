import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { acceptFor, createHandshakeKey, isHandshakeKey } from '#dist/frame/index.js';

describe('the handshake key', () => {
  test('of the RFC gets the answer of the RFC', () => {
    assert.equal(acceptFor('dGhlIHNhbXBsZSBub25jZQ=='), 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
  });

  test('is fresh each time, and in the form that is asked for', () => {
    const keys = new Set(Array.from({ length: 1_000 }, createHandshakeKey));
    assert.equal(keys.size, 1_000);
    for (const key of keys) assert.ok(isHandshakeKey(key), key);
  });

  test('must be the base64 form of 16 bytes', () => {
    for (const wrong of ['', '!'.repeat(24), 'dGhlIHNhbXBsZSBub25jZQ=', 'dGhlIHNhbXBsZSBub25jZR==', 'a'.repeat(24)]) {
      assert.equal(isHandshakeKey(wrong), false, wrong);
    }
  });
});
