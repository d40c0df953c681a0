/** Standard base64 with padding (RFC 4648 section 4), over bytes, without strings in between. */

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const padding = 0x3d;

/** Six bits to a character. */
const characters: Uint8Array = new Uint8Array(64);
/** A character to six bits, or -1. */
const sextets: Int8Array = new Int8Array(256).fill(-1);
for (let i = 0; i < 64; i++) {
  characters[i] = alphabet.charCodeAt(i);
  sextets[alphabet.charCodeAt(i)] = i;
}

/** How many characters stand for that many bytes. */
export function base64Length(bytes: number): number {
  return Math.ceil(bytes / 3) * 4;
}

/** Writes the base64 of `source` to `target` at `start` and returns the offset after it. */
export function writeBase64(target: Uint8Array, start: number, source: Uint8Array): number {
  const whole = source.length - (source.length % 3);
  let at = start;
  for (let i = 0; i < whole; i += 3) {
    const bits = ((source[i] as number) << 16) | ((source[i + 1] as number) << 8) | (source[i + 2] as number);
    at = writeFour(target, at, bits);
  }
  const left = source.length - whole;
  if (left > 0) {
    const second = left === 2 ? (source[whole + 1] as number) : 0;
    at = writeFour(target, at, ((source[whole] as number) << 16) | (second << 8));
    target[at - 1] = padding;
    if (left === 1) target[at - 2] = padding;
  }
  return at;
}

function writeFour(target: Uint8Array, at: number, bits: number): number {
  target[at] = characters[bits >>> 18] as number;
  target[at + 1] = characters[(bits >>> 12) & 63] as number;
  target[at + 2] = characters[(bits >>> 6) & 63] as number;
  target[at + 3] = characters[bits & 63] as number;
  return at + 4;
}

/**
 * The bytes that `source[start … end]` stands for, or undefined if it is not base64. Strict: the length is a multiple
 * of four, padding is at the end and complete, and the bits under the padding are zero (RFC 4648 section 3.5).
 */
export function readBase64(source: Uint8Array, start: number, end: number): Uint8Array | undefined {
  const length = end - start;
  if (length % 4 !== 0) return undefined;
  if (length === 0) return new Uint8Array(0);
  const padded = source[end - 1] !== padding ? 0 : source[end - 2] !== padding ? 1 : 2;
  const result = new Uint8Array((length / 4) * 3 - padded);
  const whole = result.length - (result.length % 3);
  let at = start;
  for (let i = 0; i < whole; i += 3) {
    const bits = readFour(source, at, 4);
    if (bits < 0) return undefined;
    result[i] = bits >>> 16;
    result[i + 1] = bits >>> 8;
    result[i + 2] = bits;
    at += 4;
  }
  if (padded === 0) return result;
  const bits = readFour(source, at, 4 - padded);
  if (bits < 0 || (bits & (padded === 1 ? 0xff : 0xffff)) !== 0) return undefined;
  result[whole] = bits >>> 16;
  if (padded === 1) result[whole + 1] = bits >>> 8;
  return result;
}

/** The 24 bits of four characters, of which the first `count` are not padding; negative if one is not base64. */
function readFour(source: Uint8Array, at: number, count: number): number {
  // A -1 from the table keeps the sign bit set through the shifts and ors.
  const ab = (sextet(source, at) << 18) | (sextet(source, at + 1) << 12);
  const c = count > 2 ? sextet(source, at + 2) << 6 : 0;
  const d = count > 3 ? sextet(source, at + 3) : 0;
  return ab | c | d;
}

function sextet(source: Uint8Array, at: number): number {
  return sextets[source[at] as number] as number;
}
