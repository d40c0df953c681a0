import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { describe, test } from 'node:test';
import { createDeflate, FrameConnection, opcode, zlibCompressor } from '#dist/frame/index.js';
import { assertNothingLeft, openResources } from '../support/leaks.ts';
import { pause, until, within } from '../support/waiting.ts';
import { errorOf } from './frame-fixture.ts';
import { linked, RawPeer } from './raw-peer.ts';

/** How a promise has settled so far. */
function watched(promise: Promise<void>): { state: 'waits' | 'resolved' | 'rejected' } {
  const seen: { state: 'waits' | 'resolved' | 'rejected' } = { state: 'waits' };
  promise.then(
    () => {
      seen.state = 'resolved';
    },
    () => {
      seen.state = 'rejected';
    },
  );
  return seen;
}

/** A client over TCP, and the socket at the other end, which is not read from. */
async function withSockets(use: (connection: FrameConnection, far: Socket) => Promise<void>): Promise<void> {
  const before = openResources();
  const server = createServer({ pauseOnConnect: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const near = connect((server.address() as { port: number }).port, '127.0.0.1');
  const [[far]] = (await Promise.all([once(server, 'connection'), once(near, 'connect')])) as [[Socket], unknown];
  const maxBufferedBytes = 1 << 28;
  const connection = new FrameConnection(near, { role: 'client', maxBufferedBytes, closeTimeoutMs: 2_000 });
  try {
    await use(connection, far);
  } finally {
    connection.destroy();
    far.destroy();
    await new Promise((resolve) => server.close(resolve));
    await assertNothingLeft(before);
  }
}

describe('flush', () => {
  test('hands over at once, and resolves when the stream has written', async () => {
    const { connection, peer, pipe } = linked();
    await connection.flush();
    assert.equal(pipe.writes.length, 0, 'there was nothing to write');
    void connection.writeMessage('one');
    void connection.writeMessage('two');
    const flushed = connection.flush();
    assert.equal(pipe.writes.length, 1, 'both in one write, before the turn ends');
    await flushed;
    assert.equal(connection.bufferedBytes, 0);
    assert.deepEqual(
      [(await peer.frame()).payload.toString(), (await peer.frame()).payload.toString()],
      ['one', 'two'],
    );
    connection.destroy();
  });

  test('waits for what was handed over before it, and only for that', async () => {
    const written: (() => void)[] = [];
    const duplex = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => void written.push(done) });
    const connection = new FrameConnection(duplex, { role: 'server' });
    const states = (): string[] => flushes.map(({ state }) => state);
    void connection.writeMessage('a');
    await pause(1);
    assert.equal(written.length, 1, 'the stream writes, and has not said that it is done');
    const flushes = [watched(connection.flush())];
    void connection.writeMessage('b');
    flushes.push(watched(connection.flush()), watched(connection.flush()));
    void connection.writeMessage('c');
    await pause(1);
    assert.deepEqual(states(), ['waits', 'waits', 'waits']);
    written[0]?.();
    await pause(1);
    assert.deepEqual(states(), ['resolved', 'waits', 'waits']);
    written[1]?.();
    await pause(1);
    assert.deepEqual(states(), ['resolved', 'resolved', 'resolved']);
    assert.ok(connection.bufferedBytes > 0, 'the last message is still to go');
    connection.destroy();
    await within(connection.closed, 'the end');
  });

  test('over TCP: the system has all of it, and what comes next takes nothing of it back', async () => {
    await withSockets(async (connection, far) => {
      const payload = Buffer.alloc(200_000, 'x');
      // Until the system takes no more.
      let sent = 0;
      while (connection.bufferedBytes === 0 && sent < 1_000) {
        void connection.writeMessage(payload);
        sent += 1;
        await pause(1);
      }
      assert.ok(connection.bufferedBytes > 0, 'the system takes no more');
      void connection.writeMessage('the last');
      const flushed = connection.flush();
      const seen = watched(flushed);
      await pause(20);
      assert.equal(seen.state, 'waits');
      const peer = new RawPeer(far, 'server');
      await within(flushed, 'the flush');
      assert.deepEqual([connection.bufferedBytes, connection.duplex.writableLength], [0, 0]);
      connection.destroy();
      for (let i = 0; i < sent; i++) assert.equal((await peer.frame()).payload.length, payload.length);
      assert.equal((await peer.frame()).payload.toString(), 'the last');
    });
  });

  test('over TCP: without it, what was written in the same turn is lost when the connection is destroyed', async () => {
    for (const flushes of [false, true]) {
      await withSockets(async (connection, far) => {
        void connection.writeMessage('farewell');
        if (flushes) await connection.flush();
        connection.destroy();
        const peer = new RawPeer(far, 'server');
        await within(peer.ended(), 'the end');
        assert.equal(peer.frames.length, flushes ? 1 : 0);
      });
    }
  });

  test('waits for compression in other threads and for streams, in the order of the calls', async () => {
    const compressor = zlibCompressor({ thread: 'pool' });
    const parameters = {
      serverNoContextTakeover: false,
      clientNoContextTakeover: false,
      serverMaxWindowBits: 15,
      clientMaxWindowBits: 15,
    };
    const deflate = createDeflate({ ...parameters, role: 'server' }, { thresholdBytes: 0, compressor });
    const { connection, peer } = linked({ deflate });
    const done: string[] = [];
    async function* slowly(): AsyncGenerator<Buffer> {
      for (let i = 0; i < 3; i++) {
        await pause(2);
        yield Buffer.alloc(3_000, i);
      }
      done.push('source');
    }
    void connection.writeMessage(Buffer.alloc(100_000, 'a'));
    const first = connection.flush().then(() => done.push('first'));
    void connection.stream(slowly(), 1_000);
    void connection.writeMessage('behind the stream');
    const second = connection.flush().then(() => done.push('second'));
    await within(Promise.all([first, second]), 'both');
    assert.deepEqual(done, ['first', 'source', 'second']);
    await until(() => peer.frames.filter(({ fin }) => fin).length === 3, 'three messages');
    connection.destroy();
  });

  test('of a message that is sent frame by frame needs its last one only if others wait behind it', async () => {
    const { connection, peer } = linked();
    void connection.writeFrame({ opcode: opcode.text, payload: Buffer.from('begin'), fin: false });
    await within(connection.flush(), 'the first frame');
    assert.equal((await peer.frame()).payload.toString(), 'begin');
    void connection.writeMessage('behind');
    const flushed = connection.flush();
    const seen = watched(flushed);
    await pause(5);
    assert.equal(seen.state, 'waits');
    void connection.writeFrame({ opcode: opcode.continuation, payload: Buffer.from('end') });
    await within(flushed, 'both messages');
    assert.deepEqual(
      [(await peer.frame()).payload.toString(), (await peer.frame()).payload.toString()],
      ['end', 'behind'],
    );
    connection.destroy();
  });

  test('is rejected when the connection is lost before, whoever ends it', async () => {
    const ends: [string, (link: ReturnType<typeof linked>) => void][] = [
      ['destroyed here', ({ connection }) => connection.destroy()],
      ['destroyed with an error', ({ connection }) => connection.destroy(new Error('enough'))],
      ['the stream fails', ({ pipe }) => void pipe.destroy(new Error('unplugged'))],
      ['the stream is destroyed', ({ pipe }) => void pipe.destroy()],
    ];
    for (const [what, end] of ends) {
      const link = linked({}, 1_000);
      const { connection, peer } = link;
      peer.duplex.pause();
      void connection.writeMessage(Buffer.alloc(5_000));
      const refusals = [connection.flush(), connection.flush()].map((flushed) => errorOf(() => within(flushed, what)));
      end(link);
      for (const { code } of await Promise.all(refusals)) {
        assert.ok(code === 'ERR_FRAME_CLOSED' || code === 'ERR_FRAME_CONNECTION_LOST', `${what}: ${code}`);
      }
      await within(connection.closed, what);
      assert.equal((await errorOf(() => connection.flush())).code, 'ERR_FRAME_CLOSED', what);
    }
  });

  test('is rejected when the peer takes nothing for too long', async () => {
    const { connection, peer } = linked({ writeTimeoutMs: 30 }, 1_000);
    peer.duplex.pause();
    void connection.writeMessage(Buffer.alloc(5_000));
    const error = await errorOf(() => within(connection.flush(), 'the end'));
    assert.equal(error.code, 'ERR_FRAME_CLOSED');
    assert.equal((error.cause as { code?: string }).code, 'ERR_FRAME_WRITE_STALLED');
  });

  test('while closing waits for what was accepted; afterwards it is refused', async () => {
    const { connection, peer } = linked({}, 1_000);
    peer.duplex.pause();
    void connection.writeMessage(Buffer.alloc(5_000));
    const early = connection.flush();
    const closed = connection.close(1000);
    const during = connection.flush();
    await pause(5);
    assert.equal((await errorOf(() => connection.flush())).code, 'ERR_FRAME_CLOSED', 'the Close frame was sent');
    peer.duplex.resume();
    await within(Promise.all([early, during]), 'both');
    assert.equal((await peer.closing()).code, 1000);
    peer.close(1000);
    assert.equal((await within(closed, 'the end')).clean, true);
    assert.equal((await errorOf(() => connection.flush())).code, 'ERR_FRAME_CLOSED');
  });

  test('is refused with the message before it that never left', async () => {
    const { connection, peer } = linked();
    void connection.writeFrame({ opcode: opcode.text, payload: Buffer.from('never ended'), fin: false });
    void connection.writeMessage('never sent');
    const flushed = errorOf(() => within(connection.flush(), 'the refusal'));
    void connection.close();
    assert.equal((await flushed).code, 'ERR_FRAME_CLOSED');
    await peer.frame();
    connection.destroy();
  });

  test('does no harm if nobody looks at it', async () => {
    const { connection, peer } = linked({}, 1_000);
    peer.duplex.pause();
    void connection.writeMessage(Buffer.alloc(5_000));
    void connection.flush();
    connection.destroy();
    void connection.flush();
    await within(connection.closed, 'the end');
    // An unhandled rejection would end this process here.
    await pause(1);
  });
});
