import { Buffer } from 'node:buffer';
import { constants, createDeflateRaw, createInflateRaw } from 'node:zlib';
import type { Compressor, CompressorFactory } from './compressor.ts';
import { messageTooLong, optionInvalid, wholeNumber } from './frame-error.ts';
import {
  deflateFailed,
  emptyMessage,
  flushTail,
  maxFinalBlocks,
  notDeflated,
  type ZlibSettings,
  zlibSettings,
} from './zlib-settings.ts';
import { ZlibStep, zlibStepsWork } from './zlib-step.ts';
import { ThreadPoolZlib } from './zlib-stream.ts';

export interface ZlibOptions {
  /** 1 (fast) to 9 (small). Default 6. */
  readonly level?: number;
  /** 1–9. Default 8. */
  readonly memLevel?: number;
  /**
   * `own`: in this thread, at once; best for messages of up to some ten thousand bytes. `pool`: in the threads of
   * libuv's pool, so that large messages do not hold this one up; each costs some ten microseconds more. Default own.
   */
  readonly thread?: 'own' | 'pool';
}

/** The compressor of `node:zlib`. Contexts are made when they are first needed. Throws ERR_OPTION_INVALID. */
export function zlibCompressor(options: ZlibOptions = {}): CompressorFactory {
  const level = wholeNumber('level', options.level, 6, 1, 9);
  const memLevel = wholeNumber('memLevel', options.memLevel, 8, 1, 9);
  const { thread = 'own' } = options;
  if (thread !== 'own' && thread !== 'pool') throw optionInvalid('thread', thread, "'own' or 'pool'");
  const isOwn = thread === 'own' && zlibStepsWork();
  return (parameters) => {
    const settings = zlibSettings(parameters, level, memLevel);
    return isOwn ? new StepCompressor(settings) : new ThreadPoolZlib(settings);
  };
}

/** Both directions in this thread. */
class StepCompressor implements Compressor {
  readonly #settings: ZlibSettings;
  #deflate: ZlibStep | null = null;
  #inflate: ZlibStep | null = null;

  constructor(settings: ZlibSettings) {
    this.#settings = settings;
  }

  compress(piece: Uint8Array, last: boolean): Uint8Array {
    if (piece.length === 0) return last ? this.#ended(emptyMessage) : new Uint8Array(0);
    this.#deflate ??= new ZlibStep(createDeflateRaw(this.#settings));
    const out: Buffer[] = [];
    this.#deflate.run(piece, 0, constants.Z_SYNC_FLUSH, out, Number.POSITIVE_INFINITY);
    const { fault } = this.#deflate;
    if (fault !== null) throw deflateFailed(fault.message);
    const deflated = whole(out);
    return last ? this.#ended(deflated.subarray(0, deflated.length - flushTail.length)) : deflated;
  }

  #ended(bytes: Buffer): Buffer {
    if (this.#settings.forgets) this.#deflate?.reset();
    return bytes;
  }

  decompress(payload: Uint8Array, maxBytes: number): Uint8Array {
    // Some send an empty message without its one byte.
    if (payload.length === 0) return new Uint8Array(0);
    this.#inflate ??= new ZlibStep(createInflateRaw({ windowBits: this.#settings.peerWindowBits }));
    const out: Buffer[] = [];
    const made = this.#feed(payload, out, 0, maxBytes);
    this.#feed(flushTail, out, made, maxBytes);
    if (this.#settings.peerForgets) this.#inflate.reset();
    return whole(out);
  }

  /** Inflates `input`; a final block in it ends zlib's stream, and what follows begins another. */
  #feed(input: Uint8Array, out: Buffer[], before: number, maxBytes: number): number {
    const inflate = this.#inflate as ZlibStep;
    let total = before;
    let at = 0;
    for (let finals = 0; ; finals++) {
      total += inflate.run(input, at, constants.Z_SYNC_FLUSH, out, maxBytes - total);
      if (inflate.fault !== null) throw notDeflated(inflate.fault.message);
      if (total > maxBytes) throw messageTooLong(maxBytes);
      if (inflate.unused === 0) return total;
      if (finals === maxFinalBlocks) throw notDeflated('too many final blocks');
      at = input.length - inflate.unused;
      inflate.reset();
      // The message ended with a final block and nothing behind it: some leave the empty block out.
      if (input === flushTail && at === 0) return total;
    }
  }

  close(): void {
    this.#deflate?.close();
    this.#inflate?.close();
    this.#deflate = null;
    this.#inflate = null;
  }
}

function whole(parts: Buffer[]): Buffer {
  const [first] = parts;
  return parts.length === 1 && first !== undefined ? first : Buffer.concat(parts);
}
