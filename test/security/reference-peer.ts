import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto';
import { deflateRawSync, inflateRawSync } from 'node:zlib';

/**
 * A peer written from docs/protocol.md with Node's own modules: it must not import what it checks. It throws plain errors
 * and looks at nothing twice; it is no example for a program.
 */

export interface PeerKeys {
  readonly aes?: Uint8Array;
  readonly hmac?: Uint8Array;
  readonly signThenEncrypt?: boolean;
}

const none = new Uint8Array(0);

function sign(key: Uint8Array, data: Uint8Array, aad: Uint8Array): Buffer {
  return Buffer.concat([createHmac('sha256', key).update(aad).update(data).digest(), data]);
}

function verified(key: Uint8Array, signed: Uint8Array, aad: Uint8Array): Uint8Array {
  const data = signed.subarray(32);
  if (!sign(key, data, aad).equals(signed)) throw new Error('MAC');
  return data;
}

function encrypt(key: Uint8Array, plaintext: Uint8Array, aad: Uint8Array): Buffer {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(aad);
  return Buffer.concat([nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

function decrypted(key: Uint8Array, sealed: Uint8Array, aad: Uint8Array): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, 12)).setAAD(aad);
  decipher.setAuthTag(sealed.subarray(-16));
  return Buffer.concat([decipher.update(sealed.subarray(12, -16)), decipher.final()]);
}

export function peerSeal(keys: PeerKeys, plaintext: Uint8Array, aad: Uint8Array = none): Uint8Array {
  const { aes, hmac, signThenEncrypt = true } = keys;
  const signing = (bytes: Uint8Array): Uint8Array => (hmac ? sign(hmac, bytes, aad) : bytes);
  const encrypting = (bytes: Uint8Array): Uint8Array => (aes ? encrypt(aes, bytes, aad) : bytes);
  return signThenEncrypt ? encrypting(signing(plaintext)) : signing(encrypting(plaintext));
}

export function peerOpen(keys: PeerKeys, sealed: Uint8Array, aad: Uint8Array = none): Uint8Array {
  const { aes, hmac, signThenEncrypt = true } = keys;
  const verifying = (bytes: Uint8Array): Uint8Array => (hmac ? verified(hmac, bytes, aad) : bytes);
  const decrypting = (bytes: Uint8Array): Uint8Array => (aes ? decrypted(aes, bytes, aad) : bytes);
  return signThenEncrypt ? verifying(decrypting(sealed)) : decrypting(verifying(sealed));
}

export function peerFlag(payload: Uint8Array, deflate: boolean): Uint8Array {
  return Buffer.concat([Buffer.of(deflate ? 1 : 0), deflate ? deflateRawSync(payload) : payload]);
}

export function peerUnflag(plaintext: Uint8Array): { readonly deflated: boolean; readonly payload: Uint8Array } {
  const payload = plaintext.subarray(1);
  if (plaintext[0] === 0) return { deflated: false, payload };
  if (plaintext[0] === 1) return { deflated: true, payload: inflateRawSync(payload) };
  throw new Error('flag');
}

export function peerHeader(flags: number, keyId: number, counter: bigint): Buffer {
  const header = Buffer.alloc(11);
  header.writeUInt8(2, 0);
  header.writeUInt8(flags, 1);
  header.writeUInt8(keyId, 2);
  header.writeBigUInt64BE(counter, 3);
  return header;
}

export function peerAad(header: Uint8Array, direction: 's' | 'c', id: string, clientNonce: Uint8Array): Buffer {
  return Buffer.concat([header, Buffer.from(direction), Buffer.of(id.length), Buffer.from(id), clientNonce]);
}

/** The connection that frames of version 2 are bound to. */
export interface PeerConnection {
  readonly keys: PeerKeys;
  readonly keyId: number;
  readonly id: string;
  readonly clientNonce: Uint8Array;
}

export function peerHello({ keys, keyId, id, clientNonce }: PeerConnection): Uint8Array {
  const header = peerHeader(1, keyId, 0n);
  const body = peerSeal(keys, peerFlag(none, false), peerAad(header, 's', id, clientNonce));
  return Buffer.concat([header, Buffer.of(id.length), Buffer.from(id), body]);
}

export function peerFrame(
  { keys, keyId, id, clientNonce }: PeerConnection,
  direction: 's' | 'c',
  counter: bigint,
  payload: Uint8Array,
  deflate = false,
): Uint8Array {
  const header = peerHeader(0, keyId, counter);
  const body = peerSeal(keys, peerFlag(payload, deflate), peerAad(header, direction, id, clientNonce));
  return Buffer.concat([header, body]);
}

export function peerReadFrame(
  { keys, id, clientNonce }: PeerConnection,
  direction: 's' | 'c',
  frame: Uint8Array,
): {
  readonly flags: number;
  readonly keyId: number;
  readonly counter: bigint;
  readonly deflated: boolean;
  readonly payload: Uint8Array;
} {
  const bytes = Buffer.from(frame);
  const header = bytes.subarray(0, 11);
  if (header[0] !== 2) throw new Error('version');
  const flags = header.readUInt8(1);
  let start = 11;
  if (flags === 1) {
    if (bytes.toString('latin1', 12, 12 + bytes.readUInt8(11)) !== id) throw new Error('id');
    start = 12 + id.length;
  }
  const plaintext = peerOpen(keys, bytes.subarray(start), peerAad(header, direction, id, clientNonce));
  return { flags, keyId: header.readUInt8(2), counter: header.readBigUInt64BE(3), ...peerUnflag(plaintext) };
}
