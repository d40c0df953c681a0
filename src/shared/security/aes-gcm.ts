import { notDecrypted, tooShort } from './failures.ts';
import { nodeCrypto } from './node-modules.ts';
import { nonceBytes, writeNonce } from './random-bytes.ts';

/** AES-256-GCM with Node's crypto: `[nonce 12][ciphertext][tag 16]` (NIST SP 800-38D). */

const algorithm = 'aes-256-gcm';
export const tagBytes = 16;
export const aesOverheadBytes: number = nonceBytes + tagBytes;
/** Without it a decipher would accept shorter tags. */
const options: { readonly authTagLength: number } = { authTagLength: tagBytes };
/** Long messages go through the cipher in pieces that stay in a core's cache. */
const pieceBytes = 65_536;

/**
 * Encrypts in place under a new nonce. `target[start … end]` has room for the nonce, then the plaintext, then room for
 * the tag.
 */
export function encryptInPlace(
  target: Uint8Array,
  start: number,
  end: number,
  key: Uint8Array,
  aad: Uint8Array | null,
): void {
  writeNonce(target, start);
  encryptWithNonce(target, start, end, key, aad);
}

/** The same, under the nonce that `target` already has. Use it only for a nonce that was never used with this key. */
export function encryptWithNonce(
  target: Uint8Array,
  start: number,
  end: number,
  key: Uint8Array,
  aad: Uint8Array | null,
): void {
  const first = start + nonceBytes;
  const last = end - tagBytes;
  const cipher = nodeCrypto().createCipheriv(algorithm, key, target.subarray(start, first), options);
  if (aad !== null) cipher.setAAD(aad);
  for (let at = first; at < last; at += pieceBytes) {
    target.set(cipher.update(target.subarray(at, Math.min(at + pieceBytes, last))), at);
  }
  cipher.final();
  target.set(cipher.getAuthTag(), last);
}

/** The plaintext of `[nonce][ciphertext][tag]`, in memory of its own. */
export function decryptBytes(sealed: Uint8Array, key: Uint8Array, aad: Uint8Array | null): Uint8Array {
  if (sealed.length < aesOverheadBytes) throw tooShort('ciphertext', aesOverheadBytes, sealed.length);
  const last = sealed.length - tagBytes;
  const decipher = nodeCrypto().createDecipheriv(algorithm, key, sealed.subarray(0, nonceBytes), options);
  decipher.setAuthTag(sealed.subarray(last));
  if (aad !== null) decipher.setAAD(aad);
  try {
    const plaintext = decipher.update(sealed.subarray(nonceBytes, last));
    decipher.final();
    // A plain view of what Node allocated for this call alone.
    return new Uint8Array(plaintext.buffer, plaintext.byteOffset, plaintext.length);
  } catch {
    // The cause says nothing more, and its text differs between versions of Node.
    throw notDecrypted();
  }
}
