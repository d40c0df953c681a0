import { readBase64 } from './base64.ts';
import { readInt64, readSafeInteger } from './int64.ts';
import { scanned, skipColon, skipSpace, skipString, skipValue } from './json-scan.ts';
import { malformed } from './malformed.ts';
import { safeIntegerRange } from './safe-integer.ts';
import { readText, textBytes } from './text.ts';

/** What `next` returns when there are no more members. */
export const noMember = -1;

const quote = 0x22;
const comma = 0x2c;
const openBrace = 0x7b;
const closeBrace = 0x7d;
/** Of the values, only `null` begins with it. */
const letterN = 0x6e;

const nothing: Uint8Array = new Uint8Array(0);

/**
 * Walks through the members of a document that is one JSON object, and validates all of it on the way. It stops only at
 * members with one of the given names, in document order. Names match without regard to ASCII case, as in Go's
 * encoding/json. An instance is used for one document after the other.
 */
export class JsonMembers {
  readonly #names: readonly string[];
  /** Each name as it is nearly always written: in quotes, with a colon. */
  readonly #keys: readonly Uint8Array[];
  /** The first so many names have an order. */
  readonly #ordered: number;
  /** Where the current value lies, without whitespace around it. */
  #valueStart = 0;
  #valueEnd = 0;
  #bytes: Uint8Array = nothing;
  #at = 0;
  #first = true;
  #index = noMember;
  /** Index of the last member whose name has an order. */
  #place = noMember;
  #escaped = false;

  /**
   * @param names lower-case ASCII, in the order in which most writers write them
   * @param strays more of them, whose indices follow; they are rare, and stand anywhere in that order
   */
  constructor(names: readonly string[], strays: readonly string[] = []) {
    this.#names = [...names, ...strays];
    this.#keys = this.#names.map((name) => textBytes(`"${name}":`));
    this.#ordered = names.length;
  }

  /**
   * Begins a document. False for `null`, which counts as an object without members.
   *
   * @throws EngineError ERR_MESSAGE_MALFORMED
   */
  open(bytes: Uint8Array): boolean {
    const start = skipSpace(bytes, 0);
    if (start >= bytes.length) throw malformed(start, 'empty');
    if (bytes[start] === openBrace) {
      this.#bytes = bytes;
      this.#at = start + 1;
      this.#first = true;
      this.#index = noMember;
      this.#place = noMember;
      return true;
    }
    const end = passed(skipValue(bytes, start));
    if (bytes[start] !== letterN) throw malformed(start, 'not an object');
    expectEnd(bytes, end);
    return false;
  }

  /**
   * The index of the next member that has one of the names. After the last it is `noMember`, and then all of the
   * document has proved valid.
   *
   * @throws EngineError ERR_MESSAGE_MALFORMED
   */
  next(): number {
    const bytes = this.#bytes;
    for (;;) {
      let at = skipSpace(bytes, this.#at);
      if (at < bytes.length && bytes[at] === closeBrace) {
        // Do not keep the message's memory alive.
        this.#bytes = nothing;
        expectEnd(bytes, at + 1);
        return noMember;
      }
      if (!this.#first) {
        if (at >= bytes.length || bytes[at] !== comma) throw unexpected(bytes, at);
        at = skipSpace(bytes, at + 1);
      }
      this.#first = false;
      // Writers keep to one order: the next name is usually one of the next two.
      const next = this.#place + 1;
      const index = this.#hasKey(bytes, at, next)
        ? next
        : this.#hasKey(bytes, at, next + 1)
          ? next + 1
          : this.#readKey(bytes, at);
      this.#readValue(bytes, this.#at);
      if (index !== noMember) {
        this.#index = index;
        if (index < this.#ordered) this.#place = index;
        return index;
      }
    }
  }

  /** Whether the current value is `null`. */
  isNull(): boolean {
    return this.#bytes[this.#valueStart] === letterN;
  }

  /**
   * The current value's text, escapes decoded, lone surrogates as U+FFFD. `null` changes nothing, as in Go: it gives
   * back what was there `before`.
   *
   * @throws EngineError ERR_MESSAGE_MALFORMED if it is neither a string nor null
   */
  text(before: string): string {
    const bytes = this.#bytes;
    if (bytes[this.#valueStart] === quote) {
      return this.#escaped
        ? unescaped(bytes, this.#valueStart, this.#valueEnd)
        : readText(bytes, this.#valueStart + 1, this.#valueEnd - 1);
    }
    if (this.isNull()) return before;
    throw this.#wrong('not a string');
  }

  /** The current value's own bytes, a view of the document; null for `null`. */
  raw(): Uint8Array | null {
    return this.isNull() ? null : this.#bytes.subarray(this.#valueStart, this.#valueEnd);
  }

  /**
   * The bytes that the current value, a string of base64, stands for; `before` if it is `null`.
   *
   * @throws EngineError ERR_MESSAGE_MALFORMED if it is something else
   */
  base64(before: Uint8Array | null): Uint8Array | null {
    const bytes = this.#bytes;
    if (this.isNull()) return before;
    if (bytes[this.#valueStart] !== quote) throw this.#wrong('not a string');
    let result: Uint8Array | undefined;
    if (this.#escaped) {
      // Some writers escape every slash.
      const literal = textBytes(unescaped(bytes, this.#valueStart, this.#valueEnd));
      result = readBase64(literal, 0, literal.length);
    } else {
      result = readBase64(bytes, this.#valueStart + 1, this.#valueEnd - 1);
    }
    if (result === undefined) throw this.#wrong('not base64');
    return result;
  }

  /**
   * The current value as an int64; `before` if it is `null`. A point, an exponent and quotes are refused, as in Go.
   *
   * @throws EngineError ERR_MESSAGE_MALFORMED if it is something else
   */
  int64(before: bigint): bigint {
    if (this.isNull()) return before;
    const first = this.#bytes[this.#valueStart] as number;
    if (first !== 0x2d && (first < 0x30 || first > 0x39)) throw this.#wrong('not an integer');
    const value = readInt64(this.#bytes, this.#valueStart, this.#valueEnd);
    if (value === undefined) throw this.#wrong('not an integer in the int64 range');
    return value;
  }

  /**
   * The current value as an integer from 0 to 2^53 - 1. `null` is refused too: who writes it for a number that an answer
   * repeats would wait for the answer in vain.
   *
   * @throws EngineError ERR_MESSAGE_MALFORMED if it is something else
   */
  safeInteger(): number {
    const first = this.#bytes[this.#valueStart] as number;
    if (first !== 0x2d && (first < 0x30 || first > 0x39)) throw this.#wrong('not an integer');
    const value = readSafeInteger(this.#bytes, this.#valueStart, this.#valueEnd);
    if (value < 0) throw this.#wrong(`not an integer ${safeIntegerRange}`);
    return value;
  }

  /** Says that the current value is not what its name asks for. */
  #wrong(what: string): Error {
    return malformed(this.#valueStart, `"${this.#names[this.#index]}" is ${what}`);
  }

  /** Whether the key with this index stands here, written without any extras; leaves `#at` at the value if so. */
  #hasKey(bytes: Uint8Array, start: number, index: number): boolean {
    const key = this.#keys[index];
    if (key === undefined || bytes.length - start < key.length) return false;
    for (let i = 0; i < key.length; i++) {
      if (bytes[start + i] !== key[i]) return false;
    }
    this.#at = skipSpace(bytes, start + key.length);
    return true;
  }

  /** Reads a key and its colon; leaves `#at` at the value. */
  #readKey(bytes: Uint8Array, start: number): number {
    if (start >= bytes.length || bytes[start] !== quote) throw unexpected(bytes, start);
    for (let stray = this.#ordered; stray < this.#keys.length; stray++) {
      if (this.#hasKey(bytes, start, stray)) return stray;
    }
    const end = passed(skipString(bytes, start + 1));
    const index = scanned.escaped
      ? this.#indexOfText(unescaped(bytes, start, end))
      : this.#indexOfBytes(bytes, start + 1, end - 1);
    this.#at = passed(skipColon(bytes, end));
    return index;
  }

  #readValue(bytes: Uint8Array, start: number): void {
    this.#valueStart = start;
    if (start < bytes.length && bytes[start] === quote) {
      this.#valueEnd = passed(skipString(bytes, start + 1));
      this.#escaped = scanned.escaped;
    } else {
      this.#valueEnd = passed(skipValue(bytes, start));
    }
    this.#at = this.#valueEnd;
  }

  #indexOfBytes(bytes: Uint8Array, start: number, end: number): number {
    const length = end - start;
    const names = this.#names;
    for (let index = 0; index < names.length; index++) {
      const name = names[index] as string;
      if (name.length !== length) continue;
      let i = 0;
      while (i < length && isSameLetter(bytes[start + i] as number, name.charCodeAt(i))) i++;
      if (i === length) return index;
    }
    return noMember;
  }

  #indexOfText(text: string): number {
    const names = this.#names;
    for (let index = 0; index < names.length; index++) {
      const name = names[index] as string;
      let i = 0;
      while (i < name.length && isSameLetter(text.charCodeAt(i), name.charCodeAt(i))) i++;
      if (i === name.length && i === text.length) return index;
    }
    return noMember;
  }
}

/** Whether `unit` is `letter`, or its upper case where that is a letter from a to z. */
function isSameLetter(unit: number, letter: number): boolean {
  return unit === letter || ((unit | 0x20) === letter && letter >= 0x61 && letter <= 0x7a);
}

/**
 * The text of the string literal `bytes[start … end]`, quotes included, which the scanner has found valid. JSON.parse
 * cannot fail on it; two escaped halves of a surrogate pair become one character.
 */
function unescaped(bytes: Uint8Array, start: number, end: number): string {
  return (JSON.parse(readText(bytes, start, end)) as string).toWellFormed();
}

function expectEnd(bytes: Uint8Array, at: number): void {
  const end = skipSpace(bytes, at);
  if (end !== bytes.length) throw malformed(end, 'more after the end');
}

/** The position where a scan ended, if it did not fail. */
function passed(end: number): number {
  if (end < 0) throw malformed(~end, scanned.fault);
  return end;
}

function unexpected(bytes: Uint8Array, at: number): Error {
  return malformed(at, at < bytes.length ? 'unexpected character' : 'unexpected end');
}
