import { Buffer } from 'node:buffer';
import type { Duplex } from 'node:stream';
import { EngineError } from '../shared/errors/index.ts';
import { closeStatus, encodeCloseBody, parseCloseBody } from './close-body.ts';
import { type CloseInfo, Closing, type ConnectionState, closedError } from './closing.ts';
import { connectionConfig, type FrameConnectionOptions } from './connection-options.ts';
import { DemandReader } from './demand-reader.ts';
import { optionInvalid, wholeNumber } from './frame-error.ts';
import { FrameOutput } from './frame-output.ts';
import { KeepAlive, type KeepAliveOptions } from './keep-alive.ts';
import { type Frame, type Message, MessageReader } from './message-reader.ts';
import { type FrameToWrite, MessageWriter, type StreamOptions } from './message-writer.ts';
import { controlLimitBytes, type MessageOpcode, opcode, reservedBit } from './opcode.ts';
import type { StreamSource } from './streamed-message.ts';
import { WriteRoom } from './write-room.ts';

const pongFirst = 0x80 | opcode.pong;
const nothing = Buffer.alloc(0);
const maxTimerMs = 0x7fff_ffff;

/**
 * A WebSocket over any duplex stream whose handshake is done (RFC 6455 sections 5 to 8). Messages are read one by one,
 * as the caller asks for them; what nobody asks for stays in the stream, and holds the peer back.
 */
export class FrameConnection implements AsyncIterable<Message> {
  /** The stream below. Reading from it or writing to it breaks the connection. */
  readonly duplex: Duplex;
  readonly role: 'server' | 'client';
  /**
   * Settles when the stream is gone. Never rejects. After a connection was lost, messages that had come can still be
   * read: to get them all, read to the end first.
   */
  readonly closed: Promise<CloseInfo>;
  readonly #handlers: Pick<FrameConnectionOptions, 'onPing' | 'onPong' | 'onClose'>;
  readonly #ownsBuffers: boolean;
  readonly #reader: DemandReader;
  readonly #output: FrameOutput;
  readonly #writer: MessageWriter;
  readonly #closing: Closing;
  /** Chunks of input so far. */
  #inputs = 0;
  /** The last Ping that came while the peer took nothing; older ones need no answer (RFC 6455 section 5.5.3). */
  #duePong: Buffer | null = null;
  #keepAlive: KeepAlive | null = null;

  /** Throws ERR_OPTION_INVALID. No handler is called before this turn of the event loop is over. */
  constructor(duplex: Duplex, options: FrameConnectionOptions) {
    const config = connectionConfig(duplex, options);
    const { deflate, role, closeTimeoutMs, writeTimeoutMs } = config;
    this.duplex = duplex;
    this.role = role;
    this.#handlers = options;
    this.#ownsBuffers = config.ownsBuffers;
    const compressor = deflate?.compressor ?? null;
    // The compressor is freed after two ends: reading has ended, and the stream is gone.
    let uses = 2;
    const freeCompressor = (): void => {
      uses -= 1;
      if (uses === 0) compressor?.close();
    };
    const pace = { readAheadBytes: config.readAheadBytes, heldCloseMs: closeTimeoutMs };
    const reader = new DemandReader(duplex, new MessageReader({ ...config, compressor }), pace, {
      control: (frame) => this.#onControl(frame),
      fault: (error) => this.#closing.fail(error),
      emptied: () => this.#output.expectAnswer(),
      exhausted: (within) => this.#closing.exhausted(within),
      ended: () => freeCompressor(),
    });
    const output = new FrameOutput(duplex, {
      masks: role === 'client',
      consumes: config.ownsBuffers,
      onBlocked: () => room.watch(),
    });
    const stalled = (error: EngineError): void => this.#closing.lose(error);
    const room = new WriteRoom(duplex, writeTimeoutMs, () => output.handedOver, this.#onDrain, stalled);
    const writer = new MessageWriter({
      output,
      deflate,
      maxBufferedBytes: config.maxBufferedBytes,
      reservedBits: config.reservedBits | (deflate === null ? 0 : reservedBit.rsv1),
      room: () => (output.isBlocked ? room.wait() : output.turn()),
      broken: (error) => this.#closing.fail(error),
    });
    this.#reader = reader;
    this.#output = output;
    this.#writer = writer;
    let settle: (info: CloseInfo) => void = () => {};
    this.closed = new Promise((resolve) => {
      settle = resolve;
    });
    const onEnding = (): void => this.#keepAlive?.stop();
    const onClosed = (info: CloseInfo): void => {
      freeCompressor();
      settle(info);
    };
    this.#closing = new Closing({ duplex, role, closeTimeoutMs, reader, output, writer, room, onEnding, onClosed });
    this.#listen(options.head ?? nothing);
  }

  #listen(head: Uint8Array): void {
    const { duplex } = this;
    // This side decides when it ends: a peer may end its direction before its last message is answered.
    duplex.allowHalfOpen = true;
    duplex.on('error', (error: Error) => {
      const text = `the stream failed: ${error.message}`;
      this.#closing.lose(new EngineError('ERR_FRAME_CONNECTION_LOST', text, { cause: error }));
    });
    duplex.on('close', () => this.#closing.streamClosed());
    duplex.on('end', () => this.#closing.inputEnded());
    process.nextTick(() => {
      if (head.length > 0) this.#onData(Buffer.from(head));
      duplex.on('data', this.#onData);
      if (duplex.destroyed) this.#closing.streamClosed();
      else if (duplex.readableEnded) this.#closing.inputEnded();
      else if (!this.#reader.isHeldBack) duplex.resume();
    });
  }

  get state(): ConnectionState {
    return this.#closing.state;
  }

  /** Bytes that were written here and not taken by the system. */
  get bufferedBytes(): number {
    return this.#writer.bufferedBytes;
  }

  /**
   * The next message; null once a Close frame has come, or after `close`. Rejects with what the peer did wrong
   * (`frameErrorFamily` tells), or with ERR_FRAME_CONNECTION_LOST or ERR_FRAME_TRUNCATED if it went without a Close
   * frame. One read at a time: another one gets ERR_FRAME_BUSY.
   */
  readMessage(): Promise<Message | null> {
    return this.#reader.read('message', 'value') as Promise<Message | null>;
  }

  /**
   * The next data frame as it is, its payload unmasked but not inflated; null at the end, as for `readMessage`. Control
   * frames are handled meanwhile. A message that was begun so is read to its end so.
   */
  readFrame(): Promise<Frame | null> {
    return this.#reader.read('frame', 'value') as Promise<Frame | null>;
  }

  /** All messages up to the end. Leaving the loop leaves the connection open. */
  [Symbol.asyncIterator](): AsyncIterator<Message, undefined> {
    return {
      next: () => this.#reader.read('message', 'iterator') as Promise<IteratorResult<Message, undefined>>,
      return: () => Promise.resolve({ done: true, value: undefined }),
    };
  }

  /**
   * Sends a message. A string is text; bytes are binary unless `kind` says text, and then they must be UTF-8. Messages
   * leave in the order of the calls. The promise resolves when more can be written without piling up, and the payload's
   * memory is yours again. Rejects with ERR_FRAME_CLOSED, ERR_FRAME_OVERLOADED, or how the connection was lost; a
   * rejection that nobody looks at does no harm.
   */
  writeMessage(payload: string | Uint8Array, kind?: MessageOpcode): Promise<void> {
    const isText = typeof payload === 'string';
    if (!isText && !(payload instanceof Uint8Array)) {
      return Promise.reject(optionInvalid('payload', payload, 'a string or a Uint8Array'));
    }
    const code = kind ?? (isText ? opcode.text : opcode.binary);
    if (code !== opcode.text && code !== opcode.binary) {
      return Promise.reject(optionInvalid('kind', kind, 'text (1) or binary (2)'));
    }
    return this.#writer.writeMessage(payload, code);
  }

  /**
   * Sends a frame as it is. A data frame without `fin` begins a message, whose other frames are continuations. Other
   * messages wait for its last frame; control frames do not. One continuation may exceed `maxBufferedBytes`. If there
   * is no room before another one, that one is refused, and the connection is closed with 1011. A Close frame begins
   * the closing handshake.
   */
  writeFrame(frame: FrameToWrite): Promise<void> {
    const { payload } = frame;
    if (!(payload instanceof Uint8Array)) return Promise.reject(optionInvalid('payload', payload, 'a Uint8Array'));
    if (frame.opcode !== opcode.close) return this.#writer.writeFrame(frame);
    const body = this.#writer.frameFault(frame) ?? parseCloseBody(payload);
    if (body instanceof EngineError) return Promise.reject(body);
    this.#closing.begin(payload.slice());
    return Promise.resolve();
  }

  /**
   * Sends one message in frames of `chunkBytes` (default 4,096), as fast as its source gives and the peer takes. Its
   * last frame is empty only if the message is. If the source fails after a frame has left, the connection is closed
   * with 1011, since the peer waits for the rest. The promise rejects with the source's error.
   */
  stream(source: StreamSource, chunkBytes?: number | StreamOptions): Promise<void> {
    const options = typeof chunkBytes === 'object' ? chunkBytes : chunkBytes === undefined ? {} : { chunkBytes };
    return this.#writer.stream(source, options);
  }

  /**
   * Hands over at once what would leave at the end of this turn. Resolves when everything accepted so far is with the
   * operating system, waiting messages and streams included. The peer need not have it yet. Rejects with
   * ERR_FRAME_CLOSED once nothing more is sent, or with how the connection was lost if that comes first.
   */
  flush(): Promise<void> {
    return this.#writer.flush();
  }

  /** Sends a Ping, also between the fragments of a message. At most 125 bytes. */
  ping(payload: Uint8Array = nothing): Promise<void> {
    return this.#control(opcode.ping, payload);
  }

  /** Sends a Pong that nobody asked for; Pings are answered without it. At most 125 bytes. */
  pong(payload: Uint8Array = nothing): Promise<void> {
    return this.#control(opcode.pong, payload);
  }

  #control(code: number, payload: Uint8Array): Promise<void> {
    if (payload instanceof Uint8Array && payload.length <= controlLimitBytes) {
      return this.#writer.writeControl(code, payload);
    }
    return Promise.reject(optionInvalid('payload', payload, `a Uint8Array of at most ${controlLimitBytes} bytes`));
  }

  /**
   * Pings in a fixed rhythm. If no input comes within `pongTimeoutMs` of a Ping, the connection is given up with
   * ERR_FRAME_PONG_MISSED. While input is held back because nobody reads, the peer counts as alive. Calling it again
   * replaces it.
   */
  keepAlive(options: KeepAliveOptions): void {
    const intervalMs = wholeNumber('intervalMs', options.intervalMs, 0, 1, maxTimerMs);
    const pongTimeoutMs = wholeNumber('pongTimeoutMs', options.pongTimeoutMs, 0, 1, maxTimerMs);
    this.#keepAlive?.stop();
    if (this.state !== 'open') return;
    this.#keepAlive = new KeepAlive(
      { intervalMs, pongTimeoutMs },
      {
        inputs: () => this.#inputs,
        isHeldBack: () => this.#reader.isHeldBack,
        ping: () => void this.ping(),
        missed: () => {
          const text = `nothing came within ${pongTimeoutMs} ms of a Ping`;
          this.#closing.fail(new EngineError('ERR_FRAME_PONG_MISSED', text));
        },
      },
    );
  }

  /**
   * Closes. Accepted messages go out, then a Close frame. Then it waits for the peer's Close frame and the end of the
   * stream, for at most `closeTimeoutMs` in total. A pending read still gets the next message. From the first message
   * on that no read waits for, messages are dropped. Rejects with ERR_CLOSE_CODE_INVALID for a code that may not be
   * sent. The reason is cut to 123 bytes.
   */
  async close(code: number = closeStatus.normal, reason = ''): Promise<CloseInfo> {
    this.#closing.begin(encodeCloseBody(code, reason));
    return this.closed;
  }

  /** Gives the connection up at once, without a Close frame. Reads that wait reject with `error`. */
  destroy(error: Error = closedError()): void {
    this.#reader.end(error);
    this.#closing.lose(error);
  }

  readonly #onData = (chunk: unknown): void => {
    this.#inputs += 1;
    if (!(chunk instanceof Uint8Array)) {
      this.destroy(optionInvalid('duplex', typeof chunk, 'a stream of bytes, without an encoding'));
    } else if (Buffer.isBuffer(chunk)) {
      this.#reader.push(chunk, this.#ownsBuffers);
    } else {
      this.#reader.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength), this.#ownsBuffers);
    }
  };

  #onControl(frame: Frame): void {
    const { payload } = frame;
    const { onPing, onPong, onClose } = this.#handlers;
    if (frame.opcode === opcode.ping) {
      this.#answer(payload);
      this.#observe(onPing?.(payload));
    } else if (frame.opcode === opcode.pong) {
      this.#observe(onPong?.(payload));
    } else {
      const body = parseCloseBody(payload);
      if (body instanceof EngineError) throw body;
      this.#closing.peerClosed(body, payload.subarray(0, 2), () => this.#observe(onClose?.(body.code, body.reason)));
    }
  }

  /** A handler may be async: what it rejects with counts as thrown. */
  #observe(said: unknown): void {
    if (said instanceof Promise) said.catch((error: unknown) => this.#closing.fail(error));
  }

  #answer(payload: Buffer): void {
    if (!this.#closing.maySend) return;
    if (this.#output.isBlocked) this.#duePong = Buffer.from(payload);
    else this.#output.frame(pongFirst, payload);
  }

  readonly #onDrain = (): void => {
    const due = this.#duePong;
    this.#duePong = null;
    if (due !== null && this.#closing.maySend) this.#output.frame(pongFirst, due);
  };
}
