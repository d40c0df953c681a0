import { checkPlaintext, checkSealed, copyOf } from './bytes.ts';
import { checkPipelineConfig, type PipelineConfig } from './config.ts';
import { directedWebBodies } from './web-derived.ts';

/** A Pipeline with asynchronous functions. Arguments may be reused at once. Rejections are as Pipeline throws. */
export interface WebPipeline {
  readonly isIdentity: boolean;
  seal(plaintext: Uint8Array): Promise<Uint8Array>;
  open(sealed: Uint8Array): Promise<Uint8Array>;
}

const none: Uint8Array = new Uint8Array(0);

/**
 * A pipeline of version 1, or with a subprotocol that of `+deflate2`, with Web Crypto, in browsers and in Node. `compress.level` has no effect: browsers have one.
 * Rejects with EngineError ERR_KEY_INVALID or ERR_OPTION_INVALID, and ERR_CRYPTO_UNAVAILABLE in a page without https.
 */
export async function compileWebPipeline(config: PipelineConfig): Promise<WebPipeline> {
  const { aesKey, hmacKey, signThenEncrypt, flagged, level, thresholdBytes, maxOpenBytes, subprotocol, side } =
    checkPipelineConfig(config);
  if (aesKey === null && hmacKey === null && !flagged) return identity;
  const bodies = await directedWebBodies({ aesKey, hmacKey }, signThenEncrypt, flagged, subprotocol, side);
  return Object.freeze({
    isIdentity: false,
    async seal(plaintext: Uint8Array): Promise<Uint8Array> {
      checkPlaintext(plaintext);
      return bodies.outgoing.seal(copyOf(plaintext), level > 0 && plaintext.length >= thresholdBytes, none, none);
    },
    async open(sealed: Uint8Array): Promise<Uint8Array> {
      checkSealed(sealed);
      return bodies.incoming.open(copyOf(sealed), maxOpenBytes, none);
    },
  });
}

const identity: WebPipeline = Object.freeze({
  isIdentity: true,
  seal: async (plaintext: Uint8Array): Promise<Uint8Array> => plaintext,
  open: async (sealed: Uint8Array): Promise<Uint8Array> => sealed,
});
