import { encode } from '@msgpack/msgpack';
import { malformed } from './malformed.ts';
import { readUint, skipMsgpack } from './msgpack-skip.ts';
import { maxSafeHigh, numberOfWords, safeIntegerRange } from './safe-integer.ts';
import { readText } from './text.ts';

/** What `key` returns for a key that has none of the names. */
const unknownKey = -1;

const nil = 0xc0;
/** What `#byteLength` returns for nil, and for what is neither str nor bin nor nil. */
const noBytes = -1;
const otherType = -2;

const nothing: Uint8Array = new Uint8Array(0);
const strictDecoder: TextDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
/** `readText` would make a longer text throw: V8's strings end at 2^29 - 24 units. */
const maxTextBytes = 0x1000_0000;

/** One int64, to get from bytes to a BigInt without a view of each message. */
const word: Uint8Array = new Uint8Array(8);
const wordView: DataView = new DataView(word.buffer);

/**
 * Reads one document that is a map with known keys, or an array of their values, from front to back. Everything is
 * checked against the bytes that are there before it is used, and nothing is made of what nobody asked for. An instance
 * is used for one document after the other.
 *
 * Why not the library's Decoder: it makes all values before anyone can look, takes invalid UTF-8, rounds what is not
 * asked for as BigInt, refuses bytes after the document, and does not say how far it read.
 */
export class MsgpackReader {
  readonly #most: number;
  readonly #least: number;
  /** The names as the library writes them: header and letters. */
  readonly #keys: readonly Uint8Array[];
  #bytes: Uint8Array = nothing;
  #at = 0;

  /**
   * @param names ASCII of at most 31 letters, in the order in which most writers write them
   * @param least how many of the values an array has at least
   */
  constructor(names: readonly string[], least: number) {
    this.#most = names.length;
    this.#least = least;
    this.#keys = names.map((name) => encode(name));
  }

  /**
   * Begins a document: how many entries its map has, or `~n` for an array with the values of the first n names.
   *
   * @throws EngineError ERR_MESSAGE_MALFORMED
   */
  open(bytes: Uint8Array): number {
    if (bytes.length === 0) throw malformed(0, 'empty');
    this.#bytes = bytes;
    this.#at = 1;
    const head = bytes[0] as number;
    if ((head & 0xf0) === 0x80) return this.#entries(head & 0x0f);
    if (head === 0xde) return this.#entries(this.#uint(2));
    if (head === 0xdf) return this.#entries(this.#uint(4));
    let count = -1;
    if ((head & 0xf0) === 0x90) count = head & 0x0f;
    else if (head === 0xdc) count = this.#uint(2);
    else if (head === 0xdd) count = this.#uint(4);
    const least = this.#least;
    const most = this.#most;
    if (count >= least && count <= most) return ~count;
    throw malformed(0, count < 0 ? 'not a map' : `an array of ${count} values, not ${least} to ${most}`);
  }

  /** Ends the document, so that its memory is not kept alive. Bytes behind the document are not read. */
  close(): void {
    this.#bytes = nothing;
  }

  /**
   * Reads a key: its index in `names`, or -1.
   *
   * @param likely the index that is tried first
   * @throws EngineError ERR_MESSAGE_MALFORMED if the key is no string
   */
  key(likely: number): number {
    const bytes = this.#bytes;
    const start = this.#at;
    const keys = this.#keys;
    const expected = likely < keys.length ? (keys[likely] as Uint8Array) : nothing;
    if (expected !== nothing && isAt(bytes, start, expected, 0)) {
      this.#at = start + expected.length;
      return likely;
    }
    const length = this.#byteLength();
    if (length < 0) throw malformed(start, 'a key is neither str nor bin');
    const at = this.#at;
    this.#at = at + length;
    for (let index = 0; index < keys.length; index++) {
      const key = keys[index] as Uint8Array;
      if (key.length === length + 1 && isAt(bytes, at, key, 1)) return index;
    }
    return unknownKey;
  }

  /**
   * Reads the text of a str or a bin; nil is ''.
   *
   * @throws EngineError ERR_MESSAGE_MALFORMED if it is something else, or no UTF-8
   */
  text(name: string): string {
    const start = this.#at;
    const length = this.#byteLength();
    if (length <= 0) {
      if (length === otherType) throw malformed(start, `"${name}" is neither str nor bin`);
      return '';
    }
    const at = this.#at;
    const end = at + length;
    this.#at = end;
    if (length > maxTextBytes) throw malformed(start, `"${name}" is a text of ${length} bytes`);
    const text = readText(this.#bytes, at, end);
    // Whatever is invalid has become U+FFFD; if there is none, there is no need to look at the bytes again.
    if (text.includes('\ufffd')) expectUtf8(this.#bytes, at, end, name);
    return text;
  }

  /**
   * Reads the bytes of a bin or a str, a view of the document; nil is null. A str need not be UTF-8 here, because
   * writers older than the bin type put all bytes in a str.
   *
   * @throws EngineError ERR_MESSAGE_MALFORMED if it is something else
   */
  data(name: string): Uint8Array | null {
    const start = this.#at;
    const length = this.#byteLength();
    if (length < 0) {
      if (length === otherType) throw malformed(start, `"${name}" is neither str nor bin`);
      return null;
    }
    const at = this.#at;
    this.#at = at + length;
    return this.#bytes.subarray(at, at + length);
  }

  /**
   * Reads an integer of any width; nil is 0n.
   *
   * @throws EngineError ERR_MESSAGE_MALFORMED if it is a float or something else, or not in the int64 range
   */
  int64(name: string): bigint {
    const start = this.#at;
    const head = this.#head();
    switch (head) {
      case 0xd3:
        return this.#word();
      case 0xcf: {
        const value = this.#word();
        if (value < 0n) throw malformed(start, `"${name}" is not in the int64 range`);
        return value;
      }
      case nil:
        return 0n;
      case 0xcc:
        return BigInt(this.#uint(1));
      case 0xcd:
        return BigInt(this.#uint(2));
      case 0xce:
        return BigInt(this.#uint(4));
      case 0xd0:
        return BigInt((this.#uint(1) << 24) >> 24);
      case 0xd1:
        return BigInt((this.#uint(2) << 16) >> 16);
      case 0xd2:
        return BigInt(this.#uint(4) | 0);
      default:
        if (head < 0x80) return BigInt(head);
        if (head >= 0xe0) return BigInt(head - 0x100);
        throw malformed(start, `"${name}" is not an integer`);
    }
  }

  /**
   * Reads an integer of any width. Nil is refused too: who writes it for a number that an answer repeats would wait for
   * the answer in vain.
   *
   * @throws EngineError ERR_MESSAGE_MALFORMED if it is a float or something else, or not from 0 to 2^53 - 1
   */
  safeInteger(name: string): number {
    const start = this.#at;
    const head = this.#head();
    if (head < 0x80) return head;
    let value = -1;
    switch (head) {
      case 0xcc:
        return this.#uint(1);
      case 0xcd:
        return this.#uint(2);
      case 0xce:
        return this.#uint(4);
      case 0xcf:
      case 0xd3: {
        const high = this.#uint(4);
        const low = this.#uint(4);
        if (high <= maxSafeHigh) value = numberOfWords(high, low);
        break;
      }
      case 0xd0:
        value = (this.#uint(1) << 24) >> 24;
        break;
      case 0xd1:
        value = (this.#uint(2) << 16) >> 16;
        break;
      case 0xd2:
        value = this.#uint(4) | 0;
        break;
      default:
        if (head < 0xe0) throw malformed(start, `"${name}" is not an integer`);
    }
    if (value < 0) throw malformed(start, `"${name}" is not an integer ${safeIntegerRange}`);
    return value;
  }

  /**
   * Passes over a value of any type.
   *
   * @throws EngineError ERR_MESSAGE_MALFORMED
   */
  skip(): void {
    this.#at = skipMsgpack(this.#bytes, this.#at);
  }

  #entries(count: number): number {
    // A key and a value take a byte each at least.
    if (count * 2 > this.#bytes.length - this.#at) throw malformed(0, 'more announced than there are bytes');
    return count;
  }

  /** The length of the str or bin that begins here, known to be there, or one of the negatives. Leaves `#at` at its bytes. */
  #byteLength(): number {
    const start = this.#at;
    const head = this.#head();
    let length = head & 0x1f;
    if ((head & 0xe0) !== 0xa0) {
      if (head === 0xc4 || head === 0xd9) length = this.#uint(1);
      else if (head === nil) return noBytes;
      else if (head === 0xc5 || head === 0xda) length = this.#uint(2);
      else if (head === 0xc6 || head === 0xdb) length = this.#uint(4);
      else return otherType;
    }
    if (length > this.#bytes.length - this.#at) throw malformed(start, 'more announced than there are bytes');
    return length;
  }

  /** The next byte, which says what a value is. */
  #head(): number {
    const at = this.#at;
    if (at >= this.#bytes.length) throw malformed(this.#bytes.length, 'unexpected end');
    this.#at = at + 1;
    return this.#bytes[at] as number;
  }

  #uint(width: number): number {
    const at = this.#at;
    this.#at = at + width;
    return readUint(this.#bytes, at, width);
  }

  /** Eight bytes as an int64. */
  #word(): bigint {
    const bytes = this.#bytes;
    const at = this.#at;
    if (at + 8 > bytes.length) throw malformed(bytes.length, 'unexpected end');
    this.#at = at + 8;
    for (let i = 0; i < 8; i++) word[i] = bytes[at + i] as number;
    return wordView.getBigInt64(0);
  }
}

/** Whether `bytes` at `at` say what `expected` says from its index `from` on. */
function isAt(bytes: Uint8Array, at: number, expected: Uint8Array, from: number): boolean {
  const length = expected.length;
  if (at + length - from > bytes.length) return false;
  for (let i = from; i < length; i++) {
    if (bytes[at - from + i] !== expected[i]) return false;
  }
  return true;
}

function expectUtf8(bytes: Uint8Array, start: number, end: number, name: string): void {
  try {
    // A copy, because decoders refuse shared memory in browsers.
    strictDecoder.decode(new Uint8Array(bytes.subarray(start, end)));
  } catch {
    throw malformed(start, `"${name}" is not UTF-8`);
  }
}
