import { EngineError, refusalOf } from '../errors/index.ts';

/** The leaf's errors about messages. None of them holds a key or a payload. */

export function tooShort(what: string, needBytes: number, gotBytes: number): EngineError {
  return refusalOf('ERR_SEAL_TOO_SHORT', `${what} too short: need at least ${needBytes} bytes, got ${gotBytes}`);
}

export function notDecrypted(): EngineError {
  return refusalOf('ERR_SEAL_DECRYPT', 'cannot decrypt: the key is another one, or the bytes were changed');
}

export function notSigned(): EngineError {
  return refusalOf('ERR_SEAL_SIGNATURE', 'wrong signature: the key is another one, or the bytes were changed');
}

export function badFormat(what: string): EngineError {
  return refusalOf('ERR_SEAL_FORMAT', `not a sealed message: ${what}`);
}

export function tooLarge(what: string, maxBytes: number): EngineError {
  return refusalOf('ERR_SEAL_TOO_LARGE', `${what} is longer than ${maxBytes} bytes`);
}

export function replayed(what: string): EngineError {
  return refusalOf('ERR_SEAL_REPLAYED', what);
}

export function unknownKey(id: number): EngineError {
  return refusalOf('ERR_SEAL_KEY_UNKNOWN', `no keys are known by the id ${id}`);
}

/** A value of a caller that is not allowed. `given` is a description where the value itself could be a secret. */
export function optionInvalid(path: string, given: unknown, allowed: string): EngineError {
  return new EngineError('ERR_OPTION_INVALID', `${path} must be ${allowed}`, { path, given, allowed });
}

export function keyInvalid(path: string, given: string, allowed: string): EngineError {
  return new EngineError('ERR_KEY_INVALID', `${path} must be ${allowed}, got ${given}`, { path, given, allowed });
}
