import { EngineError } from '../errors/index.ts';

/** What this leaf uses of Node's own modules. Declared here, so that its types are the same in a browser. */

interface NodeCipher {
  setAAD(aad: Uint8Array): void;
  update(data: Uint8Array): Uint8Array;
  final(): Uint8Array;
  getAuthTag(): Uint8Array;
}

interface NodeDecipher {
  setAAD(aad: Uint8Array): void;
  setAuthTag(tag: Uint8Array): void;
  update(data: Uint8Array): Uint8Array;
  final(): Uint8Array;
}

interface NodeHmac {
  update(data: Uint8Array): NodeHmac;
  digest(): Uint8Array;
}

interface GcmOptions {
  readonly authTagLength: number;
}

export interface NodeCrypto {
  createCipheriv(algorithm: string, key: Uint8Array, nonce: Uint8Array, options: GcmOptions): NodeCipher;
  createDecipheriv(algorithm: string, key: Uint8Array, nonce: Uint8Array, options: GcmOptions): NodeDecipher;
  createHmac(algorithm: string, key: Uint8Array): NodeHmac;
  timingSafeEqual(a: Uint8Array, b: Uint8Array): boolean;
}

interface InflateOptions {
  readonly chunkSize: number;
  readonly maxOutputLength: number;
  /** Asks for the engine too, which knows how much of the input it read. */
  readonly info: true;
}

export interface NodeZlib {
  deflateRawSync(data: Uint8Array, options: { readonly level: number; readonly chunkSize: number }): Uint8Array;
  inflateRawSync(
    data: Uint8Array,
    options: InflateOptions,
  ): { readonly buffer: Uint8Array; readonly engine: { readonly bytesWritten: number } };
}

// Not by an import: a browser must be able to load this module.
const crypto: NodeCrypto | undefined = findBuiltin<NodeCrypto>('node:crypto');
const zlib: NodeZlib | undefined = findBuiltin<NodeZlib>('node:zlib');

function findBuiltin<Module>(name: string): Module | undefined {
  const { process } = globalThis as { process?: { getBuiltinModule?: (name: string) => unknown } };
  try {
    return process?.getBuiltinModule?.(name) as Module | undefined;
  } catch {
    // A Node without OpenSSL has no node:crypto.
    return undefined;
  }
}

export function nodeCrypto(): NodeCrypto {
  if (crypto === undefined) throw unavailable('node:crypto');
  return crypto;
}

export function nodeZlib(): NodeZlib {
  if (zlib === undefined) throw unavailable('node:zlib');
  return zlib;
}

function unavailable(name: string): EngineError {
  return new EngineError(
    'ERR_CRYPTO_UNAVAILABLE',
    `${name} is not available here; use compileWebPipeline or createWebClientSession instead`,
  );
}
