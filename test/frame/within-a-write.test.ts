import assert from 'node:assert/strict';
import { Duplex } from 'node:stream';
import { describe, test } from 'node:test';
import { FrameConnection } from '#dist/frame/index.js';
import { closePayload, type FrameToSend, frameBytes, opcode, type RawFrame, takeFrame } from '../support/raw-frames.ts';
import { pause, until, within } from '../support/waiting.ts';

/** A stream that is done with a buffer when its write is, and whose other end may answer before the write returns. */
class Answering extends Duplex {
  /** What it has written, taken apart. */
  readonly frames: RawFrame[] = [];
  /** Comes from within the next write. */
  answer: FrameToSend | null = null;
  /** Writes call back when `finish` is called. */
  isSlow = false;
  #unread: Buffer = Buffer.alloc(0);
  #done: (() => void) | null = null;

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.#take([chunk], done);
  }

  override _writev(chunks: { readonly chunk: Buffer }[], done: () => void): void {
    this.#take(
      chunks.map(({ chunk }) => chunk),
      done,
    );
  }

  override _read(): void {}

  #take(chunks: Buffer[], done: () => void): void {
    this.#unread = Buffer.concat([this.#unread, ...chunks]);
    for (let taken = takeFrame(this.#unread); taken !== undefined; taken = takeFrame(this.#unread)) {
      this.#unread = taken.rest;
      this.frames.push(taken.frame);
    }
    const { answer } = this;
    this.answer = null;
    if (answer !== null) this.send(answer);
    if (this.isSlow) this.#done = done;
    else done();
  }

  send(frame: FrameToSend): void {
    this.push(frameBytes({ masked: true, ...frame }));
  }

  finish(): void {
    const done = this.#done;
    this.#done = null;
    done?.();
  }

  get texts(): string[] {
    return this.frames.filter(({ opcode: code }) => code === opcode.text).map(({ payload }) => payload.toString());
  }
}

const pong: FrameToSend = { opcode: opcode.pong };

/** A connection that answers each Pong with a message. */
async function open(): Promise<{ stream: Answering; connection: FrameConnection }> {
  const stream = new Answering();
  const connection = new FrameConnection(stream, {
    role: 'server',
    ownsBuffers: true,
    onPong: () => void connection.writeMessage('from within'),
  });
  await pause(1);
  return { stream, connection };
}

describe('a stream that answers from within a write', () => {
  test('loses nothing that a handler writes then', async () => {
    const { stream, connection } = await open();
    stream.answer = pong;
    void connection.writeMessage('one');
    await until(() => stream.texts.length === 2, 'both messages');
    // Also when the slab is full, and the write makes room for the next frame.
    stream.answer = pong;
    const long = 'x'.repeat(15_000);
    for (let i = 0; i < 10; i++) void connection.writeMessage(long);
    void connection.writeMessage('last');
    await until(() => stream.texts.includes('last'), 'the last message');
    assert.deepEqual(
      stream.texts.filter((text) => text !== long),
      ['one', 'from within', 'from within', 'last'],
    );
    assert.equal(stream.texts.length, 14);
    assert.equal(connection.bufferedBytes, 0);
    connection.destroy();
  });

  test('keeps what it holds out of a flush that is called then', async () => {
    const stream = new Answering();
    let isFlushed = false;
    const connection = new FrameConnection(stream, {
      role: 'server',
      ownsBuffers: true,
      onPong: () => void connection.flush().then(() => (isFlushed = true)),
    });
    await pause(1);
    stream.answer = pong;
    void connection.writeMessage('one');
    await until(() => isFlushed, 'a flush of what is written');
    isFlushed = false;
    stream.isSlow = true;
    stream.answer = pong;
    void connection.writeMessage('two');
    await pause(5);
    assert.equal(isFlushed, false, 'the stream has not written it');
    stream.isSlow = false;
    stream.finish();
    await until(() => isFlushed, 'the flush');
    connection.destroy();
  });

  test('may be ended then', async () => {
    const stream = new Answering();
    const connection = new FrameConnection(stream, { role: 'server', ownsBuffers: true, closeTimeoutMs: 2_000 });
    await pause(1);
    stream.isSlow = true;
    stream.answer = { opcode: opcode.close, payload: closePayload(1000) };
    void connection.writeMessage('one');
    await pause(1);
    stream.isSlow = false;
    stream.finish();
    await until(() => stream.frames.length === 2, 'the Close frame');
    stream.push(null);
    const info = await within(connection.closed, 'the end');
    assert.deepEqual({ clean: info.clean, error: info.error }, { clean: true, error: undefined });
  });

  test('loses no answer while it writes several buffers', async () => {
    const { stream, connection } = await open();
    stream.isSlow = true;
    for (const text of ['one', 'two', 'three']) {
      void connection.writeMessage(text);
      await pause(1);
    }
    stream.send({ opcode: opcode.text, payload: 'to be answered' });
    await within(connection.readMessage(), 'the message');
    // 'two' and 'three' are written at once.
    stream.answer = pong;
    stream.isSlow = false;
    stream.finish();
    await until(() => stream.texts.length === 4, 'all messages');
    assert.deepEqual(stream.texts, ['one', 'two', 'three', 'from within']);
    connection.destroy();
  });
});
