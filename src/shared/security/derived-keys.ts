import type { Direction } from './frame.ts';
import { nodeCrypto } from './node-modules.ts';

/**
 * The forms `+deflate2` and `+seal3` use no shared key as it is. Each key of theirs is derived from a shared one for one
 * subprotocol, one direction and one algorithm: what was sealed in one place opens in no other.
 */

export type KeyUse = 'aes-256-gcm' | 'hmac-sha256';

export const derivedKeyBytes = 32;

/** What a derived key is for, as HKDF's `info`: ASCII, as names of subprotocols are. */
export function purposeOf(subprotocol: string, direction: Direction, use: KeyUse): Uint8Array {
  return Uint8Array.from(`shardwire ${subprotocol} ${direction} ${use}`, (letter) => letter.charCodeAt(0));
}

const noSalt: Uint8Array = new Uint8Array(32);

/**
 * One of the keys of `+deflate2` and `+seal3`: HKDF with SHA-256, no salt, and a result of 32 bytes (RFC 5869), which is
 * an extract and a single step of its expand.
 * @throws EngineError ERR_CRYPTO_UNAVAILABLE
 */
export function derivedKey(key: Uint8Array, subprotocol: string, direction: Direction, use: KeyUse): Uint8Array {
  const { createHmac } = nodeCrypto();
  const secret = createHmac('sha256', noSalt).update(key).digest();
  const purpose = purposeOf(subprotocol, direction, use);
  return Uint8Array.from(createHmac('sha256', secret).update(purpose).update(Uint8Array.of(1)).digest());
}

/** Both keys for one direction. */
export function derivedKeys(
  { aesKey, hmacKey }: { readonly aesKey: Uint8Array | null; readonly hmacKey: Uint8Array | null },
  subprotocol: string,
  direction: Direction,
): { readonly aesKey: Uint8Array | null; readonly hmacKey: Uint8Array | null } {
  return {
    aesKey: aesKey === null ? null : derivedKey(aesKey, subprotocol, direction, 'aes-256-gcm'),
    hmacKey: hmacKey === null ? null : derivedKey(hmacKey, subprotocol, direction, 'hmac-sha256'),
  };
}
