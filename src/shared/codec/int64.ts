/** int64 and safe integers to decimal digits in bytes and back, exact over the whole range. */

const words: DataView = new DataView(new ArrayBuffer(8));
const billion = 1_000_000_000;
const wordSize = 0x1_0000_0000;

/** A decimal int64 has at most this many characters, its sign included. */
export const int64Characters = 20;
/** And a safe integer this many, which has no sign. */
export const safeIntegerCharacters = 16;

/** The three digits of each number below 1,000. */
const triples: Uint8Array = new Uint8Array(3_000);
for (let i = 0; i < 1_000; i++)
  triples.set([0x30 + Math.floor(i / 100), 0x30 + (Math.floor(i / 10) % 10), 0x30 + (i % 10)], i * 3);

/**
 * Writes `value`, wrapped to int64, in decimal at `start` and returns the offset after it. It makes no string: two thirds
 * of the time of `String(value)`.
 */
export function writeInt64(target: Uint8Array, start: number, value: bigint): number {
  words.setBigInt64(0, value);
  let high = words.getInt32(0);
  let low = words.getInt32(4) >>> 0;
  let at = start;
  if (high < 0) {
    target[at++] = 0x2d;
    low = -low >>> 0;
    high = ~high + (low === 0 ? 1 : 0);
  }
  // The quotient of the rounded value is wrong by at most one. Its remainder, exact modulo 2^32, shows that.
  let upper = Math.floor(((high >>> 0) * wordSize + low) / billion);
  let lower = (low - Math.imul(upper, billion)) | 0;
  if (lower < 0) {
    upper -= 1;
    lower += billion;
  } else if (lower >= billion) {
    upper += 1;
    lower -= billion;
  }
  if (upper === 0) return writeShort(target, at, lower);
  if (upper < billion) return writeNine(target, writeShort(target, at, upper), lower);
  const top = Math.floor(upper / billion);
  target[at] = 0x30 + top;
  return writeNine(target, writeNine(target, at + 1, upper - top * billion), lower);
}

/** Writes an integer from 0 to 2^53 - 1 in decimal at `start` and returns the offset after it. */
export function writeSafeInteger(target: Uint8Array, start: number, value: number): number {
  if (value < billion) return writeShort(target, start, value);
  const upper = Math.floor(value / billion);
  return writeNine(target, writeShort(target, start, upper), value - upper * billion);
}

/** A number below a billion, as short as it is. */
function writeShort(target: Uint8Array, start: number, value: number): number {
  let length = 1;
  for (let power = 10; length < 9 && value >= power; power *= 10) length++;
  let left = value;
  for (let at = start + length - 1; at >= start; at--) {
    const tenth = (left / 10) | 0;
    target[at] = 0x30 + left - tenth * 10;
    left = tenth;
  }
  return start + length;
}

/** A number below a billion in nine digits. */
function writeNine(target: Uint8Array, start: number, value: number): number {
  const thousands = (value / 1_000) | 0;
  const millions = (thousands / 1_000) | 0;
  writeTriple(target, start, millions);
  writeTriple(target, start + 3, thousands - millions * 1_000);
  writeTriple(target, start + 6, value - thousands * 1_000);
  return start + 9;
}

function writeTriple(target: Uint8Array, start: number, value: number): void {
  const at = value * 3;
  target[start] = triples[at] as number;
  target[start + 1] = triples[at + 1] as number;
  target[start + 2] = triples[at + 2] as number;
}

/**
 * The int64 that the JSON number `source[start … end]` stands for, or undefined if it is written with a point or an
 * exponent, or is out of range. The bytes must already be known to be a JSON number. No string is made, and one BigInt
 * from 32-bit halves: half the time of `BigInt(text)`.
 */
export function readInt64(source: Uint8Array, start: number, end: number): bigint | undefined {
  const negative = source[start] === 0x2d;
  const first = negative ? start + 1 : start;
  let upper = 0;
  let lower = 0;
  for (let at = first; at < end; at++) {
    const digit = (source[at] as number) - 0x30;
    if (digit < 0 || digit > 9) return undefined;
    if (end - at > 9) upper = upper * 10 + digit;
    else lower = lower * 10 + digit;
  }
  if (end - first > 19) return undefined;

  // upper × a billion + lower as two words, by steps that stay below 2^53. Remainders come from subtraction, because %
  // is a slow call for numbers beyond 31 bits.
  const upperHigh = Math.floor(upper / 0x1_0000);
  const product = upperHigh * billion;
  const productHigh = Math.floor(product / 0x1_0000);
  const sum = (product - productHigh * 0x1_0000) * 0x1_0000 + (upper - upperHigh * 0x1_0000) * billion + lower;
  const carry = Math.floor(sum / wordSize);
  let low = sum - carry * wordSize;
  let high = productHigh + carry;
  if (negative) {
    if (high > 0x8000_0000 || (high === 0x8000_0000 && low > 0)) return undefined;
    low = -low >>> 0;
    high = (~high + (low === 0 ? 1 : 0)) >>> 0;
  } else if (high > 0x7fff_ffff) {
    return undefined;
  }
  words.setUint32(0, high);
  words.setUint32(4, low);
  return words.getBigInt64(0);
}

/**
 * The integer from 0 to 2^53 - 1 that the JSON number `source[start … end]` stands for, or -1 if it is written with a
 * sign, a point or an exponent, or is greater. The bytes must already be known to be a JSON number.
 */
export function readSafeInteger(source: Uint8Array, start: number, end: number): number {
  if (end - start > safeIntegerCharacters) return -1;
  let value = 0;
  for (let at = start; at < end; at++) {
    const digit = (source[at] as number) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  // Of 16 digits the sum may be rounded, but not to a number in the range.
  return value <= Number.MAX_SAFE_INTEGER ? value : -1;
}
