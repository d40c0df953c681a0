import { notSigned, tooShort } from './failures.ts';
import { nodeCrypto } from './node-modules.ts';

/** HMAC-SHA256 with Node's crypto: `[mac 32][data]` (RFC 2104). */

export const macBytes = 32;

/** Writes the MAC of `target[start + 32 … end]` to `target[start]`. With `aad`, it is over `aad` and the data. */
export function signInPlace(
  target: Uint8Array,
  start: number,
  end: number,
  key: Uint8Array,
  aad: Uint8Array | null,
): void {
  target.set(macOf(target.subarray(start + macBytes, end), key, aad), start);
}

/** The data of `[mac][data]`: a view. */
export function verifiedData(signed: Uint8Array, key: Uint8Array, aad: Uint8Array | null): Uint8Array {
  if (signed.length < macBytes) throw tooShort('signed data', macBytes, signed.length);
  const data = signed.subarray(macBytes);
  const isRight = nodeCrypto().timingSafeEqual(macOf(data, key, aad), signed.subarray(0, macBytes));
  if (!isRight) throw notSigned();
  return data;
}

function macOf(data: Uint8Array, key: Uint8Array, aad: Uint8Array | null): Uint8Array {
  const hmac = nodeCrypto().createHmac('sha256', key);
  if (aad !== null) hmac.update(aad);
  return hmac.update(data).digest();
}
