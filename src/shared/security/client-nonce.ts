import { clientNonceBytes } from './frame.ts';
import { fillRandom } from './random-bytes.ts';
import { requireClientNonce } from './server-session.ts';

/** base64url without padding (RFC 4648 section 5). 16 bytes are 21 characters and two bits: 22 characters. */
const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const textLength = 22;

/** A client's nonce for one connection: 16 random bytes. Choose a new one for every connection. */
export function createClientNonce(): Uint8Array {
  const nonce = new Uint8Array(clientNonceBytes);
  fillRandom(nonce);
  return nonce;
}

/**
 * The value of the query's `client_nonce`: 22 characters.
 * @throws EngineError ERR_OPTION_INVALID unless it is 16 bytes
 */
export function encodeClientNonce(nonce: Uint8Array): string {
  requireClientNonce(nonce);
  let text = '';
  for (let at = 0; at < textLength; at++) {
    const bit = at * 6;
    const byte = bit >>> 3;
    const pair = ((nonce[byte] as number) << 8) | (nonce[byte + 1] ?? 0);
    text += alphabet[(pair >>> (10 - (bit & 7))) & 63];
  }
  return text;
}

/** The nonce of a query, or null if the text is none. Each nonce has exactly one text. */
export function decodeClientNonce(text: string): Uint8Array | null {
  if (typeof text !== 'string' || text.length !== textLength) return null;
  const nonce = new Uint8Array(clientNonceBytes);
  let bits = 0;
  for (let at = 0; at < textLength; at++) {
    const sextet = alphabet.indexOf(text.charAt(at));
    if (sextet < 0) return null;
    bits = ((bits << 6) | sextet) & 0x3fff;
    // After this character 6 * (at + 1) bits are known; a byte is whole whenever another eight are.
    const known = (at + 1) * 6;
    if (known >> 3 > (known - 6) >> 3 && known >> 3 <= clientNonceBytes) {
      nonce[(known >> 3) - 1] = bits >>> (known & 7);
    }
  }
  // The last character has four bits too many, which must be zero.
  return (bits & 15) === 0 ? nonce : null;
}
