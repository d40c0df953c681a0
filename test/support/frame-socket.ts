import { EventEmitter } from 'node:events';
import type { ConnectionOptions } from 'node:tls';
import { type DeflateOptions, dial, type FrameConnection, opcode } from '#dist/frame/index.js';
import { errorCode } from '#dist/shared/errors/index.js';
import { patienceMs } from './waiting.ts';

/** What tests do with a client's socket. A `WebSocket` of the `ws` package has this shape as well. */
export interface ClientSocket {
  /** The subprotocol that the server chose, '' if none. */
  readonly protocol: string;
  /** Names of the extensions that were agreed on. */
  readonly extensions: string;
  readonly readyState: number;
  readonly OPEN: number;
  /** Text goes as text, bytes as binary unless `options` says otherwise. */
  send(payload: string | Uint8Array): void;
  send(payload: string | Uint8Array, options: { readonly binary?: boolean }): void;
  close(code?: number, reason?: string): void;
  /** Ends it at once, without a Close frame. */
  terminate(): void;
  /** Reads no further: the server is held back. */
  pause(): void;
  resume(): void;
  on(event: 'message', listener: (payload: Buffer, binary: boolean) => void): unknown;
  on(event: 'ping', listener: (payload: Buffer) => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'close', listener: (code: number, reason: string | Buffer) => void): unknown;
  once(event: 'open', listener: () => void): unknown;
  once(event: 'error', listener: (error: Error) => void): unknown;
  once(event: 'close', listener: (code: number, reason: string | Buffer) => void): unknown;
  removeAllListeners(event: 'message'): unknown;
}

export interface FrameSocketOptions {
  readonly protocols?: readonly string[];
  readonly headers?: Readonly<Record<string, string>>;
  readonly deflate?: DeflateOptions | null;
  readonly tls?: ConnectionOptions;
  /** Address of this machine to connect from. */
  readonly localAddress?: string;
}

interface FrameSocketEvents {
  open: [];
  message: [payload: Buffer, binary: boolean];
  ping: [payload: Buffer];
  /** It could not be opened; what goes wrong later is seen as its end. */
  error: [error: Error];
  /** After the last message. 1006: there was no Close frame. */
  close: [code: number, reason: string];
}

const connecting = 0;
const open = 1;
const closing = 2;
const closed = 3;

/** More than any test sends or gets at once. */
const maxBytes = 268_435_456;

/** A client's socket on the toolkit that this package exports as `shardwire/frame`, as a source of events. */
export class FrameSocket extends EventEmitter<FrameSocketEvents> implements ClientSocket {
  readonly OPEN: number = open;
  protocol = '';
  extensions = '';
  #connection: FrameConnection | null = null;
  readonly #aborter = new AbortController();
  #hasFailed = false;
  /** Settles when reading goes on; null: it does. */
  #pause: { readonly over: Promise<void>; end(): void } | null = null;

  constructor(url: string, options: FrameSocketOptions = {}) {
    super();
    void this.#live(url, options);
  }

  get readyState(): number {
    const state = this.#connection?.state;
    if (state === undefined) return this.#hasFailed ? closed : connecting;
    return state === 'open' ? open : state === 'closed' ? closed : closing;
  }

  send(payload: string | Uint8Array, { binary = typeof payload !== 'string' } = {}): void {
    if (this.#connection === null) throw new Error('the socket is not open yet');
    this.#connection.writeMessage(payload, binary ? opcode.binary : opcode.text).catch((error: unknown) => {
      // Whoever sends at the end need not know that it came. A message that is lost before is a fault of the test.
      if (errorCode(error) === 'ERR_FRAME_OVERLOADED') throw error;
    });
  }

  close(code?: number, reason?: string): void {
    if (this.#connection === null) this.#aborter.abort(new Error('closed before it was open'));
    else void this.#connection.close(code, reason);
  }

  terminate(): void {
    if (this.#connection === null) this.#aborter.abort(new Error('terminated before it was open'));
    else this.#connection.destroy();
  }

  pause(): void {
    if (this.#pause !== null || this.readyState === closed) return;
    let end = (): void => undefined;
    const over = new Promise<void>((resolve) => {
      end = resolve;
    });
    this.#pause = { over, end };
  }

  resume(): void {
    this.#pause?.end();
    this.#pause = null;
  }

  /** From the first byte to the last. What a listener throws rejects, and so fails the test. */
  async #live(url: string, options: FrameSocketOptions): Promise<void> {
    let connection: FrameConnection;
    try {
      connection = await this.#dial(url, options);
    } catch (error) {
      this.#hasFailed = true;
      this.emit('error', error as Error);
      this.emit('close', 1006, '');
      return;
    }
    this.#connection = connection;
    // Nobody is kept waiting for what comes no more.
    void connection.closed.then(() => this.resume());
    this.emit('open');
    await this.#read(connection);
    const { code, reason } = await connection.closed;
    this.emit('close', code, reason);
  }

  async #dial(url: string, options: FrameSocketOptions): Promise<FrameConnection> {
    const { protocols = [], headers = {}, deflate = null, tls = {}, localAddress } = options;
    const dialed = await dial(url, {
      ...(localAddress === undefined ? {} : { localAddress }),
      subprotocols: protocols,
      headers,
      deflate,
      tls,
      timeoutMs: patienceMs,
      signal: this.#aborter.signal,
      connection: {
        maxMessageBytes: maxBytes,
        maxBufferedBytes: maxBytes,
        // Shards are blocked on purpose, and clients paused: what takes long is for the test to say.
        writeTimeoutMs: 0,
        closeTimeoutMs: 2 * patienceMs,
        onPing: (payload) => this.emit('ping', payload),
      },
    });
    this.protocol = dialed.subprotocol ?? '';
    this.extensions = dialed.deflate === null ? '' : 'permessage-deflate';
    return dialed.connection;
  }

  async #read(connection: FrameConnection): Promise<void> {
    for (;;) {
      // Why it ended is in `closed`.
      const message = await connection.readMessage().catch(() => null);
      while (this.#pause !== null) await this.#pause.over;
      if (message === null) return;
      this.emit('message', message.payload, message.opcode === opcode.binary);
    }
  }
}
