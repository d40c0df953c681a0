import assert from 'node:assert/strict';
import { Duplex, Readable } from 'node:stream';
import { describe, test } from 'node:test';
import { FrameConnection } from '#dist/frame/index.js';
import { opcode } from '../support/raw-frames.ts';
import { pause, until, within } from '../support/waiting.ts';
import { errorOf, randomBytes, randomOf } from './frame-fixture.ts';
import { type Linked, linked } from './raw-peer.ts';

/** `fin opcode rsv payload` of the next frames. */
async function shapes({ peer }: Linked, count: number): Promise<string[]> {
  const all: string[] = [];
  for (let i = 0; i < count; i++) {
    const { fin, opcode: code, rsv, payload } = await peer.frame();
    all.push(`${fin ? 'fin' : '...'} ${code} ${rsv} ${payload.toString('latin1')}`);
  }
  return all;
}

describe('writing messages', () => {
  test('sends strings as text, bytes as binary or what is asked for', async () => {
    const link = linked();
    const { connection } = link;
    void connection.writeMessage('text');
    void connection.writeMessage(Buffer.from('bytes'));
    void connection.writeMessage(Buffer.from('said to be text'), opcode.text);
    void connection.writeMessage('as binary', opcode.binary);
    void connection.writeMessage('');
    await connection.writeMessage(new Uint8Array(0));
    assert.deepEqual(await shapes(link, 6), [
      'fin 1 0 text',
      'fin 2 0 bytes',
      'fin 1 0 said to be text',
      'fin 2 0 as binary',
      'fin 1 0 ',
      'fin 2 0 ',
    ]);
    connection.destroy();
  });

  for (const role of ['server', 'client'] as const) {
    test(`as a ${role}, whatever the length and the form`, async () => {
      const { connection, peer } = linked({ role });
      const random = randomOf(role.length);
      const lengths = [
        0, 1, 124, 125, 126, 127, 4_107, 16_383, 16_384, 16_385, 65_522, 65_535, 65_536, 70_000, 1_200_000,
      ];
      for (const length of lengths) {
        const payload = randomBytes(random, length);
        const before = Buffer.from(payload);
        await connection.writeMessage(payload);
        assert.deepEqual(payload, before, 'the payload is not changed');
        const frame = await peer.frame();
        assert.equal(frame.masked, role === 'client');
        assert.ok(frame.payload.equals(before), `${length} bytes`);
        await connection.writeMessage('é'.repeat(length >> 4));
        assert.equal((await peer.frame()).payload.toString(), 'é'.repeat(length >> 4));
      }
      connection.destroy();
    });
  }

  test('of one turn leave in one write, header and payload together', async () => {
    const { connection, peer, pipe } = linked();
    for (let i = 0; i < 50; i++) void connection.writeMessage(`message ${i}`);
    assert.equal(pipe.writes.length, 0);
    await peer.frame();
    assert.equal(pipe.writes.length, 1);
    connection.destroy();
  });

  test('masks with a new key each time', async () => {
    const { connection, peer, pipe } = linked({ role: 'client' });
    const keys = new Set<string>();
    for (let i = 0; i < 100; i++) {
      await connection.writeMessage('same');
      await peer.frame();
      keys.add(pipe.taken().subarray(2, 6).toString('hex'));
    }
    assert.ok(keys.size > 98);
    connection.destroy();
  });

  test('waits for a peer that does not read, and refuses what is too much', async () => {
    const { connection, peer, pipe } = linked({ maxBufferedBytes: 100_000 }, 1_000);
    peer.duplex.pause();
    const payload = Buffer.alloc(10_000, 'x');
    let accepted = 0;
    let refusal: unknown;
    const last = { settled: false };
    for (let i = 0; i < 100 && refusal === undefined; i++) {
      const write = connection.writeMessage(payload);
      accepted += 1;
      write.then(
        () => {
          last.settled = true;
        },
        (error: unknown) => {
          refusal = error;
        },
      );
      await pause(1);
    }
    assert.equal((refusal as { code?: string }).code, 'ERR_FRAME_OVERLOADED');
    assert.ok(connection.bufferedBytes <= 100_000 && pipe.writableLength <= 100_000);
    peer.duplex.resume();
    await until(() => connection.bufferedBytes === 0, 'the rest to be written');
    assert.equal(peer.frames.length, accepted - 1, 'all but the refused one');
    await connection.writeMessage('again');
    connection.destroy();
  });

  test('a message larger than the bound is taken if nothing else waits', async () => {
    const { connection, peer } = linked({ maxBufferedBytes: 1_000 });
    await connection.writeMessage(Buffer.alloc(50_000));
    assert.equal((await peer.frame()).payload.length, 50_000);
    connection.destroy();
  });

  test('gives up a peer that takes nothing for too long', async () => {
    const { connection, peer } = linked({ writeTimeoutMs: 30 }, 1_000);
    peer.duplex.pause();
    const first = connection.writeMessage(Buffer.alloc(200_000));
    const second = connection.writeMessage(Buffer.alloc(1_000));
    await assert.rejects(within(first, 'the first write'));
    await assert.rejects(within(second, 'the second write'));
    const { error, code } = await within(connection.closed, 'the end');
    assert.equal((error as { code?: string }).code, 'ERR_FRAME_WRITE_STALLED');
    assert.equal(code, 1006);
  });

  test('a slow peer that takes some is not given up', async () => {
    const { connection, peer } = linked({ writeTimeoutMs: 300 }, 1_000);
    peer.duplex.pause();
    const sizes = Array.from({ length: 40 }, () => Buffer.alloc(5_000));
    const writes = sizes.map((payload) => connection.writeMessage(payload));
    const timer = setInterval(() => {
      peer.duplex.resume();
      setImmediate(() => peer.duplex.pause());
    }, 30);
    await within(Promise.all(writes), 'all writes');
    clearInterval(timer);
    assert.equal(connection.state, 'open');
    connection.destroy();
  });

  test('a peer that takes all at the last moment has its whole time for what comes next', async () => {
    const writeTimeoutMs = 40;
    let take = (): void => {};
    const duplex = new Duplex({
      highWaterMark: 1,
      read: () => undefined,
      write: (_chunk, _encoding, done) => {
        take = done;
      },
    });
    const connection = new FrameConnection(duplex, { role: 'server', writeTimeoutMs });
    const first = connection.writeMessage('first');
    void connection.flush();
    // Begun right behind the connection's own timer, so that it fires right behind it.
    const atTheLastMoment = new Promise<void>((resolve) => {
      setTimeout(() => {
        duplex.once('drain', () => {
          void connection.writeMessage('next');
          void connection.flush();
          setImmediate(() => setImmediate(resolve));
        });
        take();
      }, writeTimeoutMs);
    });
    await within(first, 'the first message');
    await within(atTheLastMoment, 'the moment');
    assert.equal(connection.state, 'open');
    const { error } = await within(connection.closed, 'the end of its time');
    assert.equal((error as { code?: string }).code, 'ERR_FRAME_WRITE_STALLED');
  });

  test('answers only the last ping of a peer that does not read', async () => {
    const { connection, peer } = linked({}, 1_000);
    peer.duplex.pause();
    void connection.writeMessage(Buffer.alloc(50_000));
    await pause(5);
    for (let i = 0; i < 1_000; i++) peer.send({ opcode: opcode.ping, payload: `ping ${i}` });
    await pause(20);
    assert.ok(connection.bufferedBytes < 60_000);
    peer.duplex.resume();
    await peer.frame();
    assert.equal((await peer.frame()).payload.toString(), 'ping 999');
    connection.destroy();
  });

  test('refuses what is no payload, without harm', async () => {
    const { connection, peer } = linked();
    for (const wrong of [null, 5, {}, [1]]) {
      const error = await errorOf(() => connection.writeMessage(wrong as unknown as string));
      assert.equal(error.code, 'ERR_OPTION_INVALID');
    }
    assert.equal((await errorOf(() => connection.writeMessage('x', 9 as 1))).code, 'ERR_OPTION_INVALID');
    assert.equal((await errorOf(() => connection.ping(new Uint8Array(126)))).code, 'ERR_OPTION_INVALID');
    await connection.writeMessage('fine');
    assert.equal((await peer.frame()).payload.toString(), 'fine');
    connection.destroy();
  });
});

describe('writing frames', () => {
  test('fragments keep other messages out and let control frames in', async () => {
    const link = linked();
    const { connection } = link;
    void connection.writeFrame({ opcode: 1, fin: false, payload: Buffer.from('a') });
    const other = connection.writeMessage('other');
    const streamed = connection.stream(['str', 'eam'], { chunkBytes: 4 });
    void connection.ping(Buffer.from('p'));
    void connection.writeFrame({ opcode: 0, fin: false, payload: Buffer.from('b') });
    await pause(5);
    void connection.writeFrame({ opcode: 0, payload: Buffer.from('c') });
    await Promise.all([other, streamed]);
    assert.deepEqual(await shapes(link, 7), [
      '... 1 0 a',
      'fin 9 0 p',
      '... 0 0 b',
      'fin 0 0 c',
      'fin 1 0 other',
      '... 2 0 stre',
      'fin 0 0 am',
    ]);
    connection.destroy();
  });

  test('out of sequence, or otherwise wrong, are refused and nothing is sent', async () => {
    const link = linked();
    const { connection } = link;
    const payload = Buffer.from('x');
    const refusal = async (frame: Parameters<typeof connection.writeFrame>[0]): Promise<string> =>
      (await errorOf(() => connection.writeFrame(frame))).code;
    assert.equal(await refusal({ opcode: 0, payload }), 'ERR_FRAME_SEQUENCE');
    assert.equal(await refusal({ opcode: 3, payload }), 'ERR_FRAME_OPCODE');
    assert.equal(await refusal({ opcode: 1, rsv: 0x40, payload }), 'ERR_FRAME_RESERVED_BITS');
    assert.equal(await refusal({ opcode: 9, fin: false, payload }), 'ERR_FRAME_CONTROL');
    assert.equal(await refusal({ opcode: 9, payload: new Uint8Array(126) }), 'ERR_FRAME_CONTROL');
    assert.equal(await refusal({ opcode: 8, payload }), 'ERR_FRAME_CLOSE_BODY');
    await connection.writeFrame({ opcode: 1, fin: false, payload });
    assert.equal(await refusal({ opcode: 2, payload }), 'ERR_FRAME_SEQUENCE');
    await connection.writeFrame({ opcode: 0, payload });
    await connection.writeFrame({ opcode: 9, payload });
    assert.deepEqual(await shapes(link, 3), ['... 1 0 x', 'fin 0 0 x', 'fin 9 0 x']);
    connection.destroy();
  });

  test('with a bit of another extension carry it', async () => {
    const link = linked({ reservedBits: 0x20 });
    void link.connection.writeFrame({ opcode: 2, rsv: 0x20, payload: Buffer.from('x') });
    assert.deepEqual(await shapes(link, 1), ['fin 2 2 x']);
    link.peer.send({ opcode: 2, rsv: 2, payload: 'y' });
    assert.equal((await link.connection.readFrame())?.rsv, 0x20);
    link.connection.destroy();
  });
});

describe('streaming a message', () => {
  async function streamed(
    source: Parameters<Linked['connection']['stream']>[0],
    chunkBytes: number,
  ): Promise<string[]> {
    const link = linked();
    await link.connection.stream(source, { chunkBytes, opcode: opcode.text });
    await link.connection.ping();
    await until(() => link.peer.frames.some((frame) => frame.opcode === opcode.ping), 'all frames');
    const all = await shapes(link, link.peer.frames.length - 1);
    link.connection.destroy();
    return all;
  }

  const abc = ['... 1 0 AB', 'fin 0 0 C'];
  const even = ['... 1 0 12', 'fin 0 0 34'];

  test('the last frame is never empty', async () => {
    assert.deepEqual(await streamed(Buffer.from('ABC'), 2), abc);
    assert.deepEqual(await streamed('ABC', 2), abc);
    const plain = linked();
    await plain.connection.stream(Buffer.from('ABC'), 2);
    assert.deepEqual(await shapes(plain, 2), ['... 2 0 AB', 'fin 0 0 C']);
    plain.connection.destroy();
    assert.deepEqual(await streamed(['A', 'BC'], 2), abc);
    assert.deepEqual(await streamed(Readable.from(['AB', 'C']), 2), abc);
    assert.deepEqual(await streamed(Buffer.from('1234'), 2), even);
    assert.deepEqual(await streamed(['12', '34'], 2), even);
    assert.deepEqual(await streamed(['1234'], 2), even);
    assert.deepEqual(await streamed(['1', '2', '3', '4'], 2), even);
    assert.deepEqual(await streamed(['', '123', '', '4', ''], 2), even);
    assert.deepEqual(await streamed(Readable.from(['1', '2', '34']), 2), even);
    assert.deepEqual(await streamed('hello, world!', 5), ['... 1 0 hello', '... 0 0 , wor', 'fin 0 0 ld!']);
  });

  test('an empty one is a single empty frame', async () => {
    for (const source of [new Uint8Array(0), '', [], ['', ''], Readable.from([])]) {
      assert.deepEqual(await streamed(source, 2), ['fin 1 0 ']);
    }
  });

  test('any pieces and chunk size come to the same bytes', async () => {
    const random = randomOf(5);
    const link = linked({ role: 'client' });
    for (let round = 0; round < 200; round++) {
      const bytes = randomBytes(random, random(300));
      const pieces: Buffer[] = [];
      for (let at = 0; at < bytes.length; ) {
        const size = random(20);
        // The source uses its memory again for every piece.
        pieces.push(bytes.subarray(at, at + size));
        at += size;
      }
      const chunkBytes = 1 + random(40);
      const reused = Buffer.alloc(64);
      const source = function* (): Generator<Uint8Array> {
        for (const piece of pieces) {
          reused.fill(0xee);
          piece.copy(reused);
          yield reused.subarray(0, piece.length);
        }
      };
      void link.connection.stream(source(), { chunkBytes });
      const count = Math.max(1, Math.ceil(bytes.length / chunkBytes));
      const frames = [];
      for (let i = 0; i < count; i++) frames.push(await link.peer.frame());
      assert.deepEqual(Buffer.concat(frames.map((frame) => frame.payload)), bytes);
      frames.forEach((frame, i) => {
        assert.equal(frame.fin, i === count - 1);
        assert.equal(frame.opcode, i === 0 ? 2 : 0);
        if (i < count - 1) assert.equal(frame.payload.length, chunkBytes);
      });
    }
    link.connection.destroy();
  });

  test('takes only chunk sizes and opcodes that make sense', async () => {
    const { connection } = linked();
    for (const chunkBytes of [0, -1, 1.5, 2 ** 30, Number.NaN]) {
      assert.equal((await errorOf(() => connection.stream('x', { chunkBytes }))).path, 'chunkBytes');
    }
    assert.equal((await errorOf(() => connection.stream('x', { opcode: 8 as 1 }))).path, 'opcode');
    assert.equal((await errorOf(() => connection.stream(5 as unknown as string))).path, 'source');
    assert.equal((await errorOf(() => connection.stream([5] as unknown as string[]))).path, 'source');
    assert.equal(connection.state, 'open', 'nothing was sent, so nothing happened');
    connection.destroy();
  });

  test('a source that fails before its first frame does no harm; later the connection ends with 1011', async () => {
    const link = linked();
    const { connection, peer } = link;
    const failing = (pieces: string[]): Readable =>
      Readable.from(
        (async function* () {
          yield* pieces;
          throw new Error('source failed');
        })(),
      );
    await assert.rejects(connection.stream(failing(['a']), { chunkBytes: 4 }), /source failed/);
    await connection.writeMessage('still open');
    assert.deepEqual(await shapes(link, 1), ['fin 1 0 still open']);
    const after = connection.writeMessage.bind(connection);
    await assert.rejects(connection.stream(failing(['aaaa', 'bbbb']), { chunkBytes: 4 }), /source failed/);
    assert.equal((await errorOf(() => after('too late'))).code, 'ERR_FRAME_CLOSED');
    assert.deepEqual(await peer.closing(), { code: 1011, reason: '' });
  });

  test('stops its source when the connection ends meanwhile', async () => {
    const { connection, peer } = linked();
    let returned = false;
    const source: AsyncIterable<string> = {
      [Symbol.asyncIterator]: () => {
        let first = true;
        return {
          next: () => {
            if (!first) return new Promise(() => {});
            first = false;
            return Promise.resolve({ done: false, value: 'x'.repeat(10) });
          },
          return: () => {
            returned = true;
            return Promise.resolve({ done: true, value: undefined });
          },
        };
      },
    };
    const streamedMessage = connection.stream(source, { chunkBytes: 4 });
    await peer.frame();
    peer.close(1001);
    assert.equal(await connection.readMessage(), null);
    assert.equal((await errorOf(() => within(streamedMessage, 'the stream'))).code, 'ERR_FRAME_CLOSED');
    assert.ok(returned);
    await within(connection.closed, 'the end');
  });

  test('goes only as fast as the peer takes it', async () => {
    const { connection, peer, pipe } = linked({}, 2_000);
    peer.duplex.pause();
    let given = 0;
    const source = function* (): Generator<Buffer> {
      for (; given < 1_000; given++) yield Buffer.alloc(1_000);
    };
    const done = connection.stream(source(), { chunkBytes: 1_000 });
    await pause(30);
    assert.ok(given < 200, `${given} of 1000 pieces were taken`);
    assert.ok(pipe.writableLength < 200_000);
    peer.duplex.resume();
    await within(done, 'the stream');
    assert.equal(given, 1_000);
    connection.destroy();
  });
});
