import { openBody, sealBody } from './body.ts';
import { checkPlaintext, checkSealed, unshared } from './bytes.ts';
import { checkPipelineConfig, type PipelineConfig } from './config.ts';
import { directedRules } from './directed-rules.ts';
import { nodeCrypto, nodeZlib } from './node-modules.ts';

/** Two functions that undo each other, with keys and options inside. */
export interface Pipeline {
  /** Whether both functions give back what they get: no keys, no flag. */
  readonly isIdentity: boolean;
  /** @throws EngineError ERR_MESSAGE_INVALID, ERR_SEAL_TOO_LARGE */
  seal(plaintext: Uint8Array): Uint8Array;
  /**
   * The result may be a view of `sealed`.
   * @throws EngineError ERR_SEAL_TOO_SHORT, ERR_SEAL_DECRYPT, ERR_SEAL_SIGNATURE, ERR_SEAL_FORMAT, ERR_SEAL_TOO_LARGE
   */
  open(sealed: Uint8Array): Uint8Array;
}

/**
 * A pipeline of version 1, or with a subprotocol that of `+deflate2`, with Node's crypto.
 * @throws EngineError ERR_KEY_INVALID, ERR_OPTION_INVALID; ERR_CRYPTO_UNAVAILABLE outside Node
 */
export function compilePipeline(config: PipelineConfig): Pipeline {
  const { aesKey, hmacKey, signThenEncrypt, flagged, level, thresholdBytes, maxOpenBytes, subprotocol, side } =
    checkPipelineConfig(config);
  const hasKey = aesKey !== null || hmacKey !== null;
  if (!hasKey && !flagged) return identity;
  // Now, rather than with the first message.
  if (hasKey) nodeCrypto();
  if (flagged) nodeZlib();
  const rules = directedRules({ aesKey, hmacKey }, signThenEncrypt, flagged, subprotocol, side);
  return Object.freeze({
    isIdentity: false,
    seal(plaintext: Uint8Array): Uint8Array {
      checkPlaintext(plaintext);
      return sealBody(rules.outgoing, plaintext, plaintext.length < thresholdBytes ? 0 : level, null, null);
    },
    open(sealed: Uint8Array): Uint8Array {
      checkSealed(sealed);
      return openBody(rules.incoming, unshared(sealed), maxOpenBytes, null);
    },
  });
}

const identity: Pipeline = Object.freeze({
  isIdentity: true,
  seal: (plaintext: Uint8Array): Uint8Array => plaintext,
  open: (sealed: Uint8Array): Uint8Array => sealed,
});
