/** Below this length a view of words costs more than it saves. */
const wordsFrom = 48;

const littleEndian = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1;

/** A key turned so that its lowest byte is the one for position `offset` of the payload. */
function turned(key: number, offset: number): number {
  const bits = (offset & 3) << 3;
  return bits === 0 ? key : (key >>> bits) | (key << (32 - bits));
}

function swapped(word: number): number {
  return ((word >>> 24) & 0xff) | ((word >>> 8) & 0xff00) | ((word & 0xff00) << 8) | (word << 24);
}

/** All whole 32-bit words of the memory that `bytes` is part of. */
export function wordsOf(bytes: Uint8Array): Int32Array {
  return new Int32Array(bytes.buffer, 0, bytes.buffer.byteLength >> 2);
}

/**
 * Masks `bytes[start … end]` in place. `words` is `wordsOf(bytes)`: made once, it serves all frames in one buffer.
 * `offset` is the position of `start` in the frame's payload.
 */
export function maskRange(
  bytes: Uint8Array,
  words: Int32Array,
  start: number,
  end: number,
  key: number,
  offset: number,
): void {
  let turn = turned(key, offset);
  let at = start;
  const base = bytes.byteOffset;
  while (at < end && ((base + at) & 3) !== 0) {
    bytes[at] = (bytes[at] as number) ^ turn;
    turn = (turn >>> 8) | (turn << 24);
    at += 1;
  }
  let word = (base + at) >> 2;
  const wordEnd = (base + end) >> 2;
  if (word < wordEnd) {
    const mask = littleEndian ? turn : swapped(turn);
    const quadEnd = wordEnd - 3;
    for (; word < quadEnd; word += 4) {
      words[word] = (words[word] as number) ^ mask;
      words[word + 1] = (words[word + 1] as number) ^ mask;
      words[word + 2] = (words[word + 2] as number) ^ mask;
      words[word + 3] = (words[word + 3] as number) ^ mask;
    }
    for (; word < wordEnd; word++) words[word] = (words[word] as number) ^ mask;
    at = (wordEnd << 2) - base;
  }
  for (; at < end; at++) {
    bytes[at] = (bytes[at] as number) ^ turn;
    turn = (turn >>> 8) | (turn << 24);
  }
}

/**
 * Masks or unmasks a payload in place (RFC 6455 section 5.3); it is its own inverse. `maskKey` is a number as in
 * `FrameHeader`. `offset` is the position of the first byte in the frame's payload, so that a payload may be masked
 * piece by piece.
 */
export function applyMask(bytes: Uint8Array, maskKey: number, offset = 0): void {
  const { length } = bytes;
  // Memory of a length that is no multiple of 4 has its last bytes outside every word, and they are masked singly.
  if (length >= wordsFrom) {
    maskRange(bytes, wordsOf(bytes), 0, length, maskKey, offset);
    return;
  }
  let turn = turned(maskKey, offset);
  for (let at = 0; at < length; at++) {
    bytes[at] = (bytes[at] as number) ^ turn;
    turn = (turn >>> 8) | (turn << 24);
  }
}
