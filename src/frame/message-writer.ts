import { Buffer } from 'node:buffer';
import { EngineError } from '../shared/errors/index.ts';
import { faultOf } from './check-header.ts';
import type { PermessageDeflate } from './deflate.ts';
import { optionInvalid, wholeNumber } from './frame-error.ts';
import type { FrameOutput, Written } from './frame-output.ts';
import { isControl, type MessageOpcode, opcode, reservedBit } from './opcode.ts';
import { StreamedMessage, type StreamSource } from './streamed-message.ts';
import { type PartedMessage, WriteLane } from './write-lane.ts';
import { lost, observed, pending, refused } from './write-promise.ts';

/** A frame to send as it is. */
export interface FrameToWrite {
  readonly opcode: number;
  readonly payload: Uint8Array;
  /** Default true. */
  readonly fin?: boolean;
  /** Reserved bits in place, of extensions that were negotiated. Default 0. */
  readonly rsv?: number;
}

export interface StreamOptions {
  /** Default binary. */
  readonly opcode?: MessageOpcode;
  /** Bytes of a frame, before compression. Default 4,096. */
  readonly chunkBytes?: number;
}

export interface MessageWriterOptions {
  readonly output: FrameOutput;
  readonly deflate: PermessageDeflate | null;
  readonly maxBufferedBytes: number;
  /** Reserved bits that frames may have, in place. */
  readonly reservedBits: number;
  /** A promise while the stream has enough to write; undefined: go on. */
  readonly room: () => Promise<void> | undefined;
  /** A message that was begun cannot be finished. */
  readonly broken: (error: unknown) => void;
}

const finBit = 0x80;
/** For `compress`: the piece is all there is of the message. */
const isWhole = true;
const maxChunkBytes = 1 << 24;
/** Memory that a waiting message takes beside its payload, approximately. */
const waitingEntryBytes = 256;
/** This many messages may always wait. */
const leastWaiting = 1_024;
/** Every call that need not wait returns this one. */
const done: Promise<void> = Promise.resolve();

/** Messages out: one at a time, compressed if that was negotiated, whole or in fragments. */
export class MessageWriter {
  readonly #options: MessageWriterOptions;
  readonly #output: FrameOutput;
  readonly #lane: WriteLane = new WriteLane();
  readonly #maxWaiting: number;
  /** Set when no new message is taken; those that were go out. */
  #closing: EngineError | null = null;
  /** Set when nothing may be written any more. */
  #ended: EngineError | null = null;
  /** A message that was begun by `writeFrame` and whose last frame was not given yet; it may still wait for its turn. */
  #begun: PartedMessage | null = null;
  /** Whether a frame of it was accepted beyond the bound. */
  #isOverBound = false;
  /** The last `flush` that had to wait for its turn. */
  #flushing: { readonly entry: object; readonly done: Promise<void> } | null = null;
  /** Rejects the promises that wait for the stream to write what it got. */
  readonly #rejectAtEnd = new Set<(error: EngineError) => void>();
  #abortStream: ((error: EngineError) => void) | null = null;

  constructor(options: MessageWriterOptions) {
    this.#options = options;
    this.#output = options.output;
    this.#maxWaiting = Math.max(leastWaiting, Math.floor(options.maxBufferedBytes / waitingEntryBytes));
  }

  /** Bytes that were accepted and not handed to the system. */
  get bufferedBytes(): number {
    return this.#output.pendingBytes + this.#lane.waitingBytes;
  }

  /** Why a frame of this size is not taken, or null. A message may have to wait: `#tooManyWaiting` can refuse it, too. */
  #refusal(bytes: number): EngineError | null {
    return this.#ended ?? this.#closing ?? this.#overload(this.bufferedBytes, bytes);
  }

  /** Empty messages that wait for their turn take memory, too. */
  #tooManyWaiting(): EngineError | null {
    const { waitingCount } = this.#lane;
    if (waitingCount < this.#maxWaiting) return null;
    const text = `${waitingCount} messages wait for their turn, and no more may`;
    return new EngineError('ERR_FRAME_OVERLOADED', text, { given: waitingCount + 1 });
  }

  #overload(buffered: number, bytes: number): EngineError | null {
    const { maxBufferedBytes } = this.#options;
    if (buffered === 0 || buffered + bytes <= maxBufferedBytes) return null;
    const text = `${buffered} bytes wait to be written, and no more than ${maxBufferedBytes} may`;
    return new EngineError('ERR_FRAME_OVERLOADED', text, { given: bytes });
  }

  /**
   * As `#refusal`, for a further frame of a message that has begun. Other messages wait for the end of this one, so
   * their bytes do not count here, and one frame may exceed the bound. If a second one exceeds it, the message cannot
   * be finished.
   */
  #partRefusal(message: PartedMessage, bytes: number): EngineError | null {
    const overload = this.#lane.isHeldBy(message)
      ? this.#overload(this.#output.pendingBytes, bytes)
      : (this.#tooManyWaiting() ?? this.#overload(this.bufferedBytes, bytes));
    if (overload !== null && this.#isOverBound) {
      this.#options.broken(overload);
      return overload;
    }
    this.#isOverBound = overload !== null;
    return null;
  }

  writeMessage(payload: string | Uint8Array, kind: MessageOpcode): Promise<void> {
    const size = typeof payload === 'string' ? Buffer.byteLength(payload) : payload.byteLength;
    const refusal = this.#refusal(size) ?? this.#tooManyWaiting();
    if (refusal !== null) return refused(refusal);
    if (this.#lane.isFree) return this.#send(payload, size, kind);
    return observed(this.#lane.enter(size, () => this.#send(payload, size, kind)));
  }

  #send(payload: string | Uint8Array, size: number, kind: MessageOpcode): Promise<void> {
    if (this.#ended !== null) return refused(this.#ended);
    const { deflate } = this.#options;
    if (deflate?.compresses === true && size >= deflate.thresholdBytes)
      return this.#sendDeflated(deflate, payload, kind);
    if (typeof payload === 'string') {
      this.#output.text(finBit | kind, payload, size);
      return this.#accepted();
    }
    return this.#sendBytes(finBit | kind, payload);
  }

  /** A frame whose payload the caller gets back when the promise resolves. */
  #sendBytes(first: number, payload: Uint8Array): Promise<void> {
    if (this.#output.copies(payload.length)) {
      this.#output.frame(first, payload);
      return this.#accepted();
    }
    return this.#whenWritten((written) => this.#output.frame(first, payload, written));
  }

  /** Resolves when `give` has called `written`, or rejects when it is known that it will not. */
  #whenWritten(give: (written: Written) => void): Promise<void> {
    const { promise, resolve, reject } = pending();
    this.#rejectAtEnd.add(reject);
    give((error) => {
      this.#rejectAtEnd.delete(reject);
      if (error) reject(this.#ended ?? lost(error));
      else resolve(this.#output.turn());
    });
    return observed(promise);
  }

  /** Resolves when everything accepted so far is with the system. */
  flush(): Promise<void> {
    if (this.#ended !== null) return refused(this.#ended);
    // Nothing was accepted since the last flush, which still waits.
    if (this.#flushing !== null && this.#flushing.entry === this.#lane.lastWaiting) return this.#flushing.done;
    // An unfinished message is flushed as far as its frames have come. Only messages behind it need its last frame.
    const begun = this.#begun === this.#lane.last ? this.#begun : null;
    const flushed = observed(this.#lane.enter(0, () => this.#flush(), begun));
    const entry = this.#lane.lastWaiting;
    this.#flushing = entry === null ? null : { entry, done: flushed };
    return flushed;
  }

  #flush(): Promise<void> {
    if (this.#ended !== null) return refused(this.#ended);
    return this.#whenWritten((written) => this.#output.flush(written));
  }

  #accepted(): Promise<void> {
    const wait = this.#options.room();
    return wait === undefined ? done : observed(wait);
  }

  #sendDeflated(deflate: PermessageDeflate, payload: string | Uint8Array, kind: MessageOpcode): Promise<void> {
    const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload;
    const first = finBit | reservedBit.rsv1 | kind;
    let deflated: Uint8Array | Promise<Uint8Array>;
    try {
      deflated = deflate.compressor.compress(bytes, isWhole);
    } catch (error) {
      this.#options.broken(error);
      return refused(error);
    }
    if (deflated instanceof Uint8Array) return this.#sendBytes(first, deflated);
    this.#lane.hold();
    return observed(this.#whenDeflated(deflated, first));
  }

  async #whenDeflated(deflated: Promise<Uint8Array>, first: number): Promise<void> {
    let bytes: Uint8Array;
    try {
      bytes = await deflated;
    } catch (error) {
      // The peer's compression context would no longer match ours.
      this.#options.broken(error);
      throw error;
    }
    if (this.#ended !== null) throw this.#ended;
    const sent = this.#sendBytes(first, bytes);
    this.#lane.release();
    await sent;
  }

  /** A data frame as it is. One that does not end its message keeps others out until one that does. */
  writeFrame(frame: FrameToWrite): Promise<void> {
    const { payload, opcode: code, fin = true, rsv = 0 } = frame;
    if (isControl(code)) {
      const fault = this.#refusal(payload.length) ?? this.frameFault(frame);
      return fault === null ? this.writeControl(code, payload) : refused(fault);
    }
    const fault = this.#ended ?? this.#closing ?? this.frameFault(frame);
    if (fault !== null) return refused(fault);
    const { length } = payload;
    const begun = this.#begun;
    const refusal =
      begun === null
        ? (this.#tooManyWaiting() ?? this.#overload(this.bufferedBytes, length))
        : this.#partRefusal(begun, length);
    if (refusal !== null) return refused(refusal);
    const message = begun ?? (fin ? null : { lastWaiting: null });
    this.#begun = fin ? null : message;
    if (begun === null) this.#isOverBound = false;
    const waits = this.#isOverBound;
    const send = (): Promise<void> => {
      if (this.#ended !== null) return refused(this.#ended);
      if (message !== null && !fin) this.#lane.hold(message);
      const sent = this.#sendBytes((fin ? finBit : 0) | rsv | code, payload);
      if (message !== null && fin) this.#lane.release();
      // A caller that awaits each frame always has room for the next one.
      return waits ? this.#flush() : sent;
    };
    return observed(this.#lane.enter(length, send, message));
  }

  /** What is wrong with a frame that is to be sent, or null. */
  frameFault(frame: FrameToWrite): EngineError | null {
    const { opcode: code, rsv = 0, fin = true, payload } = frame;
    const header = { fin, rsv, opcode: code, masked: false, maskKey: 0, length: payload.length };
    // While a message of another kind is under way, a new one may come: it waits its turn.
    return faultOf(header, undefined, this.#options.reservedBits, this.#begun !== null);
  }

  /** A control frame: it may stand between the fragments of a message. */
  writeControl(code: number, payload: Uint8Array): Promise<void> {
    const refusal = this.#refusal(payload.length);
    if (refusal !== null) return refused(refusal);
    this.#output.frame(finBit | code, payload);
    return this.#accepted();
  }

  /** A message whose bytes come bit by bit, in frames of `chunkBytes`. */
  stream(source: StreamSource, options: StreamOptions = {}): Promise<void> {
    const kind = options.opcode ?? opcode.binary;
    if (kind !== opcode.text && kind !== opcode.binary) {
      return refused(optionInvalid('opcode', kind, 'text (1) or binary (2)'));
    }
    let chunkBytes: number;
    try {
      chunkBytes = wholeNumber('chunkBytes', options.chunkBytes, 4_096, 1, maxChunkBytes);
    } catch (error) {
      return refused(error);
    }
    const refusal = this.#refusal(0) ?? this.#tooManyWaiting();
    if (refusal !== null) return refused(refusal);
    return observed(this.#lane.enter(0, () => this.#stream(source, kind, chunkBytes)));
  }

  #stream(source: StreamSource, kind: MessageOpcode, chunkBytes: number): Promise<void> {
    if (this.#ended !== null) return refused(this.#ended);
    this.#lane.hold();
    return new Promise((resolve, reject) => {
      const { deflate, room } = this.#options;
      const message = new StreamedMessage(kind, { output: this.#output, deflate, room });
      this.#abortStream = (error) => {
        message.abort(error);
        reject(error);
      };
      message
        .send(source, chunkBytes)
        .catch((error: unknown) => {
          this.#abortStream = null;
          // A message that was begun and cannot be finished ends the connection.
          if (message.hasBegun && this.#ended === null) this.#options.broken(error);
          throw error;
        })
        .finally(() => {
          this.#abortStream = null;
          if (this.#ended === null) this.#lane.release();
        })
        .then(resolve, reject);
    });
  }

  /** Resolves when all accepted messages are written. New ones are refused from now on. */
  finish(error: EngineError): Promise<void> {
    const begun = this.#begun;
    if (begun !== null) {
      // Its last frame will never come, and no other message may follow without it.
      this.#begun = null;
      const hasLeft = this.#lane.isHeldBy(begun);
      this.#lane.clear(error, hasLeft ? null : begun);
      if (hasLeft) this.#lane.release();
    }
    this.#closing = error;
    return observed(this.#lane.enter(0, () => done));
  }

  /** The stream is gone. Writes that are not done will never be, and some streams do not report that. */
  lose(error: EngineError): void {
    this.abort(error);
    for (const reject of this.#rejectAtEnd) reject(error);
    this.#rejectAtEnd.clear();
  }

  /** Nothing is written from now on; all that waits is refused with `error`. */
  abort(error: EngineError): void {
    if (this.#ended !== null) return;
    this.#ended = error;
    this.#lane.clear(error);
    this.#abortStream?.(error);
  }
}
