/**
 * `id` and `offset` are integers that JavaScript's numbers hold exactly: from 1 to 2^53 - 1, and 0 for absent. In the
 * binary codecs they are two words of 32 bits.
 */

/** What a refusal says of a number that is none of them. */
export const safeIntegerRange = 'from 0 to 2^53 - 1';

/** The upper word of a safe integer is at most this. */
export const maxSafeHigh = 0x1f_ffff;

const wordSize = 0x1_0000_0000;

/** The upper word of a safe integer. `value >>> 0` is the lower one. */
export function highWordOf(value: number): number {
  return (value / wordSize) >>> 0;
}

/** The number of two words, exact if `high` is at most `maxSafeHigh`. */
export function numberOfWords(high: number, low: number): number {
  return high * wordSize + low;
}
