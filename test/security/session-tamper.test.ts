import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  type ClientSession,
  createClientNonce,
  createClientSession,
  ServerSession,
} from '#dist/shared/security/index.js';
import { randomOf } from '../codec/codec-fixture.ts';
import {
  bytesOf,
  flipped,
  keyedModes,
  keySetOf,
  outcomeOf,
  resized,
  type ServerEnd,
  serverEnd,
} from './security-fixture.ts';

const text = bytesOf('sensitive data, sensitive data');

interface Ends {
  readonly client: ClientSession;
  readonly server: ServerEnd;
  readonly hello: Uint8Array;
}

function connected(mode: (typeof keyedModes)[string]): Ends {
  const clientNonce = createClientNonce();
  const server = serverEnd(
    new ServerSession('1-03a0b7e0-1', clientNonce),
    [keySetOf(7, mode)],
    mode.signThenEncrypt ?? true,
  );
  const client = createClientSession({ ...mode, keyId: 7, clientNonce, compress: { thresholdBytes: 0 } });
  return { client, server, hello: server.hello() };
}

/** Refuses what the server has no key for as an engine does. */
function opens(server: ServerEnd, frame: Uint8Array): string {
  try {
    return outcomeOf(() => server.open(frame));
  } catch (error) {
    if (error instanceof assert.AssertionError && /key id \d+/.test(error.message)) return 'ERR_SEAL_KEY_UNKNOWN';
    throw error;
  }
}

describe('frames of version 2 that were changed on the way', () => {
  for (const [name, mode] of Object.entries(keyedModes)) {
    for (const [what, changes] of [
      ['any one bit changed', flipped],
      ['cut off or made longer anywhere', resized],
    ] as const) {
      test(`${name}, hello: ${what} is noticed, and changes nothing`, () => {
        const { client, server, hello } = connected(mode);
        for (const changed of changes(hello)) {
          assert.notEqual(
            outcomeOf(() => client.open(changed)),
            'opened',
            `${changed.length} bytes`,
          );
        }
        assert.equal(client.connectionId, null);
        assert.equal(client.open(hello), null);
        assert.deepEqual(client.open(server.seal(text)), text);
      });

      test(`${name}, from the server: ${what} is noticed, and changes nothing`, () => {
        const { client, server, hello } = connected(mode);
        client.open(hello);
        for (const level of [0, 6]) {
          const frame = server.seal(text, level);
          for (const changed of changes(frame))
            assert.notEqual(
              outcomeOf(() => client.open(changed)),
              'opened',
            );
          assert.deepEqual(client.open(frame), text);
        }
        assert.equal(client.missing, 0);
      });

      test(`${name}, from the client: ${what} is noticed, and changes nothing`, () => {
        const { client, server, hello } = connected(mode);
        client.open(hello);
        for (const payload of [text, new Uint8Array(0), new Uint8Array(100)]) {
          const frame = client.seal(payload);
          for (const changed of changes(frame)) assert.notEqual(opens(server, changed), 'opened');
          assert.deepEqual(server.open(frame), payload);
        }
      });
    }

    test(`${name}: any bytes end in a typed error, on both sides`, () => {
      const random = randomOf(name.length);
      const { client, server, hello } = connected(mode);
      const fresh = connected(mode).client;
      client.open(hello);
      const frame = client.seal(text);
      for (let i = 0; i < 4000; i++) {
        const bytes = Uint8Array.from({ length: random(100) }, () => random(256));
        // Half of them come past the header.
        if (random(2) === 0) bytes.set([2, random(2), 7, 0, 0, 0, 0, 0, 0].slice(0, bytes.length));
        for (const end of [client, fresh])
          assert.notEqual(
            outcomeOf(() => end.open(bytes)),
            'opened',
          );
        assert.notEqual(opens(server, bytes), 'opened');
      }
      assert.equal(fresh.connectionId, null);
      assert.deepEqual(server.open(frame), text);
    });
  }
});
