import { isUtf8 } from 'node:buffer';

/** Shorter pieces are looked at byte by byte. */
const bulkFrom = 24;

/**
 * Checks text that comes in pieces, as early as its bytes allow. The automaton follows the table of
 * well-formed sequences in the Unicode standard (table 3-7): no overlong forms, no surrogates, nothing above U+10FFFF.
 */
export class Utf8Validator {
  /** Continuation bytes that the character at hand still wants. */
  #missing = 0;
  /** Bounds of the next of them. */
  #low = 0x80;
  #high = 0xbf;

  /** -1: fine so far. Otherwise the index of the first byte that no text can have there; then `reset` comes first. */
  push(bytes: Uint8Array): number {
    const { length } = bytes;
    let at = 0;
    if (length >= bulkFrom) {
      while (this.#missing > 0 && at < length) {
        if (!this.#step(bytes[at] as number)) return at;
        at += 1;
      }
      const whole = wholeCharacters(bytes);
      // The bulk check says only that something is wrong; the automaton below finds where.
      if (whole > at && isUtf8(bytes.subarray(at, whole))) at = whole;
    }
    for (; at < length; at++) if (!this.#step(bytes[at] as number)) return at;
    return -1;
  }

  /** Whether the text so far ends with a whole character. */
  get isComplete(): boolean {
    return this.#missing === 0;
  }

  reset(): void {
    this.#missing = 0;
    this.#low = 0x80;
    this.#high = 0xbf;
  }

  #step(byte: number): boolean {
    if (this.#missing > 0) {
      if (byte < this.#low || byte > this.#high) return false;
      this.#missing -= 1;
      this.#low = 0x80;
      this.#high = 0xbf;
      return true;
    }
    if (byte < 0x80) return true;
    if (byte < 0xc2 || byte > 0xf4) return false;
    if (byte < 0xe0) {
      this.#missing = 1;
    } else if (byte < 0xf0) {
      this.#missing = 2;
      if (byte === 0xe0) this.#low = 0xa0;
      else if (byte === 0xed) this.#high = 0x9f;
    } else {
      this.#missing = 3;
      if (byte === 0xf0) this.#low = 0x90;
      else if (byte === 0xf4) this.#high = 0x8f;
    }
    return true;
  }
}

/** Where the last character begins if its end may be missing, else the length. */
function wholeCharacters(bytes: Uint8Array): number {
  const { length } = bytes;
  for (let back = 1; back <= 3 && back <= length; back++) {
    const byte = bytes[length - back] as number;
    if (byte < 0x80) return length;
    if (byte >= 0xc0) return (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2) > back ? length - back : length;
  }
  return length;
}

/** Whether bytes are well-formed UTF-8. */
export function isUtf8Text(bytes: Uint8Array): boolean {
  return isUtf8(bytes);
}
