import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  createClientNonce,
  createClientSession,
  createWebClientSession,
  runJob,
  ServerSession,
} from '#dist/shared/security/index.js';
import {
  aesKey,
  bytesOf,
  connected,
  connectionId,
  hexOf,
  hmacKey,
  keyedModes,
  keySetOf,
  otherAesKey,
  outcomeOf,
  serverEnd,
  sessionKeys,
} from './security-fixture.ts';

const text = bytesOf('sensitive data');

describe('a session of version 2', () => {
  for (const [name, mode] of Object.entries(keyedModes)) {
    test(`${name}: hello first, then payloads both ways`, () => {
      const clientNonce = createClientNonce();
      const server = serverEnd(
        new ServerSession(connectionId, clientNonce),
        [keySetOf(7, mode)],
        mode.signThenEncrypt ?? true,
      );
      const client = createClientSession({ ...mode, keyId: 7, clientNonce, compress: { thresholdBytes: 100 } });
      assert.equal(client.connectionId, null);
      assert.equal(client.open(server.hello()), null);
      assert.equal(client.connectionId, connectionId);
      for (const payload of [text, new Uint8Array(0), new Uint8Array(70_000).fill(97)]) {
        assert.deepEqual(client.open(server.seal(payload)), payload);
        assert.deepEqual(client.open(server.seal(payload, 6)), payload);
        assert.deepEqual(server.open(client.seal(payload)), payload);
      }
      assert.ok(client.seal(new Uint8Array(70_000).fill(97)).length < 1000);
    });
  }

  test('header, connection id and counters stand where they must', () => {
    const { client, server, hello } = connected();
    assert.equal(hexOf(hello.subarray(0, 12)), '02010700000000000000000c');
    assert.deepEqual(hello.subarray(12, 12 + connectionId.length), bytesOf(connectionId));
    assert.equal(hello.length, 12 + connectionId.length + 12 + 1 + 16);
    assert.equal(hexOf(server.seal(text).subarray(0, 11)), '0200070000000000000001');
    assert.equal(hexOf(server.seal(text).subarray(0, 11)), '0200070000000000000002');
    assert.equal(hexOf(client.seal(text).subarray(0, 11)), '0200070000000000000000');
    assert.equal(hexOf(client.seal(text).subarray(0, 11)), '0200070000000000000001');
    assert.equal(client.seal(text).length, 11 + 12 + 1 + text.length + 16);
  });

  test('ids of 1 and of 255 characters are ids; others are refused on both sides', () => {
    for (const good of ['a', '\x00\x7f', 'x'.repeat(255)]) {
      assert.equal(connected({}, true, good).client.connectionId, good);
    }
    const nonce = createClientNonce();
    for (const bad of ['', 'x'.repeat(256), 'é', '频', 'a😀', 5 as never, undefined as never]) {
      assert.throws(() => new ServerSession(bad, nonce), { code: 'ERR_OPTION_INVALID', path: 'connectionId' });
    }
    for (const bad of [new Uint8Array(15), new Uint8Array(17), 'a'.repeat(16) as never, undefined as never]) {
      assert.throws(() => new ServerSession(connectionId, bad), { code: 'ERR_OPTION_INVALID', path: 'clientNonce' });
    }
    const { hello } = connected({ clientNonce: nonce }, false);
    for (const [length, lead] of [
      [0, 0x61],
      [14, 0x61],
      [255, 0x61],
      [12, 0x80],
    ] as const) {
      const changed = hello.slice(0, 24);
      changed[11] = length;
      changed[12] = lead;
      const client = createClientSession({ aesKey, keyId: 7, clientNonce: nonce });
      assert.equal(
        outcomeOf(() => client.open(changed)),
        'ERR_SEAL_FORMAT',
        `${length}`,
      );
    }
  });

  test('before the hello a client seals nothing and opens nothing else', () => {
    const { client, server, hello } = connected({}, false);
    assert.throws(() => client.seal(text), { code: 'ERR_SEAL_FORMAT', message: /hello/ });
    const early = server.seal(text);
    assert.equal(
      outcomeOf(() => client.open(early)),
      'ERR_SEAL_FORMAT',
    );
    assert.equal(client.open(hello), null);
    assert.deepEqual(client.open(early), text);
    assert.equal(hexOf(client.seal(text).subarray(3, 11)), '0000000000000000');
  });

  test('a hello with a payload, and one from a client, are refused', () => {
    const clientNonce = createClientNonce();
    const { prefix, aad } = new ServerSession(connectionId, clientNonce).hello(7);
    const job = {
      op: 'seal',
      signThenEncrypt: true,
      flagged: true,
      deflateLevel: 0,
      keys: sessionKeys,
      prefix,
      aad,
    } as const;
    const client = createClientSession({ aesKey, keyId: 7, clientNonce });
    assert.equal(
      outcomeOf(() => client.open(runJob({ ...job, source: text }))),
      'ERR_SEAL_FORMAT',
    );
    assert.equal(client.connectionId, null);
    const hello = runJob({ ...job, source: new Uint8Array(0) });
    assert.equal(
      outcomeOf(() => new ServerSession(connectionId, clientNonce).read(hello)),
      'ERR_SEAL_FORMAT',
    );
    assert.equal(client.open(hello), null);
  });

  test('a server makes one hello', () => {
    const session = new ServerSession(connectionId, createClientNonce());
    session.hello(0);
    assert.throws(() => session.hello(0), { code: 'ERR_SEAL_REPLAYED' });
  });

  test('what a session gives out is its own: changing it changes no later frame', () => {
    const { client, session } = connected();
    const first = session.next(7);
    first.aad.fill(0);
    first.prefix.fill(0);
    const { prefix, aad } = session.next(7);
    const job = {
      op: 'seal',
      signThenEncrypt: true,
      flagged: true,
      deflateLevel: 0,
      keys: sessionKeys,
      source: text,
    } as const;
    assert.deepEqual(client.open(runJob({ ...job, prefix, aad })), text);
  });
});

describe('rotation', () => {
  const next = { id: 8, aesKey: otherAesKey, hmacKey };
  const third = { id: 9, aesKey: null, hmacKey };

  test('a client with two sets reads both and writes the first', () => {
    const clientNonce = createClientNonce();
    const session = new ServerSession(connectionId, clientNonce);
    const [before, after] = [serverEnd(session, [sessionKeys, next]), serverEnd(session, [next, sessionKeys])];
    const client = createClientSession({ aesKey: otherAesKey, hmacKey, keyId: 8, previous: sessionKeys, clientNonce });
    client.open(before.hello());
    assert.deepEqual(client.open(before.seal(text)), text);
    assert.deepEqual(client.open(after.seal(text)), text);
    const frame = client.seal(text);
    assert.equal(frame[2], 8);
    assert.deepEqual(before.open(frame), text);
  });

  test('after a rotation the former set is accepted, the one before it no longer', () => {
    const { client, session, server } = connected();
    const [second, last] = [serverEnd(session, [next, sessionKeys]), serverEnd(session, [third, next])];
    client.rotate(next);
    assert.deepEqual(client.open(server.seal(text)), text);
    assert.deepEqual(client.open(second.seal(text)), text);
    assert.equal(client.seal(text)[2], 8);
    client.rotate(third);
    assert.equal(
      outcomeOf(() => client.open(server.seal(text))),
      'ERR_SEAL_KEY_UNKNOWN',
    );
    assert.deepEqual(client.open(second.seal(text)), text);
    assert.deepEqual(client.open(last.seal(text)), text);
    assert.deepEqual(last.open(client.seal(text)), text);
    // The frame whose key was not known was lost.
    assert.equal(client.missing, 1);
  });

  test('an unknown key id is refused, also in a hello', () => {
    const clientNonce = createClientNonce();
    const { hello, server } = connected({ clientNonce }, false);
    const client = createClientSession({ aesKey, keyId: 6, clientNonce });
    assert.equal(
      outcomeOf(() => client.open(hello)),
      'ERR_SEAL_KEY_UNKNOWN',
    );
    const greeted = connected({ clientNonce }).client;
    const frame = server.seal(text);
    frame[2] = 99;
    assert.equal(
      outcomeOf(() => greeted.open(frame)),
      'ERR_SEAL_KEY_UNKNOWN',
    );
  });

  test('a frame renamed to the id of the other set is refused', () => {
    const same = { id: 8, aesKey, hmacKey: null };
    const { client, server } = connected({ previous: same });
    const frame = server.seal(text);
    frame[2] = 8;
    assert.equal(
      outcomeOf(() => client.open(frame)),
      'ERR_SEAL_DECRYPT',
    );
  });

  test('keys of 0 and 255 are ids like others', async () => {
    for (const keyId of [0, 255]) {
      const clientNonce = createClientNonce();
      const server = serverEnd(new ServerSession(connectionId, clientNonce), [{ ...sessionKeys, id: keyId }]);
      const client = createClientSession({ aesKey, keyId, clientNonce });
      const web = await createWebClientSession({ aesKey, keyId, clientNonce });
      const hello = server.hello();
      assert.equal(client.open(hello), null);
      assert.equal(await web.open(hello), null);
      assert.deepEqual(server.open(client.seal(text)), text);
    }
  });
});
