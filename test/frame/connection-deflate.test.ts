import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { constants, deflateRawSync } from 'node:zlib';
import {
  type Compressor,
  createDeflate,
  type DeflateOptions,
  type DeflateParameters,
  type PermessageDeflate,
  zlibCompressor,
} from '#dist/frame/index.js';
import { opcode, type RawFrame } from '../support/raw-frames.ts';
import { pause, until, within } from '../support/waiting.ts';
import { errorOf, hex, hexOf } from './frame-fixture.ts';
import { type Linked, linked } from './raw-peer.ts';

const parameters: DeflateParameters = {
  role: 'server',
  serverNoContextTakeover: false,
  clientNoContextTakeover: false,
  serverMaxWindowBits: 15,
  clientMaxWindowBits: 15,
};

function deflated(text: string): Buffer {
  return deflateRawSync(text, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4);
}

for (const thread of ['own', 'pool'] as const) {
  const deflate = (options: DeflateOptions = {}, more: Partial<DeflateParameters> = {}): PermessageDeflate =>
    createDeflate(
      { ...parameters, ...more },
      { thresholdBytes: 0, compressor: zlibCompressor({ thread }), ...options },
    );

  describe(`compressed messages, zlib in ${thread === 'own' ? 'this thread' : 'the thread pool'}`, () => {
    /** What a peer that knows zlib makes of the frames of one message. */
    async function inflated(frames: readonly RawFrame[], peer: Compressor): Promise<string> {
      const payload = Buffer.concat(frames.map((frame) => frame.payload));
      return Buffer.from(await peer.decompress(payload, 1 << 24)).toString();
    }

    test('and plain ones come on one connection', async () => {
      const { connection, peer } = linked({ deflate: deflate() });
      peer.send({ opcode: opcode.text, rsv: 4, payload: deflated('compressed') });
      peer.text('plain');
      peer.send({ opcode: opcode.binary, rsv: 4, payload: hex('f248cdc9c907000000ffff01') });
      peer.send({ opcode: opcode.text, rsv: 4 });
      peer.send({ opcode: opcode.text, rsv: 4, payload: hex('00') });
      for (const wanted of ['compressed', 'plain', 'Hello', '', '']) {
        assert.equal((await connection.readMessage())?.payload.toString(), wanted);
      }
      connection.destroy();
    });

    test('in fragments, with pings between, are put together before they are inflated', async () => {
      const { connection, peer } = linked({ deflate: deflate() });
      const payload = deflated('fragmented and compressed '.repeat(20));
      peer.send({ opcode: opcode.text, rsv: 4, fin: false, payload: payload.subarray(0, 5) });
      peer.send({ opcode: opcode.ping, payload: 'p' });
      for (const byte of payload.subarray(5))
        peer.send({ opcode: opcode.continuation, fin: false, payload: Buffer.of(byte) });
      peer.send({ opcode: opcode.continuation });
      assert.equal((await connection.readMessage())?.payload.toString(), 'fragmented and compressed '.repeat(20));
      assert.equal((await peer.frame()).payload.toString(), 'p');
      connection.destroy();
    });

    test('go out with RSV1, control frames and short messages without', async () => {
      const { connection, peer } = linked({ deflate: deflate({ thresholdBytes: 10 }) });
      const far = zlibCompressor()({ ...parameters, role: 'client' });
      void connection.writeMessage('short');
      void connection.writeMessage('long enough for it');
      void connection.ping(Buffer.alloc(100));
      void connection.writeMessage(Buffer.alloc(5_000));
      const frames: RawFrame[] = [];
      for (let i = 0; i < 4; i++) frames.push(await peer.frame());
      const [short, long, control, zeros] = thread === 'own' ? frames : [frames[0], frames[2], frames[1], frames[3]];
      assert.deepEqual([short?.rsv, short?.payload.toString()], [0, 'short']);
      assert.equal(long?.rsv, 4);
      assert.deepEqual([control?.rsv, control?.opcode], [0, opcode.ping]);
      assert.ok(zeros !== undefined && zeros.rsv === 4 && zeros.payload.length < 100);
      assert.equal(await inflated([long as RawFrame], far), 'long enough for it');
      connection.destroy();
    });

    test('streamed carry RSV1 on the first frame alone, a frame per chunk', async () => {
      const { connection, peer } = linked({ deflate: deflate() });
      const far = zlibCompressor()({ ...parameters, role: 'client' });
      const text = 'high entropy is not here '.repeat(58);
      for (let round = 0; round < 2; round++) {
        const sent = connection.stream(text, { opcode: opcode.text, chunkBytes: 256 });
        const frames: RawFrame[] = [];
        while (frames.at(-1)?.fin !== true) frames.push(await peer.frame());
        await sent;
        assert.equal(frames.length, Math.ceil(text.length / 256));
        assert.deepEqual(
          frames.map(({ rsv }) => rsv),
          [4, ...frames.slice(1).map(() => 0)],
        );
        assert.deepEqual(
          frames.map(({ opcode: code }) => code),
          [1, ...frames.slice(1).map(() => 0)],
        );
        assert.equal(await inflated(frames, far), text);
      }
      const end = connection.stream('ten bytes and more, in tens, and then some, and a last one at the end.', {
        chunkBytes: 10,
      });
      const frames: RawFrame[] = [];
      while (frames.at(-1)?.fin !== true) frames.push(await peer.frame());
      await end;
      assert.equal(
        await inflated(frames, far),
        'ten bytes and more, in tens, and then some, and a last one at the end.',
      );
      void connection.stream([]);
      const empty = await peer.frame();
      assert.deepEqual([empty.rsv, hexOf(empty.payload)], [4, '00'], 'an empty one is one zero byte');
      connection.destroy();
    });

    test('in many calls at once keep their order and their context', async () => {
      const { connection, peer } = linked({ deflate: deflate() });
      const far = zlibCompressor()({ ...parameters, role: 'client' });
      const texts = Array.from({ length: 100 }, (_, i) => `message ${i} `.repeat(i % 7));
      const writes = texts.map((text) => connection.writeMessage(text));
      for (const text of texts) assert.equal(await inflated([await peer.frame()], far), text);
      await Promise.all(writes);
      const near = zlibCompressor()({ ...parameters, role: 'client' });
      for (const text of texts)
        peer.send({ opcode: 1, rsv: 4, payload: (await near.compress(Buffer.from(text), true)) as Uint8Array });
      for (const text of texts) assert.equal((await connection.readMessage())?.payload.toString(), text);
      connection.destroy();
    });

    test('that grow over the limit are refused with 1009, in one frame and in many', async () => {
      const bomb = deflated('\0'.repeat(50_000_000));
      for (const size of [bomb.length, 1_000]) {
        const { connection, peer } = linked({ deflate: deflate(), maxMessageBytes: 100_000 });
        for (let at = 0; at < bomb.length; at += size) {
          const last = at + size >= bomb.length;
          peer.send({
            opcode: at === 0 ? 2 : 0,
            rsv: at === 0 ? 4 : 0,
            fin: last,
            payload: bomb.subarray(at, at + size),
          });
        }
        assert.equal((await errorOf(() => connection.readMessage())).code, 'ERR_FRAME_MESSAGE_TOO_LONG');
        assert.equal((await peer.closing()).code, 1009);
      }
      const { connection, peer } = linked({ deflate: deflate(), maxMessageBytes: 1_000 });
      peer.send({ opcode: 2, rsv: 4, payload: deflated('x'.repeat(1_000)) });
      assert.equal((await connection.readMessage())?.payload.length, 1_000);
      peer.send({ opcode: 2, rsv: 4, payload: deflated('x'.repeat(1_001)) });
      assert.equal((await errorOf(() => connection.readMessage())).code, 'ERR_FRAME_MESSAGE_TOO_LONG');
    });

    test('that cannot be inflated are refused with 1007, as is text that is none', async () => {
      for (const [payload, code] of [
        [hex('ffffffff'), 'ERR_FRAME_DEFLATE'],
        [
          deflateRawSync(Buffer.from('eda080', 'hex'), { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4),
          'ERR_FRAME_UTF8',
        ],
      ] as const) {
        const { connection, peer } = linked({ deflate: deflate() });
        peer.send({ opcode: 1, rsv: 4, payload });
        assert.equal((await errorOf(() => connection.readMessage())).code, code);
        assert.equal((await peer.closing()).code, 1007);
        await within(connection.closed, 'the end');
      }
    });

    test('have RSV1 where it may be, and no other bit', async () => {
      const wrong: (readonly [number, number, boolean])[][] = [
        [[1, 2, true]],
        [[1, 1, true]],
        [[1, 6, true]],
        [[9, 4, true]],
        [[8, 4, true]],
        [
          [1, 4, false],
          [0, 4, true],
        ],
      ];
      for (const frames of wrong) {
        const { connection, peer } = linked({ deflate: deflate() });
        for (const [code, rsv, fin] of frames) peer.send({ opcode: code, rsv, fin });
        assert.equal((await errorOf(() => connection.readMessage())).code, 'ERR_FRAME_RESERVED_BITS');
        assert.equal((await peer.closing()).code, 1002);
      }
      const plain = linked();
      plain.peer.send({ opcode: 1, rsv: 4, payload: deflated('x') });
      assert.equal((await errorOf(() => plain.connection.readMessage())).code, 'ERR_FRAME_RESERVED_BITS');
    });

    test('are sent plain to a peer whose window is too small for zlib', async () => {
      const { connection, peer } = linked({
        role: 'client',
        deflate: deflate({}, { role: 'client', clientMaxWindowBits: 8 }),
      });
      void connection.writeMessage('x'.repeat(5_000));
      void connection.stream('y'.repeat(5_000));
      for (let i = 0; i < 3; i++) assert.equal((await peer.frame()).rsv, 0);
      peer.send({ opcode: 1, rsv: 4, payload: deflated('but inflated') });
      assert.equal((await connection.readMessage())?.payload.toString(), 'but inflated');
      connection.destroy();
    });

    test('frame by frame are given as they came', async () => {
      const { connection, peer } = linked({ deflate: deflate() });
      const payload = deflated('as it came');
      peer.send({ opcode: 1, rsv: 4, payload });
      const frame = await connection.readFrame();
      assert.deepEqual([frame?.rsv, hexOf(frame?.payload ?? hex(''))], [0x40, hexOf(payload)]);
      connection.destroy();
    });

    test('that came before the stream was lost can still be read, with their context', async () => {
      for (const isReading of [false, true]) {
        const { connection, peer, pipe } = linked({ deflate: deflate() });
        const far = zlibCompressor()({ ...parameters, role: 'client' });
        const text = 'the same words every time '.repeat(5_000);
        const read = isReading ? connection.readMessage() : null;
        for (let i = 0; i < 3; i++) {
          peer.send({ opcode: 1, rsv: 4, payload: (await far.compress(Buffer.from(text), true)) as Uint8Array });
        }
        if (!isReading) await until(() => pipe.readableFlowing === true && pipe.readableLength === 0, 'the input');
        if (!isReading) await pause(10);
        pipe.destroy(new Error('cable pulled'));
        if (read !== null) {
          // It was under way: it comes, or the loss is told. It does not hang.
          await within(Promise.allSettled([read]), 'the read');
          continue;
        }
        await connection.closed;
        for (let i = 0; i < 3; i++)
          assert.equal((await within(connection.readMessage(), 'a read'))?.payload.toString(), text);
        assert.equal((await errorOf(() => connection.readMessage())).code, 'ERR_FRAME_CONNECTION_LOST');
      }
    });

    test('are no obstacle to an end at any moment', async () => {
      for (let turn = 0; turn < 20; turn++) {
        const { connection, peer }: Linked = linked({ deflate: deflate() });
        const read = connection.readMessage();
        read.catch(() => undefined);
        const writes = [1, 2, 3].map(() => connection.writeMessage(Buffer.alloc(200_000, 'x')));
        const streamed = connection.stream(Buffer.alloc(300_000));
        peer.send({ opcode: 2, rsv: 4, payload: deflated('x'.repeat(900_000)) });
        for (let i = 0; i < turn; i++) await pause(0);
        connection.destroy();
        await within(Promise.allSettled([read, streamed, ...writes]), 'everything to settle');
        await within(connection.closed, 'the end');
      }
    });
  });
}

describe('a compressor of the application', () => {
  test('is given what was negotiated, is called for one message at a time, and is closed once', async () => {
    let open = 0;
    let calls = 0;
    const rot = (bytes: Uint8Array): Buffer => Buffer.from(bytes.map((byte) => byte ^ 0x55));
    const deflate = createDeflate(parameters, {
      thresholdBytes: 0,
      compressor: (given) => {
        assert.deepEqual(given, parameters);
        open += 1;
        return {
          compress: async (piece) => {
            calls += 1;
            assert.equal(calls, 1, 'calls do not overlap');
            await pause(1);
            calls -= 1;
            return rot(piece);
          },
          decompress: async (payload) => {
            await pause(1);
            return rot(payload);
          },
          close: () => {
            open -= 1;
          },
        };
      },
    });
    const { connection, peer } = linked({ deflate });
    for (let i = 0; i < 10; i++) void connection.writeMessage(`message ${i}`);
    for (let i = 0; i < 10; i++) assert.equal(rot((await peer.frame()).payload).toString(), `message ${i}`);
    for (let i = 0; i < 10; i++) peer.send({ opcode: 1, rsv: 4, payload: rot(Buffer.from(`back ${i}`)) });
    for (let i = 0; i < 10; i++) assert.equal((await connection.readMessage())?.payload.toString(), `back ${i}`);
    connection.destroy();
    await connection.closed;
    assert.equal(open, 0);
  });

  test('that fails, or does not keep to the limit, ends the connection and nothing else', async () => {
    const failing = (fail: () => never, later: boolean): PermessageDeflate =>
      createDeflate(parameters, {
        thresholdBytes: 0,
        compressor: () => ({
          compress: () => (later ? pause(1).then(fail) : fail()),
          decompress: () => (later ? pause(1).then(fail) : fail()),
          close: () => undefined,
        }),
      });
    const own = new Error('compressor is out of order');
    const fail = (): never => {
      throw own;
    };
    for (const later of [false, true]) {
      const writing = linked({ deflate: failing(fail, later) });
      await assert.rejects(writing.connection.writeMessage('x'), own);
      assert.deepEqual(await writing.peer.closing(), { code: 1011, reason: '' });
      const streaming = linked({ deflate: failing(fail, later) });
      await assert.rejects(streaming.connection.stream('x'), own);
      assert.equal((await streaming.peer.closing()).code, 1011);
      const reading = linked({ deflate: failing(fail, later) });
      reading.peer.send({ opcode: 1, rsv: 4, payload: 'x' });
      await assert.rejects(reading.connection.readMessage(), own);
      assert.equal((await reading.peer.closing()).code, 1011);
    }
    const unlimited = createDeflate(parameters, {
      compressor: () => ({ compress: (piece) => piece, decompress: () => new Uint8Array(101), close: () => undefined }),
    });
    const { connection, peer } = linked({ deflate: unlimited, maxMessageBytes: 100 });
    peer.send({ opcode: 2, rsv: 4, payload: 'x' });
    assert.equal((await errorOf(() => connection.readMessage())).code, 'ERR_FRAME_MESSAGE_TOO_LONG');
  });
});
