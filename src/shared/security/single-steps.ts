import { bodyRules, openBody, sealBody } from './body.ts';
import { checkPlaintext, checkSealed, unshared } from './bytes.ts';
import { requireAesKey, requireHmacKey } from './keys.ts';

/** The two steps of a pipeline, each alone, with a key given each time. */

/**
 * AES-256-GCM: `[nonce 12][ciphertext][tag 16]` under a fresh random nonce.
 * @throws EngineError ERR_KEY_INVALID, ERR_MESSAGE_INVALID, ERR_SEAL_TOO_LARGE, ERR_CRYPTO_UNAVAILABLE
 */
export function encrypt(plaintext: Uint8Array, aesKey: Uint8Array): Uint8Array {
  requireAesKey(aesKey);
  checkPlaintext(plaintext);
  return sealBody(bodyRules({ aesKey, hmacKey: null }, true, false), plaintext, 0, null, null);
}

/**
 * The plaintext of what `encrypt` gave.
 * @throws EngineError ERR_SEAL_TOO_SHORT, ERR_SEAL_DECRYPT, ERR_SEAL_TOO_LARGE, ERR_SEAL_FORMAT, ERR_KEY_INVALID,
 * ERR_CRYPTO_UNAVAILABLE
 */
export function decrypt(sealed: Uint8Array, aesKey: Uint8Array): Uint8Array {
  requireAesKey(aesKey);
  checkSealed(sealed);
  return openBody(bodyRules({ aesKey, hmacKey: null }, true, false), unshared(sealed), 0, null);
}

/**
 * HMAC-SHA256: `[mac 32][data]`.
 * @throws EngineError ERR_KEY_INVALID, ERR_MESSAGE_INVALID, ERR_SEAL_TOO_LARGE, ERR_CRYPTO_UNAVAILABLE
 */
export function sign(data: Uint8Array, hmacKey: Uint8Array): Uint8Array {
  requireHmacKey(hmacKey);
  checkPlaintext(data);
  return sealBody(bodyRules({ aesKey: null, hmacKey }, true, false), data, 0, null, null);
}

/**
 * The data of what `sign` gave: a view of it, unless its memory is shared. Compares in constant time.
 * @throws EngineError ERR_SEAL_TOO_SHORT, ERR_SEAL_SIGNATURE, ERR_SEAL_TOO_LARGE, ERR_SEAL_FORMAT, ERR_KEY_INVALID,
 * ERR_CRYPTO_UNAVAILABLE
 */
export function verify(signed: Uint8Array, hmacKey: Uint8Array): Uint8Array {
  requireHmacKey(hmacKey);
  checkSealed(signed);
  return openBody(bodyRules({ aesKey: null, hmacKey }, true, false), unshared(signed), 0, null);
}
