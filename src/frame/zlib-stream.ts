import { Buffer } from 'node:buffer';
import { constants, createDeflateRaw, createInflateRaw, type DeflateRaw, type InflateRaw } from 'node:zlib';
import { EngineError } from '../shared/errors/index.ts';
import type { Compressor } from './compressor.ts';
import { messageTooLong } from './frame-error.ts';
import {
  deflateFailed,
  emptyMessage,
  flushTail,
  maxFinalBlocks,
  notDeflated,
  type ZlibSettings,
} from './zlib-settings.ts';

/** Both directions in the threads of libuv's pool, by Node's public streams. */
export class ThreadPoolZlib implements Compressor {
  readonly #settings: ZlibSettings;
  #deflate: DeflateRaw | null = null;
  #inflate: InflateRaw | null = null;
  #closed = false;

  constructor(settings: ZlibSettings) {
    this.#settings = settings;
  }

  async compress(piece: Uint8Array, last: boolean): Promise<Uint8Array> {
    const { level, memLevel, windowBits, forgets } = this.#settings;
    if (piece.length === 0 && !last) return piece;
    let bytes: Buffer = emptyMessage;
    if (piece.length > 0) {
      this.#deflate ??= createDeflateRaw({ level, memLevel, windowBits });
      const deflated = await collect(this.#deflate, piece, {
        most: Number.POSITIVE_INFINITY,
        tooMuch: deflateFailed,
        failed: deflateFailed,
      });
      bytes = last ? deflated.subarray(0, deflated.length - flushTail.length) : deflated;
    }
    if (last && forgets && !this.#closed) this.#deflate?.reset();
    return bytes;
  }

  async decompress(payload: Uint8Array, maxBytes: number): Promise<Uint8Array> {
    // Some send an empty message without its one byte.
    if (payload.length === 0) return payload;
    const out: Buffer[] = [];
    let input: Uint8Array = Buffer.concat([payload, flushTail]);
    let total = 0;
    const tooMuch = (): EngineError => messageTooLong(maxBytes);
    // A final block ends zlib's stream, and Node's with it. Bytes behind the block begin another stream. Some peers
    // leave out the empty block behind a final block: then only our own tail is left.
    for (let finals = 0; input.length > (finals === 0 ? 0 : flushTail.length); finals++) {
      if (finals > maxFinalBlocks) throw notDeflated('too many final blocks');
      this.#inflate ??= createInflateRaw({ windowBits: this.#settings.peerWindowBits });
      const inflate = this.#inflate;
      const before = inflate.bytesWritten;
      const bytes = await collect(inflate, input, { most: maxBytes - total, tooMuch, failed: notDeflated });
      total += bytes.length;
      out.push(bytes);
      if (!inflate.readableEnded && !inflate.destroyed) break;
      this.#inflate = null;
      inflate.destroy();
      input = input.subarray(inflate.bytesWritten - before);
    }
    if (this.#settings.peerForgets && !this.#closed) this.#inflate?.reset();
    return out.length === 1 ? (out[0] as Buffer) : Buffer.concat(out);
  }

  close(): void {
    this.#closed = true;
    this.#deflate?.destroy();
    this.#inflate?.destroy();
  }
}

interface CollectTerms {
  /** More output than this is refused with `tooMuch`. */
  readonly most: number;
  readonly tooMuch: (why: string) => EngineError;
  readonly failed: (why: string) => EngineError;
}

/** Writes `input` and gives what comes out up to its flush, or up to the end of the stream. */
function collect(
  stream: DeflateRaw | InflateRaw,
  input: Uint8Array,
  { most, tooMuch, failed }: CollectTerms,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const out: Buffer[] = [];
    let total = 0;
    const settle = (): void => {
      stream.off('data', onData).off('error', onError).off('end', onEnd).off('close', onClose);
    };
    const onData = (bytes: Buffer): void => {
      total += bytes.length;
      if (total <= most) {
        out.push(bytes);
        return;
      }
      settle();
      stream.destroy();
      reject(tooMuch(''));
    };
    const onError = (error: Error): void => {
      settle();
      reject(failed(error.message));
    };
    const onEnd = (): void => {
      settle();
      resolve(Buffer.concat(out));
    };
    const onClose = (): void => {
      settle();
      reject(new EngineError('ERR_FRAME_CLOSED', 'the connection is closed'));
    };
    stream.on('data', onData).on('error', onError).on('end', onEnd).on('close', onClose);
    stream.write(input);
    stream.flush(constants.Z_SYNC_FLUSH, onEnd);
  });
}
