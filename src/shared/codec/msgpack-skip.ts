import { malformed } from './malformed.ts';

/** Arrays and maps may nest this deep within one value that nobody asked for; deeper is malformed. */
export const maxMsgpackDepth = 32;

/** How many values are left in each open array or map of a skipped value. Shared: a skip never runs inside another. */
const pending: Float64Array = new Float64Array(maxMsgpackDepth);

/** By head, from c0: how many bytes of length follow it; 0 where there is none. */
const lengthWidths: Uint8Array = Uint8Array.of(
  ...[0, 0, 0, 0, 1, 2, 4, 1, 2, 4, 0, 0, 0, 0, 0, 0],
  ...[0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 4, 2, 4, 2, 4],
);
/** By head, from c0: how many bytes follow it besides a length and what that counts: numbers, and an ext's type. */
const fixedSizes: Uint8Array = Uint8Array.of(
  ...[0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 4, 8, 1, 2, 4, 8],
  ...[1, 2, 4, 8, 2, 3, 5, 9, 17, 0, 0, 0, 0, 0, 0, 0],
);

/**
 * Passes over one value of any type, ext too, and returns the offset after it. Strings are not checked for UTF-8. Does
 * not recurse, and holds each container's length against the bytes that are left, so that time follows the bytes that
 * are there, whatever they announce.
 *
 * @throws EngineError ERR_MESSAGE_MALFORMED
 */
export function skipMsgpack(bytes: Uint8Array, start: number): number {
  const end = bytes.length;
  let depth = 0;
  let left = 1;
  let at = start;
  while (left > 0) {
    if (at >= end) throw malformed(end, 'unexpected end');
    const first = at;
    const head = bytes[at++] as number;
    if (head === 0xc1) throw malformed(first, 'a value of no type');
    left--;

    let length = 0;
    let isContainer = false;
    if (head >= 0xc0 && head < 0xe0) {
      const width = lengthWidths[head - 0xc0] as number;
      if (width > 0) length = readUint(bytes, at, width);
      at += width;
      isContainer = head >= 0xdc;
      if (head >= 0xde) length *= 2;
      if (!isContainer) length += fixedSizes[head - 0xc0] as number;
    } else if (head >= 0xa0 && head < 0xc0) {
      length = head & 0x1f;
    } else if (head >= 0x80 && head < 0xa0) {
      isContainer = true;
      length = head < 0x90 ? (head & 0x0f) * 2 : head & 0x0f;
    }

    // Whatever is inside a container takes a byte each at least.
    if (length > end - at) throw malformed(first, 'more announced than there are bytes');
    if (!isContainer) {
      at += length;
    } else if (length > 0) {
      if (depth === maxMsgpackDepth) throw malformed(first, `nested deeper than ${maxMsgpackDepth}`);
      pending[depth++] = left;
      left = length;
    }
    while (left === 0 && depth > 0) left = pending[--depth] as number;
  }
  return at;
}

/**
 * A big-endian number of 1, 2 or 4 bytes.
 *
 * @throws EngineError ERR_MESSAGE_MALFORMED if they are not all there
 */
export function readUint(bytes: Uint8Array, start: number, width: number): number {
  const end = start + width;
  if (end > bytes.length) throw malformed(bytes.length, 'unexpected end');
  let value = 0;
  for (let at = start; at < end; at++) value = value * 0x100 + (bytes[at] as number);
  return value;
}
