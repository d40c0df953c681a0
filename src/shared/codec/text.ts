/**
 * UTF-8 to strings and back. Node's own slice and write methods work on any Uint8Array and cost about half of what
 * TextDecoder and TextEncoder do on short text; where they are missing (a browser), the standard classes serve.
 */

interface NativeText {
  utf8Slice(this: Uint8Array, start: number, end: number): string;
  utf8Write(this: Uint8Array, text: string, offset: number, length: number): number;
}

const decoder: TextDecoder = new TextDecoder('utf-8', { ignoreBOM: true });
const encoder: TextEncoder = new TextEncoder();

/** Text up to this many bytes is looked up among text seen before: names of types, channels and clients repeat. */
const internedBytes = 32;
const internedEntries = 1024;
const interned: string[] = new Array<string>(internedEntries).fill('');

/** Node's methods, or undefined. They are not documented, so one try at load decides. */
const native: NativeText | undefined = findNative();

function findNative(): NativeText | undefined {
  const { Buffer: found } = globalThis as { Buffer?: { prototype?: Partial<NativeText> } };
  const methods = found?.prototype;
  if (typeof methods?.utf8Slice !== 'function' || typeof methods.utf8Write !== 'function') return undefined;
  try {
    const trial = new Uint8Array(4);
    const written = methods.utf8Write.call(trial, 'é', 1, 3);
    return written === 2 && methods.utf8Slice.call(trial, 1, 3) === 'é' ? (methods as NativeText) : undefined;
  } catch {
    return undefined;
  }
}

/** The text of `bytes[start … end]`, which must be valid UTF-8. A byte order mark stays in the text. */
export function readText(bytes: Uint8Array, start: number, end: number): string {
  const length = end - start;
  if (length > internedBytes) return readUtf8(bytes, start, end);
  if (length === 0) return '';
  let hash = length;
  for (let at = start; at < end; at++) {
    const byte = bytes[at] as number;
    if (byte >= 0x80) return readUtf8(bytes, start, end);
    hash = (Math.imul(hash, 31) + byte) | 0;
  }
  const slot = (hash ^ (hash >>> 11)) & (internedEntries - 1);
  const candidate = interned[slot] as string;
  if (isAscii(candidate, bytes, start, length)) return candidate;
  const text = readUtf8(bytes, start, end);
  interned[slot] = text;
  return text;
}

function isAscii(text: string, bytes: Uint8Array, start: number, length: number): boolean {
  if (text.length !== length) return false;
  for (let i = 0; i < length; i++) {
    if (text.charCodeAt(i) !== bytes[start + i]) return false;
  }
  return true;
}

function readUtf8(bytes: Uint8Array, start: number, end: number): string {
  if (native !== undefined) return native.utf8Slice.call(bytes, start, end);
  // A copy: browsers decode no view of shared memory.
  return decoder.decode(bytes.slice(start, end));
}

/** Writes well-formed text at `start` and returns the offset after it. There must be room: three bytes per unit. */
export function writeText(bytes: Uint8Array, start: number, text: string): number {
  if (native !== undefined) return start + native.utf8Write.call(bytes, text, start, bytes.length - start);
  return start + encoder.encodeInto(text, bytes.subarray(start)).written;
}

/** The UTF-8 bytes of a text. */
export function textBytes(text: string): Uint8Array {
  return encoder.encode(text);
}

/** Copies all of `source` to `target` at `start` and returns the offset after it. Short ones are faster by hand. */
export function writeBytes(target: Uint8Array, start: number, source: Uint8Array): number {
  const length = source.length;
  if (length > 48) {
    target.set(source, start);
  } else {
    for (let i = 0; i < length; i++) target[start + i] = source[i] as number;
  }
  return start + length;
}
