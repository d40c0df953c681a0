import { errorCode } from '../errors/index.ts';
import { copyOf } from './bytes.ts';
import { badFormat, tooLarge } from './failures.ts';
import { nodeZlib } from './node-modules.ts';

/** Raw deflate with Node's zlib (RFC 1951). */

const smallestChunk = 64;
const largestChunk = 65_536;

/** Room for the result in one piece, as long as that is not wasteful. */
function chunkFor(bytes: number): number {
  return Math.min(Math.max(bytes, smallestChunk), largestChunk);
}

export function deflated(payload: Uint8Array, level: number): Uint8Array {
  return nodeZlib().deflateRawSync(payload, { level, chunkSize: chunkFor(payload.length) });
}

/**
 * What `bytes` inflate to, in memory of its own and of its size.
 * @throws EngineError ERR_SEAL_TOO_LARGE if that is more than `maxBytes`: little more is ever allocated;
 * ERR_SEAL_FORMAT unless it is one whole deflate stream and nothing behind it.
 */
export function inflated(bytes: Uint8Array, maxBytes: number): Uint8Array {
  const options = { chunkSize: chunkFor(bytes.length * 4), maxOutputLength: maxBytes, info: true } as const;
  let result: ReturnType<ReturnType<typeof nodeZlib>['inflateRawSync']>;
  try {
    result = nodeZlib().inflateRawSync(bytes, options);
  } catch (error) {
    if (errorCode(error) === 'ERR_BUFFER_TOO_LARGE') throw tooLarge('the inflated message', maxBytes);
    throw badFormat('its deflate data is broken');
  }
  // zlib passes over what follows the last block; for us it is a change to the message.
  if (result.engine.bytesWritten !== bytes.length) throw badFormat('there are bytes behind its deflate data');
  const { buffer } = result;
  if (buffer.byteLength !== buffer.buffer.byteLength) return copyOf(buffer);
  return new Uint8Array(buffer.buffer);
}
