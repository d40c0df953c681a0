import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createClientNonce, decodeClientNonce, encodeClientNonce, ServerSession } from '#dist/shared/security/index.js';
import { CounterSource, ReplayCheck } from '#dist/shared/security/replay-counters.js';
import { bytesOf, connected, connectionId, outcomeOf } from './security-fixture.ts';

const text = bytesOf('sensitive data');

describe('counters', () => {
  test('end at 2^53 - 1: nothing is sealed beyond', () => {
    const counters = new CounterSource(Number.MAX_SAFE_INTEGER - 1);
    assert.equal(counters.take(), Number.MAX_SAFE_INTEGER - 1);
    assert.equal(counters.take(), Number.MAX_SAFE_INTEGER);
    for (let again = 0; again < 3; again++) assert.throws(() => counters.take(), { code: 'ERR_SEAL_REPLAYED' });
  });

  test('are read in all their 64 bits, and refused above 2^53 - 1', () => {
    const session = new ServerSession(connectionId, createClientNonce());
    const frameOf = (counter: string): Uint8Array => new Uint8Array(Buffer.from(`020007${counter}`, 'hex'));
    assert.equal(session.read(frameOf('0000000000000000')).counter, 0);
    assert.equal(session.read(frameOf('00000000ffffffff')).counter, 2 ** 32 - 1);
    assert.equal(session.read(frameOf('0000000100000000')).counter, 2 ** 32);
    assert.equal(session.read(frameOf('001fffffffffffff')).counter, Number.MAX_SAFE_INTEGER);
    for (const above of ['0020000000000000', '0020000000000001', '8000000000000000', 'ffffffffffffffff']) {
      assert.equal(
        outcomeOf(() => session.read(frameOf(above))),
        'ERR_SEAL_FORMAT',
      );
    }
  });

  test('are written in all their 53 bits', () => {
    const gate = new ReplayCheck();
    gate.accept(2 ** 40);
    assert.equal(gate.missing, 2 ** 40);
    assert.throws(() => gate.check(2 ** 40), { code: 'ERR_SEAL_REPLAYED' });
    gate.check(2 ** 40 + 1);
  });

  test('versions and flags that mean nothing are refused', () => {
    const { client, server } = connected();
    const frame = server.seal(text);
    for (let value = 0; value < 256; value++) {
      if (value !== 2)
        assert.equal(
          outcomeOf(() => client.open(Uint8Array.of(value, ...frame.slice(1)))),
          'ERR_SEAL_FORMAT',
        );
      if (value < 2) continue;
      assert.equal(
        outcomeOf(() => client.open(Uint8Array.of(2, value, ...frame.slice(2)))),
        'ERR_SEAL_FORMAT',
      );
    }
    for (let length = 0; length < 11; length++) {
      assert.equal(
        outcomeOf(() => client.open(frame.slice(0, length))),
        'ERR_SEAL_FORMAT',
      );
    }
    assert.equal(
      outcomeOf(() => client.open(frame.slice(0, 11))),
      'ERR_SEAL_TOO_SHORT',
    );
    assert.deepEqual(client.open(frame), text);
  });
});

describe("a client's nonce", () => {
  test('has 16 random bytes, and 22 characters of base64url in a URL', () => {
    const seen = new Set<string>();
    for (let i = 0; i < 1000; i++) {
      const nonce = createClientNonce();
      const encoded = encodeClientNonce(nonce);
      assert.equal(nonce.length, 16);
      assert.equal(encoded, Buffer.from(nonce).toString('base64url'));
      assert.equal(encoded.length, 22);
      assert.deepEqual(decodeClientNonce(encoded), nonce);
      seen.add(encoded);
    }
    assert.equal(seen.size, 1000);
    assert.deepEqual(decodeClientNonce(`${'_'.repeat(21)}w`), new Uint8Array(16).fill(255));
  });

  test('other texts are none: each nonce has one text', () => {
    const good = encodeClientNonce(new Uint8Array(16));
    for (const bad of [
      '',
      good.slice(1),
      `${good}A`,
      `${good}==`,
      `${good.slice(1)}+`,
      `${good.slice(1)}/`,
      `${good.slice(1)}=`,
      `${good.slice(1)}é`,
      // Bits behind the 16 bytes that are not zero.
      `${good.slice(1)}B`,
      `${good.slice(1)}P`,
      undefined as never,
      5 as never,
    ]) {
      assert.equal(decodeClientNonce(bad), null, bad);
    }
    for (const bad of [new Uint8Array(15), 'text' as never, undefined as never]) {
      assert.throws(() => encodeClientNonce(bad), { code: 'ERR_OPTION_INVALID' });
    }
  });
});
