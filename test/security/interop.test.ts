import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  compilePipeline,
  createClientNonce,
  createClientSession,
  createWebClientSession,
  encodeClientNonce,
  type PipelineConfig,
  ServerSession,
} from '#dist/shared/security/index.js';
import {
  type PeerConnection,
  type PeerKeys,
  peerFlag,
  peerFrame,
  peerHello,
  peerOpen,
  peerReadFrame,
  peerSeal,
  peerUnflag,
} from './reference-peer.ts';
import { bytesOf, keyedModes, keySetOf, outcomeOf, serverEnd } from './security-fixture.ts';

const payloads = [
  new Uint8Array(0),
  bytesOf('{"type":"ping"}'),
  new Uint8Array(5000).fill(97),
  new Uint8Array(100_000),
];

function peerKeysOf({ aesKey, hmacKey, signThenEncrypt = true }: PipelineConfig): PeerKeys {
  return { ...(aesKey && { aes: aesKey }), ...(hmacKey && { hmac: hmacKey }), signThenEncrypt };
}

const plain = (bytes: Uint8Array): Uint8Array => Uint8Array.from(bytes);

describe('a peer that was written from the page about the protocol, with node:crypto alone', () => {
  for (const [name, mode] of Object.entries({ ...keyedModes, 'no key': {} })) {
    const keys = peerKeysOf(mode);

    test(`${name}, version 1: each reads what the other wrote`, () => {
      const pipeline = compilePipeline(mode);
      for (const payload of payloads) {
        assert.deepEqual(plain(peerOpen(keys, pipeline.seal(payload))), payload);
        assert.deepEqual(plain(pipeline.open(peerSeal(keys, payload))), payload);
      }
    });

    test(`${name}, flagged: each reads what the other wrote, deflated or not`, () => {
      for (const compress of [false, { thresholdBytes: 1000 }]) {
        const pipeline = compilePipeline({ ...mode, flagged: true, compress });
        for (const payload of payloads) {
          const read = peerUnflag(peerOpen(keys, pipeline.seal(payload)));
          assert.deepEqual(plain(read.payload), payload);
          assert.equal(read.deflated, compress !== false && payload.length >= 1000);
          for (const deflate of [false, true]) {
            assert.deepEqual(plain(pipeline.open(peerSeal(keys, peerFlag(payload, deflate)))), payload);
          }
        }
      }
    });
  }

  for (const [name, mode] of Object.entries(keyedModes)) {
    const keys = peerKeysOf(mode);
    const id = '1-03a0b7e0-1';

    test(`${name}, version 2: our clients and a peer's server`, async () => {
      const clientNonce = createClientNonce();
      const peer: PeerConnection = {
        keys,
        keyId: 3,
        id,
        clientNonce: Buffer.from(encodeClientNonce(clientNonce), 'base64url'),
      };
      const config = { ...mode, keyId: 3, clientNonce, compress: { thresholdBytes: 1000 } };
      const client = createClientSession(config);
      const web = await createWebClientSession(config);
      assert.equal(client.open(peerHello(peer)), null);
      assert.equal(await web.open(peerHello(peer)), null);
      assert.deepEqual([client.connectionId, web.connectionId], [id, id]);
      let counter = 0n;
      for (const payload of payloads) {
        for (const deflate of [false, true]) {
          const frame = peerFrame(peer, 's', ++counter, payload, deflate);
          assert.deepEqual(plain(client.open(frame) as Uint8Array), payload);
          assert.deepEqual(await web.open(frame), payload);
        }
      }
      // Beyond 32 bits, and with a gap.
      const far = peerFrame(peer, 's', 2n ** 40n + 5n, payloads[1] as Uint8Array);
      assert.deepEqual(plain(client.open(far) as Uint8Array), payloads[1]);
      assert.equal(client.missing, 2 ** 40 + 4 - payloads.length * 2);
      assert.equal(
        outcomeOf(() => client.open(peerFrame(peer, 's', 2n ** 40n, payloads[1] as Uint8Array))),
        'ERR_SEAL_REPLAYED',
      );
      for (const [index, payload] of payloads.entries()) {
        const expected = { flags: 0, keyId: 3, counter: BigInt(index), deflated: payload.length >= 1000 };
        for (const frame of [client.seal(payload), await web.seal(payload)]) {
          const { payload: read, ...rest } = peerReadFrame(peer, 'c', frame);
          assert.deepEqual(rest, expected);
          assert.deepEqual(plain(read), payload);
        }
      }
    });

    test(`${name}, version 2: our server and a peer's client`, () => {
      const clientNonce = createClientNonce();
      const peer: PeerConnection = { keys, keyId: 255, id, clientNonce };
      const session = new ServerSession(id, clientNonce);
      const server = serverEnd(session, [keySetOf(255, mode)], mode.signThenEncrypt ?? true);
      const { payload: greeting, ...hello } = peerReadFrame(peer, 's', server.hello());
      assert.deepEqual(hello, { flags: 1, keyId: 255, counter: 0n, deflated: false });
      assert.equal(greeting.length, 0);
      for (const [index, payload] of payloads.entries()) {
        for (const level of [0, 9]) {
          const { payload: read, counter, flags } = peerReadFrame(peer, 's', server.seal(payload, level));
          assert.deepEqual([plain(read), flags], [payload, 0]);
          assert.equal(counter, BigInt(index * 2 + (level === 0 ? 1 : 2)));
        }
        const up = peerFrame(peer, 'c', BigInt(index), payload, index % 2 === 1);
        assert.deepEqual(plain(server.open(up)), payload);
      }
      assert.equal(session.missing, 0);
    });
  }
});
