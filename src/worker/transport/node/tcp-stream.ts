import { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';

/** What a connection hears of its stream. */
export interface StreamReader {
  /** `bytes[start … end]` may be changed, and are valid during the call. */
  read(bytes: Buffer, start: number, end: number): void;
  /** The peer has ended its side. */
  ended(): void;
  /** The stream is gone, with its descriptor. Called once. */
  gone(): void;
}

const bufferBytes = 131_072;
/** A stream with buffers of its own reads so much at a time. */
const fullReadBytes = 65_536;
/** What one connection may bring in one turn of the loop, before others are heard. */
const turnBytes = 262_144;

/** Reads of all streams of a thread go into one buffer: what is in it is dealt with before the next read. */
let shared: Buffer | null = null;

/** The bytes of one connection, over TCP or TLS. Reading can be paused, and yields to other connections. */
export class TcpStream {
  readonly stream: Socket | TLSSocket;
  #isPaused = false;
  #turnBytes = 0;
  #waitsForTurn = false;
  readonly #reader: StreamReader;

  /** Takes over a descriptor of an accepted, non-blocking TCP socket. */
  static ofDescriptor(descriptor: number, reader: (stream: TcpStream) => StreamReader): TcpStream {
    shared ??= Buffer.allocUnsafeSlow(bufferBytes);
    let tcp: TcpStream | null = null;
    const options = {
      fd: descriptor,
      readable: true,
      writable: true,
      allowHalfOpen: true,
      onread: {
        buffer: shared,
        callback: (length: number, bytes: Uint8Array): boolean => tcp?.received(bytes as Buffer, length) ?? true,
      },
    };
    tcp = new TcpStream(new Socket(options), reader);
    return tcp;
  }

  /** Takes over a stream that hands out buffers of its own. */
  static ofStream(stream: Socket | TLSSocket, reader: (stream: TcpStream) => StreamReader): TcpStream {
    const tcp = new TcpStream(stream, reader);
    stream.on('data', (bytes: Buffer) => {
      if (!tcp.received(bytes, bytes.length)) stream.pause();
    });
    return tcp;
  }

  private constructor(stream: Socket | TLSSocket, reader: (stream: TcpStream) => StreamReader) {
    this.stream = stream;
    this.#reader = reader(this);
    stream.setNoDelay(true);
    // The `close` event that follows ends the connection.
    stream.on('error', () => undefined);
    stream.on('end', () => this.#reader.ended());
    stream.on('close', () => this.#reader.gone());
  }

  /** False: no more is to be read for the moment. */
  received(bytes: Buffer, length: number): boolean {
    this.#turnBytes += length;
    this.#reader.read(bytes, 0, length);
    // After a short read nothing more waits. So bytes are summed across reads only for a connection that fills reads.
    if (this.#turnBytes >= fullReadBytes) this.#waitForTurn();
    else if (!this.#waitsForTurn) this.#turnBytes = 0;
    return !this.#isPaused && this.#turnBytes < turnBytes;
  }

  pause(): void {
    this.#isPaused = true;
    this.stream.pause();
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    if (!this.stream.destroyed) this.stream.resume();
  }

  destroy(): void {
    this.stream.destroy();
  }

  #waitForTurn(): void {
    if (this.#waitsForTurn) return;
    this.#waitsForTurn = true;
    setImmediate(() => {
      const wasHeld = this.#turnBytes >= turnBytes;
      this.#waitsForTurn = false;
      this.#turnBytes = 0;
      if (wasHeld && !this.#isPaused && !this.stream.destroyed) this.stream.resume();
    });
  }
}
