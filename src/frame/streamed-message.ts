import { Buffer } from 'node:buffer';
import type { EngineError } from '../shared/errors/index.ts';
import type { Compressor } from './compressor.ts';
import type { PermessageDeflate } from './deflate.ts';
import { Fragmenter } from './fragmenter.ts';
import { optionInvalid } from './frame-error.ts';
import type { FrameOutput } from './frame-output.ts';
import { type MessageOpcode, opcode, reservedBit } from './opcode.ts';

type StreamPiece = Uint8Array | string;

/** Where a streamed message comes from: bytes, or pieces of it, at once or in time (a `Readable` is such a source). */
export type StreamSource = StreamPiece | Iterable<StreamPiece> | AsyncIterable<StreamPiece>;

export interface StreamedMessageParts {
  readonly output: FrameOutput;
  readonly deflate: PermessageDeflate | null;
  readonly room: () => Promise<void> | undefined;
}

const finBit = 0x80;

/** Where a chunk stands in its message: the last one ends it. */
type ChunkPlace = 'inner' | 'last';

/** One message that leaves in frames of a fixed size, as fast as its source gives and the peer takes. */
export class StreamedMessage {
  readonly #parts: StreamedMessageParts;
  readonly #opcode: number;
  readonly #compressor: Compressor | null;
  readonly #rsv: number;
  #aborted: EngineError | null = null;
  #stopSource: (() => void) | null = null;
  #isFirst = true;
  /** Whether the message must be finished: a frame is on its way, or the compressor has seen some of it. */
  hasBegun = false;

  constructor(kind: MessageOpcode, parts: StreamedMessageParts) {
    this.#opcode = kind;
    this.#parts = parts;
    this.#compressor = parts.deflate?.compresses === true ? parts.deflate.compressor : null;
    this.#rsv = this.#compressor === null ? 0 : reservedBit.rsv1;
  }

  /** Sends no more frames, and tells the source to stop, even if the source never gives another piece. */
  abort(error: EngineError): void {
    this.#aborted = error;
    this.#stopSource?.();
  }

  async send(source: StreamSource, chunkBytes: number): Promise<void> {
    if (typeof source === 'string' || source instanceof Uint8Array) {
      await this.#sendWhole(bytesOf(source), chunkBytes);
    } else if (typeof source !== 'object' || source === null) {
      throw notASource(source);
    } else if (isIterable(source)) {
      await this.#sendPieces(source, chunkBytes);
    } else if (isAsyncIterable(source)) {
      await this.#sendAsync(source, chunkBytes);
    } else {
      throw notASource(source);
    }
  }

  async #sendWhole(bytes: Uint8Array, chunkBytes: number): Promise<void> {
    let at = 0;
    while (bytes.length - at > chunkBytes) {
      const wait = this.#chunk(bytes.subarray(at, at + chunkBytes), 'inner');
      at += chunkBytes;
      if (wait !== undefined) await this.#resume(wait);
    }
    await this.#chunk(bytes.subarray(at), 'last');
  }

  async #sendPieces(source: Iterable<StreamPiece>, chunkBytes: number): Promise<void> {
    const fragmenter = new Fragmenter(chunkBytes);
    for (const piece of source) {
      fragmenter.feed(bytesOf(piece));
      for (let chunk = fragmenter.take(); chunk !== null; chunk = fragmenter.take()) {
        const wait = this.#chunk(chunk, 'inner');
        if (wait !== undefined) await this.#resume(wait);
      }
    }
    await this.#chunk(fragmenter.rest(), 'last');
  }

  async #sendAsync(source: AsyncIterable<StreamPiece>, chunkBytes: number): Promise<void> {
    const fragmenter = new Fragmenter(chunkBytes);
    const iterator = source[Symbol.asyncIterator]();
    const askToStop = async (): Promise<unknown> => iterator.return?.();
    const stop = (): void => {
      // The message has failed already: a further error of its source does not matter.
      askToStop().catch(() => undefined);
    };
    this.#stopSource = stop;
    try {
      for (;;) {
        const { done, value } = await iterator.next();
        if (this.#aborted !== null) throw this.#aborted;
        if (done === true) break;
        fragmenter.feed(bytesOf(value));
        for (let chunk = fragmenter.take(); chunk !== null; chunk = fragmenter.take()) {
          const wait = this.#chunk(chunk, 'inner');
          if (wait !== undefined) await this.#resume(wait);
        }
      }
    } catch (error) {
      if (this.#aborted === null) stop();
      throw error;
    } finally {
      this.#stopSource = null;
    }
    await this.#chunk(fragmenter.rest(), 'last');
  }

  async #resume(wait: Promise<void>): Promise<void> {
    await wait;
    if (this.#aborted !== null) throw this.#aborted;
  }

  #chunk(chunk: Uint8Array, place: ChunkPlace): Promise<void> | undefined {
    if (this.#aborted !== null) throw this.#aborted;
    const { room } = this.#parts;
    this.hasBegun = true;
    if (this.#compressor === null) {
      this.#frame(chunk, place);
      return room();
    }
    const deflated = this.#compressor.compress(chunk, place === 'last');
    if (deflated instanceof Uint8Array) {
      this.#frame(deflated, place);
      return room();
    }
    return this.#whenDeflated(deflated, place);
  }

  async #whenDeflated(deflated: Promise<Uint8Array>, place: ChunkPlace): Promise<void> {
    const bytes = await deflated;
    if (this.#aborted !== null) throw this.#aborted;
    this.#frame(bytes, place);
    await this.#parts.room();
  }

  /** The opcode and RSV1 stand on the first frame alone. */
  #frame(payload: Uint8Array, place: ChunkPlace): void {
    const kind = this.#isFirst ? this.#opcode | this.#rsv : opcode.continuation;
    this.#isFirst = false;
    this.#parts.output.frame((place === 'last' ? finBit : 0) | kind, payload);
  }
}

function notASource(given: unknown): EngineError {
  return optionInvalid('source', given, 'bytes, text, or an iterable of them');
}

function bytesOf(piece: StreamPiece): Uint8Array {
  if (typeof piece === 'string') return Buffer.from(piece);
  if (piece instanceof Uint8Array) return piece;
  throw optionInvalid('source', piece, 'an iterable of bytes or text');
}

function isIterable(source: object): source is Iterable<StreamPiece> {
  return Symbol.iterator in source;
}

function isAsyncIterable(source: object): source is AsyncIterable<StreamPiece> {
  return Symbol.asyncIterator in source;
}
