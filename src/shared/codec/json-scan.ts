/**
 * A validating scanner for JSON text in bytes: the whole grammar of RFC 8259, with UTF-8 checked inside strings
 * (RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF), because input may come from binary frames. It
 * makes no values. Positions are byte offsets; a scan that fails returns `~offset`, which
 * is negative, and says what is wrong in `scanned.fault`.
 */

/** Arrays and objects may nest this deep within one value; deeper is malformed. Go stops at 10,000. */
export const maxJsonDepth = 512;

/** What the last scan found besides the position where it ended. Read it before scanning on. */
export const scanned: { escaped: boolean; fault: string } = {
  /** Whether the last string had a backslash in it, so that its bytes are not yet its text. */
  escaped: false,
  fault: '',
};

const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;
const colon = 0x3a;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const minus = 0x2d;
const zero = 0x30;

/** A run of plain characters this long is worth a view for skipping words instead of bytes. */
const longRunBytes = 64;

/** 1 for the bytes that stand for themselves in a string and need no second look: ASCII but controls, quote and backslash. */
const plain: Uint8Array = new Uint8Array(256).fill(1, 0x20, 0x80);
plain[quote] = 0;
plain[backslash] = 0;

/** One entry per open array (0) or object (1). Shared by all scans: a scan never runs inside another. */
const nesting = new Uint8Array(maxJsonDepth);

/** Whether the bytes are exactly one JSON value, whitespace around it allowed, no deeper than `maxJsonDepth`. */
export function isJson(bytes: Uint8Array): boolean {
  const end = skipValue(bytes, skipSpace(bytes, 0));
  return end >= 0 && skipSpace(bytes, end) === bytes.length;
}

/** Notes what is wrong and returns what a failed scan returns. */
function fault(offset: number, what: string): number {
  scanned.fault = what;
  return ~offset;
}

export function skipSpace(bytes: Uint8Array, start: number): number {
  const end = bytes.length;
  let at = start;
  while (at < end) {
    const byte = bytes[at];
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) break;
    at++;
  }
  return at;
}

/** From the first byte of a value to just after its last. Does not recurse, so depth cannot overflow the stack. */
export function skipValue(bytes: Uint8Array, start: number): number {
  let depth = 0;
  let at = start;
  for (;;) {
    const first = at < bytes.length ? bytes[at] : -1;
    if (first === openBrace || first === openBracket) {
      if (depth === maxJsonDepth) return fault(at, `nested deeper than ${maxJsonDepth}`);
      const isObject = first === openBrace;
      const inside = skipSpace(bytes, at + 1);
      const next = inside < bytes.length ? bytes[inside] : -1;
      if (next !== (isObject ? closeBrace : closeBracket)) {
        nesting[depth++] = isObject ? 1 : 0;
        at = isObject ? skipKey(bytes, inside) : inside;
        if (at < 0) return at;
        continue;
      }
      at = inside + 1;
    } else {
      at = first === quote ? skipString(bytes, at + 1) : skipScalar(bytes, at);
      if (at < 0) return at;
    }

    // A value has ended: close what ends with it, up to the next one.
    for (;;) {
      if (depth === 0) return at;
      at = skipSpace(bytes, at);
      const byte = at < bytes.length ? bytes[at] : -1;
      const inObject = nesting[depth - 1] === 1;
      if (byte === comma) {
        at = skipSpace(bytes, at + 1);
        if (inObject) at = skipKey(bytes, at);
        if (at < 0) return at;
        break;
      }
      if (byte !== (inObject ? closeBrace : closeBracket)) return unexpected(bytes, at);
      at++;
      depth--;
    }
  }
}

/** From a key's opening quote to the first byte of its value. */
function skipKey(bytes: Uint8Array, start: number): number {
  if (start >= bytes.length || bytes[start] !== quote) return unexpected(bytes, start);
  const end = skipString(bytes, start + 1);
  return end < 0 ? end : skipColon(bytes, end);
}

/** From the end of a key to the first byte of its value. */
export function skipColon(bytes: Uint8Array, start: number): number {
  const at = skipSpace(bytes, start);
  if (at >= bytes.length || bytes[at] !== colon) return unexpected(bytes, at);
  return skipSpace(bytes, at + 1);
}

/** From just after a string's opening quote to just after its closing one. Sets `scanned.escaped`. */
export function skipString(bytes: Uint8Array, start: number): number {
  const end = bytes.length;
  let at = start;
  scanned.escaped = false;
  for (;;) {
    const longRun = Math.min(end, at + longRunBytes);
    while (at < longRun && plain[bytes[at] as number] === 1) at++;
    if (at === longRun && end - at >= longRunBytes) at = skipPlain(bytes, at);
    if (at >= end) return fault(end, 'string without an end');
    const byte = bytes[at] as number;
    if (byte === quote) return at + 1;
    if (byte < 0x20) return fault(at, 'control character in a string');
    if (byte === backslash) {
      scanned.escaped = true;
      at = skipEscape(bytes, at);
    } else if (byte >= 0x80) {
      do at = skipUtf8(bytes, at);
      while (at >= 0 && at < end && (bytes[at] as number) >= 0x80);
    }
    if (at < 0) return at;
  }
}

/**
 * Skips plain ASCII by aligned words, about four times as fast as by bytes. Stops at, or up to seven bytes before, the
 * first quote, backslash, control character or byte above 0x7f, or the end.
 */
function skipPlain(bytes: Uint8Array, start: number): number {
  let at = start;
  // The caller's loop takes a special byte here; these few only bring us to a word boundary.
  while (at < bytes.length && ((bytes.byteOffset + at) & 3) !== 0) {
    const byte = bytes[at] as number;
    if (byte < 0x20 || byte >= 0x80 || byte === quote || byte === backslash) return at;
    at++;
  }
  const words = new Int32Array(bytes.buffer, bytes.byteOffset + at, (bytes.length - at) >> 2);
  const last = words.length - 1;
  let index = 0;
  for (; index < last; index += 2) {
    const a = words[index] as number;
    const b = words[index + 1] as number;
    // In each byte: subtracting sets the top bit of what is below 0x20, or of zero after the xor; if none is and no
    // byte had its top bit set before, there was no borrow either, so the test is exact in both directions.
    const special =
      a |
      (a - 0x20202020) |
      ((a ^ 0x22222222) - 0x01010101) |
      ((a ^ 0x5c5c5c5c) - 0x01010101) |
      (b | (b - 0x20202020) | ((b ^ 0x22222222) - 0x01010101) | ((b ^ 0x5c5c5c5c) - 0x01010101));
    if ((special & 0x80808080) !== 0) break;
  }
  return at + index * 4;
}

/** From a backslash to after its escape (RFC 8259 section 7). A lone surrogate is grammatical. */
function skipEscape(bytes: Uint8Array, start: number): number {
  const kind = start + 1 < bytes.length ? bytes[start + 1] : -1;
  switch (kind) {
    case quote:
    case backslash:
    case 0x2f: // /
    case 0x62: // b
    case 0x66: // f
    case 0x6e: // n
    case 0x72: // r
    case 0x74: // t
      return start + 2;
    case 0x75: {
      for (let at = start + 2; at < start + 6; at++) {
        const byte = at < bytes.length ? (bytes[at] as number) : -1;
        const letter = byte | 0x20;
        if (!((byte >= 0x30 && byte <= 0x39) || (byte > 0 && letter >= 0x61 && letter <= 0x66))) {
          return fault(start, 'bad \\u escape');
        }
      }
      return start + 6;
    }
    default:
      return fault(start, 'bad escape');
  }
}

/** One character of two to four bytes (the table of RFC 3629 section 4). */
function skipUtf8(bytes: Uint8Array, start: number): number {
  const lead = bytes[start] as number;
  // The second byte's range is narrower after some leads: that excludes overlong forms, surrogates and > U+10FFFF.
  let length = 2;
  let low = 0x80;
  let high = 0xbf;
  if (lead >= 0xf0) {
    length = 4;
    if (lead === 0xf0) low = 0x90;
    else if (lead === 0xf4) high = 0x8f;
  } else if (lead >= 0xe0) {
    length = 3;
    if (lead === 0xe0) low = 0xa0;
    else if (lead === 0xed) high = 0x9f;
  }
  if (lead < 0xc2 || lead > 0xf4 || start + length > bytes.length) return fault(start, 'invalid UTF-8');
  const second = bytes[start + 1] as number;
  if (second < low || second > high) return fault(start, 'invalid UTF-8');
  for (let at = start + 2; at < start + length; at++) {
    if (((bytes[at] as number) & 0xc0) !== 0x80) return fault(start, 'invalid UTF-8');
  }
  return start + length;
}

/** A number, `true`, `false` or `null`. */
function skipScalar(bytes: Uint8Array, start: number): number {
  const first = start < bytes.length ? (bytes[start] as number) : -1;
  if (first === minus || isDigit(first)) return skipNumber(bytes, start);
  if (first === 0x74) return skipLiteral(bytes, start, 'true');
  if (first === 0x66) return skipLiteral(bytes, start, 'false');
  if (first === 0x6e) return skipLiteral(bytes, start, 'null');
  return unexpected(bytes, start);
}

function skipLiteral(bytes: Uint8Array, start: number, literal: string): number {
  for (let i = 1; i < literal.length; i++) {
    if (start + i >= bytes.length || bytes[start + i] !== literal.charCodeAt(i)) return unexpected(bytes, start + i);
  }
  return start + literal.length;
}

/** RFC 8259 section 6: no leading zeros, at least one digit after a point and in an exponent. */
function skipNumber(bytes: Uint8Array, start: number): number {
  let at = bytes[start] === minus ? start + 1 : start;
  if (at < bytes.length && bytes[at] === zero) at++;
  else at = skipDigits(bytes, at);
  if (at >= 0 && at < bytes.length && bytes[at] === 0x2e) at = skipDigits(bytes, at + 1);
  if (at >= 0 && at < bytes.length && ((bytes[at] as number) | 0x20) === 0x65) {
    const sign = at + 1 < bytes.length ? bytes[at + 1] : -1;
    at = skipDigits(bytes, sign === minus || sign === 0x2b ? at + 2 : at + 1);
  }
  return at;
}

/** One digit or more. */
function skipDigits(bytes: Uint8Array, start: number): number {
  const end = bytes.length;
  let at = start;
  while (at < end && isDigit(bytes[at] as number)) at++;
  return at === start ? unexpected(bytes, at) : at;
}

function isDigit(byte: number): boolean {
  return byte >= zero && byte <= 0x39;
}

function unexpected(bytes: Uint8Array, at: number): number {
  return at < bytes.length ? fault(at, 'unexpected character') : fault(bytes.length, 'unexpected end');
}
