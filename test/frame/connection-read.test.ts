import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FrameConnection, type Message } from '#dist/frame/index.js';
import { opcode } from '../support/raw-frames.ts';
import { pause, until, within } from '../support/waiting.ts';
import { duplexPair } from './duplex-pair.ts';
import { errorOf, hex } from './frame-fixture.ts';
import { linked, RawPeer } from './raw-peer.ts';

function shown(message: Message | null): string {
  return message === null ? 'end' : `${message.opcode}:${message.payload.toString()}`;
}

describe('reading messages', () => {
  test('gives a message in one frame', async () => {
    const { connection, peer } = linked();
    peer.text('hello frames');
    assert.equal(shown(await connection.readMessage()), '1:hello frames');
    connection.destroy();
  });

  test('puts fragments together and keeps the first opcode', async () => {
    const { connection, peer } = linked();
    peer.send({ opcode: opcode.binary, fin: false, payload: 'part1 ' });
    peer.send({ opcode: opcode.continuation, fin: false });
    peer.send({ opcode: opcode.continuation, payload: 'part2' });
    assert.equal(shown(await connection.readMessage()), '2:part1 part2');
    connection.destroy();
  });

  test('handles a control frame inside a message', async () => {
    const pings: string[] = [];
    const pongs: string[] = [];
    const { connection, peer } = linked({
      onPing: (payload) => pings.push(payload.toString()),
      onPong: (payload) => pongs.push(payload.toString()),
    });
    peer.send({ opcode: opcode.text, fin: false, payload: 'a' });
    peer.send({ opcode: opcode.ping, payload: 'mid' });
    peer.send({ opcode: opcode.pong, payload: 'unasked' });
    peer.send({ opcode: opcode.continuation, payload: 'b' });
    assert.equal(shown(await connection.readMessage()), '1:ab');
    assert.deepEqual([pings, pongs], [['mid'], ['unasked']]);
    const pong = await peer.frame();
    assert.deepEqual([pong.opcode, pong.payload.toString(), pong.masked], [opcode.pong, 'mid', false]);
    connection.destroy();
  });

  test('answers pings also while nobody reads, but keeps data for whoever will', async () => {
    const { connection, peer } = linked();
    for (const payload of ['', 'x'.repeat(14), 'y'.repeat(125)]) {
      peer.send({ opcode: opcode.ping, payload });
      const pong = await peer.frame();
      assert.deepEqual([pong.opcode, pong.payload.toString()], [opcode.pong, payload]);
    }
    peer.text('later');
    peer.send({ opcode: opcode.ping, payload: 'behind' });
    await pause(20);
    assert.equal(peer.frames.length, 3, 'a ping behind a message waits for its reader');
    assert.equal(shown(await connection.readMessage()), '1:later');
    assert.equal((await peer.frame()).payload.toString(), 'behind');
    connection.destroy();
  });

  test('refuses a message over the limit before its payload comes', async () => {
    const { connection, peer } = linked({ maxMessageBytes: 20 });
    peer.send({ opcode: opcode.binary, payload: 'x'.repeat(20) });
    assert.equal((await connection.readMessage())?.payload.length, 20);
    peer.write(hex('8299 00000000'));
    const error = await errorOf(() => connection.readMessage());
    assert.equal(error.code, 'ERR_FRAME_MESSAGE_TOO_LONG');
    assert.equal((await peer.closing()).code, 1009);
  });

  test('counts the whole message, and the frame by itself', async () => {
    const whole = linked({ maxMessageBytes: 20 });
    whole.peer.send({ opcode: opcode.binary, fin: false, payload: 'x'.repeat(15) });
    whole.peer.send({ opcode: opcode.continuation, payload: 'x'.repeat(6) });
    assert.equal((await errorOf(() => whole.connection.readMessage())).code, 'ERR_FRAME_MESSAGE_TOO_LONG');
    const frame = linked({ maxFrameBytes: 5 });
    frame.peer.send({ opcode: opcode.binary, fin: false, payload: 'x'.repeat(5) });
    frame.peer.send({ opcode: opcode.continuation, payload: 'x'.repeat(6) });
    assert.equal((await errorOf(() => frame.connection.readMessage())).code, 'ERR_FRAME_TOO_LONG');
    assert.equal((await frame.peer.closing()).code, 1009);
  });

  test('fails fast for text that is not UTF-8, inside a frame and between frames', async () => {
    const split = linked();
    // The header announces 20 bytes; the third one cannot be.
    split.peer.write(hex('0194 00000000 ceba ff'));
    assert.equal((await errorOf(() => split.connection.readMessage())).code, 'ERR_FRAME_UTF8');
    assert.equal((await split.peer.closing()).code, 1007);
    const tail = linked();
    tail.peer.send({ opcode: opcode.text, payload: hex('ceba e1') });
    assert.equal((await errorOf(() => tail.connection.readMessage())).code, 'ERR_FRAME_UTF8');
    const character = linked();
    character.peer.send({ opcode: opcode.text, fin: false, payload: hex('d0') });
    character.peer.send({ opcode: opcode.ping });
    character.peer.send({ opcode: opcode.continuation, payload: hex('81') });
    assert.equal(shown(await character.connection.readMessage()), '1:Ё');
    character.connection.destroy();
  });

  const violations: [string, string, number][] = [
    ['83 80 00000000', 'ERR_FRAME_OPCODE', 1002],
    ['8b 80 00000000', 'ERR_FRAME_OPCODE', 1002],
    ['c1 80 00000000', 'ERR_FRAME_RESERVED_BITS', 1002],
    ['a1 80 00000000', 'ERR_FRAME_RESERVED_BITS', 1002],
    ['91 80 00000000', 'ERR_FRAME_RESERVED_BITS', 1002],
    ['81 00', 'ERR_FRAME_MASK', 1002],
    ['09 80 00000000', 'ERR_FRAME_CONTROL', 1002],
    ['89 fe 007e 00000000', 'ERR_FRAME_CONTROL', 1002],
    ['89 ff 7fffffffffffffff 00000000', 'ERR_FRAME_TOO_LONG', 1009],
    ['82 ff ffffffffffffffff 00000000', 'ERR_FRAME_LENGTH', 1002],
    ['82 ff 7fffffffffffffff 00000000', 'ERR_FRAME_TOO_LONG', 1009],
    ['82 ff 00000001 00000000 00000000', 'ERR_FRAME_MESSAGE_TOO_LONG', 1009],
    ['82 fe 0001 00000000 aa', 'ERR_FRAME_LENGTH', 1002],
    ['80 80 00000000', 'ERR_FRAME_SEQUENCE', 1002],
    ['01 80 00000000 81 80 00000000', 'ERR_FRAME_SEQUENCE', 1002],
    ['88 81 00000000 03', 'ERR_FRAME_CLOSE_BODY', 1002],
    ['88 82 00000000 03ed', 'ERR_FRAME_CLOSE_BODY', 1002],
    ['88 83 00000000 03e8 ff', 'ERR_FRAME_UTF8', 1007],
  ];
  for (const [bytes, code, closeCode] of violations) {
    test(`of ${bytes} is ${code}, with a Close frame of ${closeCode}`, async () => {
      const { connection, peer } = linked();
      peer.write(hex(bytes));
      assert.equal((await errorOf(() => connection.readMessage())).code, code);
      assert.equal((await errorOf(() => connection.readMessage())).code, code, 'and again');
      const closing = await peer.closing();
      assert.equal(closing.code, closeCode);
      assert.notEqual(closing.reason, '');
      assert.equal(peer.frames.length, 1);
      await peer.ended();
      const { error, code: received } = await within(connection.closed, 'the end');
      assert.equal((error as { code?: string }).code, code);
      assert.equal(received, 1006);
    });
  }

  test('a client refuses masked frames, and masks its Close frame right', async () => {
    const { connection, peer } = linked({ role: 'client' });
    peer.send({ opcode: opcode.text, payload: 'x', masked: true });
    assert.equal((await errorOf(() => connection.readMessage())).code, 'ERR_FRAME_MASK');
    assert.equal((await peer.closing()).code, 1002);
    assert.equal(peer.frames[0]?.masked, true);
    connection.destroy();
  });

  test('one byte at a time comes to the same', async () => {
    const { connection, peer } = linked();
    const frames = [
      { opcode: opcode.text, fin: false, payload: 'slow ' },
      { opcode: opcode.ping, payload: 'p' },
      { opcode: opcode.continuation, payload: 'x'.repeat(300) },
      { opcode: opcode.binary, payload: 'next' },
    ];
    const bytes = Buffer.concat(frames.map((frame) => peer.bytes(frame)));
    for (const byte of bytes) peer.write(Buffer.of(byte));
    assert.equal(shown(await connection.readMessage()), `1:slow ${'x'.repeat(300)}`);
    assert.equal(shown(await connection.readMessage()), '2:next');
    connection.destroy();
  });

  test('in tiny pieces holds about as much memory as bytes came', async () => {
    const { connection, peer } = linked();
    const size = 200_000;
    const bytes = peer.bytes({ opcode: opcode.binary, payload: Buffer.alloc(size, 'piece by piece ') });
    const read = connection.readMessage();
    for (let at = 0; at < bytes.length; at += 7) peer.write(bytes.subarray(at, at + 7));
    const message = await within(read, 'the message');
    assert.deepEqual(message?.payload, Buffer.alloc(size, 'piece by piece '));
    connection.destroy();
  });

  test('ends with an error when the stream ends without a Close frame', async () => {
    const between = linked();
    between.peer.text('last');
    between.peer.duplex.end();
    assert.equal(shown(await between.connection.readMessage()), '1:last');
    assert.equal((await errorOf(() => between.connection.readMessage())).code, 'ERR_FRAME_CONNECTION_LOST');
    for (const cut of ['81', '8185 000000', '8185 00000000 6162', '0181 00000000 61']) {
      const { connection, peer } = linked();
      peer.write(hex(cut));
      peer.duplex.end();
      assert.equal((await errorOf(() => connection.readMessage())).code, 'ERR_FRAME_TRUNCATED', cut);
      const { code, clean } = await within(connection.closed, 'the end');
      assert.deepEqual([code, clean], [1006, false]);
    }
  });

  test('one at a time: a second reader is refused', async () => {
    const { connection, peer } = linked();
    const first = connection.readMessage();
    assert.equal((await errorOf(() => connection.readMessage())).code, 'ERR_FRAME_BUSY');
    peer.text('for the first');
    assert.equal(shown(await first), '1:for the first');
    connection.destroy();
  });

  test('a handler that throws closes with 1011, and the read gets what it threw', async () => {
    const own = new Error('handler of the application');
    const { connection, peer } = linked({
      onPing: () => {
        throw own;
      },
    });
    peer.send({ opcode: opcode.ping });
    await assert.rejects(connection.readMessage(), own);
    assert.deepEqual(await peer.closing(), { code: 1011, reason: '' });
  });

  test('iterates over all messages up to the Close frame', async () => {
    const { connection, peer } = linked();
    for (let i = 0; i < 100; i++) peer.text(`m${i}`);
    peer.close(1000);
    const got: string[] = [];
    for await (const message of connection) got.push(message.payload.toString());
    assert.deepEqual(
      got,
      Array.from({ length: 100 }, (_, i) => `m${i}`),
    );
    assert.equal(await connection.readMessage(), null);
    for await (const message of connection) assert.fail(shown(message));
  });

  test('a loop that is left can be taken up again', async () => {
    const { connection, peer } = linked();
    peer.text('a');
    peer.text('b');
    for await (const message of connection) {
      assert.equal(shown(message), '1:a');
      break;
    }
    assert.equal(shown(await connection.readMessage()), '1:b');
    connection.destroy();
  });

  test('holds the peer back while nobody reads, and lets it go on when somebody does', async () => {
    const { connection, peer, pipe } = linked({ readAheadBytes: 10_000 }, 5_000);
    const payload = Buffer.alloc(1_000, 'x');
    for (let i = 0; i < 100; i++) peer.send({ opcode: opcode.binary, payload });
    await until(() => pipe.isPaused(), 'the stream to be paused');
    await pause(20);
    assert.ok(peer.duplex.writableLength > 50_000, `${peer.duplex.writableLength} bytes wait at the peer`);
    for (let i = 0; i < 100; i++) assert.deepEqual((await connection.readMessage())?.payload, payload);
    assert.equal(peer.duplex.writableLength, 0);
    connection.destroy();
  });

  test('keeps bytes that came with the handshake', async () => {
    const [near, far] = duplexPair();
    const peer = new RawPeer(far, 'client');
    const bytes = peer.bytes({ opcode: opcode.text, payload: 'early bird' });
    const connection = new FrameConnection(near, { role: 'server', head: bytes.subarray(0, 7) });
    peer.write(bytes.subarray(7));
    assert.equal(shown(await connection.readMessage()), '1:early bird');
    connection.destroy();
  });

  test('hands out memory that stays as it is', async () => {
    const { connection, peer } = linked({ ownsBuffers: false });
    const kept: Buffer[] = [];
    for (let i = 0; i < 200; i++) peer.send({ opcode: opcode.binary, payload: `kept ${i}` });
    for (let i = 0; i < 200; i++) kept.push((await connection.readMessage())?.payload ?? Buffer.alloc(0));
    for (let i = 0; i < 200; i++) peer.send({ opcode: opcode.binary, payload: 'x'.repeat(300) });
    for (let i = 0; i < 200; i++) await connection.readMessage();
    kept.forEach((payload, i) => {
      assert.equal(payload.toString(), `kept ${i}`);
      payload.fill(0);
    });
    connection.destroy();
  });

  test('leaves memory that is not its own untouched', async () => {
    const [near] = duplexPair();
    const connection = new FrameConnection(near, { role: 'server' });
    const peer = new RawPeer(duplexPair()[0], 'client');
    const bytes = peer.bytes({ opcode: opcode.text, payload: 'somebody else keeps this' });
    const before = Buffer.from(bytes);
    near.push(bytes);
    const message = await connection.readMessage();
    assert.equal(shown(message), '1:somebody else keeps this');
    message?.payload.fill(0);
    assert.deepEqual(bytes, before);
    connection.destroy();
  });
});

describe('reading frames', () => {
  test('gives data frames as they are, control frames handled', async () => {
    const { connection, peer } = linked();
    peer.send({ opcode: opcode.text, fin: false, payload: 'a' });
    peer.send({ opcode: opcode.ping, payload: 'p' });
    peer.send({ opcode: opcode.continuation, payload: '' });
    peer.text('message');
    const first = await connection.readFrame();
    assert.deepEqual([first?.fin, first?.opcode, first?.payload.toString()], [false, 1, 'a']);
    assert.equal((await errorOf(() => connection.readMessage())).code, 'ERR_FRAME_SEQUENCE', 'within a message');
    const second = await connection.readFrame();
    assert.deepEqual([second?.fin, second?.opcode, second?.payload.length], [true, 0, 0]);
    assert.equal(shown(await connection.readMessage()), '1:message');
    assert.equal((await peer.frame()).payload.toString(), 'p');
    peer.close(1000);
    assert.equal(await connection.readFrame(), null);
  });

  test('checks text as it comes here too', async () => {
    const { connection, peer } = linked();
    peer.send({ opcode: opcode.text, fin: false, payload: hex('ceba') });
    peer.send({ opcode: opcode.continuation, payload: hex('ff') });
    await connection.readFrame();
    assert.equal((await errorOf(() => connection.readFrame())).code, 'ERR_FRAME_UTF8');
  });
});
