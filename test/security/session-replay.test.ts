import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createClientNonce, createClientSession, ServerSession } from '#dist/shared/security/index.js';
import {
  aesKey,
  bytesOf,
  connected,
  connectionId,
  keyedModes,
  keySetOf,
  outcomeOf,
  serverEnd,
} from './security-fixture.ts';

const text = bytesOf('sensitive data');

describe('frames that come again, late, or from elsewhere', () => {
  test('a frame is opened once, in each direction', () => {
    const { client, server, hello } = connected();
    const down = server.seal(text);
    client.open(down);
    assert.equal(
      outcomeOf(() => client.open(down)),
      'ERR_SEAL_REPLAYED',
    );
    assert.equal(
      outcomeOf(() => client.open(hello)),
      'ERR_SEAL_REPLAYED',
    );
    const up = client.seal(text);
    server.open(up);
    assert.equal(
      outcomeOf(() => server.open(up)),
      'ERR_SEAL_REPLAYED',
    );
    assert.deepEqual(client.open(server.seal(text)), text);
    assert.deepEqual(server.open(client.seal(text)), text);
  });

  test('a counter is looked at before anything is opened', () => {
    const { client, server, session, hello } = connected();
    const [down, up] = [server.seal(text), client.seal(text)];
    client.open(down);
    server.open(up);
    assert.equal(
      outcomeOf(() => session.read(up)),
      'ERR_SEAL_REPLAYED',
    );
    // Opening would refuse these for their bodies.
    for (const frame of [down, hello]) {
      assert.equal(
        outcomeOf(() => client.open(frame.subarray(0, 12 + connectionId.length))),
        'ERR_SEAL_REPLAYED',
      );
    }
  });

  test('a frame that comes after a later one is refused; gaps are counted', () => {
    const { client, server, session } = connected();
    const [first, second, third, fourth] = [1, 2, 3, 4].map(() => server.seal(text));
    assert.deepEqual(client.open(second as Uint8Array), text);
    assert.equal(client.missing, 1);
    assert.equal(
      outcomeOf(() => client.open(first as Uint8Array)),
      'ERR_SEAL_REPLAYED',
    );
    assert.deepEqual(client.open(fourth as Uint8Array), text);
    assert.equal(client.missing, 2);
    assert.equal(
      outcomeOf(() => client.open(third as Uint8Array)),
      'ERR_SEAL_REPLAYED',
    );
    assert.equal(session.missing, 0);
    for (let skipped = 0; skipped < 5; skipped++) client.seal(text);
    server.open(client.seal(text));
    assert.equal(session.missing, 5);
    server.open(client.seal(text));
    assert.equal(session.missing, 5);
  });

  test('a refused frame takes no counter: what follows is opened, and nothing is missing', () => {
    const { client, server } = connected();
    const frame = server.seal(text);
    const forged = frame.slice();
    forged[10] = 200;
    assert.equal(
      outcomeOf(() => client.open(forged)),
      'ERR_SEAL_DECRYPT',
    );
    assert.deepEqual(client.open(frame), text);
    const up = client.seal(text);
    const forgedUp = up.slice();
    forgedUp[10] = 200;
    assert.equal(
      outcomeOf(() => server.open(forgedUp)),
      'ERR_SEAL_DECRYPT',
    );
    assert.deepEqual(server.open(up), text);
    assert.equal(client.missing, 0);
  });

  test('a frame that waits while its copy is accepted is refused at the end', () => {
    const { client, session } = connected();
    const frame = client.seal(text);
    const [one, two] = [session.read(frame), session.read(frame)];
    session.accept(one.counter);
    assert.throws(() => session.accept(two.counter), { code: 'ERR_SEAL_REPLAYED' });
  });

  test('a frame is good in its own connection only', () => {
    const clientNonce = createClientNonce();
    const mine = connected({ clientNonce });
    const sameNonce = connected({ clientNonce }, true, '1-03a0b7e0-2');
    const sameId = connected();
    for (const other of [sameNonce, sameId]) {
      assert.equal(
        outcomeOf(() => other.client.open(mine.server.seal(text))),
        'ERR_SEAL_DECRYPT',
      );
      assert.equal(
        outcomeOf(() => other.server.open(mine.client.seal(text))),
        'ERR_SEAL_DECRYPT',
      );
      assert.deepEqual(other.server.open(other.client.seal(text)), text);
    }
    const fresh = createClientSession({ aesKey, keyId: 7, clientNonce: createClientNonce() });
    assert.equal(
      outcomeOf(() => fresh.open(mine.hello)),
      'ERR_SEAL_DECRYPT',
    );
  });

  test('a frame sent back to where it came from is refused', () => {
    for (const mode of Object.values(keyedModes)) {
      const clientNonce = createClientNonce();
      const server = serverEnd(
        new ServerSession(connectionId, clientNonce),
        [keySetOf(7, mode)],
        mode.signThenEncrypt ?? true,
      );
      const client = createClientSession({ ...mode, keyId: 7, clientNonce });
      client.open(server.hello());
      client.open(server.seal(text));
      client.seal(text);
      client.seal(text);
      const codes = ['ERR_SEAL_DECRYPT', 'ERR_SEAL_SIGNATURE'];
      assert.ok(codes.includes(outcomeOf(() => client.open(client.seal(text)))));
      assert.ok(codes.includes(outcomeOf(() => server.open(server.seal(text)))));
    }
  });
});
