import { monotonicMs } from '../../shared/base/monotonic.ts';
import type { KeyRing } from '../../shared/config/key-ring.ts';
import { EngineError } from '../../shared/errors/index.ts';
import { checkAesKey, checkHmacKey } from '../../shared/security/index.ts';
import type { SecurityKeys } from '../options/engine-options.ts';

const keyIds = 256;

function keyId(given: number | undefined, current: number): number {
  const id = given ?? (current + 1) % keyIds;
  if (Number.isInteger(id) && id >= 0 && id < keyIds && id !== current) return id;
  const allowed = `0 to ${keyIds - 1}, other than ${current}, which is in use`;
  throw new EngineError('ERR_KEY_INVALID', `keyId is ${id}; allowed: ${allowed}`, {
    path: 'keyId',
    given: id,
    allowed,
  });
}

/** Refuses a rotation that would switch encryption or signatures off, or on for clients that do not expect it. */
function replacement(
  path: 'aesKey' | 'hmacKey',
  given: Uint8Array | undefined,
  current: Uint8Array | null,
): Uint8Array | null {
  if ((given === undefined) !== (current === null)) {
    const allowed = current === null ? 'none, for there was none' : 'a key, for there was one';
    throw new EngineError('ERR_KEY_INVALID', `${path} must be: ${allowed}`, { path, allowed });
  }
  if (given === undefined) return null;
  return path === 'aesKey' ? checkAesKey(given, path) : checkHmacKey(given, path);
}

/** The key ring after a rotation: the former keys are accepted for `graceMs` more. Throws `ERR_KEY_INVALID`. */
export function rotated({ current }: KeyRing, keys: SecurityKeys, graceMs: number): KeyRing {
  return {
    current: {
      id: keyId(keys.keyId, current.id),
      aesKey: replacement('aesKey', keys.aesKey, current.aesKey),
      hmacKey: replacement('hmacKey', keys.hmacKey, current.hmacKey),
    },
    previous: graceMs > 0 ? current : null,
    previousUntil: monotonicMs() + graceMs,
  };
}
