import type { Duplex } from 'node:stream';
import { EngineError, errorText } from '../shared/errors/index.ts';
import { type CloseBody, closeStatus, encodeCloseBody } from './close-body.ts';
import type { DemandReader } from './demand-reader.ts';
import { closeCodeFor, frameErrorFamily } from './frame-error.ts';
import type { FrameOutput } from './frame-output.ts';
import type { MessageWriter } from './message-writer.ts';
import { opcode } from './opcode.ts';
import type { WriteRoom } from './write-room.ts';

/** How a connection has ended. */
export interface CloseInfo {
  /** Of the peer's Close frame: 1005 if it named none, 1006 if no Close frame came. */
  readonly code: number;
  readonly reason: string;
  /** Both sides have sent a Close frame. */
  readonly clean: boolean;
  /** Why this side gave the connection up, or how it was lost; undefined if neither. */
  readonly error: unknown;
}

/**
 * `open`: messages go both ways. `closing`: `close` was called here. `ending`: no frame is written any more, and the
 * stream is coming to its end. `closed`: it has.
 */
export type ConnectionState = 'open' | 'closing' | 'ending' | 'closed';

export interface ClosingParts {
  readonly duplex: Duplex;
  readonly role: 'server' | 'client';
  readonly closeTimeoutMs: number;
  readonly reader: DemandReader;
  readonly output: FrameOutput;
  readonly writer: MessageWriter;
  readonly room: WriteRoom;
  /** The connection is no longer open. */
  readonly onEnding: () => void;
  readonly onClosed: (info: CloseInfo) => void;
}

const closeFirst = 0x80 | opcode.close;

/**
 * Ends a connection: by the closing handshake (RFC 6455 section 7), after a failure, or after the stream was lost.
 * Every path has the same deadline, and ends once.
 */
export class Closing {
  readonly #parts: ClosingParts;
  #state: ConnectionState = 'open';
  #sent = false;
  #received: CloseBody | null = null;
  #error: unknown;
  #deadline: NodeJS.Timeout | null = null;
  /** Whether messages that came before the stream was lost can still be read. */
  #readsOn = false;

  constructor(parts: ClosingParts) {
    this.#parts = parts;
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** Whether frames may be written. */
  get maySend(): boolean {
    return !this.#sent && this.#state !== 'ending' && this.#state !== 'closed';
  }

  /** Closes from this side. Accepted messages go out first, then a Close frame with `body`. */
  begin(body: Uint8Array): void {
    if (this.#state !== 'open') return;
    const { writer, reader } = this.#parts;
    this.#state = 'closing';
    this.#startDeadline();
    this.#parts.onEnding();
    writer.finish(closedError()).then(
      () => this.#sendClose(body),
      () => undefined,
    );
    reader.discards = true;
    reader.work();
  }

  /** The peer's Close frame has come. The answer carries its code alone, unless `notify` throws. */
  peerClosed(body: CloseBody, code: Uint8Array, notify: () => void): void {
    this.#received = body;
    this.#parts.reader.stop();
    notify();
    this.#sendClose(code);
    this.#parts.reader.end();
    this.#endStream();
  }

  /** The peer, or a handler, made it impossible to go on (RFC 6455 section 7.1.7). */
  fail(error: unknown): void {
    const { reader, writer } = this.#parts;
    if (this.#state === 'ending' || this.#state === 'closed') {
      // Input from before the stream was lost is invalid, or an async handler has failed meanwhile.
      this.#error ??= error;
      reader.end(this.#error);
      return;
    }
    this.#error ??= error;
    reader.end(error);
    writer.abort(closedError(error));
    // The peer is not told what a handler threw.
    const reason = frameErrorFamily(error) === undefined ? '' : errorText(error);
    this.#sendClose(encodeCloseBody(closeCodeFor(error), reason));
    this.#endStream();
  }

  #sendClose(body: Uint8Array): void {
    if (!this.maySend) return;
    const { output, writer, duplex } = this.#parts;
    this.#sent = duplex.writable;
    writer.abort(closedError());
    output.frame(closeFirst, body);
    output.flush();
  }

  /**
   * No more Close frames are expected. A server ends the stream; a client waits for the server to end it (section
   * 7.1.1).
   */
  #endStream(): void {
    if (this.#state === 'ending' || this.#state === 'closed') return;
    const { duplex, role, output, onEnding } = this.#parts;
    this.#state = 'ending';
    onEnding();
    this.#startDeadline();
    output.flush();
    if (role === 'server' || duplex.readableEnded) this.#endOutput();
  }

  #endOutput(): void {
    const { duplex, output } = this.#parts;
    output.end();
    duplex.end(() => {
      if (duplex.readableEnded) duplex.destroy();
    });
  }

  /** The peer has ended its direction of the stream. */
  inputEnded(): void {
    if (this.#state === 'closed') return;
    if (this.#state === 'ending') {
      if (!this.#readsOn) this.#endOutput();
      return;
    }
    // Unread data is kept until the deadline, because a Close frame may follow it.
    this.#startDeadline();
    this.#parts.reader.endInput();
  }

  /** All input is read, and it had no Close frame at its end. `within`: it ended inside a message. */
  exhausted(within: boolean): void {
    const { reader } = this.#parts;
    if (this.#state === 'closing') {
      reader.end();
      this.lose(undefined);
      return;
    }
    const text = within ? 'the stream ended within a message' : 'the stream ended without a Close frame';
    const error = new EngineError(within ? 'ERR_FRAME_TRUNCATED' : 'ERR_FRAME_CONNECTION_LOST', text, {
      cause: this.#error,
    });
    reader.end(this.#error ?? error);
    this.lose(error);
  }

  /** The stream is broken. Messages that have come can still be read. */
  lose(error: unknown): void {
    if (this.#state === 'closed') return;
    this.#error ??= error;
    this.#readsOn ||= this.#state === 'open';
    this.#state = 'ending';
    this.#release();
    const { duplex, closeTimeoutMs } = this.#parts;
    duplex.destroy();
    // Some streams never report that they are closed: a socket that cannot be reset, or a stream made without
    // `emitClose`.
    this.#deadline = setTimeout(() => this.streamClosed(), closeTimeoutMs);
  }

  #release(): void {
    const { writer, room, output, onEnding } = this.#parts;
    const error = closedError(this.#error);
    onEnding();
    writer.lose(error);
    room.end(error);
    output.end();
    if (this.#deadline !== null) clearTimeout(this.#deadline);
    this.#deadline = null;
  }

  /** The stream is gone. */
  streamClosed(): void {
    if (this.#state === 'closed') return;
    this.#parts.reader.handleHeldClose();
    const clean = this.#received !== null && this.#sent;
    if (this.#state === 'open') {
      this.#error ??= new EngineError('ERR_FRAME_CONNECTION_LOST', 'the stream was closed');
      this.#readsOn = true;
    }
    this.#state = 'closed';
    this.#release();
    const { reader, onClosed } = this.#parts;
    if (this.#readsOn) reader.endInput();
    else reader.end();
    const { code, reason } = this.#received ?? { code: closeStatus.abnormal, reason: '' };
    onClosed({ code, reason, clean, error: this.#error });
  }

  #startDeadline(): void {
    if (this.#deadline !== null) return;
    const { closeTimeoutMs } = this.#parts;
    this.#deadline = setTimeout(() => {
      this.#deadline = null;
      // Once both have sent a Close frame, a peer that lingers has done nothing wrong.
      if (this.#received !== null && this.#sent) {
        this.lose(undefined);
        return;
      }
      const text = `the peer did not end the connection within ${closeTimeoutMs} ms`;
      this.lose(new EngineError('ERR_FRAME_CLOSE_TIMEOUT', text));
    }, closeTimeoutMs);
  }
}

/** The error for a write after the connection began to close. */
export function closedError(cause?: unknown): EngineError {
  const text = 'the connection is closed or closing';
  return new EngineError('ERR_FRAME_CLOSED', text, cause === undefined ? {} : { cause });
}
