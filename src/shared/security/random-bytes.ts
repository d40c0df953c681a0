import { EngineError } from '../errors/index.ts';

/** The nonce of AES-GCM (NIST SP 800-38D section 8.2.2: 96 random bits). */
export const nonceBytes = 12;

/** Filled in blocks: one call for random bytes costs more than sealing a small message. */
const block: Uint8Array<ArrayBuffer> = new Uint8Array(nonceBytes * 1024);
let used: number = block.length;

/** Writes a fresh nonce to `target` at `at`. No nonce of the block is given twice. */
export function writeNonce(target: Uint8Array, at: number): void {
  if (used === block.length) {
    fillRandom(block);
    used = 0;
  }
  for (let i = 0; i < nonceBytes; i++) target[at + i] = block[used + i] as number;
  used += nonceBytes;
}

/** Fills with bytes of the platform's cryptographic generator. At most 65,536, the limit of Web Crypto. */
export function fillRandom(bytes: Uint8Array<ArrayBuffer>): void {
  const { crypto } = globalThis as { crypto?: Crypto };
  if (crypto === undefined) {
    throw new EngineError('ERR_CRYPTO_UNAVAILABLE', 'globalThis.crypto, the source of random bytes, is not available');
  }
  crypto.getRandomValues(bytes);
}
