import { decryptBytes, encryptInPlace, tagBytes } from './aes-gcm.ts';
import { deflated, inflated } from './deflate.ts';
import { badFormat } from './failures.ts';
import { macBytes, signInPlace, verifiedData } from './hmac.ts';
import { nonceBytes } from './random-bytes.ts';

/**
 * The body of a sealed message: what the keys are applied to and in which order. It is built in the
 * result itself: prefix and payload are copied to their places once, then each step works on its part in place.
 */

export interface BodyKeys {
  readonly aesKey: Uint8Array | null;
  readonly hmacKey: Uint8Array | null;
}

/** The keys as one order reads them: only those that the order was chosen for. */
interface PresentKeys {
  readonly aesKey: Uint8Array;
  readonly hmacKey: Uint8Array;
}

/** One way to apply the keys. It puts the same number of bytes around every plaintext. */
interface Order {
  readonly before: number;
  readonly after: number;
  /** Seals the body that is `target` from `start` on; the plaintext stands at `start + before`. */
  seal(target: Uint8Array, start: number, keys: PresentKeys, aad: Uint8Array | null): void;
  /** The plaintext; may be a view of `sealed`. */
  open(sealed: Uint8Array, keys: PresentKeys, aad: Uint8Array | null): Uint8Array;
}

const neither: Order = {
  before: 0,
  after: 0,
  seal() {},
  open: (sealed) => sealed,
};

const encryptOnly: Order = {
  before: nonceBytes,
  after: tagBytes,
  seal(target, start, keys, aad) {
    encryptInPlace(target, start, target.length, keys.aesKey, aad);
  },
  open: (sealed, keys, aad) => decryptBytes(sealed, keys.aesKey, aad),
};

const signOnly: Order = {
  before: macBytes,
  after: 0,
  seal(target, start, keys, aad) {
    signInPlace(target, start, target.length, keys.hmacKey, aad);
  },
  open: (sealed, keys, aad) => verifiedData(sealed, keys.hmacKey, aad),
};

const signFirst: Order = {
  before: nonceBytes + macBytes,
  after: tagBytes,
  seal(target, start, keys, aad) {
    signInPlace(target, start + nonceBytes, target.length - tagBytes, keys.hmacKey, aad);
    encryptInPlace(target, start, target.length, keys.aesKey, aad);
  },
  open: (sealed, keys, aad) => verifiedData(decryptBytes(sealed, keys.aesKey, aad), keys.hmacKey, aad),
};

const encryptFirst: Order = {
  before: macBytes + nonceBytes,
  after: tagBytes,
  seal(target, start, keys, aad) {
    encryptInPlace(target, start + macBytes, target.length, keys.aesKey, aad);
    signInPlace(target, start, target.length, keys.hmacKey, aad);
  },
  open: (sealed, keys, aad) => decryptBytes(verifiedData(sealed, keys.hmacKey, aad), keys.aesKey, aad),
};

function orderFor({ aesKey, hmacKey }: BodyKeys, signThenEncrypt: boolean): Order {
  if (aesKey === null) return hmacKey === null ? neither : signOnly;
  if (hmacKey === null) return encryptOnly;
  return signThenEncrypt ? signFirst : encryptFirst;
}

/** Everything about a body that stays the same from message to message. */
export interface BodyRules {
  readonly order: Order;
  readonly keys: PresentKeys;
  readonly flagged: boolean;
}

export function bodyRules(keys: BodyKeys, signThenEncrypt: boolean, flagged: boolean): BodyRules {
  return { order: orderFor(keys, signThenEncrypt), keys: keys as PresentKeys, flagged };
}

/** The first byte of a flagged plaintext: how the payload behind it is written. */
export const flag: { readonly asIs: 0; readonly deflated: 1 } = Object.freeze({ asIs: 0, deflated: 1 });

/**
 * `prefix` and the sealed payload, in memory of their own. If the body is flagged and `level` is not 0, the payload is
 * deflated, unless that does not make it smaller.
 */
export function sealBody(
  rules: BodyRules,
  payload: Uint8Array,
  level: number,
  prefix: Uint8Array | null,
  aad: Uint8Array | null,
): Uint8Array {
  if (!rules.flagged) return build(rules, -1, payload, prefix, aad);
  if (level > 0) {
    const smaller = deflated(payload, level);
    if (smaller.length < payload.length) return build(rules, flag.deflated, smaller, prefix, aad);
  }
  return build(rules, flag.asIs, payload, prefix, aad);
}

/** A negative `flagByte` means: no flag byte. */
function build(
  { order, keys }: BodyRules,
  flagByte: number,
  payload: Uint8Array,
  prefix: Uint8Array | null,
  aad: Uint8Array | null,
): Uint8Array {
  const start = prefix === null ? 0 : prefix.length;
  const first = start + order.before + (flagByte < 0 ? 0 : 1);
  const target = new Uint8Array(first + payload.length + order.after);
  if (prefix !== null) target.set(prefix);
  if (flagByte > 0) target[first - 1] = flagByte;
  target.set(payload, first);
  order.seal(target, start, keys, aad);
  return target;
}

/** The payload of a sealed body; may be a view of `sealed`. An inflated one has at most `maxBytes`. */
export function openBody(rules: BodyRules, sealed: Uint8Array, maxBytes: number, aad: Uint8Array | null): Uint8Array {
  const plaintext = rules.order.open(sealed, rules.keys, aad);
  return rules.flagged ? payloadOf(plaintext, maxBytes) : plaintext;
}

function payloadOf(plaintext: Uint8Array, maxBytes: number): Uint8Array {
  if (isDeflated(plaintext)) return inflated(plaintext.subarray(1), maxBytes);
  return plaintext.subarray(1);
}

/** What the flag of a plaintext says. */
export function isDeflated(plaintext: Uint8Array): boolean {
  if (plaintext.length === 0) throw badFormat('there is no flag before its payload');
  const first = plaintext[0] as number;
  if (first > flag.deflated) throw badFormat(`its flag is ${first}, which means nothing`);
  return first === flag.deflated;
}
