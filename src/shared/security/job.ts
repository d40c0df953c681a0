import { bodyRules, openBody, sealBody } from './body.ts';
import { checkPlaintext, checkSealed, copyOf, largestBytes, unshared } from './bytes.ts';
import { requireWhole } from './config.ts';
import { type KeySet, requireAesKey, requireHmacKey } from './keys.ts';

/** Work that can be done in any thread: everything it needs is in the job, which can be cloned and sent. */

export interface SealJob {
  readonly op: 'seal';
  /** The payload; its memory may be shared. */
  readonly source: Uint8Array;
  readonly keys: KeySet;
  readonly signThenEncrypt: boolean;
  readonly flagged: boolean;
  /** zlib's level 1–9; 0: do not deflate. Without a flag nothing is deflated. */
  readonly deflateLevel: number;
  /** Written in clear before the body. */
  readonly prefix: Uint8Array | null;
  readonly aad: Uint8Array | null;
}

export interface OpenJob {
  readonly op: 'open';
  /** The body, without a prefix; its memory may be shared. */
  readonly source: Uint8Array;
  readonly keys: KeySet;
  readonly signThenEncrypt: boolean;
  readonly flagged: boolean;
  /** Bound of an inflated payload, 1 or more. */
  readonly maxBytes: number;
  readonly aad: Uint8Array | null;
}

/** A result in an ArrayBuffer with at most this many bytes more (flag and MAC) is given as it is. */
const spareBytes = 64;

/**
 * Does a job here and now. The result is the caller's own: in an ArrayBuffer that nothing else uses, so that it can be
 * transferred.
 * @throws EngineError ERR_SEAL_TOO_SHORT, ERR_SEAL_DECRYPT, ERR_SEAL_SIGNATURE, ERR_SEAL_FORMAT, ERR_SEAL_TOO_LARGE for
 * what cannot be opened; ERR_KEY_INVALID, ERR_OPTION_INVALID, ERR_MESSAGE_INVALID for a wrong job
 */
export function runJob(job: SealJob | OpenJob): Uint8Array {
  const { keys } = job;
  if (keys.aesKey !== null) requireAesKey(keys.aesKey, 'keys.aesKey');
  if (keys.hmacKey !== null) requireHmacKey(keys.hmacKey, 'keys.hmacKey');
  const rules = bodyRules(keys, job.signThenEncrypt, job.flagged);
  if (job.op === 'seal') {
    checkPlaintext(job.source);
    requireWhole('deflateLevel', job.deflateLevel, 0, 9);
    return sealBody(rules, job.source, job.deflateLevel, job.prefix, job.aad);
  }
  checkSealed(job.source);
  requireWhole('maxBytes', job.maxBytes, 1, largestBytes);
  const source = unshared(job.source);
  const payload = openBody(rules, source, job.maxBytes, job.aad);
  const isOwn = payload.buffer !== source.buffer && payload.buffer.byteLength - payload.length <= spareBytes;
  return isOwn ? payload : copyOf(payload);
}
