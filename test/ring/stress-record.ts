/** The records of the stress test: size, target and every byte follow from the number. */

export const smallestRecord = 4;

function mix(number: number, salt: number): number {
  let hash = Math.imul(number ^ salt, 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** Mostly small, some as large as one piece (16 KiB less a header), a few in pieces. */
export function sizeOf(number: number): number {
  const hash = mix(number, 0x9e3779b1);
  const spread = hash >>> 10;
  const share = hash % 1000;
  if (share < 850) return smallestRecord + (spread % 200);
  if (share < 988) return smallestRecord + (spread % 2000);
  if (share < 998) return smallestRecord + (spread % 16_376);
  return smallestRecord + (spread % 50_000);
}

/** A consumer for a part of the records, otherwise `all`. */
export function targetOf(number: number, consumers: number, all: number): number {
  const choice = mix(number, 0x51ed270b) % (2 * consumers);
  return choice < consumers ? choice : all;
}

export function fillRecord(number: number, bytes: Uint8Array, offset: number, length: number): void {
  let state = number;
  for (let at = 0; at < smallestRecord; at++) bytes[offset + at] = number >>> (8 * at);
  for (let at = smallestRecord; at < length; at++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    bytes[offset + at] = state >>> 24;
  }
}

export function numberIn(bytes: Uint8Array, offset: number): number {
  let number = 0;
  for (let at = 0; at < smallestRecord; at++) number |= (bytes[offset + at] ?? 0) << (8 * at);
  return number >>> 0;
}

/** The first byte that is not as `fillRecord` left it, or -1. */
export function tornAt(number: number, bytes: Uint8Array, offset: number, length: number): number {
  let state = number;
  for (let at = smallestRecord; at < length; at++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    if (bytes[offset + at] !== state >>> 24) return at;
  }
  return -1;
}
