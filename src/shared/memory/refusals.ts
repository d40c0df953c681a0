import type { ErrorCode } from '../errors/index.ts';

/** Every code with which the engine refuses a handshake or another request. */
const refusalCodes: readonly ErrorCode[] = [
  'ERR_HANDSHAKE_METHOD',
  'ERR_HANDSHAKE_PATH',
  'ERR_HANDSHAKE_HOST',
  'ERR_HANDSHAKE_HOST_UNKNOWN',
  'ERR_HANDSHAKE_CONNECTION',
  'ERR_HANDSHAKE_UPGRADE',
  'ERR_HANDSHAKE_VERSION',
  'ERR_HANDSHAKE_KEY',
  'ERR_HANDSHAKE_ORIGIN',
  'ERR_HANDSHAKE_SUBPROTOCOL',
  'ERR_HANDSHAKE_NONCE',
  'ERR_HANDSHAKE_CERTIFICATE',
  'ERR_HANDSHAKE_REFUSED',
  'ERR_HANDSHAKE_TIMEOUT',
  'ERR_NAME_INVALID',
  'ERR_LIMIT_HANDSHAKES',
  'ERR_LIMIT_HANDSHAKES_PER_ADDRESS',
  'ERR_LIMIT_CONNECTIONS',
  'ERR_LIMIT_CONNECTIONS_PER_ADDRESS',
  'ERR_SHUTTING_DOWN',
  'ERR_INTERNAL',
];

/** An answer that an `upgrade` handler made with `reject`. It has no code of the engine. */
export const ownAnswer = 'reject';

/**
 * The names under which refusals are counted. The list is fixed, so nobody outside can make it grow: an unknown code
 * counts as `other`.
 */
export const refusalNames: readonly string[] = [...refusalCodes, ownAnswer, 'other'];

const places: ReadonlyMap<string, number> = new Map(refusalNames.map((name, place) => [name, place]));

/** The index of a refusal's code in `refusalNames`. */
export function refusalPlace(code: string): number {
  return places.get(code) ?? refusalNames.length - 1;
}
