import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { FrameConnection } from '#dist/frame/index.js';
import { opcode } from '../support/raw-frames.ts';
import { pause, until, within } from '../support/waiting.ts';
import { errorOf } from './frame-fixture.ts';
import { type Linked, linked } from './raw-peer.ts';

function begin(connection: FrameConnection, payload: string | Uint8Array): Promise<void> {
  return connection.writeFrame({ opcode: opcode.text, fin: false, payload: Buffer.from(payload) });
}

function next(connection: FrameConnection, payload: string | Uint8Array, fin = false): Promise<void> {
  return connection.writeFrame({ opcode: opcode.continuation, fin, payload: Buffer.from(payload) });
}

/** Opcode, length and FIN of each frame that has come to the peer. */
function lengths({ peer }: Linked): string[] {
  return peer.frames.map(({ opcode: code, payload, fin }) => `${code}:${payload.length}${fin ? '.' : ''}`);
}

/** What a promise has come to so far. */
function outcome(promise: Promise<void>): { state: string } {
  const seen = { state: 'waits' };
  promise.then(
    () => {
      seen.state = 'done';
    },
    (error: { code?: string }) => {
      seen.state = error.code ?? 'failed';
    },
  );
  return seen;
}

describe('a message that is sent frame by frame, and maxBufferedBytes', () => {
  test('can always be ended, however much waits behind it', async () => {
    const link = linked({ maxBufferedBytes: 1_000 });
    const { connection } = link;
    await begin(connection, 'begun');
    await pause(5);
    const behind = [connection.writeMessage(Buffer.alloc(600)), connection.writeMessage(Buffer.alloc(400))];
    assert.equal((await errorOf(() => connection.writeMessage('too much'))).code, 'ERR_FRAME_OVERLOADED');
    await within(next(connection, Buffer.alloc(300)), 'a frame');
    await within(next(connection, Buffer.alloc(900), true), 'the last frame');
    await within(Promise.all(behind), 'the messages behind it');
    await until(() => link.peer.frames.length === 5, 'all frames');
    assert.deepEqual(lengths(link), ['1:5', '0:300', '0:900.', '2:600.', '2:400.']);
    connection.destroy();
  });

  test('its last frame is taken though it does not fit, and then there is room for more', async () => {
    const link = linked({ maxBufferedBytes: 1_000 }, 100);
    const { connection, peer } = link;
    peer.duplex.pause();
    void begin(connection, Buffer.alloc(5_000));
    const last = next(connection, Buffer.alloc(5_000), true);
    const seen = outcome(last);
    assert.equal((await errorOf(() => connection.writeMessage('too much'))).code, 'ERR_FRAME_OVERLOADED');
    await pause(5);
    assert.equal(seen.state, 'waits');
    peer.duplex.resume();
    await within(last, 'the last frame');
    await within(connection.writeMessage(Buffer.alloc(900)), 'a message');
    await until(() => peer.frames.length === 3, 'all frames');
    assert.deepEqual(lengths(link), ['1:5000', '0:5000.', '2:900.']);
    assert.equal(connection.state, 'open');
    connection.destroy();
  });

  test('whoever awaits each frame is never refused, however small the bound', async () => {
    const link = linked({ maxBufferedBytes: 10 }, 100_000);
    const { connection, peer } = link;
    await within(begin(connection, Buffer.alloc(8)), 'the first frame');
    for (let i = 0; i < 50; i++) await within(next(connection, Buffer.alloc(8)), `frame ${i}`);
    await within(next(connection, Buffer.alloc(8), true), 'the last frame');
    await until(() => peer.frames.length === 52, 'all frames');
    connection.destroy();
  });

  test('if a second frame does not fit, the connection is closed with 1011 and nobody waits for the rest', async () => {
    const link = linked({ maxBufferedBytes: 1_000, closeTimeoutMs: 50 }, 100);
    const { connection, peer } = link;
    peer.duplex.pause();
    const reading = errorOf(() => within(connection.readMessage(), 'the read'));
    void begin(connection, Buffer.alloc(5_000));
    const beyond = next(connection, Buffer.alloc(5_000));
    const behind = errorOf(() => within(connection.flush(), 'whoever waits behind it'));
    const held = connection.bufferedBytes;
    assert.equal((await errorOf(() => next(connection, Buffer.alloc(5_000)))).code, 'ERR_FRAME_OVERLOADED');
    assert.ok(connection.bufferedBytes <= held + 4, 'it is not kept');
    assert.equal((await errorOf(() => next(connection, 'the end', true))).code, 'ERR_FRAME_CLOSED');
    assert.equal((await errorOf(() => connection.writeMessage('another'))).code, 'ERR_FRAME_CLOSED');
    assert.equal((await reading).code, 'ERR_FRAME_OVERLOADED');
    peer.duplex.resume();
    assert.equal((await peer.closing()).code, 1011);
    assert.deepEqual(lengths(link).slice(0, -1), ['1:5000', '0:5000']);
    await within(Promise.allSettled([beyond, behind]), 'all that waited');
    assert.equal(
      ((await within(connection.closed, 'the end')).error as { code?: string }).code,
      'ERR_FRAME_OVERLOADED',
    );
  });
});

describe('a message that is sent frame by frame behind another', () => {
  /** A stream whose end is in the test's hands. */
  function slowStream(connection: FrameConnection): { readonly end: () => void; readonly done: Promise<void> } {
    let end = (): void => {};
    const gate = new Promise<void>((resolve) => {
      end = resolve;
    });
    const source = async function* (): AsyncGenerator<string> {
      yield 'streamed';
      await gate;
    };
    return { done: connection.stream(source()), end };
  }

  test('keeps its frames together, in the order of the calls', async () => {
    const { connection, peer } = linked();
    const stream = slowStream(connection);
    const frames = [begin(connection, 'b1')];
    const message = connection.writeMessage('m');
    frames.push(next(connection, 'b2'), next(connection, 'b3', true));
    frames.push(begin(connection, 'c1'), next(connection, 'c2', true));
    const flushed = connection.flush();
    frames.push(begin(connection, 'd1'));
    const between = connection.flush();
    frames.push(next(connection, 'd2'));
    await pause(5);
    stream.end();
    await within(Promise.all([stream.done, message, flushed, between, ...frames]), 'everything that was given');
    await within(next(connection, 'd3', true), 'the last frame');
    await until(() => peer.frames.length === 10, 'all frames');
    assert.deepEqual(
      peer.frames.map(({ payload, fin }) => `${payload}${fin ? '.' : ''}`),
      ['streamed.', 'b1', 'b2', 'b3.', 'm.', 'c1', 'c2.', 'd1', 'd2', 'd3.'],
    );
    connection.destroy();
  });

  test('many of them are no burden on the stack', async () => {
    const { connection, peer } = linked();
    const stream = slowStream(connection);
    const count = 10_000;
    for (let i = 0; i < count; i++) {
      void begin(connection, 'a');
      void next(connection, 'z', true);
    }
    stream.end();
    await within(connection.flush(), 'all of them');
    await until(() => peer.frames.length === 2 * count + 1, 'all frames');
    assert.equal(connection.state, 'open');
    connection.destroy();
  });

  test('and as many messages as may wait leave in time that grows with their number alone', async () => {
    const { connection } = linked({ maxBufferedBytes: 100_000 * 256 });
    const timeOf = async (count: number): Promise<number> => {
      const stream = slowStream(connection);
      for (let i = 0; i < count; i++) void connection.writeMessage('');
      const began = performance.now();
      stream.end();
      await within(connection.flush(), 'all of them');
      return performance.now() - began;
    };
    await timeOf(10_000);
    const few = Math.max(await timeOf(10_000), await timeOf(10_000));
    // The best of some, for others may keep the machine busy meanwhile.
    let many = Infinity;
    for (let round = 0; round < 10 && many >= 60 * few; round++) many = Math.min(many, await timeOf(100_000 - 2));
    assert.ok(many < 60 * few, `${few} ms for 10,000 and ${many} ms for 100,000`);
    connection.destroy();
  });

  test('a flush that waits serves all who ask for one, until something else is given', async () => {
    const { connection, peer } = linked();
    const stream = slowStream(connection);
    const first = connection.flush();
    assert.equal(connection.flush(), first);
    void connection.writeMessage('then');
    const second = connection.flush();
    assert.notEqual(second, first);
    assert.equal(connection.flush(), second);
    stream.end();
    await within(Promise.all([first, second]), 'both');
    await until(() => peer.frames.length === 2, 'all frames');
    assert.notEqual(connection.flush(), second);
    connection.destroy();
  });

  test('empty ones among those that wait have a bound, too', async () => {
    const { connection, peer } = linked({ maxBufferedBytes: 1_000 });
    const stream = slowStream(connection);
    const most = 1_024;
    for (let i = 0; i < most; i++) void connection.writeMessage('');
    assert.equal((await errorOf(() => connection.writeMessage(''))).code, 'ERR_FRAME_OVERLOADED');
    assert.equal((await errorOf(() => begin(connection, ''))).code, 'ERR_FRAME_OVERLOADED');
    stream.end();
    await within(connection.flush(), 'all of them');
    await within(connection.writeMessage('then'), 'another one');
    await until(() => peer.frames.length === most + 2, 'all frames');
    assert.equal(peer.frames.at(-1)?.payload.toString(), 'then');
    connection.destroy();
  });

  test('control frames do not wait, and are taken however many messages do', async () => {
    const { connection, peer } = linked({ maxBufferedBytes: 1_000 });
    slowStream(connection);
    for (let i = 0; i < 2_000; i++) void connection.writeMessage('');
    assert.equal((await errorOf(() => connection.writeMessage(''))).code, 'ERR_FRAME_OVERLOADED');
    await within(connection.ping(Buffer.from('one')), 'a Ping');
    await within(connection.pong(), 'a Pong');
    await within(connection.writeFrame({ opcode: opcode.ping, payload: Buffer.from('two') }), 'a Ping as a frame');
    await until(() => peer.frames.length >= 3, 'all three');
    const controls = peer.frames.filter(({ opcode: code }) => code > 7);
    assert.deepEqual(
      controls.map(({ opcode: code, payload }) => `${code}:${payload}`),
      ['9:one', '10:', '9:two'],
    );
    connection.destroy();
  });

  test('empty fragments without end, while their message waits, end the connection', async () => {
    const { connection, peer } = linked({ maxBufferedBytes: 1_000 });
    slowStream(connection);
    void begin(connection, '');
    const refusals: string[] = [];
    for (let i = 0; i < 2_000; i++) next(connection, '').catch((error: { code: string }) => refusals.push(error.code));
    assert.equal((await peer.closing()).code, 1_011);
    await until(() => refusals.length === 2_000, 'all refusals');
    assert.ok(refusals.includes('ERR_FRAME_OVERLOADED'), `${[...new Set(refusals)]}`);
    connection.destroy();
  });

  test('is refused if it is not ended when the connection closes; what was before it goes out', async () => {
    const { connection, peer } = linked();
    const stream = slowStream(connection);
    const message = connection.writeMessage('before');
    const frames = [begin(connection, 'b1'), next(connection, 'b2'), connection.writeMessage('behind')];
    const refusals = frames.map((frame) => errorOf(() => within(frame, 'a refusal')));
    const closed = connection.close(4_000);
    for (const { code } of await Promise.all(refusals)) assert.equal(code, 'ERR_FRAME_CLOSED');
    stream.end();
    await within(Promise.all([stream.done, message]), 'what was before it');
    assert.equal((await peer.closing()).code, 4_000);
    assert.deepEqual(
      peer.frames.slice(0, -1).map(({ payload }) => payload.toString()),
      ['streamed', 'before'],
    );
    peer.close(4_000);
    assert.equal((await within(closed, 'the end')).clean, true);
  });

  test('lets no second one begin before its last frame', async () => {
    const { connection } = linked();
    const stream = slowStream(connection);
    void begin(connection, 'b');
    assert.equal((await errorOf(() => begin(connection, 'c'))).code, 'ERR_FRAME_SEQUENCE');
    stream.end();
    await within(next(connection, 'end', true), 'its end');
    connection.destroy();
  });
});
