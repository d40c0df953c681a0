import type { Socket as TcpSocket } from 'node:net';
import type { NativeSend } from './native-send.ts';
import type { Slab } from './slab.ts';

/** From this many waiting bytes on, they are written before the end of the turn, so that a full socket is noticed. */
const turnBytes = 65_536;

/** What all outboxes of a thread share. */
export interface OutboxHost {
  readonly slab: Slab;
  /** Null: everything goes through the stream. */
  readonly send: NativeSend | null;
  /** Something waits in it for the end of the turn. */
  wrote(outbox: Outbox): void;
}

/** Collects ranges that are written together when they do not lie side by side. */
let gathered: Buffer | null = null;

/**
 * Writes to one socket. Everything that it is given in one turn leaves in one write. It writes past the stream until
 * the system takes less than all, then through the stream until nothing waits there.
 */
export class Outbox {
  readonly #stream: TcpSocket;
  /** -1: it cannot be written to past the stream. */
  readonly #descriptor: number;
  readonly #host: OutboxHost;
  readonly #drained: () => void;
  /** Of this turn: what came before the last range, and that range. */
  readonly #parts: Uint8Array[] = [];
  #last: Buffer | null = null;
  #start = 0;
  #end = 0;
  #turnBytes = 0;
  #waitsForTurn = false;
  /** The stream has bytes that the peer has not read. */
  isBlocked = false;
  isClosed = false;

  /** `drained`: everything that waited in the stream is written. */
  constructor(stream: TcpSocket, descriptor: number, host: OutboxHost, drained: () => void) {
    this.#stream = stream;
    this.#descriptor = host.send === null ? -1 : descriptor;
    this.#host = host;
    this.#drained = drained;
  }

  /** Bytes that wait for the peer to read. What was given in this turn is written first. */
  get bufferedBytes(): number {
    this.flush();
    return this.#stream.writableLength;
  }

  /** Bytes of the slab, which may be used again after this turn. */
  addOfSlab(start: number, end: number): void {
    const { bytes } = this.#host.slab;
    if (this.isClosed) return;
    if (this.isBlocked) {
      this.#write(Buffer.from(bytes.subarray(start, end)));
      return;
    }
    if (this.#last === bytes && this.#end === start) {
      this.#end = end;
    } else {
      this.#seal();
      this.#last = bytes;
      this.#start = start;
      this.#end = end;
    }
    this.#added(end - start);
  }

  /** Bytes that nobody changes from here on. */
  add(bytes: Buffer): void {
    if (this.isClosed) return;
    if (this.isBlocked) {
      this.#write(bytes);
      return;
    }
    this.#seal();
    this.#last = bytes;
    this.#start = 0;
    this.#end = bytes.length;
    this.#added(bytes.length);
  }

  /** Writes what this turn has brought. */
  flush(): void {
    if (this.#turnBytes === 0) return;
    this.#seal();
    const parts = this.#parts.splice(0);
    this.#turnBytes = 0;
    if (this.isClosed) return;
    const [first] = parts;
    if (parts.length === 1 && first !== undefined) this.#send(first);
    else this.#sendTogether(parts);
  }

  /** The turn is over. */
  endTurn(): void {
    this.#waitsForTurn = false;
    this.flush();
  }

  /** Ends the stream behind everything that was given. */
  end(): void {
    this.flush();
    if (this.isClosed) return;
    this.isClosed = true;
    this.#stream.end();
  }

  #seal(): void {
    if (this.#last === null) return;
    this.#parts.push(this.#last.subarray(this.#start, this.#end));
    this.#last = null;
  }

  #added(length: number): void {
    this.#turnBytes += length;
    if (this.#turnBytes >= turnBytes) {
      this.flush();
    } else if (!this.#waitsForTurn) {
      this.#waitsForTurn = true;
      this.#host.wrote(this);
    }
  }

  #sendTogether(parts: readonly Uint8Array[]): void {
    gathered ??= Buffer.allocUnsafeSlow(2 * turnBytes);
    let used = 0;
    for (const part of parts) {
      if (used + part.length > gathered.length) {
        if (used > 0) this.#send(gathered.subarray(0, used));
        used = 0;
      }
      if (part.length > gathered.length) {
        this.#send(part);
      } else {
        gathered.set(part, used);
        used += part.length;
      }
    }
    if (used > 0) this.#send(gathered.subarray(0, used));
  }

  /** Bytes of the slab, or gathered ones, are overwritten afterwards: the stream gets a copy of them. */
  #send(bytes: Uint8Array): void {
    let taken = 0;
    if (!this.isBlocked && this.#descriptor >= 0 && this.#host.send !== null && !this.#stream.destroyed) {
      taken = Math.max(0, this.#host.send(this.#descriptor, bytes));
      if (taken === bytes.length) return;
    }
    const rest = bytes.subarray(taken);
    const isLent = bytes.buffer === this.#host.slab.bytes.buffer || bytes.buffer === gathered?.buffer;
    this.#write(isLent ? Buffer.from(rest) : rest);
  }

  #write(bytes: Uint8Array): void {
    if (this.#stream.destroyed || !this.#stream.writable) return;
    this.#stream.write(bytes, this.#written);
    this.isBlocked = this.#stream.writableLength > 0;
  }

  readonly #written = (): void => {
    if (!this.isBlocked || this.#stream.writableLength > 0) return;
    this.isBlocked = false;
    this.#drained();
  };
}
