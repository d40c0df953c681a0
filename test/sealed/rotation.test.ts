import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { withEngine } from '../support/leaks.ts';
import { connectSealed, type SealedClient } from '../support/sealed-client.ts';
import { until } from '../support/waiting.ts';
import { engineKeys, keysOf } from './own-keys.ts';

const newKeys = keysOf('after the rotation');

async function heard(client: SealedClient): Promise<string> {
  return Buffer.from((await client.next()).data ?? []).toString();
}

describe('rotation of the engine’s keys', () => {
  it('both keys are accepted for the grace period, and only the new one is sealed with', () =>
    withEngine({ security: { ...engineKeys, maxFailures: 1_000 } }, async (engine) => {
      const classic = await connectSealed(engine, { keys: engineKeys });
      const seal3 = await connectSealed(engine, { keys: engineKeys, form: 'seal3' });
      await classic.subscribe('news');
      await seal3.subscribe('news');
      engine.rotateKeys(newKeys, { graceMs: 1_500 });
      // Frames of `seal3` name their key: this client can read both.
      seal3.otherKeys.set(1, newKeys);
      // Still sealed with the former key.
      seal3.send({ type: 'publish', channel: 'news', data: Buffer.from('"former"') });
      classic.send({ type: 'publish', channel: 'news', data: Buffer.from('"former"') });
      // What comes back is sealed with the new one, which this client must be told.
      classic.keys = newKeys;
      for (const client of [classic, seal3]) for (let i = 0; i < 2; i++) assert.equal(await heard(client), '"former"');
      seal3.keys = newKeys;
      seal3.keyId = 1;
      seal3.otherKeys.set(0, engineKeys);
      await seal3.sync();
      await classic.sync();
      const before = engine.stats();
      assert.equal(before.openFailedDecrypt, 0);
      await until(async () => {
        classic.sendRaw(frameWith(classic, engineKeys));
        await classic.sync();
        return engine.stats().openFailedDecrypt > 0;
      }, 'the end of the grace period');
      const failed = engine.stats().openFailedDecrypt;
      seal3.keys = engineKeys;
      seal3.keyId = 0;
      seal3.send({ type: 'publish', channel: 'news', data: Buffer.from('"too late"') });
      seal3.keys = newKeys;
      seal3.keyId = 1;
      await seal3.sync();
      assert.equal(engine.stats().openFailedDecrypt, failed + 1);
    }));

  it('keys of a connection’s own stay', () =>
    withEngine(
      {
        security: { aesKey: engineKeys.aesKey, hmacKey: engineKeys.hmacKey },
        handlers: new URL('./fixtures/own-keys.handlers.js', import.meta.url),
      },
      async (engine) => {
        const keys = { ...engineKeys, aesKey: keysOf('aes-bob').aesKey };
        const client = await connectSealed(engine, { keys, headers: { 'X-Client-ID': 'aes-bob' } });
        await client.subscribe('news');
        engine.rotateKeys(newKeys);
        client.keys = { aesKey: keys.aesKey, hmacKey: newKeys.hmacKey };
        engine.publish('news', { data: 1 });
        assert.equal(await heard(client), '1');
        await client.sync();
        client.sendRaw(frameWith(client, keys));
        await client.sync();
        assert.equal(engine.stats().openFailedSignature, 0);
      },
    ));

  it('a seal3 connection with keys of its own notices nothing', () =>
    withEngine(
      { security: engineKeys, handlers: new URL('./fixtures/own-keys.handlers.js', import.meta.url) },
      async (engine) => {
        const keys = keysOf('own-ada');
        const headers = { 'X-Client-ID': 'own-ada' };
        const client = await connectSealed(engine, { keys, form: 'seal3', headers });
        await client.subscribe('news');
        engine.rotateKeys(newKeys, { graceMs: 0 });
        engine.publish('news', { data: 1 });
        assert.equal(await heard(client), '1');
        await client.sync();
        // The id that its client knows stays that of its keys, for those that come later too.
        const next = await connectSealed(engine, { keys, form: 'seal3', headers });
        await next.sync();
        assert.deepEqual(client.faults, []);
        assert.equal(engine.stats().openFailedDecrypt, 0);
      },
    ));

  it('what is published after it is sealed with the new key', () =>
    withEngine({ security: engineKeys, shards: 1, ring: { bytes: 65_536 } }, async (engine) => {
      const client = await connectSealed(engine, { keys: engineKeys, form: 'seal3' });
      await client.subscribe('news');
      for (let round = 1; round <= 100; round++) {
        const keys = keysOf(`round ${round}`);
        client.otherKeys.set(round, keys);
        // Keeps the shard busy.
        for (let i = 0; i < 200; i++) engine.publish('news', { data: -1 });
        await new Promise((resolve) => setImmediate(resolve));
        engine.rotateKeys(keys);
        engine.publish('news', { data: round });
        while ((await heard(client)) !== String(round));
        assert.equal(client.frames.at(-1)?.readUInt8(2), round);
      }
    }));

  it('a rotation that would be a mistake is refused, and changes nothing', () =>
    withEngine({ security: { aesKey: engineKeys.aesKey } }, async (engine) => {
      const refused = (call: () => void, path: string, code = 'ERR_KEY_INVALID'): void => {
        assert.throws(call, (error: { code: string; path: string; message: string }) => {
          assert.equal(error.code, code);
          assert.equal(error.path, path);
          return true;
        });
      };
      refused(() => engine.rotateKeys({}), 'aesKey');
      refused(() => engine.rotateKeys({ ...newKeys }), 'hmacKey');
      refused(() => engine.rotateKeys({ aesKey: new Uint8Array(16) }), 'aesKey');
      refused(() => engine.rotateKeys({ aesKey: newKeys.aesKey, keyId: 0 }), 'keyId');
      refused(() => engine.rotateKeys({ aesKey: newKeys.aesKey, keyId: 256 }), 'keyId');
      refused(() => engine.rotateKeys({ aesKey: newKeys.aesKey }, { graceMs: -1 }), 'graceMs', 'ERR_OPTION_INVALID');
      const client = await connectSealed(engine, { keys: { aesKey: engineKeys.aesKey } });
      await client.sync();
    }));

  it('without the option security it is refused with ERR_SECURITY_OFF', () =>
    withEngine({}, (engine) => {
      assert.throws(() => engine.rotateKeys(newKeys), { code: 'ERR_SECURITY_OFF' });
    }));
});

/** A harmless message sealed with other keys than the client’s. */
function frameWith(client: SealedClient, keys: SealedClient['keys']): Buffer {
  const own = client.keys;
  client.keys = keys;
  const frame = client.frameOf({ type: 'publish', channel: 'nobody', data: Buffer.from('0') });
  client.keys = own;
  return frame;
}
