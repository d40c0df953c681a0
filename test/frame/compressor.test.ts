import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { constants, deflateRawSync, inflateRawSync } from 'node:zlib';
import { type Compressor, type DeflateParameters, type ZlibOptions, zlibCompressor } from '#dist/frame/index.js';
import { errorOf, hex, hexOf, randomBytes, randomOf } from './frame-fixture.ts';

const plain: DeflateParameters = {
  role: 'server',
  serverNoContextTakeover: false,
  clientNoContextTakeover: false,
  serverMaxWindowBits: 15,
  clientMaxWindowBits: 15,
};

const json = Buffer.from('{"status":"success","message":"the same words again and again"}');
const most = 1 << 20;

for (const thread of ['own', 'pool'] as const) {
  const server = (parameters: Partial<DeflateParameters> = {}, options: ZlibOptions = {}): Compressor =>
    zlibCompressor({ thread, ...options })({ ...plain, ...parameters });
  const client = (parameters: Partial<DeflateParameters> = {}): Compressor => server({ ...parameters, role: 'client' });

  describe(`zlib in ${thread === 'own' ? 'this thread' : 'the thread pool'}`, () => {
    test('gives back what went in, message after message, at every level', async () => {
      const random = randomOf(1);
      for (let level = 1; level <= 9; level++) {
        const near = server({}, { level });
        const far = client();
        for (let i = 0; i < 20; i++) {
          const message = random(2) === 0 ? randomBytes(random, random(3_000)) : Buffer.alloc(random(100_000), json);
          const deflated = await near.compress(message, true);
          assert.deepEqual(Buffer.from(await far.decompress(deflated, most)), message);
          const back = await far.compress(message, true);
          assert.deepEqual(Buffer.from(await near.decompress(back, most)), message);
        }
        near.close();
        far.close();
      }
    });

    test('keeps its context if it may, and only then', async () => {
      const keeping = server();
      const first = await keeping.compress(json, true);
      const second = await keeping.compress(json, true);
      assert.ok(second.length < first.length / 2, 'the second refers to the first');
      const forgetting = server({ serverNoContextTakeover: true });
      const alone = await forgetting.compress(json, true);
      assert.deepEqual(await forgetting.compress(json, true), alone);
      // The peer of one that forgets needs no context, and can be told to have none.
      const peer = client({ serverNoContextTakeover: true });
      for (let i = 0; i < 3; i++) assert.deepEqual(Buffer.from(await peer.decompress(alone, most)), json);
      // Each side goes by its own flag.
      const mixed = client({ serverNoContextTakeover: true });
      const a = await mixed.compress(json, true);
      assert.ok((await mixed.compress(json, true)).length < a.length / 2);
      for (const one of [keeping, forgetting, peer, mixed]) one.close();
    });

    for (let bits = 9; bits <= 15; bits++) {
      test(`keeps to a window of ${bits} bits in both directions`, async () => {
        const random = randomOf(bits);
        const near = server({ serverMaxWindowBits: bits });
        const far = client({ serverMaxWindowBits: bits });
        // What repeats lies farther back than a small window reaches.
        const block = randomBytes(random, 3_000);
        for (let i = 0; i < 30; i++) {
          const deflated = await near.compress(block, true);
          assert.deepEqual(Buffer.from(await far.decompress(deflated, most)), block);
          const isReached = i > 0 && 2 ** bits >= 3_000 + 262;
          assert.equal(deflated.length < 1_000, isReached, `${deflated.length} bytes`);
        }
        near.close();
        far.close();
      });
    }

    test('reads the examples of RFC 7692 section 7.2.3', async () => {
      const examples: string[][] = [
        ['f248cdc9c90700'],
        ['f248cdc9c90700', 'f200110000'],
        // A stored block, a final block, and two blocks.
        ['000500faff48656c6c6f00'],
        ['f348cdc9c9070000'],
        ['f248050000 00ffffcac9c90700'],
      ];
      for (const messages of examples) {
        const peer = client();
        for (const message of messages) {
          assert.equal(Buffer.from(await peer.decompress(hex(message), most)).toString(), 'Hello', message);
        }
        peer.close();
      }
    });

    test('survives final blocks, with and without context, and reads on', async () => {
      for (const serverNoContextTakeover of [false, true]) {
        const peer = client({ serverNoContextTakeover });
        // "Hello" and an empty message in a form that ends in a final block (RFC 7692 section 7.2.3.4).
        for (let i = 0; i < 3; i++) {
          assert.equal(Buffer.from(await peer.decompress(hex('f248cdc9c907000000ffff01'), most)).toString(), 'Hello');
          assert.equal((await peer.decompress(hex('000000ffff01'), most)).length, 0);
          assert.equal(Buffer.from(await peer.decompress(hex('f248cdc9c90700'), most)).toString(), 'Hello');
        }
        // Several final blocks in one message.
        const twice = Buffer.concat([deflateRawSync(json), deflateRawSync(json)]);
        assert.deepEqual(Buffer.from(await peer.decompress(twice, most)), Buffer.concat([json, json]));
        assert.equal(Buffer.from(await peer.decompress(hex('f248cdc9c90700'), most)).toString(), 'Hello');
        peer.close();
      }
    });

    test('does not restart for ever', async () => {
      const peer = client();
      const error = await errorOf(() => peer.decompress(Buffer.alloc(2_000_000, hex('0300')), most));
      assert.equal(error.code, 'ERR_FRAME_DEFLATE');
      peer.close();
    });

    test('what cannot be compressed grows by little, and goes through', async () => {
      const random = randomOf(41);
      for (const size of [1, 100, 4_096, 32_768, 65_536, 200_000]) {
        const near = server({}, { level: 1 + random(9) });
        const far = client();
        const noise = randomBytes(random, size);
        const deflated = await near.compress(noise, true);
        assert.ok(deflated.length <= size + 6 + 5 * Math.ceil(size / 4_096), `${deflated.length} of ${size}`);
        assert.deepEqual(Buffer.from(await far.decompress(deflated, size)), noise);
        near.close();
        far.close();
      }
    });

    test('empty messages are one zero byte, each time, and are read in both forms', async () => {
      const near = server();
      const far = client();
      for (let i = 0; i < 3; i++) {
        const deflated = await near.compress(new Uint8Array(0), true);
        assert.equal(hexOf(deflated), '00');
        assert.equal((await far.decompress(deflated, most)).length, 0);
        assert.equal((await far.decompress(new Uint8Array(0), most)).length, 0);
        assert.deepEqual(Buffer.from(await far.decompress(await near.compress(json, true), most)), json);
      }
      near.close();
      far.close();
    });

    test('in pieces makes one message, each piece readable when it comes', async () => {
      const near = server();
      const far = client();
      for (let round = 0; round < 3; round++) {
        const pieces: Uint8Array[] = [];
        for (let i = 0; i < 10; i++) pieces.push(await near.compress(json, i === 9));
        if (round === 0) {
          const upTo = inflateRawSync(Buffer.concat(pieces.slice(0, 3)), { finishFlush: constants.Z_SYNC_FLUSH });
          assert.deepEqual(upTo, Buffer.concat([json, json, json]));
        }
        const all = Buffer.concat(Array.from({ length: 10 }, () => json));
        assert.deepEqual(Buffer.from(await far.decompress(Buffer.concat(pieces), most)), all);
      }
      const bytes = [await near.compress(json, false), await near.compress(new Uint8Array(0), true)];
      assert.deepEqual(Buffer.from(await far.decompress(Buffer.concat(bytes), most)), json);
      near.close();
      far.close();
    });

    test('stops a bomb at the limit', async () => {
      const bomb = deflateRawSync(Buffer.alloc(200_000_000), { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4);
      assert.ok(bomb.length < 250_000);
      const peer = client();
      const before = process.memoryUsage();
      const error = await errorOf(() => peer.decompress(bomb, most));
      const after = process.memoryUsage();
      assert.equal(error.code, 'ERR_FRAME_MESSAGE_TOO_LONG');
      assert.ok(after.arrayBuffers + after.external - before.arrayBuffers - before.external < 50_000_000);
      peer.close();
      const exact = client();
      const message = deflateRawSync(Buffer.alloc(100_000), { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4);
      assert.equal((await exact.decompress(message, 100_000)).length, 100_000);
      exact.close();
      const short = client();
      assert.equal((await errorOf(() => short.decompress(message, 99_999))).code, 'ERR_FRAME_MESSAGE_TOO_LONG');
      short.close();
    });

    test('refuses what was not deflated, whatever it is', async () => {
      const random = randomOf(9);
      let refused = 0;
      for (let i = 0; i < 500; i++) {
        const peer = client();
        try {
          await peer.decompress(randomBytes(random, 1 + random(60)), 10_000);
        } catch (error) {
          const { code } = error as { code?: string };
          assert.ok(code === 'ERR_FRAME_DEFLATE' || code === 'ERR_FRAME_MESSAGE_TOO_LONG', String(error));
          refused += 1;
        }
        peer.close();
      }
      assert.ok(refused > 300, `${refused}`);
    });

    test('hands out memory that it does not use again', async () => {
      const near = server();
      const far = client();
      const kept: [Uint8Array, Uint8Array, Buffer][] = [];
      const random = randomOf(4);
      for (let i = 0; i < 50; i++) {
        const message = randomBytes(random, 200);
        const deflated = await near.compress(message, true);
        kept.push([deflated, Buffer.from(deflated), message]);
        kept.push([await far.decompress(deflated, most), message, message]);
      }
      for (const [bytes, wanted] of kept) assert.deepEqual(Buffer.from(bytes), Buffer.from(wanted));
      near.close();
      far.close();
    });
  });
}

test('takes only levels that zlib has', async () => {
  assert.equal((await errorOf(() => zlibCompressor({ level: 0 }))).code, 'ERR_OPTION_INVALID');
  assert.equal((await errorOf(() => zlibCompressor({ memLevel: 10 }))).code, 'ERR_OPTION_INVALID');
  assert.equal((await errorOf(() => zlibCompressor({ thread: 'x' as 'own' }))).code, 'ERR_OPTION_INVALID');
});
