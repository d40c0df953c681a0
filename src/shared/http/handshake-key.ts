import { createHash, randomBytes } from 'node:crypto';

/** Base64 of exactly 16 bytes: 22 digits, of which the last carries 2 bits, and the padding. No repeat is unbounded. */
const keyForm = /^[A-Za-z0-9+/]{21}[AQgw]==$/;

const acceptSuffix = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** A fresh `Sec-WebSocket-Key`, from the system's secure generator (RFC 6455 section 4.1). */
export function createHandshakeKey(): string {
  return randomBytes(16).toString('base64');
}

/** Whether a `Sec-WebSocket-Key` is the base64 form of 16 bytes. */
export function isHandshakeKey(key: string): boolean {
  return keyForm.test(key);
}

/** The `Sec-WebSocket-Accept` that answers a key (RFC 6455 section 4.2.2). */
export function acceptFor(key: string): string {
  return createHash('sha1')
    .update(key + acceptSuffix)
    .digest('base64');
}
