import { EngineError } from '../errors/index.ts';
import { aesOverheadBytes } from './aes-gcm.ts';
import { type BodyKeys, flag, isDeflated } from './body.ts';
import { notDecrypted, notSigned, tooShort } from './failures.ts';
import { macBytes } from './hmac.ts';
import { nonceBytes, writeNonce } from './random-bytes.ts';
import { webDeflated, webInflated } from './web-deflate.ts';

/** The body of a sealed message with Web Crypto: the same bytes as those of body.ts, by other means. */

type Bytes = Uint8Array<ArrayBuffer>;

export interface WebBody {
  /** `payload` must not change until the result is there. */
  seal(payload: Uint8Array, deflate: boolean, prefix: Uint8Array, aad: Uint8Array): Promise<Uint8Array>;
  /** The payload; may be a view of `sealed`, which must not change and not be shared. */
  open(sealed: Uint8Array, maxBytes: number, aad: Uint8Array): Promise<Uint8Array>;
}

/** One key's part. No AAD is an empty one: neither AES-GCM nor HMAC can tell the two apart. */
interface Step {
  seal(data: Bytes, aad: Bytes): Promise<Bytes>;
  open(sealed: Bytes, aad: Bytes): Promise<Bytes>;
}

export async function compileWebBody(keys: BodyKeys, signThenEncrypt: boolean, flagged: boolean): Promise<WebBody> {
  const steps: Step[] = [];
  if (keys.hmacKey !== null) steps.push(await signing(keys.hmacKey));
  if (keys.aesKey !== null) steps.push(await encrypting(keys.aesKey));
  const sealing = signThenEncrypt ? steps : steps.toReversed();
  const opening = sealing.toReversed();
  return {
    async seal(payload, deflate, prefix, aad): Promise<Uint8Array> {
      let bytes = flagged ? await flaggedPayload(payload, deflate) : (payload as Bytes);
      for (const step of sealing) bytes = await step.seal(bytes, aad as Bytes);
      return prefix.length === 0 ? bytes : joined(prefix, bytes);
    },
    async open(sealed, maxBytes, aad): Promise<Uint8Array> {
      let bytes = sealed as Bytes;
      for (const step of opening) bytes = await step.open(bytes, aad as Bytes);
      if (!flagged) return bytes;
      return isDeflated(bytes) ? webInflated(bytes.subarray(1), maxBytes) : bytes.subarray(1);
    },
  };
}

async function flaggedPayload(payload: Uint8Array, deflate: boolean): Promise<Bytes> {
  const smaller = deflate ? await webDeflated(payload) : null;
  return smaller === null ? joined(Uint8Array.of(flag.asIs), payload) : joined(Uint8Array.of(flag.deflated), smaller);
}

async function encrypting(aesKey: Uint8Array): Promise<Step> {
  const key = await subtle().importKey('raw', aesKey as Bytes, 'AES-GCM', false, ['encrypt', 'decrypt']);
  const parametersOf = (iv: Bytes, additionalData: Bytes): AesGcmParams => ({
    name: 'AES-GCM',
    iv,
    additionalData,
    tagLength: 128,
  });
  return {
    async seal(data, aad): Promise<Bytes> {
      const nonce = new Uint8Array(nonceBytes);
      writeNonce(nonce, 0);
      return joined(nonce, new Uint8Array(await subtle().encrypt(parametersOf(nonce, aad), key, data)));
    },
    async open(sealed, aad): Promise<Bytes> {
      if (sealed.length < aesOverheadBytes) throw tooShort('ciphertext', aesOverheadBytes, sealed.length);
      const parameters = parametersOf(sealed.subarray(0, nonceBytes), aad);
      try {
        return new Uint8Array(await subtle().decrypt(parameters, key, sealed.subarray(nonceBytes)));
      } catch {
        throw notDecrypted();
      }
    },
  };
}

async function signing(hmacKey: Uint8Array): Promise<Step> {
  const algorithm = { name: 'HMAC', hash: 'SHA-256' };
  const key = await subtle().importKey('raw', hmacKey as Bytes, algorithm, false, ['sign', 'verify']);
  return {
    async seal(data, aad): Promise<Bytes> {
      const mac = new Uint8Array(await subtle().sign('HMAC', key, covered(aad, data)));
      return joined(mac, data);
    },
    async open(signed, aad): Promise<Bytes> {
      if (signed.length < macBytes) throw tooShort('signed data', macBytes, signed.length);
      const data = signed.subarray(macBytes);
      const isRight = await subtle().verify('HMAC', key, signed.subarray(0, macBytes), covered(aad, data));
      if (!isRight) throw notSigned();
      return data;
    },
  };
}

/** What a MAC is over. */
function covered(aad: Bytes, data: Bytes): Bytes {
  return aad.length === 0 ? data : joined(aad, data);
}

/** @throws EngineError ERR_CRYPTO_UNAVAILABLE */
export function subtle(): SubtleCrypto {
  const { crypto } = globalThis as { crypto?: { subtle?: SubtleCrypto } };
  if (crypto?.subtle === undefined) {
    throw new EngineError(
      'ERR_CRYPTO_UNAVAILABLE',
      'crypto.subtle is missing: a page has it with https or on localhost',
    );
  }
  return crypto.subtle;
}

function joined(first: Uint8Array, second: Uint8Array): Bytes {
  const whole = new Uint8Array(first.length + second.length);
  whole.set(first);
  whole.set(second, first.length);
  return whole;
}
