import assert from 'node:assert/strict';
import { Duplex } from 'node:stream';
import { describe, test } from 'node:test';
import { dial, FrameConnection, upgrade } from '#dist/frame/index.js';
import type { EngineError } from '#dist/shared/errors/index.js';
import { opcode } from '../support/raw-frames.ts';
import { pause, until, within } from '../support/waiting.ts';
import { duplexPair } from './duplex-pair.ts';
import { errorOf } from './frame-fixture.ts';
import { linked, RawPeer } from './raw-peer.ts';

describe('at the edges of a connection', () => {
  test('closing within a message of frames sends no other message into it', async () => {
    const { connection, peer } = linked();
    void connection.writeFrame({ opcode: 1, fin: false, payload: Buffer.from('begun') });
    const queued = connection.writeMessage('queued');
    void connection.close();
    assert.equal((await errorOf(() => queued)).code, 'ERR_FRAME_CLOSED');
    assert.equal((await peer.closing()).code, 1000);
    assert.deepEqual(
      peer.frames.map(({ opcode: code }) => code),
      [1, 8],
    );
    const late = { opcode: 0, payload: Buffer.from('late') };
    assert.equal((await errorOf(() => connection.writeFrame(late))).code, 'ERR_FRAME_CLOSED');
    connection.destroy();
  });

  test('a Close frame that waits for an answer is handled when this side closes, or when nobody comes', async () => {
    for (const how of ['close', 'patience', 'lost'] as const) {
      const { connection, peer, pipe } = linked({ closeTimeoutMs: how === 'patience' ? 40 : 10_000 });
      const bytes = [peer.bytes({ opcode: 1, payload: 'm' }), peer.bytes({ opcode: 8, payload: Buffer.of(3, 233) })];
      peer.write(Buffer.concat(bytes));
      assert.equal((await connection.readMessage())?.payload.toString(), 'm');
      await pause(10);
      if (how !== 'patience') assert.equal(connection.state, 'open');
      if (how === 'close') void connection.close(1000);
      if (how === 'lost') pipe.destroy();
      const info = await within(connection.closed, 'the end');
      assert.equal(info.code, 1001, how);
      if (how !== 'lost') assert.equal((await peer.closing()).code, 1001);
      assert.equal(await connection.readMessage(), null);
    }
  });

  test('takes chunks that are no Buffers, and refuses those that are no bytes', async () => {
    const [near] = duplexPair();
    const connection = new FrameConnection(near, { role: 'server' });
    const peer = new RawPeer(duplexPair()[0], 'client');
    const bytes = peer.bytes({ opcode: opcode.text, payload: 'plain bytes' });
    const read = connection.readMessage();
    await pause(1);
    near.emit('data', new Uint8Array(bytes));
    assert.equal((await read)?.payload.toString(), 'plain bytes');
    connection.destroy();
    const { connection: other, peer: sender, pipe } = linked();
    pipe.setEncoding('latin1');
    sender.text('x');
    const error = await errorOf(() => other.readMessage());
    assert.deepEqual([error.code, error.path], ['ERR_OPTION_INVALID', 'duplex']);
    assert.equal((await within(other.closed, 'the end')).code, 1006);
  });

  test('a stream that is over already is told so', async () => {
    const [gone] = duplexPair();
    gone.destroy();
    await pause(5);
    const dead = new FrameConnection(gone, { role: 'server' });
    assert.equal((await errorOf(() => dead.readMessage())).code, 'ERR_FRAME_CONNECTION_LOST');
    assert.equal((await within(dead.closed, 'the end')).code, 1006);
    assert.equal((await errorOf(() => upgrade(gone))).code, 'ERR_HANDSHAKE_ABORTED');
    const [ended, far] = duplexPair();
    far.end();
    ended.resume();
    await until(() => ended.readableEnded, 'the end of the input');
    const half = new FrameConnection(ended, { role: 'server' });
    assert.equal((await errorOf(() => half.readMessage())).code, 'ERR_FRAME_CONNECTION_LOST');
    const cause = new Error('torn off');
    const [near] = duplexPair();
    const dialing = dial('ws://x/', { connect: () => near });
    setImmediate(() => near.destroy(cause));
    const error = await errorOf(() => dialing);
    assert.equal(error.code, 'ERR_DIAL_RESPONSE');
    assert.equal((error.cause as { cause?: unknown }).cause, cause);
  });

  test('what had come before the connection was lost is read after `closed` has told of it', async () => {
    const { connection, peer, pipe } = linked();
    peer.text('first');
    peer.text('second');
    await pause(5);
    pipe.destroy(new Error('unplugged'));
    const { code, error } = await within(connection.closed, 'the end');
    assert.deepEqual([code, (error as EngineError).code], [1006, 'ERR_FRAME_CONNECTION_LOST']);
    for (const text of ['first', 'second']) {
      assert.equal((await within(connection.readMessage(), text))?.payload.toString(), text);
    }
    assert.equal((await errorOf(() => connection.readMessage())).code, 'ERR_FRAME_CONNECTION_LOST');
  });

  test('a stream that fails at every write loses the connection, and nothing is left waiting', async () => {
    class Failing extends Duplex {
      override _read(): void {}

      override _write(_chunk: Buffer, _encoding: string, callback: (error: Error) => void): void {
        setImmediate(() => callback(new Error('no more ink')));
      }
    }
    const connection = new FrameConnection(new Failing(), { role: 'server' });
    const writes = [1, 20_000, 100_000].map((size) => connection.writeMessage(Buffer.alloc(size)));
    const read = connection.readMessage();
    read.catch(() => undefined);
    const streamed = connection.stream(Buffer.alloc(1_000_000));
    const flushed = errorOf(() => connection.flush());
    await within(Promise.allSettled([...writes, read, streamed, flushed]), 'everything to settle');
    assert.match((await flushed).code, /^ERR_FRAME_(CLOSED|CONNECTION_LOST)$/);
    const { error } = await within(connection.closed, 'the end');
    assert.match(String(error), /no more ink/);
  });

  test('many pieces of one large write count as progress', async () => {
    class Slow extends Duplex {
      written = 0;

      override _read(): void {}

      override _write(chunk: Buffer, _encoding: string, callback: () => void): void {
        this.written += chunk.length;
        setTimeout(callback, 20);
      }
    }
    const slow = new Slow({ highWaterMark: 1_000 });
    const connection = new FrameConnection(slow, { role: 'client', writeTimeoutMs: 150 });
    for (let i = 0; i < 20; i++) {
      void connection.writeMessage(Buffer.alloc(70_000));
    }
    await until(() => connection.bufferedBytes === 0, 'all of it');
    assert.equal(connection.state, 'open');
    assert.ok(slow.written > 20 * 70_000);
    connection.destroy();
  });
});
