import { EngineError } from '../errors/index.ts';
import { copyOf } from './bytes.ts';
import { badFormat, tooLarge } from './failures.ts';

/** Raw deflate (RFC 1951) with the Compression Streams of browsers, which Node has too. */

/**
 * The size of the slices in which bytes are fed to a stream. A stream may put out everything that a slice inflates to
 * before any of it is counted, and deflate makes up to 1,032 bytes of one.
 */
const sliceBytes = 4096;

/** A complete stream of no bytes. */
const emptyStream: Uint8Array = Uint8Array.of(3, 0);

/** What `payload` deflates to, or null if that is not smaller. */
export async function webDeflated(payload: Uint8Array): Promise<Uint8Array | null> {
  return passed(payload, transformer('CompressionStream'), payload.length - 1);
}

/**
 * What `bytes` inflate to. The standard has the platform notice that a stream was cut off; Node does, Deno 2.9 does not.
 * @throws EngineError ERR_SEAL_TOO_LARGE if that is more than `maxBytes`; ERR_SEAL_FORMAT unless it is one whole
 * deflate stream and nothing behind it.
 */
export async function webInflated(bytes: Uint8Array, maxBytes: number): Promise<Uint8Array> {
  const result = await decompressed(bytes, maxBytes);
  if (result === 'broken') throw badFormat('its deflate data is broken');
  if (result === 'too large') throw tooLarge('the inflated message', maxBytes);
  if (await isLax()) {
    // The last byte belongs to the stream if the stream is incomplete without it.
    if ((await decompressed(bytes.subarray(0, -1), maxBytes)) !== 'broken') {
      throw badFormat('there are bytes behind its deflate data');
    }
  }
  return result;
}

let lax: Promise<boolean> | undefined;

/** Whether this platform passes over bytes behind a deflate stream, which the standard forbids: Node 20 does. */
function isLax(): Promise<boolean> {
  lax ??= decompressed(Uint8Array.of(...emptyStream, 0), 1).then((result) => result !== 'broken');
  return lax;
}

async function decompressed(bytes: Uint8Array, maxBytes: number): Promise<Uint8Array | 'broken' | 'too large'> {
  const stream = transformer('DecompressionStream');
  try {
    return (await passed(bytes, stream, maxBytes)) ?? 'too large';
  } catch {
    return 'broken';
  }
}

type Transformer = Pick<GenericTransformStream, 'readable' | 'writable'>;

function transformer(name: 'CompressionStream' | 'DecompressionStream'): Transformer {
  try {
    return new globalThis[name]('deflate-raw');
  } catch (cause) {
    throw new EngineError('ERR_CRYPTO_UNAVAILABLE', `${name} for deflate-raw is not available here`, { cause });
  }
}

/** All that comes out of the stream, or null once it is more than `maxBytes`. */
async function passed(bytes: Uint8Array, stream: Transformer, maxBytes: number): Promise<Uint8Array | null> {
  const reader: ReadableStreamDefaultReader<Uint8Array> = stream.readable.getReader();
  // The reader below sees every error of the writer.
  feed(bytes, stream.writable).catch(ignore);
  const pieces: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return joined(pieces, length);
    length += value.length;
    if (length > maxBytes) {
      reader.cancel().catch(ignore);
      return null;
    }
    pieces.push(value);
  }
}

/** Each write waits until the one before has been read. */
async function feed(bytes: Uint8Array, writable: WritableStream<Uint8Array>): Promise<void> {
  const writer = writable.getWriter();
  writer.closed.catch(ignore);
  for (let at = 0; at < bytes.length; at += sliceBytes) {
    await writer.ready;
    // A copy: streams may take what they are given away, and accept no shared memory.
    await writer.write(copyOf(bytes.subarray(at, at + sliceBytes)));
  }
  await writer.close();
}

function ignore(): void {}

function joined(pieces: readonly Uint8Array[], length: number): Uint8Array {
  const whole = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
