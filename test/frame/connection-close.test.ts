import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { opcode } from '../support/raw-frames.ts';
import { pause, until, within } from '../support/waiting.ts';
import { errorOf, hexOf } from './frame-fixture.ts';
import { linked } from './raw-peer.ts';

describe('the closing handshake', () => {
  for (const role of ['server', 'client'] as const) {
    test(`begun by the peer of a ${role}: the code comes back, then the stream ends`, async () => {
      const seen: unknown[] = [];
      const { connection, peer, pipe } = linked({ role, onClose: (code, reason) => seen.push(code, reason) });
      peer.close(3_000, 'so long');
      assert.equal(await connection.readMessage(), null);
      const frame = await peer.frame();
      assert.equal(frame.opcode, opcode.close);
      assert.equal(hexOf(frame.payload), '0bb8', 'the code alone');
      assert.deepEqual(seen, [3_000, 'so long']);
      if (role === 'client') {
        await pause(10);
        assert.equal(pipe.writableEnded, false, 'a client leaves it to the server to end the stream');
        peer.duplex.end();
      }
      const info = await within(connection.closed, 'the end');
      assert.deepEqual(info, { code: 3_000, reason: 'so long', clean: true, error: undefined });
      assert.equal(connection.state, 'closed');
    });

    test(`begun by a ${role}: the peer's answer is awaited`, async () => {
      const { connection, peer } = linked({ role });
      const closed = connection.close(4_321, 'enough');
      assert.equal(connection.state, 'closing');
      assert.deepEqual(await peer.closing(), { code: 4_321, reason: 'enough' });
      peer.close(4_321);
      if (role === 'client') peer.duplex.end();
      const info = await within(closed, 'the end');
      assert.deepEqual(info, { code: 4_321, reason: '', clean: true, error: undefined });
      assert.equal(await connection.readMessage(), null);
    });
  }

  test('an empty Close frame is answered with an empty one and means 1005', async () => {
    const { connection, peer } = linked();
    peer.send({ opcode: opcode.close });
    assert.equal(await connection.readMessage(), null);
    assert.equal((await peer.frame()).payload.length, 0);
    assert.equal((await within(connection.closed, 'the end')).code, 1005);
  });

  test('what was accepted before goes out before the Close frame, what comes later is refused', async () => {
    const { connection, peer } = linked();
    void connection.writeMessage('before');
    const streamed = connection.stream(
      (async function* () {
        yield 'slow ';
        await pause(20);
        yield 'stream';
      })(),
      { opcode: 1, chunkBytes: 5 },
    );
    const queued = connection.writeMessage('queued');
    const closed = connection.close();
    assert.equal((await errorOf(() => connection.writeMessage('after'))).code, 'ERR_FRAME_CLOSED');
    assert.equal((await errorOf(() => connection.ping())).code, 'ERR_FRAME_CLOSED');
    await Promise.all([streamed, queued]);
    assert.equal((await peer.closing()).code, 1000);
    const texts = peer.frames.map((frame) => frame.payload.toString()).slice(0, -1);
    assert.deepEqual(texts, ['before', 'slow ', 'strea', 'm', 'queued']);
    peer.close(1000);
    assert.equal((await within(closed, 'the end')).clean, true);
  });

  test('messages before the Close frame are answered before it, in one packet too', async () => {
    const { connection, peer } = linked();
    const parts = ['one', 'two', 'three'].map((payload) => peer.bytes({ opcode: opcode.text, payload }));
    peer.write(Buffer.concat([...parts, peer.bytes({ opcode: opcode.close, payload: Buffer.of(3, 232) })]));
    for await (const message of connection) {
      await pause(1);
      await connection.writeMessage(message.payload, message.opcode);
    }
    assert.equal((await peer.closing()).code, 1000);
    assert.deepEqual(
      peer.frames.slice(0, -1).map((frame) => frame.payload.toString()),
      ['one', 'two', 'three'],
    );
  });

  test('after a Close frame nothing is read or answered any more', async () => {
    const { connection, peer } = linked();
    const bytes = [
      peer.bytes({ opcode: opcode.close, payload: Buffer.of(3, 232) }),
      peer.bytes({ opcode: opcode.ping, payload: 'no' }),
      peer.bytes({ opcode: opcode.text, payload: 'no' }),
    ];
    peer.write(Buffer.concat(bytes));
    assert.equal(await connection.readMessage(), null);
    await within(connection.closed, 'the end');
    assert.equal(peer.frames.length, 1);
  });

  test('a reader that waits gets messages that come after close(); nobody else does', async () => {
    const { connection, peer } = linked();
    const read = connection.readMessage();
    const closed = connection.close();
    peer.text('on its way');
    assert.equal((await read)?.payload.toString(), 'on its way');
    peer.text('for nobody');
    peer.close(1000);
    assert.equal((await within(closed, 'the end')).clean, true);
    assert.equal(await connection.readMessage(), null);
  });

  test('a peer behind unread messages still gets through with its Close frame', async () => {
    const { connection, peer } = linked({ readAheadBytes: 1_000 }, 1_000);
    for (let i = 0; i < 100; i++) peer.text('x'.repeat(500));
    await pause(10);
    const closed = connection.close();
    peer.close(1000);
    assert.equal((await within(closed, 'the end')).clean, true);
  });

  test('is over after its deadline, whatever the peer does not do', async () => {
    const silent = linked({ closeTimeoutMs: 30 });
    const info = await within(silent.connection.close(), 'the end');
    assert.equal((info.error as { code?: string }).code, 'ERR_FRAME_CLOSE_TIMEOUT');
    assert.deepEqual([info.code, info.clean], [1006, false]);
    const deaf = linked({ closeTimeoutMs: 30 }, 100);
    deaf.peer.duplex.pause();
    void deaf.connection.writeMessage(Buffer.alloc(100_000));
    await pause(5);
    assert.equal((await within(deaf.connection.close(), 'the end')).clean, false);
    const stuck = linked({ closeTimeoutMs: 30 });
    const never = stuck.connection.stream({ [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => {}) }) });
    assert.equal((await within(stuck.connection.close(), 'the end')).clean, false);
    assert.equal((await errorOf(() => never)).code, 'ERR_FRAME_CLOSED');
    const lingering = linked({ closeTimeoutMs: 30 });
    lingering.peer.endsToo = false;
    lingering.peer.close(1000);
    assert.equal(await lingering.connection.readMessage(), null);
    const lingered = await within(lingering.connection.closed, 'the end');
    assert.deepEqual([lingered.code, lingered.clean, lingered.error], [1000, true, undefined]);
    const flooding = linked({ closeTimeoutMs: 30 });
    flooding.peer.endsToo = false;
    flooding.peer.send({ opcode: 3 });
    const flood = setInterval(() => {
      if (!flooding.peer.duplex.destroyed) flooding.peer.text('more and more');
    }, 1);
    await within(flooding.connection.closed, 'the end');
    clearInterval(flood);
    flooding.connection.destroy();
  });

  test('codes that may not be sent are refused, long reasons are cut', async () => {
    const { connection, peer } = linked();
    for (const code of [0, 1005, 1006, 2_000, 5_000]) {
      assert.equal((await errorOf(() => connection.close(code))).code, 'ERR_CLOSE_CODE_INVALID');
    }
    assert.equal(connection.state, 'open');
    void connection.close(1000, '€'.repeat(100));
    assert.equal((await peer.closing()).reason, '€'.repeat(41));
    connection.destroy();
  });

  test('both sides at once come to a clean end', async () => {
    const { connection, peer } = linked();
    peer.close(1001);
    const closed = connection.close(1000);
    assert.deepEqual(await peer.closing(), { code: 1000, reason: '' });
    const info = await within(closed, 'the end');
    assert.deepEqual([info.code, info.clean], [1001, true]);
    assert.equal(peer.frames.length, 1);
  });

  test('a Close frame written as a frame begins it too', async () => {
    const { connection, peer } = linked();
    await connection.writeFrame({ opcode: opcode.close, payload: Buffer.of(3, 233) });
    assert.equal((await peer.closing()).code, 1001);
    assert.equal(connection.state, 'closing');
    connection.destroy();
  });

  test('a peer that sends, closes and ends its side at once still gets its answer', async () => {
    const { connection, peer } = linked();
    peer.text('question');
    peer.close(1000);
    peer.duplex.end();
    await pause(10);
    const question = await connection.readMessage();
    assert.equal(question?.payload.toString(), 'question');
    await connection.writeMessage('answer');
    assert.equal(await connection.readMessage(), null);
    assert.equal((await peer.frame()).payload.toString(), 'answer');
    assert.equal((await peer.closing()).code, 1000);
    assert.equal((await within(connection.closed, 'the end')).clean, true);
  });
});

describe('a connection that is lost', () => {
  test('settles once, rejects reads and writes, and leaves no timer', async () => {
    const { connection, peer, pipe } = linked({ closeTimeoutMs: 60_000, writeTimeoutMs: 60_000 }, 100);
    connection.keepAlive({ intervalMs: 50_000, pongTimeoutMs: 50_000 });
    peer.duplex.pause();
    const write = connection.writeMessage(Buffer.alloc(100_000));
    const read = connection.readMessage();
    await pause(5);
    pipe.destroy(new Error('cable pulled'));
    assert.equal((await errorOf(() => read)).code, 'ERR_FRAME_CONNECTION_LOST');
    await assert.rejects(write);
    const info = await within(connection.closed, 'the end');
    assert.deepEqual([info.code, info.clean], [1006, false]);
    assert.match(String(info.error), /cable pulled/);
    assert.equal((await errorOf(() => connection.writeMessage('x'))).code, 'ERR_FRAME_CLOSED');
    assert.equal((await within(connection.close(), 'close')).code, 1006);
    const timers = process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout');
    assert.ok(timers.length <= 1, 'only the patience of this test');
  });

  test('gives what came before', async () => {
    const { connection, peer, pipe } = linked();
    for (let i = 0; i < 3; i++) peer.text(`m${i}`);
    await until(() => pipe.readableFlowing === true && pipe.readableLength === 0, 'the input');
    await pause(5);
    pipe.destroy(new Error('cable pulled'));
    await connection.closed;
    for (let i = 0; i < 3; i++) assert.equal((await connection.readMessage())?.payload.toString(), `m${i}`);
    assert.equal((await errorOf(() => connection.readMessage())).code, 'ERR_FRAME_CONNECTION_LOST');
  });

  test('by destroy() rejects what waits', async () => {
    const { connection } = linked();
    const read = connection.readMessage();
    const own = new Error('application is done');
    connection.destroy(own);
    await assert.rejects(read, own);
    assert.equal((await within(connection.closed, 'the end')).error, own);
  });
});

describe('keep-alive', () => {
  test('pings, and is content with any input', async () => {
    const { connection, peer } = linked();
    connection.keepAlive({ intervalMs: 5, pongTimeoutMs: 200 });
    const read = connection.readMessage();
    read.catch(() => undefined);
    for (let i = 0; i < 10; i++) {
      const ping = await peer.frame();
      assert.deepEqual([ping.opcode, ping.payload.length], [opcode.ping, 0]);
      peer.send({ opcode: opcode.pong });
    }
    assert.equal(connection.state, 'open');
    connection.destroy();
  });

  test('gives up a peer from which nothing comes', async () => {
    const { connection, peer } = linked();
    connection.keepAlive({ intervalMs: 10, pongTimeoutMs: 10 });
    assert.equal((await errorOf(() => connection.readMessage())).code, 'ERR_FRAME_PONG_MISSED');
    assert.equal((await peer.closing()).code, 1011);
    await within(connection.closed, 'the end');
  });

  test('does not take its own pause for the silence of the peer', async () => {
    const { connection, peer, pipe } = linked({ readAheadBytes: 100 }, 100);
    for (let i = 0; i < 50; i++) peer.text('x'.repeat(100));
    await until(() => pipe.isPaused(), 'the pause');
    connection.keepAlive({ intervalMs: 5, pongTimeoutMs: 5 });
    await pause(60);
    assert.equal(connection.state, 'open');
    connection.destroy();
  });

  test('takes only sensible times', async () => {
    const { connection } = linked();
    for (const intervalMs of [0, -1, 1.5, Number.NaN]) {
      assert.equal((await errorOf(() => connection.keepAlive({ intervalMs, pongTimeoutMs: 1 }))).path, 'intervalMs');
    }
    connection.destroy();
  });
});
