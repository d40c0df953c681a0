import { copyOf, isBytes } from './bytes.ts';
import { keyInvalid } from './failures.ts';

/** AES-256 only. Keys of 16 and 24 bytes would silently select a weaker cipher. */
export const aesKeyBytes = 32;

/** The keys of a session by the id that its frames carry, 0–255. */
export interface KeySet {
  readonly id: number;
  readonly aesKey: Uint8Array | null;
  readonly hmacKey: Uint8Array | null;
}

/**
 * Checks a key for AES-256-GCM and gives a copy of it.
 * @throws EngineError ERR_KEY_INVALID unless it is a Uint8Array of 32 bytes.
 */
export function checkAesKey(key: unknown, path = 'aesKey'): Uint8Array {
  requireAesKey(key, path);
  return copyOf(key);
}

/**
 * Checks a key for HMAC-SHA256 and gives a copy of it.
 * @throws EngineError ERR_KEY_INVALID unless it is a Uint8Array of at least one byte.
 */
export function checkHmacKey(key: unknown, path = 'hmacKey'): Uint8Array {
  requireHmacKey(key, path);
  return copyOf(key);
}

export function requireAesKey(key: unknown, path = 'aesKey'): asserts key is Uint8Array {
  if (!isBytes(key) || key.length !== aesKeyBytes) {
    throw keyInvalid(path, kindOf(key), `a Uint8Array of exactly ${aesKeyBytes} bytes`);
  }
}

export function requireHmacKey(key: unknown, path = 'hmacKey'): asserts key is Uint8Array {
  if (!isBytes(key) || key.length === 0) throw keyInvalid(path, kindOf(key), 'a Uint8Array of at least 1 byte');
}

export function requireKeyId(id: unknown, path = 'keyId'): asserts id is number {
  if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id > 255) {
    throw keyInvalid(path, typeof id === 'number' ? String(id) : typeof id, 'a whole number from 0 to 255');
  }
}

/** A checked copy of a set of a session, which has at least one key. */
export function checkKeySet(keys: unknown, path: string): KeySet {
  if (typeof keys !== 'object' || keys === null) throw keyInvalid(path, kindOf(keys), 'an object of id and keys');
  const { id, aesKey, hmacKey } = keys as Record<keyof KeySet, unknown>;
  requireKeyId(id, `${path}.id`);
  const checked: KeySet = Object.freeze({
    id,
    aesKey: aesKey === null ? null : checkAesKey(aesKey, `${path}.aesKey`),
    hmacKey: hmacKey === null ? null : checkHmacKey(hmacKey, `${path}.hmacKey`),
  });
  if (checked.aesKey === null && checked.hmacKey === null) throw keyInvalid(path, 'no key', 'a set with a key');
  return checked;
}

/** What is said of a key in errors: never the key. */
export function kindOf(value: unknown): string {
  if (isBytes(value)) return `${value.length} bytes`;
  if (value === null) return 'null';
  return typeof value === 'string' ? `a string of length ${value.length}` : typeof value;
}
