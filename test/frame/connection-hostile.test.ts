import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { describe, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { FrameReader } from '#dist/frame/frame-reader.js';
import { createDeflate, dial, FrameConnection, upgrade } from '#dist/frame/index.js';
import { PieceList } from '#dist/frame/piece-list.js';
import { resetSocket } from '../support/reset-socket.ts';
import { pause, until, within } from '../support/waiting.ts';
import { duplexPair } from './duplex-pair.ts';
import { errorOf, pick, randomBytes, randomOf } from './frame-fixture.ts';
import { linked } from './raw-peer.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

function heldBytes(): number {
  collect();
  const { arrayBuffers, heapUsed } = process.memoryUsage();
  return arrayBuffers + heapUsed;
}

describe('peers that want memory', () => {
  test('a message between control frames does not keep them: it takes as much as it has bytes', () => {
    const before = heldBytes();
    const list = new PieceList();
    for (let i = 0; i < 1_000; i++) {
      const chunk = Buffer.allocUnsafeSlow(65_536).fill(i);
      list.add(chunk.subarray(100, 1_124), true);
    }
    const held = heldBytes() - before;
    assert.ok(held < 8_000_000, `${held} bytes are held for a message of ${list.bytes}`);
    const whole = list.take();
    for (let i = 0; i < 1_000; i++) assert.equal(whole[i * 1_024 + 512], i & 0xff);
  });

  test('pieces of all sizes, owned or not, from few or many chunks, are put together in order', () => {
    const random = randomOf(77);
    for (let round = 0; round < 300; round++) {
      const list = new PieceList();
      const wanted: Buffer[] = [];
      let chunk = randomBytes(random, 9_000);
      let at = 0;
      for (let i = random(40); i > 0; i--) {
        const size = pick(random, [0, 1, 7, 500, 1_023, 1_024, 2_000, 4_000]);
        if (at + size > chunk.length || random(4) === 0) {
          chunk = randomBytes(random, pick(random, [4_000, 9_000]));
          at = 0;
        }
        const piece = chunk.subarray(at, at + size);
        at += size;
        wanted.push(Buffer.from(piece));
        const owned = random(2) === 0;
        const given = owned ? piece : Buffer.from(piece);
        list.add(given, owned);
        if (!owned && list.bytes !== size) given.fill(0xee);
      }
      assert.equal(list.bytes, Buffer.concat(wanted).length);
      assert.ok(list.take().equals(Buffer.concat(wanted)));
      assert.equal(list.bytes, 0);
    }
  });

  test('bytes that come one by one, and are not read, take little more than as many bytes', () => {
    const reader = new FrameReader('client');
    const before = heldBytes();
    reader.push(Buffer.of(0x82, 0x7f, 0, 0, 0, 0, 0, 1), true);
    reader.push(Buffer.of(0, 0), true);
    for (let i = 0; i < 65_536; i++) reader.push(Buffer.allocUnsafeSlow(1).fill(i), true);
    const held = heldBytes() - before;
    assert.ok(held < 2_000_000, `${held} bytes are held for ${reader.bufferedBytes}`);
    assert.ok(reader.nextHeader(false));
    const pieces: Buffer[] = [];
    while (reader.remaining > 0 && reader.nextPiece()) pieces.push(reader.piece);
    const whole = Buffer.concat(pieces);
    assert.equal(whole.length, 65_536);
    for (let i = 0; i < whole.length; i++) assert.equal(whole[i], i & 0xff);
  });

  test('what comes while a compressor is at work is held back', async () => {
    let finish: () => void = () => {};
    const waits = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const parameters = {
      role: 'server',
      serverNoContextTakeover: true,
      clientNoContextTakeover: true,
      serverMaxWindowBits: 15,
      clientMaxWindowBits: 15,
    } as const;
    const deflate = createDeflate(parameters, {
      compressor: () => ({
        compress: (piece) => piece,
        decompress: (payload) => waits.then(() => payload),
        close: () => undefined,
      }),
    });
    const { connection, peer, pipe } = linked({ deflate });
    const first = connection.readMessage();
    peer.send({ opcode: 2, rsv: 4, payload: 'slow' });
    await pause(5);
    const next = Buffer.alloc(60_000, 'n');
    for (let i = 0; i < 20; i++) {
      peer.send({ opcode: 2, payload: next });
      await pause(1);
    }
    assert.ok(pipe.isPaused(), 'the stream waits');
    finish();
    assert.equal((await within(first, 'the slow message'))?.payload.toString(), 'slow');
    for (let i = 0; i < 20; i++) {
      const message = await within(connection.readMessage(), 'the next message');
      assert.ok(message?.payload.equals(next));
    }
    connection.destroy();
  });
});

describe('programs that fail', () => {
  test('a Close frame that no peer would take is not sent', async () => {
    const { connection, pipe } = linked();
    const payload = Buffer.alloc(126, 'x');
    payload.writeUInt16BE(1000);
    assert.equal((await errorOf(() => connection.writeFrame({ opcode: 8, payload }))).code, 'ERR_FRAME_CONTROL');
    const short = payload.subarray(0, 10);
    const fragment = { opcode: 8, payload: short, fin: false };
    assert.equal((await errorOf(() => connection.writeFrame(fragment))).code, 'ERR_FRAME_CONTROL');
    const bits = { opcode: 8, payload: short, rsv: 0x40 };
    assert.equal((await errorOf(() => connection.writeFrame(bits))).code, 'ERR_FRAME_RESERVED_BITS');
    await pause(2);
    assert.equal(pipe.taken().length, 0);
    assert.equal(connection.state, 'open');
    connection.destroy();
  });

  test('what onClose throws is told to the peer and to whoever reads', async () => {
    const mine = new Error('mine');
    const { connection, peer } = linked({
      onClose: () => {
        throw mine;
      },
    });
    const read = connection.readMessage();
    peer.close(4_000, 'bye');
    await assert.rejects(read, mine);
    assert.equal((await peer.closing()).code, 1011);
    const info = await within(connection.closed, 'the end');
    assert.deepEqual([info.code, info.reason, info.clean, info.error], [4_000, 'bye', true, mine]);
  });

  test('what an async handler rejects with counts as thrown', async () => {
    for (const [handler, opcode] of [
      ['onPing', 9],
      ['onPong', 10],
      ['onClose', 8],
    ] as const) {
      const mine = new Error('mine');
      const { connection, peer } = linked({ [handler]: () => pause(1).then(() => Promise.reject(mine)) });
      const read = connection.readMessage().then(
        () => null,
        (error: unknown) => error,
      );
      peer.endsToo = false;
      peer.send({ opcode });
      assert.equal((await peer.closing()).code, opcode === 8 ? 1005 : 1011);
      if (opcode !== 8) assert.equal(await read, mine);
      // The peer takes its time, so that the handler has had its.
      await pause(10);
      peer.duplex.end();
      assert.equal((await within(connection.closed, 'the end')).error, mine);
    }
  });

  test('a handler of a Close frame may read, write and close; nothing behind the frame is looked at', async () => {
    const pings: string[] = [];
    const reads: Promise<unknown>[] = [];
    const { connection, peer } = linked({
      onPing: (payload) => pings.push(payload.toString()),
      onClose: () => {
        void connection.writeMessage('last words');
        reads.push(connection.readMessage());
        void connection.close(4_001);
      },
    });
    const frames = [
      { opcode: 8, payload: Buffer.of(3, 232) },
      { opcode: 9, payload: 'late' },
      { opcode: 8, payload: Buffer.of(3, 233) },
      { opcode: 2, payload: 'late' },
    ];
    peer.write(Buffer.concat(frames.map((frame) => peer.bytes(frame))));
    assert.equal((await within(connection.closed, 'the end')).code, 1000);
    assert.deepEqual(await Promise.all(reads), [null]);
    assert.deepEqual(pings, []);
    const sent = peer.frames.map(({ opcode, payload }) => [opcode, payload.toString('latin1')]);
    assert.deepEqual(sent, [
      [1, 'last words'],
      [8, '\x03\xe8'],
    ]);
  });

  test('a source that throws when it is stopped does not keep the connection from ending', async () => {
    const { connection, pipe } = linked();
    let stopped = 0;
    const source: AsyncIterable<string> = {
      [Symbol.asyncIterator]: () => ({
        next: () => new Promise(() => {}),
        return: () => {
          stopped += 1;
          throw new Error('not now');
        },
      }),
    };
    const streamed = connection.stream(source);
    await pause(1);
    pipe.destroy(new Error('gone'));
    assert.equal((await errorOf(() => streamed)).code, 'ERR_FRAME_CLOSED');
    assert.equal((await within(connection.closed, 'the end')).code, 1006);
    assert.equal(stopped, 1);
  });

  test('a stream that never says it is closed does not keep a connection from ending', async () => {
    const silent = new Duplex({ emitClose: false, read: () => undefined, write: (_chunk, _encoding, done) => done() });
    const connection = new FrameConnection(silent, { role: 'server', closeTimeoutMs: 20 });
    connection.destroy();
    assert.equal((await within(connection.closed, 'the end')).code, 1006);
    assert.equal(connection.state, 'closed');
  });

  test('wrong options of a server are answered with 500, and a reset then does no harm', async () => {
    const rejections: string[] = [];
    const accepted: Socket[] = [];
    const server = createServer((socket) => {
      accepted.push(socket);
      upgrade(socket, { subprotocols: ['not a token'] }).catch((error) => rejections.push(error.code));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const client = connect({ port, host: '127.0.0.1' });
    const [answer] = (await within(once(client, 'data'), 'an answer')) as [Buffer];
    assert.match(answer.toString(), /^HTTP\/1\.1 500 /);
    resetSocket(client);
    await until(() => accepted[0]?.destroyed === true, 'the end of the socket');
    assert.deepEqual(rejections, ['ERR_OPTION_INVALID']);
    await new Promise((resolve) => server.close(resolve));
  });

  test('a stream of text cannot shake hands', async () => {
    const [near, far] = duplexPair();
    near.setEncoding('latin1');
    far.resume();
    const refused = upgrade(near);
    far.write('GET / HTTP/1.1\r\n\r\n');
    const error = await errorOf(() => refused);
    assert.deepEqual([error.code, error.path], ['ERR_OPTION_INVALID', 'stream']);
    far.end();
  });

  test('a dialer that is given something else than a stream says so, also when it comes too late', async () => {
    const wrong = async (): Promise<never> => undefined as never;
    const error = await errorOf(() => dial('ws://localhost/', { connect: wrong }));
    assert.deepEqual([error.code, error.path], ['ERR_OPTION_INVALID', 'connect']);
    const aborter = new AbortController();
    const late = (): Promise<never> => pause(5).then(wrong);
    const dialed = dial('ws://localhost/', { connect: late, signal: aborter.signal });
    aborter.abort(new Error('changed my mind'));
    await assert.rejects(dialed, /changed my mind/);
    // An unhandled rejection would end this process now.
    await pause(20);
  });
});
